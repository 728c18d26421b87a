//! Content coding: picks identity, gzip or br from `Accept-Encoding` (RFC 9110 §12.5.3), and compresses.

use crate::metrics::Compression;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Content coding of a representation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentCoding {
    /// Not compressed.
    Identity,
    /// Compressed.
    Packed(Compression),
}

/// The codings that a client gets text in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preference {
    /// The coding with the highest quality; among equals br, then gzip, then identity.
    pub best: ContentCoding,
    /// The coding for a range of the text: identity, unless the client refuses it and accepts another coding.
    pub ranged: ContentCoding,
}

/// A quality value in thousandths.
type Quality = u16;

impl Preference {
    /// Reads `Accept-Encoding` from `headers`.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let quality = |coding| quality_of(headers, coding);
        let star = quality("*");
        // Identity is acceptable unless refused by name or by a star. If it is not named, any other coding is
        // preferred.
        let identity = quality("identity").or(star.filter(|star| *star == 0));
        let gzip = quality("gzip").or_else(|| quality("x-gzip")).or(star).unwrap_or(0);
        let br = quality("br").or(star).unwrap_or(0);
        // br compresses better, so it comes last: `max_by_key` returns the last of equal maxima.
        let packed =
            [(gzip, Compression::Gzip), (br, Compression::Brotli)].into_iter().max_by_key(|(quality, _)| *quality);
        let liked = packed.filter(|(quality, _)| *quality > 0 && *quality >= identity.unwrap_or(0));
        let best = liked.map_or(ContentCoding::Identity, |(_, packing)| ContentCoding::Packed(packing));
        // If no coding is acceptable, identity is sent anyway (RFC 9110 §12.5.3).
        let ranged = if identity == Some(0) { best } else { ContentCoding::Identity };
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

/// Parses a weight: `q=0.5`, at most three decimals (RFC 9110 §12.4.2).
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

/// Quality of br, up to 11. Measured on the playlist of a two-hour film and on the gallery's players: 5 costs about as
/// much as gzip at 6 (2.5 and 1.8 ms for 46 KB) and its output is 7 % smaller; 9 costs six times that for another 1 %,
/// 11 fifty times.
const BROTLI_QUALITY: i32 = 5;

/// Compression level of gzip, up to 9.
const GZIP_LEVEL: u32 = 6;

/// Largest text compressed on the async thread, in bytes: it takes less than a millisecond.
const INLINE: usize = 16 << 10;

/// Compresses texts: large ones on blocking threads, at most one per processor at a time.
#[derive(Debug)]
pub(super) struct Compressor {
    turns: Arc<Semaphore>,
}

impl Compressor {
    pub(super) fn new() -> Self {
        let turns = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { turns: Arc::new(Semaphore::new(turns)) }
    }

    /// Compresses `text`.
    pub(super) async fn pack(&self, packing: Compression, text: Bytes) -> Bytes {
        if text.len() <= INLINE {
            return pack(packing, &text);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let packed = spawn_blocking({
            let text = text.clone();
            move || {
                // The thread holds its permit until it is done, even if the client hangs up meanwhile.
                let _turn = turn;
                pack(packing, &text)
            }
        });
        packed.await.unwrap_or_else(|_| pack(packing, &text))
    }
}

/// Compresses `text`. Equal text gives equal bytes: the output contains no time and no file name.
pub(super) fn pack(packing: Compression, mut text: &[u8]) -> Bytes {
    match packing {
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
            encoder.write_all(text).expect("writing to a Vec cannot fail");
            encoder.finish().expect("writing to a Vec cannot fail").into()
        }
        Compression::Brotli => {
            let (size_hint, mut packed) = (text.len(), Vec::new());
            let settings = BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint, ..BrotliEncoderParams::default() };
            brotli::BrotliCompress(&mut text, &mut packed, &settings).expect("a slice and a Vec never fail");
            packed.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Compressor, ContentCoding, INLINE, Preference, pack};
    use crate::metrics::Compression;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use hyper::HeaderMap;
    use hyper::header::{ACCEPT_ENCODING, HeaderValue};
    use std::io::Read;
    use std::pin::pin;

