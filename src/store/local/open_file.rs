//! [`OpenFile`]: one version of one local file, kept open. A read returns bytes of that version, or an error.
//!
//! The descriptor stays open, so a file that another is renamed over can still be read whole. After each read, the
//! file's size and times must be unchanged, so bytes of two versions never mix. Writes in place that preserve size,
//! mtime and ctime are outside this promise.
//!
//! File times advance in ticks: a write in the same tick as the check that opened the file would leave no trace
//! ("racily clean", as git's index calls it). So a file is opened only once its ctime lies more than a tick back: every
//! later write gets another ctime, and earlier writes are part of the version that is read.
//!
//! Bytes in the page cache are read on the calling thread, by calls that fail rather than block, in turns of 1.25 MiB
//! between which other tasks run. At the first bytes that are not in the page cache, the rest of the read moves to the
//! blocking pool in one hop.

use super::file_range::FileRange;
use super::reading::{RangeRead, ReadProgress};
use super::system::{self, NowaitError};
use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::stamp::Stamp;
use bytes::Bytes;
use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Longest single buffer that is read on the calling thread, in bytes.
const PIECE_LIMIT: usize = 256 << 10;

/// Distance in bytes between two probes that find out how much of a file is in the page cache.
const STRIDE: usize = 256 << 10;

/// How often the times of a file are checked while it is opened, a tick apart, before it counts as being written to.
const LOOKS: u32 = 4;

/// One version of one file. Cheap to clone; the file stays open as long as a clone lives.
#[derive(Debug, Clone)]
pub(in crate::store) struct OpenFile {
    held: Arc<OpenedFile>,
}

/// An open file.
#[derive(Debug)]
pub(super) struct OpenedFile {
    path: String,
    pub(in crate::store) file: File,
    stamp: Stamp,
    links: Mutex<Links>,
    shared: Arc<StoreContext>,
    /// Whether the file system supports reads that do not block.
    able: AtomicBool,
}

/// Number of names (hard links) of the file, and its ctime at that number.
#[derive(Debug, Clone, Copy)]
struct Links {
    count: u64,
    changed: (i64, i64),
}

impl OpenFile {
    pub(in crate::store) fn new(path: &str, file: File, shared: Arc<StoreContext>) -> Result<Self, Error> {
        let metadata = still(path, &file)?;
        if !metadata.is_file() {
            return Err(Error::NotAFile { path: path.into() });
        }
        let stamp = Stamp::of_file(&metadata);
        let links = Mutex::new(Links { count: metadata.nlink(), changed: stamp.changed() });
        let able = AtomicBool::new(shared.is_able(metadata.dev()));
        Ok(Self { held: Arc::new(OpenedFile { path: path.into(), file, stamp, links, shared, able }) })
    }

    /// Path in the store.
    pub(in crate::store) fn path(&self) -> &str {
        &self.held.path
    }

    /// Stamp of this version.
    pub(in crate::store) fn stamp(&self) -> Stamp {
        self.held.stamp
    }

    /// Reads exactly the bytes of `range` into one buffer. Meant for headers: the caller bounds the length.
    pub(in crate::store) async fn read(&self, range: ByteRange) -> Result<Bytes, Error> {
        self.held.reach(range.end())?;
        let len = usize_from_u64(range.len());
        if len > PIECE_LIMIT {
            return self.in_pool(move |held| held.long(range)).await;
        }
        let piece = self.held.shared.spare.take(len);
        Ok(self.filled(RangeRead::new(&[range], vec![piece])).await?.pop().unwrap_or_default())
    }

    /// Reads the bytes of `ranges`, one range after the other, as separate chunks of
    /// [`CHUNK_LIMIT`](super::CHUNK_LIMIT) bytes; the last ones are smaller. Chunk boundaries are independent of range
    /// boundaries.
    pub(in crate::store) async fn read_ranges(&self, ranges: Vec<ByteRange>) -> Result<Vec<Bytes>, Error> {
        let mut len = 0_u64;
        for range in &ranges {
            self.held.reach(range.end())?;
            len = len.saturating_add(range.len());
        }
        self.filled(RangeRead::new(&ranges, self.held.shared.spare.take_chunks(len))).await
    }

