//! Laws of reading: the bytes read are those of the file, however it was read.

use super::backend::Backend;
use super::local::system::{self, NowaitError};
use super::local::{LinkPolicy, LocalFolder};
use super::remote::Blocks;
use super::remote::{Remote, RemoteSettings, RemoteTimeouts};
use super::spare::{CHUNK_LIMIT, ChunkPool};
use super::tree::Mount;
use super::{Error, Listing, Object, Store, Walk};
use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::metrics::Metrics;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use proptest::prelude::*;
use rustix::fs::{Advice, fadvise};
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Size in bytes of the file that the laws are tried on.
const SIZE: usize = 700_000;

/// A byte that the file does not contain.
const POISON: u8 = 255;

/// A file with its bytes, its store and the counters.
struct Stored {
    folder: TempDir,
    bytes: Vec<u8>,
    store: Store,
    metrics: Arc<Metrics>,
}

impl Stored {
    fn new(bytes: Vec<u8>) -> Self {
        Self::below(&std::env::temp_dir(), bytes)
    }

    fn below(folder: &Path, bytes: Vec<u8>) -> Self {
        let folder = tempfile::tempdir_in(folder).unwrap();
        fs::write(folder.path().join("a.mp4"), &bytes).unwrap();
        let metrics = Arc::new(Metrics::new());
        let store = Store::open_folder(folder.path()).unwrap().with_metrics(Arc::clone(&metrics));
        Self { folder, bytes, store, metrics }
    }

    async fn open(&self) -> Object {
        self.store.open("a.mp4").await.unwrap()
    }

    /// The device that the file is on.
    fn device(&self) -> u64 {
        self.file().metadata().unwrap().dev()
    }

    /// Opens the same file so that all its reads go through the blocking pool: the slow twin.
    async fn open_slow(&self) -> Object {
        self.store.shared.waits(self.device());
        self.open().await
    }

    fn file(&self) -> File {
        File::options().read(true).write(true).open(self.folder.path().join("a.mp4")).unwrap()
    }

    /// Evicts `len` bytes from offset `at` on from the page cache.
    fn chill(&self, at: u64, len: u64) {
        let file = self.file();
        file.sync_all().unwrap();
        fadvise(&file, at, std::num::NonZeroU64::new(len), Advice::DontNeed).unwrap();
    }

    fn expected(&self, ranges: &[ByteRange]) -> Vec<u8> {
        let slice = |range: &ByteRange| &self.bytes[usize_from_u64(range.start())..usize_from_u64(range.end())];
        ranges.iter().flat_map(slice).copied().collect()
    }

    /// Read system calls and bytes read so far.
    fn reads(&self) -> (u64, u64) {
        let text = self.metrics.text();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap();
        (value("afflux_source_reads_total "), value("afflux_source_read_bytes_total "))
    }

    /// Fills the pool of spare chunks with a byte that the file does not contain.
    fn poison(&self) {
        while self.store.spare().bytes() < super::SPARE_LIMIT {
            self.store.spare().give(Bytes::from(vec![POISON; usize_from_u64(CHUNK_LIMIT)]));
        }
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) / 65_536 % 251).unwrap()).collect()
}

