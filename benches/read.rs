//! Cost of reading a segment from a file in the page cache: by the store, and by plain reads in the blocking pool, in
//! chunks of 256 KiB. Wall time by criterion, then CPU time of all threads, as ratios.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, and a panic anywhere fails it"
)]

use afflux::media::ByteRange;
use afflux::store::{Object, Store};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Bytes of audio between two chunks of video: half a second of 128 kbit/s.
const GAP: u64 = 8 << 10;

/// Reads per measurement of CPU time.
const READS: u64 = 2_000;

/// Turns; the result is their median.
const TURNS: usize = 9;

/// A file in the page cache, opened by the store and by `std`.
struct Film {
    runtime: Runtime,
    store: Store,
    object: Object,
    file: Arc<File>,
}

impl Film {
    fn new() -> Self {
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let bytes: Vec<u8> = (0..4_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        fs::write(root.path().join("a.mp4"), bytes).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let store = Store::open_folder(root.path()).unwrap();
        let object = runtime.block_on(store.open("a.mp4")).unwrap();
        let file = Arc::new(File::open(root.path().join("a.mp4")).unwrap());
        Self { runtime, store, object, file }
    }

    /// Reads the ranges of `case` `reads` times on a worker of the runtime; returns the time.
    fn time(&self, way: Way, case: &Case, reads: u64) -> Duration {
        let (object, spare, file) = (self.object.clone(), Arc::clone(self.store.spare()), Arc::clone(&self.file));
        let ranges = case.ranges.clone();
        let task = async move {
            let start = Instant::now();
            for _ in 0..reads {
                match way {
                    Way::Plain => drop(plain(Arc::clone(&file), ranges.clone()).await),
                    Way::Fresh => drop(object.read_ranges(ranges.clone()).await.unwrap()),
                    Way::Recycled => {
                        let chunks = object.read_ranges(ranges.clone()).await.unwrap();
                        for chunk in chunks {
                            spare.give(chunk);
                        }
                    }
                }
            }
            start.elapsed()
        };
        self.runtime.block_on(self.runtime.spawn(task)).unwrap()
    }
}

/// The way of reading.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// In the blocking pool, one call per range and chunk.
    Plain,
    /// By the store, with new chunks.
    Fresh,
    /// By the store, which gets its chunks back for reuse.
    Recycled,
}

/// The ranges to read.
struct Case {
    name: &'static str,
    bytes: u64,
    ranges: Vec<ByteRange>,
}

impl Case {
    /// `bytes` in `parts` parts with gaps between them.
    fn new(name: &'static str, bytes: u64, parts: u64) -> Self {
        let part = bytes / parts;
        let ranges = (0..parts).map(|index| ByteRange::new(1_000 + index * (part + GAP), part).unwrap()).collect();
        Self { name, bytes, ranges }
    }
}

async fn plain(file: Arc<File>, ranges: Vec<ByteRange>) -> Vec<Bytes> {
    let work = move || {
        let mut left: u64 = ranges.iter().map(|range| range.len()).sum();
        let mut rest = ranges.into_iter();
        let (mut chunks, mut current) = (Vec::new(), rest.next());
        while left > 0 {
            let mut chunk = BytesMut::zeroed(left.min(256 << 10) as usize);
            let mut empty: &mut [u8] = &mut chunk;
            while let Some(range) = current.filter(|_| !empty.is_empty()) {
                let taken = range.len().min(empty.len() as u64);
                let (now, later) = empty.split_at_mut(taken as usize);
                file.read_exact_at(now, range.start()).unwrap();
                empty = later;
                current = range.slice(taken, u64::MAX - range.end()).or_else(|| rest.next());
            }
            left -= chunk.len() as u64;
            chunks.push(chunk.freeze());
        }
        file.metadata().unwrap();
        chunks
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// CPU time of all threads so far.
fn cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let spent = |task: fs::DirEntry| fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
    let nanos = tasks.map(|task| spent(task.unwrap()).split(' ').next().unwrap_or("0").parse().unwrap_or(0));
    Duration::from_nanos(nanos.sum())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap()
}

/// CPU time per read of each way, in interleaved turns.
fn ratios(film: &Film, case: &Case) {
    let ways = [Way::Plain, Way::Fresh, Way::Recycled];
    let mut spent = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        for (way, spent) in ways.iter().zip(&mut spent) {
            let before = cpu();
            film.time(*way, case, READS);
            spent.push(cpu().saturating_sub(before).as_secs_f64() * 1e6 / READS as f64);
        }
    }
    let [plain, fresh, recycled] = spent.map(median);
    println!(
        "CPU per read, {}: plain {plain:.1} µs, store {fresh:.1} µs (ratio {:.2}), recycled {recycled:.1} µs (ratio {:.2})",
        case.name,
        fresh / plain,
        recycled / plain
    );
}

fn main() {
    let film = Film::new();
    let cases = [
        Case::new("200 kB contiguous", 200_000, 1),
        Case::new("200 kB interleaved", 200_000, 4),
        Case::new("1.8 MB contiguous", 1_800_000, 1),
        Case::new("1.8 MB interleaved", 1_800_000, 12),
    ];
    let mut criterion = Criterion::default().configure_from_args();
    for case in &cases {
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Bytes(case.bytes));
        for (name, way) in [("plain", Way::Plain), ("store", Way::Fresh), ("recycled", Way::Recycled)] {
            group.bench_function(name, |bencher| bencher.iter_custom(|reads| film.time(way, case, reads)));
        }
        group.finish();
    }
    for case in &cases {
        ratios(&film, case);
    }
    criterion.final_summary();
}