    /// Reads the bytes of `range` in such chunks and blocks this thread meanwhile: for the blocking pool.
    pub(in crate::store) fn read_here(&self, range: ByteRange) -> Result<Vec<Bytes>, Error> {
        self.held.reach(range.end())?;
        self.held.waited(RangeRead::new(&[range], self.held.shared.spare.take_chunks(range.len())))
    }

    /// The beginning of `range` for sendfile: as many bytes as the page cache holds, judged by one byte of each
    /// [`STRIDE`]. `None` if it holds none, if that cannot be found out, and if the system cannot send files.
    pub(in crate::store) fn span(&self, range: ByteRange) -> Option<FileRange> {
        if !system::SENDS || !self.held.able.load(Ordering::Relaxed) || self.held.reach(range.end()).is_err() {
            return None;
        }
        let mut places = (range.start()..range.end()).step_by(STRIDE);
        let cold = places.find(|place| !system::has(&self.held.file, *place));
        let there = range.slice(0, cold.unwrap_or(range.end()) - range.start())?;
        Some(FileRange::new(Arc::clone(&self.held), there))
    }

    /// State that all objects of its store share.
    pub(in crate::store) fn shared(&self) -> &Arc<StoreContext> {
        &self.held.shared
    }

    /// Checks whether this version can still be read: an error if the file was written to since it was opened. It reads
    /// metadata that the system holds in memory for every open file, so it does not block if the disk is local.
    pub(in crate::store) fn check(&self) -> Result<(), Error> {
        self.held.check()
    }

    /// Reads on this thread as long as that does not block, and the rest in one hop to the blocking pool. Then checks
    /// that nobody wrote to the file meanwhile.
    async fn filled(&self, mut reading: RangeRead) -> Result<Vec<Bytes>, Error> {
        let mut hint = false;
        while self.held.able.load(Ordering::Relaxed) {
            match reading.now(&self.held.file, &self.held.shared.spare, |read| self.held.counted(read)) {
                ReadProgress::Whole => return self.held.finished(reading),
                ReadProgress::More => tokio::task::yield_now().await,
                ReadProgress::Stopped(NowaitError::Unable) => self.held.waits(),
                ReadProgress::Stopped(NowaitError::Cold) => {
                    hint = true;
                    break;
                }
            }
        }
        self.in_pool(move |held| {
            if hint {
                reading.hint(&held.file);
            }
            held.waited(reading)
        })
        .await
    }

    /// Runs `work` in the blocking pool.
    async fn in_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&OpenedFile) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let held = Arc::clone(&self.held);
        let done = tokio::task::spawn_blocking(move || work(&held));
        done.await.unwrap_or_else(|_| Err(Error::Abandoned { path: self.held.path.clone() }))
    }
}

impl OpenedFile {
    /// Reads a long range into one buffer, blocking; the buffer is not zeroed first.
    fn long(&self, range: ByteRange) -> Result<Bytes, Error> {
        let len = usize_from_u64(range.len());
        let mut bytes = Vec::with_capacity(len);
        // The allocator may give more room than requested: bytes read past the range are cut off.
        while bytes.len() < len {
            let at = range.start() + u64_from_usize(bytes.len());
            match system::append(&self.file, &mut bytes, at) {
                Ok(0) => return Err(self.truncated(range.end())),
                Ok(read) => self.counted(read),
                Err(error) => return Err(Error::from_io(&self.path, error.into())),
            }
        }
        bytes.truncate(len);
        self.check()?;
        Ok(bytes.into())
    }