    const IDENTITY: ContentCoding = ContentCoding::Identity;
    const GZIP: ContentCoding = ContentCoding::Packed(Compression::Gzip);
    const BROTLI: ContentCoding = ContentCoding::Packed(Compression::Brotli);

    fn of(value: &'static str) -> (ContentCoding, ContentCoding) {
        let headers: HeaderMap = [(ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
        let Preference { best, ranged } = Preference::of(&headers);
        (best, ranged)
    }

    #[test]
    fn what_is_smaller_is_sent_to_those_who_like_it_as_well() {
        for value in ["br", "BR", "*", "gzip, br", "gzip;q=0.5, br;q=0.5", "gzip;q=0.1, *;q=0.2", "br, identity;q=1"] {
            assert_eq!(of(value), (BROTLI, IDENTITY), "{value}");
        }
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br;q=0.9, gzip",
            "br;q=0, *",
            "gzip, br;q=0",
            "zstd, gzip;q=0.001",
            "gzip;q=1.0,identity;q=1",
            "gzip, identity;q=1, *;q=0",
        ] {
            assert_eq!(of(value), (GZIP, IDENTITY), "{value}");
        }
    }

    #[test]
    fn what_is_not_named_or_less_liked_than_identity_is_not_sent() {
        for value in [
            "",
            "zstd",
            "gzip;q=0",
            "gzip;q=0.000, br;q=0",
            "identity, gzip;q=0.5, br;q=0.999",
            "gzip;q=2",
            "gzip;q=0.0001",
            "gzip;x=1",
        ] {
            assert_eq!(of(value), (IDENTITY, IDENTITY), "{value}");
        }
    }

    #[test]
    fn a_refused_identity_leaves_the_others_even_for_ranges() {
        for value in ["identity;q=0, *", "br, gzip, identity;q=0", "br, *;q=0"] {
            assert_eq!(of(value), (BROTLI, BROTLI), "{value}");
        }
        for value in ["gzip, identity;q=0", "gzip, *;q=0"] {
            assert_eq!(of(value), (GZIP, GZIP), "{value}");
        }
        for value in ["identity;q=0", "*;q=0", "identity;q=0, gzip;q=0"] {
            assert_eq!(of(value), (IDENTITY, IDENTITY), "{value}");
        }
    }

    #[test]
    fn without_the_header_nothing_is_compressed() {
        assert_eq!(Preference::of(&HeaderMap::new()).best, IDENTITY);
    }

    #[tokio::test]
    async fn only_a_large_text_is_compressed_on_a_thread_of_its_own() {
        let threads = Compressor::new();
        let text = |bytes| Bytes::from(vec![b'a'; bytes]);
        assert!(threads.pack(Compression::Brotli, text(INLINE)).now_or_never().is_some());
        let mut packed = pin!(threads.pack(Compression::Brotli, text(INLINE + 1)));
        assert!(packed.as_mut().now_or_never().is_none());
        assert_eq!(packed.await, pack(Compression::Brotli, &text(INLINE + 1)));
    }

    #[test]
    fn what_is_compressed_is_restored_and_equal_each_time() {
        let text = b"#EXTM3U\n".repeat(100);
        let [gzip, br] = [Compression::Gzip, Compression::Brotli].map(|packing| pack(packing, &text));
        let (mut unzipped, mut restored) = (Vec::new(), Vec::new());
        flate2::read::GzDecoder::new(gzip.as_ref()).read_to_end(&mut unzipped).unwrap();
        brotli::BrotliDecompress(&mut br.as_ref(), &mut restored).unwrap();
        assert_eq!((&unzipped, &restored), (&text, &text));
        assert_eq!((pack(Compression::Gzip, &text), pack(Compression::Brotli, &text)), (gzip, br));
    }
}
