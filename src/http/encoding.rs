//! `Accept-Encoding` → identity or gzip (RFC 9110 §12.5.3), and gzip itself.

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use std::io::Write;

/// How a representation is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
}

/// What a client accepts of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preference {
    /// The coding it likes best; gzip where it likes both.
    pub best: Coding,
    /// The coding for a range of the text: identity, unless that is refused and gzip is not.
    pub ranged: Coding,
}

/// A quality in thousandths.
type Quality = u16;

impl Preference {
    /// What `headers` say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let quality = |coding| quality_of(headers, coding);
        let star = quality("*");
        let gzip = quality("gzip").or_else(|| quality("x-gzip")).or(star).unwrap_or(0);
        // Identity is acceptable unless refused by name or by a star, and then liked least unless named.
        let identity = quality("identity").or(star.filter(|star| *star == 0));
        let best = if gzip > 0 && gzip >= identity.unwrap_or(0) { Coding::Gzip } else { Coding::Identity };
        // Where nothing is acceptable, identity is sent all the same (RFC 9110 §12.5.3).
        let ranged = if identity == Some(0) { best } else { Coding::Identity };
        Self { best, ranged }
    }
}

fn quality_of(headers: &HeaderMap, coding: &str) -> Option<Quality> {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let mut elements = lists.flat_map(|list| list.split(','));
    elements.find_map(|element| {
        let mut parts = element.split(';').map(|part| part.trim_matches([' ', '\t']));
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        named.then(|| parts.next().map_or(Some(1_000), weight)).flatten()
    })
}

/// RFC 9110 §12.4.2: `q=0.5`, at most three decimals.
fn weight(parameter: &str) -> Option<Quality> {
    let (name, value) = parameter.split_once('=')?;
    let (whole, decimals) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let shaped = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    if !name.trim().eq_ignore_ascii_case("q") || !shaped {
        return None;
    }
    let thousandths: Quality = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1_000),
        _ => None,
    }
}

/// `text` compressed. Equal text gives equal bytes: no time and no name is written.
pub(super) fn gzip(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(text).expect("a Vec takes all bytes");
    encoder.finish().expect("a Vec takes all bytes").into()
}

#[cfg(test)]
mod tests {
    use super::{Coding, Preference, gzip};
    use hyper::HeaderMap;
    use hyper::header::{ACCEPT_ENCODING, HeaderValue};
    use std::io::Read;

    fn of(value: &'static str) -> (Coding, Coding) {
        let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
        let Preference { best, ranged } = Preference::of(&headers);
        (best, ranged)
    }

    #[test]
    fn gzip_is_sent_to_those_who_like_it_at_least_as_well() {
        for value in
            ["gzip", "GZIP", "x-gzip", "br, gzip;q=0.001", "*", "gzip;q=1.0,identity;q=1", "gzip, identity;q=1, *;q=0"]
        {
            assert_eq!(of(value), (Coding::Gzip, Coding::Identity), "{value}");
        }
        for value in [
            "",
            "br",
            "gzip;q=0",
            "gzip;q=0.000",
            "gzip;q=0, *",
            "identity, gzip;q=0.5",
            "gzip;q=2",
            "gzip;q=0.0001",
            "gzip;x=1",
        ] {
            assert_eq!(of(value), (Coding::Identity, Coding::Identity), "{value}");
        }
    }

    #[test]
    fn a_refused_identity_leaves_gzip_even_for_ranges() {
        for value in ["identity;q=0, *", "gzip, identity;q=0", "gzip, *;q=0"] {
            assert_eq!(of(value), (Coding::Gzip, Coding::Gzip), "{value}");
        }
        for value in ["identity;q=0", "*;q=0", "identity;q=0, gzip;q=0"] {
            assert_eq!(of(value), (Coding::Identity, Coding::Identity), "{value}");
        }
    }

    #[test]
    fn without_the_header_nothing_is_compressed() {
        assert_eq!(Preference::of(&HeaderMap::new()).best, Coding::Identity);
    }

    #[test]
    fn what_is_compressed_is_restored_and_equal_each_time() {
        let text = b"#EXTM3U\n".repeat(100);
        let packed = gzip(&text);
        let mut restored = Vec::new();
        flate2::read::GzDecoder::new(packed.as_ref()).read_to_end(&mut restored).unwrap();
        assert_eq!(restored, text);
        assert_eq!(gzip(&text), packed);
    }
}