    /// Completes `reading`, blocking.
    fn waited(&self, mut reading: RangeRead) -> Result<Vec<Bytes>, Error> {
        match reading.wait(&self.file, &self.shared.spare, |read| self.counted(read)) {
            Ok(true) => self.finished(reading),
            Ok(false) => Err(self.truncated(reading.end())),
            Err(error) => Err(Error::from_io(&self.path, error.into())),
        }
    }

    /// The chunks of a complete reading, if nobody wrote to the file meanwhile.
    fn finished(&self, reading: RangeRead) -> Result<Vec<Bytes>, Error> {
        self.check()?;
        let end = reading.end();
        reading.finish(&self.shared.spare).ok_or_else(|| self.truncated(end))
    }

    /// Counts the bytes that one system call read.
    fn counted(&self, read: usize) {
        self.shared.counted(u64_from_usize(read));
    }

    /// Counts the bytes that one system call took for sending without a copy.
    pub(in crate::store) fn uncopied(&self, taken: usize) {
        self.shared.uncopied(u64_from_usize(taken));
    }

    /// Records that the file system does not support reads that do not block.
    fn waits(&self) {
        self.able.store(false, Ordering::Relaxed);
        self.shared.waits(self.stamp.device());
    }

    fn reach(&self, end: u64) -> Result<(), Error> {
        if end > self.stamp.size() { Err(self.truncated(end)) } else { Ok(()) }
    }

    fn truncated(&self, end: u64) -> Error {
        Error::Truncated { path: self.path.clone(), end }
    }

    /// Checks that the file is still the version that was opened. Losing a name (being replaced by rename, or removed)
    /// changes a file's ctime but not its bytes: a lower link count reveals this case, which is not an error.
    pub(in crate::store) fn check(&self) -> Result<(), Error> {
        let metadata = self.file.metadata().map_err(|error| Error::from_io(&self.path, error))?;
        let now = Stamp::of_file(&metadata);
        let changed = || Error::Changed { path: self.path.clone() };
        if !now.is_as_written(&self.stamp) {
            return Err(changed());
        }
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        if now.changed() == links.changed {
            return Ok(());
        }
        if metadata.nlink() >= links.count {
            return Err(changed());
        }
        *links = Links { count: metadata.nlink(), changed: now.changed() };
        Ok(())
    }
}

/// Metadata of `file`, once no further write can go unnoticed. Blocks for one tick, at most a few; [`Error::Changed`]
/// if the file keeps changing.
fn still(path: &str, file: &File) -> Result<Metadata, Error> {
    for _ in 0..LOOKS {
        let metadata = file.metadata().map_err(|error| Error::from_io(path, error))?;
        let Some(wait) = Stamp::of_file(&metadata).unsure(SystemTime::now()) else { return Ok(metadata) };
        std::thread::sleep(wait);
    }
    Err(Error::Changed { path: path.into() })
}

#[cfg(test)]
mod tests {
    use crate::media::{ByteRange, u64_from_usize};
    use crate::store::{CHUNK_LIMIT, Error, Object, Store};
    use std::fs;
    use std::path::Path;

    fn range(start: u64, len: u64) -> ByteRange {
        ByteRange::new(start, len).unwrap()
    }

    async fn opened(folder: &Path, bytes: &[u8]) -> Object {
        fs::write(folder.join("a.mp4"), bytes).unwrap();
        Store::open_folder(folder).unwrap().open("a.mp4").await.unwrap()
    }

    #[tokio::test]
    async fn a_read_is_exactly_its_range() {
        let folder = tempfile::tempdir().unwrap();
        let object = opened(folder.path(), b"0123456789").await;
        assert_eq!(object.size(), 10);
        assert_eq!(object.read(range(3, 4)).await.unwrap(), "3456");
        assert!(matches!(object.read(range(3, 8)).await, Err(Error::Truncated { end: 11, .. })));
    }

