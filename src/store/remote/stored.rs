//! [`StoredObject`]: one version of one object in an object store, read block by block. Each request is pinned to the
//! version.
//!
//! Every request has an `If-Match` header (and the version id, once the store has sent one). Answers are compared as
//! well, because not every store obeys it: bytes of two versions never mix. After an interruption, the next request
//! resumes at the first missing byte.

use super::blocks::{BLOCK, BlockLookup, BlockRun};
use super::client::Remote;
use super::fault::Fault;
use crate::media::{ByteRange, u64_from_usize, usize_from_u64};
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::spare::CHUNK_LIMIT;
use crate::store::stamp::Stamp;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Most bytes that one call prefetches.
const AHEAD: u64 = 16 << 20;

/// How long a check of the version stays valid.
const SURE: Duration = Duration::from_secs(2);

/// How long a request waits for room among the blocks in flight.
const TURN: Duration = Duration::from_secs(20);

/// One version of one object.
#[derive(Debug)]
pub(in crate::store) struct StoredObject {
    path: String,
    key: Path,
    stamp: Stamp,
    version: (u32, [u8; 16]),
    /// The entity tag, once it is known: some stores leave it out of listings.
    tag: OnceLock<String>,
    /// The store's id of the version, if it keeps versions and has sent one.
    id: OnceLock<String>,
    replaced: AtomicBool,
    looked: Mutex<Instant>,
    remote: Arc<Remote>,
    shared: Arc<StoreContext>,
}

impl StoredObject {
    /// The object that `meta` describes, in `remote`; `path` is its path for callers.
    pub(in crate::store) fn new(
        path: String,
        meta: &ObjectMeta,
        remote: Arc<Remote>,
        shared: Arc<StoreContext>,
    ) -> Self {
        let stamp = remote.stamp(meta);
        let version = stamp.tag().unwrap_or_default();
        let (tag, id) = (OnceLock::new(), OnceLock::new());
        meta.e_tag.iter().for_each(|known| drop(tag.set(known.clone())));
        meta.version.iter().for_each(|known| drop(id.set(known.clone())));
        let (replaced, looked) = (AtomicBool::new(false), Mutex::new(Instant::now()));
        Self { path, key: meta.location.clone(), stamp, version, tag, id, replaced, looked, remote, shared }
    }

    pub(in crate::store) fn path(&self) -> &str {
        &self.path
    }

    pub(in crate::store) const fn stamp(&self) -> Stamp {
        self.stamp
    }

    pub(in crate::store) fn shared(&self) -> &StoreContext {
        &self.shared
    }

