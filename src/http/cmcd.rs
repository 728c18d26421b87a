//! Reads the next object that a player announces: `nor` of Common Media Client Data (CTA-5004 §3), in the header
//! `CMCD-Request` or in the query parameter `CMCD`.

use super::query::parameter;
use crate::route::Route;
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;

/// Longest CMCD value that is parsed, in bytes.
const LIMIT: usize = 2_048;

/// The route that the player announces as its next request; `None` if it announces none.
pub(super) fn next(request: &Parts) -> Option<Route> {
    let header = request.headers.get("cmcd-request").and_then(|value| value.to_str().ok());
    let query =
        || request.uri.query().filter(|query| query.contains("CMCD=")).and_then(|query| parameter(query, "CMCD"));
    let said = header.map(str::to_owned).or_else(query).filter(|said| said.len() <= LIMIT)?;
    let reference = percent_decode_str(object(&said)?).decode_utf8().ok()?.into_owned();
    Route::parse(&resolved(request.uri.path(), &reference)?)
}

/// The string value of `nor`; the first one of a list.
fn object(said: &str) -> Option<&str> {
    let mut rest = said;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(value) = rest.strip_prefix("nor=") {
            return value.trim_start_matches('(').strip_prefix('"')?.split('"').next();
        }
        // Commas inside strings are no separators.
        let mut quoted = false;
        let end = rest.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        rest = rest.get(end?..)?;
    }
}

/// Resolves `reference` relative to the path `base` (RFC 3986 §5.2). `None` if it leads to another server.
fn resolved(base: &str, reference: &str) -> Option<String> {
    let reference = reference.split(['?', '#']).next()?;
    if reference.starts_with("//") || reference.split('/').next()?.contains(':') {
        return None;
    }
    if reference.starts_with('/') {
        return Some(reference.into());
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::{next, object, resolved};
    use crate::route::{Part, Route};
    use hyper::Request;

    #[test]
    fn the_object_is_found_among_other_keys_and_in_lists() {
        assert_eq!(object("bl=21300,nor=\"2.m4s\",su"), Some("2.m4s"));
        assert_eq!(object("sid=\"a,nor=b\", nor=(\"3.m4s\";r=\"0-9\" \"4.m4s\")"), Some("3.m4s"));
        for said in ["", "nor", "nor=", "nor=2.m4s", "minor=\"2\"", "sid=\"nor=", ",,,"] {
            assert_eq!(object(said), None, "{said}");
        }
    }

    #[test]
    fn a_reference_is_resolved_as_browsers_do_and_never_to_another_server() {
        for (reference, path) in
            [("3.m4s", "/a/b/3.m4s"), ("../c/./3.m4s?x", "/a/c/3.m4s"), ("/x", "/x"), ("../../../y", "y")]
        {
            assert_eq!(resolved("/a/b/2.m4s", reference).as_deref(), Some(path));
        }
        for reference in ["https://host/x", "//host/x", "data:x"] {
            assert_eq!(resolved("/a/b/2.m4s", reference), None, "{reference}");
        }
    }

    #[test]
    fn header_and_query_say_the_same() {
        let version = "~0123456789abcdef01234567";
        let at = |number| format!("/vod/film/{version}/v1/{number}.m4s");
        let said = |uri: &str, header: Option<&str>| {
            let request = Request::builder().uri(uri);
            let request = header.into_iter().fold(request, |request, said| request.header("CMCD-Request", said));
            next(&request.body(()).unwrap().into_parts().0)
        };
        let wanted = Route::parse(&at(3));
        assert!(matches!(&wanted, Some(Route::Stream(.., Part::Segment(3)))), "{wanted:?}");
        assert_eq!(said(&at(2), Some("mtp=100,nor=\"3.m4s\"")), wanted);
        assert_eq!(said(&at(2), Some("nor=\"..%2Fv1%2F3.m4s\"")), wanted);
        assert_eq!(said(&format!("{}?CMCD=mtp%3D100%2Cnor%3D%223.m4s%22", at(2)), None), wanted);
        assert_eq!(said(&at(2), Some("nor=\"/else/3.m4s\"")), None);
        assert_eq!(said(&at(2), None), None);
    }
}
