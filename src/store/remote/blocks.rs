//! Cache of aligned blocks of stored objects. Each block is requested once, however many readers want it, and cached
//! for a while, so that neighbouring bytes are already there: audio beside video, the beginning of the next segment.
//!
//! ```text
//! take ─► cached? in flight? ─no─► BlockRun: in one request ─► PendingBlock, one by one ─► cached, sent to readers
//!          Here    Coming
//! ```
//! The bytes of cached blocks and of blocks in flight are borrowed from the ledger that limits the cache of segments.

use crate::cache::{FlightEntry, FlightSender, Flights, Ledger, PendingResult};
use crate::media::{u64_from_usize, usize_from_u64};
use crate::store::error::Error;
use bytes::Bytes;
use moka::policy::EvictionPolicy;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Size of a block in bytes; the last one of an object is smaller.
pub const BLOCK: u64 = 512 << 10;

/// Most blocks in one request.
const RUN_LIMIT: u32 = 16;

/// Identifies a version of an object among all stores of the program: number of the store, and hash of the version.
pub(super) type ObjectVersion = (u32, [u8; 16]);

/// Identifies a block: version of the object, and number of the block.
type BlockKey = (ObjectVersion, u32);

/// Bytes of a block, or why they could not be fetched.
type BlockResult = Result<Bytes, Error>;

/// Cache of the blocks of stored objects.
pub(in crate::store) struct Blocks {
    kept: moka::sync::Cache<BlockKey, Bytes>,
    coming: Flights<BlockKey, PendingResult<BlockResult>>,
    ledger: Arc<Ledger>,
    room: Arc<Semaphore>,
    /// Number of permits of `room`.
    most: u32,
    tasks: TaskTracker,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks").field("kept", &self.kept.weighted_size()).finish_non_exhaustive()
    }
}

/// A requested block.
#[derive(Debug)]
pub(super) enum BlockLookup {
    /// It is in the cache.
    Here(Bytes),
    /// It is in flight.
    Coming(PendingResult<BlockResult>),
}

impl BlockLookup {
    /// Waits for the bytes. `path` is the path of the object, for the error if the request is abandoned.
    pub(in crate::store) async fn bytes(self, path: &str) -> Result<Bytes, Error> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::Coming(pending) => pending.made().await.map_err(|_| Error::Abandoned { path: path.into() })?,
        }
    }
}

/// Adjacent blocks that one request fetches.
#[derive(Debug)]
pub(super) struct BlockRun {
    blocks: VecDeque<PendingBlock>,
}

impl BlockRun {
    /// Number of missing blocks.
    pub(in crate::store) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The missing bytes of the object: where they begin, and how many they are.
    pub(in crate::store) fn left(&self) -> (u64, u64) {
        let start = self.blocks.front().map_or(0, |block| u64::from(block.number()) * BLOCK);
        (start, self.blocks.iter().map(|block| block.lent.bytes).sum())
    }

    /// Length of the next missing block in bytes.
    pub(super) fn next_length(&self) -> Option<usize> {
        self.blocks.front().map(|block| usize_from_u64(block.lent.bytes))
    }

    /// Completes the next missing block.
    pub(super) fn come(&mut self, bytes: Bytes) {
        if let Some(block) = self.blocks.pop_front() {
            block.end(Ok(bytes));
        }
    }

    /// Fails all missing blocks.
    pub(in crate::store) fn fail(self, error: &Error) {
        self.blocks.into_iter().for_each(|block| block.end(Err(error.clone())));
    }
}

/// One block in flight. If it is dropped early, even by a panic, it frees its key and all waiting readers get an error.
struct PendingBlock {
    blocks: Arc<Blocks>,
    /// The bytes of the block.
    lent: LentBytes,
    sender: FlightSender<BlockKey, BlockResult>,
}

/// Bytes borrowed from a ledger. Returns them when dropped, unless a cached block has taken them over.
struct LentBytes {
    ledger: Arc<Ledger>,
    bytes: u64,
}

impl LentBytes {
    /// Leaves the bytes to the cache, which returns them when it evicts the block.
    fn hand_over(mut self) {
        self.bytes = 0;
    }
}

impl Drop for LentBytes {
    fn drop(&mut self) {
        self.ledger.returned(self.bytes);
    }
}

impl fmt::Debug for PendingBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingBlock").field("number", &self.number()).finish_non_exhaustive()
    }
}

