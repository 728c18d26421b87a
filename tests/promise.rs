//! Memory is bounded: by the cache, segments being built, and a little per connection, however many clients read and
//! however slowly. The kernel's socket buffers are bounded too.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that panics has failed, and its numbers are small"
)]

#[path = "support/film.rs"]
mod film;
#[path = "support/process.rs"]
mod process;
#[path = "support/slow.rs"]
mod slow;
mod support;

use film::{Film, Names};
use process::{MIB, kernel_buffers, many_descriptors, rss};
use slow::{Reader, read_slowly};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use support::Server;

/// Far less than the readers request in total.
const SETTINGS: &str = "[store]\nsettle = \"0s\"\n[cache]\nsegments = \"64MiB\"\nmaking = \"16MiB\"\n";

/// Bytes that [`SETTINGS`] allow the cache. Segments being built count within it: the cache evicts before it builds.
const KEPT: u64 = 64 * MIB;

/// Bytes of frames ready to send on all connections together, and of pooled chunks.
const BESIDE: u64 = (12 + 8) * MIB;

/// Bytes per connection: for hyper, and none for data that the client does not read.
const EACH: u64 = 24 << 10;

/// Speed of a slow reader, in bytes a second.
const SLOW: usize = 64_000;

/// Tests run one at a time: the kernel reports the buffers of all processes together.
static ALONE: Mutex<()> = Mutex::new(());

/// Readers, each of its own segment.
struct Crowd {
    server: Server,
    names: Names,
    readers: Vec<Reader>,
    /// Resident bytes before the readers came.
    idle: u64,
    /// Kernel buffers before the readers came, in bytes.
    buffers: u64,
    _house: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Crowd {
    /// `count` readers of the segments listed by `entry`, all of which have their first bytes. They start by the
    /// hundred, so that none waits longer than the server allows.
    fn new(count: u32, entry: &str) -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        many_descriptors();
        let house = Film::large(count).house();
        let server = Server::start_with(house.path(), SETTINGS);
        let names = Names::of(&server, "film", entry);
        assert_eq!(names.segments.len(), count as usize);
        let calm = (0..10).map(|_| {
            std::thread::sleep(Duration::from_millis(50));
            kernel_buffers()
        });
        let (buffers, idle) = (calm.min().unwrap(), rss(server.child.id()));
        let mut readers = Vec::new();
        for some in names.segments.chunks(100) {
            readers.extend(some.iter().map(|name| Reader::ask(server.public, name, "")));
            let begun = Instant::now();
            read_slowly(&mut readers, SLOW, |readers| {
                assert!(begun.elapsed() < Duration::from_secs(20), "some readers have no first bytes after 20 s");
                readers.iter().all(|reader| reader.status().is_some())
            });
        }
        for reader in &readers {
            assert_eq!(reader.status(), Some(200), "{}", String::from_utf8_lossy(&reader.bytes));
        }
        Self { server, names, readers, idle, buffers, _house: house, _alone: alone }
    }

    /// Reads for `time`; returns the peak of resident bytes above idle, and the kernel's buffers for the readers.
    fn watch(&mut self, time: Duration) -> (u64, u64) {
        let (begun, pid) = (Instant::now(), self.server.child.id());
        let (mut most, mut buffers) = (0, Vec::new());
        read_slowly(&mut self.readers, SLOW, |readers| {
            assert!(readers.iter().all(|reader| !reader.ended), "the server cut a reader off");
            most = most.max(rss(pid).saturating_sub(self.idle));
            buffers.push(kernel_buffers().saturating_sub(self.buffers));
            begun.elapsed() > time
        });
        // The median, not the peak: other processes use kernel buffers for moments, these readers all the time.
        buffers.sort_unstable();
        let buffers = buffers[buffers.len() / 2];
        println!(
            "{} readers: {} MiB beyond idle {} MiB, kernel {} MiB",
            self.readers.len(),
            mib(most),
            mib(self.idle),
            mib(buffers)
        );
        (most, buffers)
    }

    /// A reader that began when the segment was built and continues long after its eviction gets the same bytes as a
    /// new one.
    fn check_bytes(mut self, segment_bytes: usize) {
        let last = self.readers.len() - 1;
        for at in [last, last / 2, 0] {
            let late = self.readers.swap_remove(at).finish();
            let fresh = self.server.get(&self.names.segments[at], "").body;
            assert!(late.len() > segment_bytes, "{} bytes of segment {at}", late.len());
            assert!(late == fresh, "segment {at}: {} bytes, fresh {}", late.len(), fresh.len());
        }
        self.readers.into_iter().for_each(Reader::reset);
        let begun = Instant::now();
        while self.server.metric("afflux_connections") > 0 {
            assert!(begun.elapsed() < Duration::from_secs(10), "connections are still open after 10 s");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.server.metric("afflux_bodies_making"), 0);
        assert!(self.server.metric("afflux_cache_evictions_total{tier=\"nursery\"}") > last as u64 / 2);
    }
}

const fn mib(bytes: u64) -> u64 {
    bytes / MIB
}

/// Bytes that `readers` may take in addition to idle.
const fn promised(readers: u64) -> u64 {
    KEPT + BESIDE + readers * EACH
}

#[test]
fn two_hundred_slow_readers_of_as_many_segments_take_what_was_promised() {
    let mut crowd = Crowd::new(200, "index.m3u8");
    let (most, buffers) = crowd.watch(Duration::from_secs(5));
    assert!(most <= promised(200), "{} MiB", mib(most));
    assert!(buffers <= 130 * MIB, "{} MiB", mib(buffers));
    crowd.check_bytes(4_800_000);
}

#[test]
fn forty_slow_readers_of_as_many_segments_of_mpeg_ts_take_what_was_promised() {
    let mut crowd = Crowd::new(40, "ts.m3u8");
    let (most, buffers) = crowd.watch(Duration::from_secs(3));
    assert!(most <= promised(40), "{} MiB", mib(most));
    assert!(buffers <= 26 * MIB, "{} MiB", mib(buffers));
    crowd.check_bytes(4_800_000);
}

#[test]
fn a_thousand_slow_readers_of_as_many_segments_take_what_was_promised() {
    let mut crowd = Crowd::new(1_000, "index.m3u8");
    let (most, _) = crowd.watch(Duration::from_secs(5));
    assert!(most <= promised(1_000), "{} MiB", mib(most));
    crowd.check_bytes(4_800_000);
}