    #[tokio::test]
    async fn ranges_become_chunks_of_the_limit_in_the_order_asked() {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..=255_u8).cycle().skip(7).step_by(3).take(1_000_000).collect();
        let object = opened(folder.path(), &bytes).await;
        let ranges = vec![range(500_000, 300_000), range(800_000, 10), range(5, 90), range(0, 300_000)];
        let chunks = object.read_ranges(ranges).await.unwrap();
        let sizes: Vec<u64> = chunks.iter().map(|chunk| u64_from_usize(chunk.len())).collect();
        let (whole, rest) = sizes.split_at(9);
        assert_eq!(whole, [CHUNK_LIMIT; 9]);
        assert!(rest.is_sorted_by(|one, next| one > next) && rest.iter().sum::<u64>() == 600_100 - 9 * CHUNK_LIMIT);
        let expected = [&bytes[500_000..800_010], &bytes[5..95], &bytes[..300_000]].concat();
        assert!(chunks.concat() == expected);
        assert!(object.read_ranges(vec![]).await.unwrap().is_empty());
        let beyond = object.read_ranges(vec![range(0, 1), range(999_999, 2)]).await;
        assert!(matches!(beyond, Err(Error::Truncated { end: 1_000_001, .. })));
    }

    #[tokio::test]
    async fn a_write_in_place_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let object = opened(folder.path(), b"0123456789").await;
        fs::write(folder.path().join("a.mp4"), b"9876543210").unwrap();
        assert!(matches!(object.read(range(0, 2)).await, Err(Error::Changed { .. })));
        fs::write(folder.path().join("a.mp4"), b"98").unwrap();
        assert!(matches!(object.read(range(4, 2)).await, Err(Error::Truncated { end: 6, .. })));
    }

    #[tokio::test]
    async fn a_file_that_is_replaced_or_removed_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let object = opened(folder.path(), b"old bytes").await;
        fs::write(folder.path().join("new"), b"new").unwrap();
        fs::rename(folder.path().join("new"), folder.path().join("a.mp4")).unwrap();
        assert_eq!(object.read(range(0, 9)).await.unwrap(), "old bytes");
        assert_eq!(object.read(range(0, 3)).await.unwrap(), "old");
        fs::remove_file(folder.path().join("a.mp4")).unwrap();
        assert_eq!(object.read_ranges(vec![range(4, 5)]).await.unwrap(), ["bytes"]);
    }

    #[tokio::test]
    async fn a_write_in_the_tick_of_the_opening_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        for turn in 0..20_u8 {
            let object = opened(folder.path(), &[turn; 10]).await;
            let before = object.read(range(0, 10)).await.unwrap();
            fs::write(folder.path().join("a.mp4"), [turn + 100; 10]).unwrap();
            assert_eq!(before, vec![turn; 10]);
            assert!(matches!(object.read(range(0, 10)).await, Err(Error::Changed { .. })), "{turn}");
            assert!(matches!(object.verify().await, Err(Error::Changed { .. })), "{turn}");
        }
    }

    #[tokio::test]
    async fn a_span_ends_where_the_page_cache_does() {
        let folder = tempfile::tempdir().unwrap();
        let object = opened(folder.path(), &vec![7; 8 << 20]).await;
        let half = 4 << 20;
        if object.span(range(0, 2 * half)).is_none() {
            // A file system in memory cannot say what is in the page cache.
            return;
        }
        let file = fs::File::open(folder.path().join("a.mp4")).unwrap();
        file.sync_all().unwrap();
        let rest = std::num::NonZeroU64::new(half);
        rustix::fs::fadvise(&file, half, rest, rustix::fs::Advice::DontNeed).unwrap();
        assert_eq!(object.span(range(100, 2 * half - 100)).unwrap().left(), half);
        assert!(object.span(range(half, 10)).is_none());
        object.read(range(half, 10)).await.unwrap();
        assert_eq!(object.span(range(half, 10)).unwrap().left(), 10);
        assert!(object.span(range(2 * half, 1)).is_none(), "beyond the end");
    }
}