impl PendingBlock {
    const fn number(&self) -> u32 {
        self.sender.key().1
    }

    fn end(self, come: BlockResult) {
        if let Ok(bytes) = &come {
            self.lent.hand_over();
            self.blocks.kept.insert(*self.sender.key(), bytes.clone());
            self.blocks.kept.run_pending_tasks();
        }
        // The key is freed only after the block is cached, so that a lookup finds it in one of the two.
        self.sender.send(come);
    }
}

impl Blocks {
    /// A cache of at most `limit` bytes, but at least two blocks; up to a quarter of them may be in flight. All bytes
    /// are borrowed from `ledger`.
    pub(in crate::store) fn new(limit: u64, ledger: Arc<Ledger>) -> Arc<Self> {
        let limit = limit.max(2 * BLOCK);
        let most = u32::try_from((limit / 4 / BLOCK).clamp(1, 1 << 16)).unwrap_or(1);
        let lender = Arc::clone(&ledger);
        let kept = moka::sync::Cache::builder()
            .max_capacity(limit - u64::from(most) * BLOCK)
            .weigher(|_: &BlockKey, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX))
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, bytes: Bytes, _| lender.returned(u64_from_usize(bytes.len())))
            .build();
        let room = Arc::new(Semaphore::new(usize::try_from(most).unwrap_or(1)));
        Arc::new(Self { kept, coming: Flights::default(), ledger, room, most, tasks: TaskTracker::new() })
    }

    /// Looks up the blocks `numbers`, ascending, of an object of `size` bytes. Also returns the runs of blocks that are
    /// neither cached nor in flight: the caller must fetch them.
    pub(super) fn take(
        self: &Arc<Self>,
        version: ObjectVersion,
        size: u64,
        numbers: &[u32],
    ) -> (Vec<BlockLookup>, Vec<BlockRun>) {
        let (mut slots, mut runs): (Vec<BlockLookup>, Vec<BlockRun>) = (Vec::with_capacity(numbers.len()), Vec::new());
        let mut lent = 0;
        for number in numbers {
            let free = match self.coming.entry((version, *number)) {
                FlightEntry::Running(pending) => {
                    slots.push(BlockLookup::Coming(pending));
                    continue;
                }
                FlightEntry::Free(free) => free,
            };
            if let Some(bytes) = self.kept.get(free.key()) {
                slots.push(BlockLookup::Here(bytes));
                continue;
            }
            let (sender, pending) = free.begin_waited();
            slots.push(BlockLookup::Coming(pending));
            let length = size.saturating_sub(u64::from(*number) * BLOCK).min(BLOCK);
            lent += length;
            let block = self.pending(length, sender);
            match runs.last_mut().filter(|run| run.continues(*number, self.most)) {
                Some(run) => run.blocks.push_back(block),
                None => runs.push(BlockRun { blocks: VecDeque::from([block]) }),
            }
        }
        if lent > 0 {
            self.ledger.lend(lent);
        }
        (slots, runs)
    }

    fn pending(self: &Arc<Self>, length: u64, sender: FlightSender<BlockKey, BlockResult>) -> PendingBlock {
        let lent = LentBytes { ledger: Arc::clone(&self.ledger), bytes: length };
        PendingBlock { blocks: Arc::clone(self), lent, sender }
    }

    /// Room for `run` while it is in flight. Callers wait in the order of their calls, for `wait` at most; then `None`.
    pub(super) async fn turn(&self, run: &BlockRun, wait: Duration) -> Option<OwnedSemaphorePermit> {
        let permits = u32::try_from(run.blocks.len()).unwrap_or(u32::MAX).min(self.most);
        timeout(wait, Arc::clone(&self.room).acquire_many_owned(permits)).await.ok()?.ok()
    }

    /// The ledger that all bytes are borrowed from.
    pub(in crate::store) const fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// The tasks that fetch blocks, which do not depend on the waiting readers.
    pub(super) const fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Bytes in the cache, without those in flight.
    pub(in crate::store) fn bytes(&self) -> u64 {
        self.kept.weighted_size()
    }
}

