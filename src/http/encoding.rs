//! `Accept-Encoding` → identity, gzip or br (RFC 9110 §12.5.3), and the compression itself.

use crate::metrics::Packing;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::HeaderMap;
use hyper::header::{ACCEPT_ENCODING, HeaderValue};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// How a representation is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    Identity,
    /// Compressed.
    Packed(Packing),
}

/// What a client accepts of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Preference {
    /// The coding it likes best; of those that it likes as well, br, then gzip.
    pub best: Coding,
    /// The coding for a range of the text: identity, unless that is refused and another is not.
    pub ranged: Coding,
}

/// A quality in thousandths.
type Quality = u16;

impl Preference {
    /// What `headers` say.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let quality = |coding| quality_of(headers, coding);
        let star = quality("*");
        // Identity is acceptable unless refused by name or by a star, and then liked least unless named.
        let identity = quality("identity").or(star.filter(|star| *star == 0));
        let gzip = quality("gzip").or_else(|| quality("x-gzip")).or(star).unwrap_or(0);
        let br = quality("br").or(star).unwrap_or(0);
        // What is smaller comes last: the last of the greatest wins.
        let packed = [(gzip, Packing::Gzip), (br, Packing::Brotli)].into_iter().max_by_key(|(quality, _)| *quality);
        let liked = packed.filter(|(quality, _)| *quality > 0 && *quality >= identity.unwrap_or(0));
        let best = liked.map_or(Coding::Identity, |(_, packing)| Coding::Packed(packing));
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

/// How hard br tries, of 11. Measured on the playlist of a two-hour film and on the gallery's players: 5 costs what
/// gzip at 6 costs (2.5 and 1.8 ms for 46 KB) and gives 7 % less; 9 costs six times that for 1 % more, 11 fifty times.
const BROTLI_QUALITY: i32 = 5;

/// How hard gzip tries, of 9.
const GZIP_LEVEL: u32 = 6;

/// Bytes of a text that takes less than a millisecond to compress.
const INLINE: usize = 16 << 10;

/// Compresses texts: large ones on threads that may take long, as many at once as there are processors.
#[derive(Debug)]
pub(super) struct Packer {
    turns: Arc<Semaphore>,
}

impl Packer {
    pub(super) fn new() -> Self {
        let turns = available_parallelism().map_or(1, NonZeroUsize::get);
        Self { turns: Arc::new(Semaphore::new(turns)) }
    }

    /// `text` compressed.
    pub(super) async fn pack(&self, packing: Packing, text: Bytes) -> Bytes {
        if text.len() <= INLINE {
            return pack(packing, &text);
        }
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let packed = spawn_blocking({
            let text = text.clone();
            move || {
                // Given back when it is done, whoever hung up meanwhile.
                let _turn = turn;
                pack(packing, &text)
            }
        });
        packed.await.unwrap_or_else(|_| pack(packing, &text))
    }
}

/// `text` compressed. Equal text gives equal bytes: no time and no name is written.
pub(super) fn pack(packing: Packing, mut text: &[u8]) -> Bytes {
    match packing {
        Packing::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
            encoder.write_all(text).expect("a Vec takes all bytes");
            encoder.finish().expect("a Vec takes all bytes").into()
        }
        Packing::Brotli => {
            let (size_hint, mut packed) = (text.len(), Vec::new());
            let settings = BrotliEncoderParams { quality: BROTLI_QUALITY, size_hint, ..BrotliEncoderParams::default() };
            brotli::BrotliCompress(&mut text, &mut packed, &settings).expect("a slice is read, a Vec takes all bytes");
            packed.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Coding, INLINE, Packer, Preference, pack};
    use crate::metrics::Packing;
    use bytes::Bytes;
    use futures_util::FutureExt;
    use hyper::HeaderMap;
    use hyper::header::{ACCEPT_ENCODING, HeaderValue};
    use std::io::Read;
    use std::pin::pin;

    const IDENTITY: Coding = Coding::Identity;
    const GZIP: Coding = Coding::Packed(Packing::Gzip);
    const BROTLI: Coding = Coding::Packed(Packing::Brotli);

    fn of(value: &'static str) -> (Coding, Coding) {
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
        let threads = Packer::new();
        let text = |bytes| Bytes::from(vec![b'a'; bytes]);
        assert!(threads.pack(Packing::Brotli, text(INLINE)).now_or_never().is_some());
        let mut packed = pin!(threads.pack(Packing::Brotli, text(INLINE + 1)));
        assert!(packed.as_mut().now_or_never().is_none());
        assert_eq!(packed.await, pack(Packing::Brotli, &text(INLINE + 1)));
    }

    #[test]
    fn what_is_compressed_is_restored_and_equal_each_time() {
        let text = b"#EXTM3U\n".repeat(100);
        let [gzip, br] = [Packing::Gzip, Packing::Brotli].map(|packing| pack(packing, &text));
        let (mut unzipped, mut restored) = (Vec::new(), Vec::new());
        flate2::read::GzDecoder::new(gzip.as_ref()).read_to_end(&mut unzipped).unwrap();
        brotli::BrotliDecompress(&mut br.as_ref(), &mut restored).unwrap();
        assert_eq!((&unzipped, &restored), (&text, &text));
        assert_eq!((pack(Packing::Gzip, &text), pack(Packing::Brotli, &text)), (gzip, br));
    }
}
