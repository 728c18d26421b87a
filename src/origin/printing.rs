//! Prints manifests within limits. A text that would exceed a limit is refused with an error that names the limit. A
//! large text waits for room in memory and is printed on a blocking thread, so that it does not delay other responses.

use super::error::Error;
use crate::cache::Governor;
use crate::manifest::Text;
use crate::media::u64_from_usize;
use std::time::Duration;

/// Texts of up to this many bytes are printed inline, which takes less than a millisecond.
const INLINE: u64 = 32 << 10;

/// How long a large text waits for room to print it.
const WAIT: Duration = Duration::from_secs(10);

/// Beginning of the lines that count as variants (RFC 8216 §4.3.4.2).
const VARIANT: &[u8] = b"#EXT-X-STREAM-INF:";

/// Size limits of manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestLimits {
    /// Most variants of a multivariant playlist.
    pub variants: usize,
    /// Most bytes of one text.
    pub bytes: u64,
}

impl Default for ManifestLimits {
    /// 1,000 variants, 8 MiB.
    fn default() -> Self {
        Self { variants: 1_000, bytes: 8 << 20 }
    }
}

/// Prints manifests within limits. Clones share the room for large texts.
#[derive(Debug, Clone)]
pub(super) struct Printing {
    bounds: ManifestLimits,
    room: Governor,
}

impl Printing {
    /// A printer with the limits `bounds`. Large texts that are printed at the same time take at most `room` bytes.
    pub(super) fn new(bounds: ManifestLimits, room: u64) -> Self {
        Self { bounds, room: Governor::new(room, WAIT) }
    }

    /// Runs `print` and returns its result. `estimate` is the estimated size of its text in bytes. Fails if that exceeds
    /// the limit, or if there is no room in time.
    pub(super) async fn print<T: Send + 'static>(
        &self,
        estimate: u64,
        print: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if estimate > self.bounds.bytes {
            return Err(self.too_large(estimate));
        }
        if estimate <= INLINE {
            return print();
        }
        let room = self.room.enter(estimate).await;
        let room = room.map_err(|shed| Error::Interrupted(format!("no room to print a manifest in: {shed}")))?;
        let printed = tokio::task::spawn_blocking(move || {
            let _room = room;
            print()
        });
        printed.await.unwrap_or_else(|_| Err(Error::Interrupted("printing a manifest was given up".into())))
    }

    /// Checks that `text` is within the limits.
    pub(super) fn check(&self, text: &Text) -> Result<(), Error> {
        let bytes = u64_from_usize(text.text.len());
        if bytes > self.bounds.bytes {
            return Err(self.too_large(bytes));
        }
        let variants = text.text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(VARIANT)).count();
        if variants > self.bounds.variants {
            let limit = self.bounds.variants;
            return Err(Error::Unplayable(format!(
                "its playlist would have {variants} variants; {limit} are allowed (`limits.variants`)"
            )));
        }
        Ok(())
    }

    fn too_large(&self, bytes: u64) -> Error {
        let limit = self.bounds.bytes;
        Error::Unplayable(format!(
            "its manifest would have about {bytes} bytes; {limit} are allowed (`limits.manifest_bytes`)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{INLINE, ManifestLimits, Printing};
    use std::thread;

    #[tokio::test]
    async fn only_a_large_text_is_printed_on_a_thread_of_its_own() {
        let printing = Printing::new(ManifestLimits { variants: 1, bytes: 1 << 20 }, 1 << 20);
        let here = thread::current().id();
        let printed_here = async |bytes| {
            let place = printing.print(bytes, || Ok(thread::current().id())).await;
            place.map(|place| place == here).map_err(|error| error.to_string())
        };
        assert_eq!(printed_here(INLINE).await, Ok(true));
        assert_eq!(printed_here(INLINE + 1).await, Ok(false));
        assert_eq!(
            printed_here((1 << 20) + 1).await,
            Err("its manifest would have about 1048577 bytes; 1048576 are allowed (`limits.manifest_bytes`)".into())
        );
    }
}