fn range(start: u64, len: u64) -> ByteRange {
    ByteRange::new(start, len).unwrap()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Ranges of the file in any order, which may overlap; most are like those of a segment: ascending, with small gaps.
fn ranges() -> impl Strategy<Value = Vec<ByteRange>> {
    let size = u64_from_usize(SIZE);
    let anywhere = prop::collection::vec((0..size, 1..100_000_u64), 0..12);
    let anywhere =
        anywhere.prop_map(move |all| all.into_iter().map(|(at, len)| range(at, len.min(size - at))).collect());
    let forward = prop::collection::vec((0..20_000_u64, 1..9_000_u64), 1..120).prop_map(move |steps| {
        let mut end = 0;
        let mut ranges = Vec::new();
        for (gap, len) in steps {
            let start = end + if gap > 18_000 { gap } else { gap % 5_000 };
            end = start + len;
            if end <= size {
                ranges.push(range(start, len));
            }
        }
        ranges
    });
    prop_oneof![anywhere, forward.clone(), forward.prop_map(|ranges| interleaved(&ranges))]
}

/// Every second range first, then the others: as a TS segment requests video and audio.
fn interleaved(ranges: &[ByteRange]) -> Vec<ByteRange> {
    let odd = ranges.iter().skip(1).step_by(2);
    ranges.iter().step_by(2).chain(odd).copied().collect()
}

#[test]
fn ranges_are_slices_of_the_file_however_they_are_read() {
    let (stored, runtime) = (Stored::new(bytes(SIZE)), runtime());
    let quick = runtime.block_on(stored.open());
    let slow = runtime.block_on(stored.open_slow());
    proptest!(ProptestConfig::with_cases(150), |(ranges in ranges(), cold in any::<bool>(), at in 0..600_000_u64)| {
        let expected = stored.expected(&ranges);
        for object in [&quick, &slow] {
            stored.poison();
            if cold {
                stored.chill(at, 200_000);
            }
            let chunks = runtime.block_on(object.read_ranges(ranges.clone())).unwrap();
            let sizes: Vec<u64> = chunks.iter().map(|chunk| u64_from_usize(chunk.len())).collect();
            let whole = sizes.iter().sum::<u64>() / CHUNK_LIMIT;
            prop_assert!(sizes.iter().take(usize_from_u64(whole)).all(|size| *size == CHUNK_LIMIT));
            prop_assert!(sizes.len() <= usize_from_u64(whole) + 6);
            prop_assert!(chunks.concat() == expected);
        }
    });
}

#[test]
fn one_piece_is_a_slice_of_the_file_however_it_is_read() {
    let (stored, runtime) = (Stored::new(bytes(SIZE)), runtime());
    let quick = runtime.block_on(stored.open());
    let slow = runtime.block_on(stored.open_slow());
    let lengths = prop_oneof![1..SIZE, Just(usize_from_u64(CHUNK_LIMIT)), Just(256 << 10), Just((256 << 10) + 1)];
    proptest!(ProptestConfig::with_cases(60), |(at in 0..SIZE, len in lengths, cold in any::<bool>())| {
        let len = len.min(SIZE - at);
        for object in [&quick, &slow] {
            stored.poison();
            if cold {
                stored.chill(0, 400_000);
            }
            let piece = runtime.block_on(object.read(range(u64_from_usize(at), u64_from_usize(len)))).unwrap();
            prop_assert!(piece == stored.bytes[at..at + len]);
        }
    });
}

#[tokio::test]
async fn a_segment_is_one_read_even_with_gaps() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    object.read_ranges(vec![range(3, 200_000)]).await.unwrap();
    assert_eq!(stored.reads(), (1, 200_000));
    let pictures: Vec<ByteRange> = (0..19).map(|index| range(index * 16_000, 10_500)).collect();
    let chunks = object.read_ranges(pictures.clone()).await.unwrap();
    assert!(chunks.concat() == stored.expected(&pictures));
    assert_eq!(stored.reads(), (2, 200_000 + 18 * 16_000 + 10_500));
    object.read(range(0, 256 << 10)).await.unwrap();
    assert_eq!(stored.reads().0, 3);
    object.read_ranges(vec![range(0, 600 << 10)]).await.unwrap();
    assert_eq!(stored.reads().0, 4);
}

#[tokio::test]
async fn what_two_tracks_want_of_one_stretch_is_read_once() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    let neighbours: Vec<ByteRange> = (0..20).map(|index| range(500 + index * 10_000, 10_000)).collect();
    let both = interleaved(&neighbours);
    let chunks = object.read_ranges(both.clone()).await.unwrap();
    assert!(chunks.concat() == stored.expected(&both));
    assert_eq!(stored.reads(), (1, 200_000));
}

#[tokio::test]
async fn more_ranges_than_vectors_take_more_calls() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    let many: Vec<ByteRange> = (0..100).map(|index| range(index * 100, 60)).collect();
    let chunks = object.read_ranges(many.clone()).await.unwrap();
    assert!(chunks.concat() == stored.expected(&many));
    // A range and the gap before it are two vectors: 32 ranges fill a call.
    assert_eq!(stored.reads().0, 4);
}

#[tokio::test]
async fn a_large_gap_is_not_read() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    object.read_ranges(vec![range(0, 1_000), range(300_000, 1_000)]).await.unwrap();
    assert_eq!(stored.reads(), (2, 2_000));
}