impl BlockRun {
    fn continues(&self, number: u32, most: u32) -> bool {
        let few = usize_from_u64(u64::from(most.min(RUN_LIMIT)));
        self.blocks.len() < few && self.blocks.back().is_some_and(|last| last.number() + 1 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, BlockLookup, BlockRun, Blocks};
    use crate::cache::Ledger;
    use crate::media::usize_from_u64;
    use crate::store::Error;
    use bytes::Bytes;
    use std::sync::Arc;

    const A: (u32, [u8; 16]) = (0, [1; 16]);
    const B: (u32, [u8; 16]) = (0, [2; 16]);

    fn blocks(limit: u64) -> (Arc<Blocks>, Arc<Ledger>) {
        let ledger = Arc::new(Ledger::default());
        (Blocks::new(limit * BLOCK, Arc::clone(&ledger)), ledger)
    }

    fn fill(runs: Vec<BlockRun>) {
        for mut run in runs {
            while let Some(length) = run.next_length() {
                run.come(Bytes::from(vec![7; length]));
            }
        }
    }

    fn spans(runs: &[BlockRun]) -> Vec<(u64, u64)> {
        runs.iter().map(|run| (run.left().0 / BLOCK, run.left().1)).collect()
    }

    #[tokio::test]
    async fn neighbours_are_asked_for_together_and_nothing_twice() {
        let (blocks, ledger) = blocks(64);
        let size = 40 * BLOCK + 5;
        let (_, runs) = blocks.take(A, size, &[0, 1, 3, 40]);
        assert_eq!(spans(&runs), [(0, 2 * BLOCK), (3, BLOCK), (40, 5)]);
        let (slots, more) = blocks.take(A, size, &[0, 1, 2, 3]);
        assert_eq!(spans(&more), [(2, BLOCK)]);
        assert!(slots.iter().all(|slot| matches!(slot, BlockLookup::Coming(_))));
        assert_eq!(ledger.lent(), 4 * BLOCK + 5);
        fill(runs);
        fill(more);
        for slot in slots {
            assert_eq!(slot.bytes("a").await.unwrap().len(), usize_from_u64(BLOCK));
        }
        let (slots, runs) = blocks.take(A, size, &[2, 40]);
        assert!(runs.is_empty() && slots.iter().all(|slot| matches!(slot, BlockLookup::Here(_))));
        let (_, others) = blocks.take(B, size, &[2]);
        assert_eq!(spans(&others), [(2, BLOCK)]);
    }

    #[tokio::test]
    async fn a_run_ends_where_one_request_should() {
        let (blocks, _) = blocks(64);
        let numbers: Vec<u32> = (0..33).collect();
        let (_, runs) = blocks.take(A, 100 * BLOCK, &numbers);
        assert_eq!(spans(&runs), [(0, 16 * BLOCK), (16, 16 * BLOCK), (32, BLOCK)]);
    }

    #[tokio::test]
    async fn what_does_not_come_leaves_its_place_free_and_who_waits_hears_of_it() {
        let (blocks, ledger) = blocks(64);
        let (slots, mut runs) = blocks.take(A, 9 * BLOCK, &[0, 1]);
        let run = runs.pop().unwrap();
        run.fail(&Error::Changed { path: "a".into() });
        for slot in slots {
            assert!(matches!(slot.bytes("a").await, Err(Error::Changed { .. })));
        }
        let (slots, runs) = blocks.take(A, 9 * BLOCK, &[0]);
        drop(runs);
        for slot in slots {
            assert!(matches!(slot.bytes("a").await, Err(Error::Abandoned { .. })));
        }
        assert_eq!((ledger.lent(), blocks.coming.is_empty()), (0, true));
    }

    #[tokio::test]
    async fn no_request_brings_more_than_may_be_on_its_way() {
        let (blocks, _) = blocks(8);
        let (_, runs) = blocks.take(A, 100 * BLOCK, &[0, 1, 2, 3, 4]);
        assert_eq!(runs.iter().map(BlockRun::len).collect::<Vec<_>>(), [2, 2, 1]);
    }

    #[tokio::test]
    async fn what_is_lent_is_what_is_kept_and_stays_within_its_bound() {
        let (blocks, ledger) = blocks(8);
        for number in 0..50 {
            let (_, runs) = blocks.take(A, 100 * BLOCK, &[number]);
            fill(runs);
            assert_eq!(ledger.lent(), blocks.bytes());
            assert!(ledger.lent() <= 6 * BLOCK, "{} lent", ledger.lent());
        }
        let (slots, _) = blocks.take(A, 100 * BLOCK, &[48, 49]);
        assert!(slots.iter().all(|slot| matches!(slot, BlockLookup::Here(_))));
    }
}
