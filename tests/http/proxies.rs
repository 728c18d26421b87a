//! Behind proxies: responses contain neither host nor prefix, so that no request header can change them for others.

use crate::site::{URLS, beside, lasting, shared};
use crate::support::Answer;

const PREFIX: &str = "/video";

/// The values of the attributes `names` in `text`.
fn attributes<'a>(text: &'a str, names: &[&str]) -> Vec<&'a str> {
    let values = |name: &&str| {
        let start = format!("{name}=\"");
        text.match_indices(&start)
            .map(|(at, _)| text[at + start.len()..].split('"').next().unwrap())
            .collect::<Vec<_>>()
    };
    names.iter().flat_map(values).collect()
}

/// The references of an HLS playlist.
fn of_playlist(text: &str) -> Vec<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.chain(attributes(text, &["URI"])).collect()
}

/// The references of a DASH manifest: templates only.
fn of_manifest(text: &str) -> Vec<&str> {
    for element in ["<BaseURL", "<Location", "xlink:href"] {
        assert!(!text.contains(element), "{element}");
    }
    attributes(text, &["media", "initialization", "index", "sourceURL"])
}

/// Checks that `reference`, found in the response for `of`, is relative, so that it stays right wherever the text is
/// put (RFC 3986 §4.2). Returns its target below [`PREFIX`], without the prefix.
#[track_caller]
fn below_prefix(of: &str, reference: &str) -> String {
    assert!(!reference.starts_with('/') && !reference.contains("://"), "{of}: {reference}");
    let whole = beside(&format!("{PREFIX}{of}"), reference);
    whole.strip_prefix(PREFIX).unwrap_or_else(|| unreachable!("{whole}")).to_owned()
}

#[test]
fn what_manifests_refer_to_is_found_below_any_prefix() {
    let server = shared();
    let text = |path: &str| server.get(path, "").text().to_owned();
    let entry = text(URLS.entry);
    let playlists: Vec<String> = of_playlist(&entry).iter().map(|each| below_prefix(URLS.entry, each)).collect();
    assert!(playlists.len() > 1);
    for playlist in playlists {
        for reference in of_playlist(&text(&playlist)) {
            assert_eq!(server.ask("HEAD", &below_prefix(&playlist, reference), "").status, 200, "{reference}");
        }
    }
    let dash = "/vod/natural/index.mpd";
    let manifest = text(dash);
    let templates = of_manifest(&manifest);
    assert!(templates.len() > 1);
    for template in templates {
        let reference = template.replace("$Number$", "1");
        assert_eq!(server.ask("HEAD", &below_prefix(dash, &reference), "").status, 200, "{template}");
    }
}

#[test]
fn the_gallery_is_found_below_any_prefix() {
    let server = shared();
    let page = server.get("/", "");
    let references = attributes(page.text(), &["href", "src"]);
    assert!(references.len() > 3);
    for reference in references {
        // Browsers keep a fragment to themselves.
        let (path, _) = reference.split_once('#').unwrap_or((reference, ""));
        assert_eq!(server.get(&below_prefix("/", path.trim_start_matches("./")), "").status, 200, "{reference}");
    }
    let list = "/~gallery/asset.json";
    let line = &server.get("/~gallery/assets.json?q=natural", "").json()["assets"][0];
    let detail = below_prefix("/~gallery/assets.json", line["detail"].as_str().unwrap());
    assert_eq!(server.get(&detail, "").json()["id"], line["id"]);
    for asset in server.assets() {
        let files = asset["files"].as_array().unwrap().iter();
        for address in files.chain([&asset["hls"], &asset["dash"]]).filter_map(|address| address.as_str()) {
            assert_eq!(server.ask("HEAD", &below_prefix(list, address), "").status, 200, "{address}");
        }
    }
    for path in ["/~gallery/app.js", "/~gallery/style.css"] {
        let answer = server.get(path, "");
        for quote in ["'", "\"", "`", "("] {
            for root in ["/~gallery", "/vod"] {
                assert!(!answer.text().contains(&format!("{quote}{root}")), "{path}: {quote}{root}");
            }
        }
    }
}

#[test]
fn no_header_changes_what_others_get() {
    let server = shared();
    for path in
        [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/", "/~gallery/assets.json", "/vod/missing/index.mpd"]
    {
        let plain = server.get(path, "");
        for headers in [
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Proto: https\nX-Forwarded-Port: 444\nX-Forwarded-Server: evil.example",
            "X-Forwarded-Prefix: /evil\nX-Forwarded-Path: /evil\nX-Script-Name: /evil",
            "Forwarded: for=192.0.2.1;host=evil.example;proto=https",
            "X-Original-URL: /vod/barcode/index.mpd\nX-Rewrite-URL: /vod/barcode/index.mpd",
            "X-HTTP-Method-Override: DELETE\nX-HTTP-Method: DELETE",
            "Origin: https://evil.example\nReferer: https://evil.example/",
            "Accept: text/html\nAccept-Language: fr\nCookie: a=b\nAuthorization: Bearer x\nUser-Agent: other",
        ] {
            assert_same(&plain, &server.get(path, headers), headers);
        }
    }
}

#[test]
fn no_host_changes_what_others_get() {
    let server = shared();
    for path in [URLS.entry, &URLS.playlist, "/vod/natural/index.mpd", "/"] {
        let plain = server.get(path, "");
        for head in [
            format!("{path} HTTP/1.1\r\nHost: evil.example:81"),
            format!("{path} HTTP/1.1\r\nHost: [2001:db8::1]"),
            format!("{path} HTTP/1.1\r\nHost:"),
            format!("http://evil.example{path} HTTP/1.1\r\nHost: evil.example"),
            format!("HTTPS://evil.example:81{path} HTTP/1.1\r\nHost: other.example"),
        ] {
            let mut client = server.connect();
            client.send(&format!("GET {head}\r\n\r\n"));
            assert_same(&plain, &client.answer("GET"), &head);
        }
    }
}

#[track_caller]
fn assert_same(one: &Answer, other: &Answer, with: &str) {
    assert_eq!((one.status, lasting(one)), (other.status, lasting(other)), "{with}");
    assert!(nameless(one) == nameless(other), "{with}");
}

/// The body; of a problem, without the request id.
fn nameless(answer: &Answer) -> Vec<u8> {
    if answer.header("content-type") != Some("application/problem+json") {
        return answer.body.clone();
    }
    let mut problem = answer.json();
    assert!(problem.as_object_mut().unwrap().remove("request_id").is_some());
    problem.to_string().into_bytes()
}