#[tokio::test]
async fn a_cold_stretch_is_read_by_the_pool_from_where_it_begins() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    object.read(range(0, 600_000)).await.unwrap();
    let (before, _) = stored.reads();
    stored.chill(0, 0);
    let wanted = vec![range(10_000, 200_000), range(500_000, 100_000)];
    let chunks = object.read_ranges(wanted.clone()).await.unwrap();
    assert!(chunks.concat() == stored.expected(&wanted));
    assert!(stored.reads().0 > before);
}

#[tokio::test]
async fn a_file_system_that_cannot_say_it_would_wait_is_remembered() {
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        return;
    }
    let stored = Stored::below(memory, bytes(SIZE));
    let object = stored.open().await;
    let wanted = vec![range(7, 100_000), range(0, 500_000)];
    for _ in 0..2 {
        let chunks = object.read_ranges(wanted.clone()).await.unwrap();
        assert!(chunks.concat() == stored.expected(&wanted));
        assert_eq!(object.read(range(5, 9)).await.unwrap(), stored.bytes[5..14]);
    }
    // The remembered answer is right: a file system in memory that supports reads that do not block is not marked.
    let mut byte = [0];
    let mut vectors = [IoSliceMut::new(&mut byte)];
    let refused = system::read_now(&stored.file(), &mut vectors, 0) == Err(NowaitError::Unable);
    assert_eq!(stored.store.shared.is_able(stored.device()), !refused);
}

#[tokio::test]
async fn holes_are_zeros() {
    let mut stored = Stored::new(bytes(100_000));
    stored.file().set_len(400_000).unwrap();
    stored.file().write_all_at(&[9; 1_000], 300_000).unwrap();
    stored.bytes = [bytes(100_000), vec![0; 200_000], vec![9; 1_000], vec![0; 99_000]].concat();
    for cold in [false, true] {
        if cold {
            stored.chill(0, 0);
        }
        stored.poison();
        let object = stored.open().await;
        let wanted = vec![range(99_000, 202_000), range(0, 50_000), range(390_000, 10_000)];
        let chunks = object.read_ranges(wanted.clone()).await.unwrap();
        assert!(chunks.concat() == stored.expected(&wanted), "{cold}");
        assert!(object.read(range(0, 400_000)).await.unwrap() == stored.bytes, "{cold}");
    }
}

#[tokio::test]
async fn a_write_or_a_cut_is_noticed_on_either_way() {
    for waits in [false, true] {
        for len in [10, 200_000, 500_000] {
            let stored = Stored::new(bytes(SIZE));
            let object = if waits { stored.open_slow().await } else { stored.open().await };
            object.read_ranges(vec![range(0, len)]).await.unwrap();
            stored.file().write_all_at(b"other", 600_000).unwrap();
            let changed = object.read_ranges(vec![range(0, len)]).await;
            assert!(matches!(changed, Err(Error::Changed { .. })), "{waits} {len}");
            assert!(matches!(object.read(range(0, len)).await, Err(Error::Changed { .. })), "{waits} {len}");
            stored.file().set_len(5).unwrap();
            let ends = object.read_ranges(vec![range(2, 1), range(5, len)]).await;
            assert!(matches!(ends, Err(Error::Truncated { end, .. }) if end == 5 + len), "{waits} {len}");
            let ends = object.read(range(5, len)).await;
            assert!(matches!(ends, Err(Error::Truncated { end, .. }) if end == 5 + len), "{waits} {len}");
            assert!(matches!(object.verify().await, Err(Error::Changed { .. })), "{waits} {len}");
        }
    }
}

#[tokio::test]
async fn chunks_that_are_given_back_are_read_into_again() {
    let stored = Stored::new(bytes(SIZE));
    let object = stored.open().await;
    let places = |chunks: &[Bytes]| {
        let mut places: Vec<_> = chunks.iter().map(|chunk| chunk.as_ptr().addr()).collect();
        places.sort_unstable();
        places
    };
    let spare: &Arc<ChunkPool> = stored.store.spare();
    let first = object.read_ranges(vec![range(0, 3 * CHUNK_LIMIT)]).await.unwrap();
    let before = places(&first);
    for chunk in first {
        spare.give(chunk);
    }
    assert_eq!(spare.bytes(), 3 * CHUNK_LIMIT);
    let wanted = [range(100_000, 2 * CHUNK_LIMIT), range(90_000, CHUNK_LIMIT)];
    let again = object.read_ranges(wanted.to_vec()).await.unwrap();
    assert_eq!((places(&again), spare.bytes()), (before, 0));
    assert!(again.concat() == stored.expected(&wanted));
    for chunk in again {
        spare.give(chunk);
    }
    let piece = object.read(range(3, CHUNK_LIMIT)).await.unwrap();
    assert_eq!(spare.bytes(), 2 * CHUNK_LIMIT);
    assert!(piece == stored.expected(&[range(3, CHUNK_LIMIT)]));
    // The bytes of the gap were read into spare chunks, which went back to the pool.
    object.read_ranges(vec![range(0, 100), range(5_000, 100)]).await.unwrap();
    assert_eq!(spare.bytes(), 2 * CHUNK_LIMIT);
}