    pub(in crate::store) async fn read(self: &Arc<Self>, range: ByteRange) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::with_capacity(usize_from_u64(range.len()));
        self.each(&[range], |part| bytes.extend_from_slice(part)).await?;
        Ok(bytes.freeze())
    }

    pub(in crate::store) async fn read_ranges(self: &Arc<Self>, ranges: &[ByteRange]) -> Result<Vec<Bytes>, Error> {
        let mut left: u64 = ranges.iter().fold(0, |sum, range| sum.saturating_add(range.len()));
        let room = |left: u64| self.shared.spare.room(usize_from_u64(left.min(CHUNK_LIMIT)));
        let (mut chunks, mut chunk) = (Vec::new(), room(left));
        let limit = usize_from_u64(CHUNK_LIMIT);
        self.each(ranges, |mut part| {
            while !part.is_empty() {
                let (now, rest) = part.split_at(part.len().min(limit - chunk.len()));
                chunk.extend_from_slice(now);
                (part, left) = (rest, left.saturating_sub(u64_from_usize(now.len())));
                if chunk.len() == limit {
                    chunks.push(std::mem::replace(&mut chunk, room(left)).freeze());
                }
            }
        })
        .await?;
        if !chunk.is_empty() {
            chunks.push(chunk.freeze());
        }
        Ok(chunks)
    }

    /// Prefetches the blocks of `ranges`, up to [`AHEAD`] bytes.
    pub(in crate::store) fn expect(self: &Arc<Self>, ranges: &[ByteRange]) {
        if ranges.iter().all(|range| range.end() <= self.stamp.size()) {
            let numbers = numbers(ranges, AHEAD);
            drop(self.start(&numbers));
        }
    }

    /// An error if an earlier request found another version.
    pub(in crate::store) fn check(&self) -> Result<(), Error> {
        if self.replaced.load(Ordering::Relaxed) { Err(self.changed()) } else { Ok(()) }
    }

    /// Checks that the store still has this version; sends a request unless the last check is younger than [`SURE`].
    pub(in crate::store) async fn verify(&self) -> Result<(), Error> {
        self.check()?;
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.elapsed() < SURE {
            return Ok(());
        }
        let inner = self.inner_path();
        let meta = match self.remote.head(inner).await {
            Err(Error::NotFound { .. }) => return Err(self.is_replaced()),
            found => found?,
        };
        let same = self.tag.get().is_none_or(|tag| meta.e_tag.as_ref().is_none_or(|now| now == tag));
        let time = meta.e_tag.is_some() || self.stamp.is_of_second(meta.last_modified.timestamp());
        if !same || !time || meta.size != self.stamp.size() {
            return Err(self.is_replaced());
        }
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Ok(())
    }

    /// Passes the bytes of `ranges` to `visit`, in order, part by part.
    async fn each(self: &Arc<Self>, ranges: &[ByteRange], mut visit: impl FnMut(&[u8])) -> Result<(), Error> {
        if let Some(beyond) = ranges.iter().map(|range| range.end()).find(|end| *end > self.stamp.size()) {
            return Err(Error::Truncated { path: self.path.clone(), end: beyond });
        }
        let numbers = numbers(ranges, u64::MAX);
        let slots = self.start(&numbers);
        // Blocks are in the order of the object, ranges in the order of the caller: mostly the same.
        let mut come: Vec<Option<Bytes>> = vec![None; slots.len()];
        let mut slots: Vec<Option<BlockLookup>> = slots.into_iter().map(Some).collect();
        for range in ranges {
            let mut at = range.start();
            while at < range.end() {
                let place = numbers.partition_point(|number| u64::from(*number) < at / BLOCK);
                if let Some(slot) = slots.get_mut(place).and_then(Option::take) {
                    let bytes = slot.bytes(&self.path).await?;
                    come.get_mut(place).into_iter().for_each(|come| *come = Some(bytes.clone()));
                }
                let block = come.get(place).and_then(Option::as_ref).ok_or_else(|| self.changed())?;
                let from = usize_from_u64(at % BLOCK);
                let to = usize_from_u64((range.end() - at).saturating_add(at % BLOCK)).min(block.len());
                let part = block.get(from..to).filter(|part| !part.is_empty()).ok_or_else(|| self.changed())?;
                visit(part);
                at += u64_from_usize(part.len());
            }
        }
        Ok(())
    }

    /// Looks up the blocks `numbers`, and starts to fetch those that are neither cached nor in flight.
    fn start(self: &Arc<Self>, numbers: &[u32]) -> Vec<BlockLookup> {
        let blocks = self.remote.blocks();
        let (slots, runs) = blocks.take(self.version, self.stamp.size(), numbers);
        let kept = slots.iter().filter(|slot| matches!(slot, BlockLookup::Here(_))).count();
        let asked = runs.iter().map(BlockRun::len).sum();
        self.shared.took([kept, slots.len() - kept - asked, asked], blocks.bytes());
        for run in runs {
            blocks.tasks().spawn(Arc::clone(self).fetch(run));
        }
        slots
    }

    /// Fetches `run`, with retries, until all of it has come or a retry does not help.
    async fn fetch(self: Arc<Self>, mut run: BlockRun) {
        let Some(_turn) = self.remote.blocks().turn(&run, TURN).await else {
            let why = "too much of it is asked for at once".into();
            return run.fail(&Error::Away { path: self.path.clone(), why });
        };
        let (mut begun, mut tried) = (BytesMut::new(), 0);
        loop {
            let before = (run.left(), begun.len());
            let Err(fault) = self.pour(&mut run, &mut begun).await else { return };
            if before != (run.left(), begun.len()) {
                tried = 0;
            }
            let Some(pause) = Remote::pause(tried).filter(|_| matches!(fault, Fault::Passing { .. })) else {
                let error = match fault {
                    Fault::Gone => self.is_replaced(),
                    fault @ (Fault::Passing { .. } | Fault::Refused(_)) => self.remote.failed(fault, self.inner_path()),
                };
                return run.fail(&error);
            };
            self.shared.retried();
            sleep(pause).await;
            tried += 1;
        }
    }

    /// Makes one request for the missing bytes of `run`. `begun` holds the bytes of its next block that have come.
    async fn pour(&self, run: &mut BlockRun, begun: &mut BytesMut) -> Result<(), Fault> {
        let (start, left) = run.left();
        let wanted = start + u64_from_usize(begun.len())..start + left;
        let options = GetOptions {
            // A weak tag never matches (RFC 9110 §13.1.1); the answer is compared in any case.
            if_match: self.tag.get().filter(|tag| !tag.starts_with("W/")).cloned(),
            version: self.id.get().cloned(),
            range: Some(GetRange::Bounded(wanted.clone())),
            ..GetOptions::default()
        };
        let got = self.remote.get(&self.key, options).await?;
        self.same(&got.meta)?;
        if got.range != wanted {
            return Err(Fault::Gone);
        }
        let (mut bytes, mut read) = (got.into_stream(), 0);
        let limit = self.remote.patience().timeout;
        let poured = loop {
            let next = match timeout(limit, bytes.next()).await {
                Err(_) => break Err(self.remote.silence()),
                Ok(Some(Err(error))) => break Err(Fault::of(&error)),
                Ok(next) => next.transpose().ok().flatten(),
            };
            let Some(next) = next else {
                let short = || Fault::Passing { why: "the answer ended early".into(), slow: false };
                break run.next_length().map_or(Ok(()), |_| Err(short()));
            };
            read += u64_from_usize(next.len());
            fill(run, begun, &next);
        };
        self.shared.counted(read);
        poured
    }

    /// Checks that `meta` is that of this version. Remembers its entity tag and version id if they were not known.
    fn same(&self, meta: &ObjectMeta) -> Result<(), Fault> {
        let tag = meta.e_tag.as_ref().is_none_or(|tag| self.tag.get_or_init(|| tag.clone()) == tag);
        let time = meta.e_tag.is_some() || self.stamp.is_of_second(meta.last_modified.timestamp());
        if !tag || !time || meta.size != self.stamp.size() {
            return Err(Fault::Gone);
        }
        meta.version.iter().for_each(|id| drop(self.id.set(id.clone())));
        Ok(())
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path.clone() }
    }

    fn is_replaced(&self) -> Error {
        self.replaced.store(true, Ordering::Relaxed);
        self.remote.forget(self.inner_path());
        self.changed()
    }

    pub(in crate::store) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Its path in `remote`.
    pub(super) fn inner_path(&self) -> &str {
        self.remote.inner(&self.key)
    }
}