/// Lists three mounts: a folder, one store under `far`, one under `far/deep`.
#[tokio::test]
async fn mounts_are_one_tree() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("far")).unwrap();
    for name in ["a.mp4", "far/hidden-by-the-mount.mp4"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let store = mounted(folder.path()).await;
    let names = |listing: Listing| {
        let media: Vec<String> = listing.media.into_iter().map(|(name, _)| name).collect();
        (media, listing.folders)
    };
    let list = async |path: &str| names(store.list(path, 64).await.unwrap());
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(list("").await, (strings(&["a.mp4"]), strings(&["far"])));
    assert_eq!(list("far").await, (strings(&["b.mp4"]), strings(&["deep", "x"])));
    assert_eq!(list("far/deep").await, (strings(&["c.mp4"]), strings(&["y"])));
    assert_eq!(list("far/deep/y").await, (strings(&["d.mp4"]), vec![]));
    let walk = store.walk(Walk::default(), Duration::ZERO, Arc::new(|| true)).await.unwrap();
    let found: Vec<_> = walk.folders().map(|(folder, walked)| (folder, walked.media.clone())).collect();
    let expected =
        [("", "a.mp4"), ("far", "b.mp4"), ("far/deep", "c.mp4"), ("far/deep/y", "d.mp4"), ("far/x", "e.mp4")];
    let expected = expected.map(|(folder, name)| (folder.to_owned(), strings(&[name])));
    let mut found: Vec<_> = found.into_iter().filter(|(_, media)| !media.is_empty()).collect();
    found.sort();
    assert_eq!(found, expected);
    assert!(walk.is_whole());
    let again = store.walk(walk.clone(), Duration::ZERO, Arc::new(|| true)).await.unwrap();
    assert!(again.is_as(&walk));
    let ended = store.walk(walk, Duration::ZERO, Arc::new(|| false)).await;
    assert!(matches!(ended, Err(Error::Abandoned { .. })));
    for (path, bytes) in [("a.mp4", "a.mp4"), ("far/b.mp4", "b.mp4"), ("far/deep/y/d.mp4", "y/d.mp4")] {
        let object = store.open(path).await.unwrap();
        let all = ByteRange::new(0, object.size()).unwrap();
        assert_eq!((object.path(), &*object.read(all).await.unwrap()), (path, bytes.as_bytes()));
        assert_eq!(store.open_as(path, object.stamp()).await.unwrap().stamp(), object.stamp());
    }
    assert!(matches!(store.list("far/none", 64).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.open("far").await, Err(Error::NotFound { .. })));
    assert!(!store.is_remote("a") && store.is_remote("far/b") && store.is_remote("far"));
}

async fn mounted(folder: &Path) -> Store {
    let filled = async |names: &[&'static str]| {
        let store = InMemory::new();
        for name in names {
            store.put(&Key::parse(name).unwrap(), name.as_bytes().into()).await.unwrap();
        }
        let address = RemoteSettings {
            name: "memory:".into(),
            root: String::new(),
            number: 0,
            lists: true,
            patience: RemoteTimeouts::default(),
        };
        let blocks = Blocks::new(1 << 20, Arc::default());
        Backend::Remote(Arc::new(Remote::new(Arc::new(store), address, blocks)))
    };
    let far = filled(&["b.mp4", "x/e.mp4", ".afflux/b.mp4/index", "x/~z.mp4"]).await;
    let deep = filled(&["c.mp4", "y/d.mp4"]).await;
    let mount = |prefix: &str, backend| Mount { prefix: prefix.into(), backends: vec![backend] };
    let root = Backend::Folder(LocalFolder::new(folder, LinkPolicy::Within).unwrap());
    Store::of(vec![mount("", root), mount("far", far), mount("far/deep", deep)])
}