/// Appends `bytes` to the missing blocks of `run`; `begun` is the first of them, incomplete.
fn fill(run: &mut BlockRun, begun: &mut BytesMut, mut bytes: &[u8]) {
    while let Some(length) = run.next_length() {
        if begun.capacity() < length {
            begun.reserve(length - begun.len());
        }
        let (now, rest) = bytes.split_at(bytes.len().min(length - begun.len()));
        begun.extend_from_slice(now);
        bytes = rest;
        if begun.len() < length {
            return;
        }
        run.come(std::mem::take(begun).freeze());
    }
}

/// Numbers of the blocks that contain `ranges`, ascending, each once; as many as hold `limit` bytes.
fn numbers(ranges: &[ByteRange], limit: u64) -> Vec<u32> {
    let mut numbers: Vec<u32> = Vec::new();
    for range in ranges {
        let (first, last) = (range.start() / BLOCK, (range.end() - 1) / BLOCK);
        for number in first..=last {
            if u64_from_usize(numbers.len()) * BLOCK >= limit {
                break;
            }
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if numbers.last() != Some(&number) {
                numbers.push(number);
            }
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, numbers};
    use crate::media::ByteRange;

    #[test]
    fn each_block_is_named_once_in_the_order_of_the_object() {
        let range = |start, len| ByteRange::new(start, len).unwrap();
        let ranges = [range(BLOCK, 1), range(BLOCK + 5, 9), range(5 * BLOCK - 1, 2), range(0, 1)];
        assert_eq!(numbers(&ranges, u64::MAX), [0, 1, 4, 5]);
        assert_eq!(numbers(&[range(0, 100 * BLOCK)], 3 * BLOCK), [0, 1, 2]);
    }
}
