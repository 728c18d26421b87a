//! A body: a growing buffer of separate chunks that one builder fills and any number of readers follow.
//!
//! ```text
//! Growing ──finish──► Complete ──release──► Released      its chunks are dropped at once; a reader that still needs
//!    └─────fail─────► Failed                              some builds its own
//! ```
//! A reader takes references only to the chunks that it is about to send, so a slow reader never holds the whole body.

use super::work::{BuildTask, WorkState};
use crate::media::{u64_from_usize, usize_from_u64};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// A buffer that is built once and read by many responses.
pub struct Body<E> {
    length: OnceLock<u64>,
    state: Mutex<BodyState<E>>,
    /// Notified when bytes are added, and when the body becomes complete or fails.
    grown: Notify,
    joined: AtomicBool,
    /// The work that builds it; empty for a body created complete.
    work: OnceLock<Box<BuildTask>>,
}

struct BodyState<E> {
    chunks: Vec<Bytes>,
    /// Where each chunk ends.
    ends: Vec<u64>,
    phase: BodyPhase<E>,
}

enum BodyPhase<E> {
    Growing,
    Complete,
    Released,
    Failed(E),
}

/// The state of the bytes of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeState<E> {
    /// This many bytes from its start on were handed over; 0 only if the range is empty or begins at the end.
    Here(u64),
    /// Its first byte is not built yet.
    Growing,
    /// Its bytes were built and then evicted.
    Released,
    /// The build failed before its first byte.
    Failed(E),
}

impl<E: Clone> Body<E> {
    /// A body without bytes; `length` if it is known before the build.
    pub(super) fn growing(length: Option<u64>) -> Self {
        let state = BodyState { chunks: Vec::new(), ends: Vec::new(), phase: BodyPhase::Growing };
        let known = OnceLock::new();
        length.map(|length| known.set(length));
        Self {
            length: known,
            state: Mutex::new(state),
            grown: Notify::new(),
            joined: AtomicBool::new(false),
            work: OnceLock::new(),
        }
    }

    /// Sets the work that builds it; only the first call counts. A task that no reader can cancel must await
    /// [`Self::stand_by`].
    pub(super) fn made_by(&self, work: BuildTask) {
        // A second work is dropped.
        let _ = self.work.set(Box::new(work));
    }

    /// Drives the build to its end, whatever readers do.
    pub(super) async fn stand_by(&self) {
        if let Some(work) = self.work.get() {
            work.guard().await;
        }
    }

    /// Marks the end of a build step, so that readers take the new bytes. Called by the builder.
    pub(super) async fn between(&self) {
        if let Some(work) = self.work.get() {
            work.between().await;
        }
    }

    /// A complete body of `chunks`.
    #[must_use]
    pub fn complete(chunks: Vec<Bytes>) -> Self {
        let body = Self::growing(None);
        body.push(chunks);
        body.finish();
        body
    }

    /// Its length in bytes; `None` while it is being built, if its format does not determine the length before.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length.get().copied()
    }

    /// Passes the available bytes of `range` to `each`, without waiting.
    pub fn get(&self, range: &Range<u64>, mut each: impl FnMut(Bytes)) -> RangeState<E> {
        let state = self.state();
        let made = state.made();
        let end = range.end.min(made);
        if range.start >= end {
            return match &state.phase {
                BodyPhase::Complete | BodyPhase::Released => RangeState::Here(0),
                BodyPhase::Growing => RangeState::Growing,
                BodyPhase::Failed(error) => RangeState::Failed(error.clone()),
            };
        }
        if matches!(state.phase, BodyPhase::Released) {
            return RangeState::Released;
        }
        let first = state.ends.partition_point(|end| *end <= range.start);
        let (chunks, ends) = (state.chunks.get(first..), state.ends.get(first..));
        for (chunk, chunk_end) in chunks.unwrap_or_default().iter().zip(ends.unwrap_or_default()) {
            let start = chunk_end - u64_from_usize(chunk.len());
            let (from, to) = (range.start.max(start), end.min(*chunk_end));
            if from >= to {
                break;
            }
            each(chunk.slice(usize_from_u64(from - start)..usize_from_u64(to - start)));
        }
        RangeState::Here(end - range.start)
    }

    /// Waits until byte `at` is built, or the build has ended.
    pub async fn reached(&self, at: u64) {
        self.until(|state| state.made() > at || !matches!(state.phase, BodyPhase::Growing)).await;
    }

    /// Waits until the build has ended; returns its error if it failed.
    pub async fn made(&self) -> Result<(), E> {
        self.until(|state| !matches!(state.phase, BodyPhase::Growing)).await;
        self.failure().map_or(Ok(()), Err)
    }

    /// The error of a failed build; `None` if it is running or complete.
    #[must_use]
    pub fn failure(&self) -> Option<E> {
        match &self.state().phase {
            BodyPhase::Failed(error) => Some(error.clone()),
            BodyPhase::Growing | BodyPhase::Complete | BodyPhase::Released => None,
        }
    }

    async fn until(&self, enough: impl Fn(&BodyState<E>) -> bool) {
        loop {
            let mut grown = pin!(self.grown.notified());
            // Register before checking, so that a notification between the check and the wait is not lost.
            grown.as_mut().enable();
            if enough(&self.state()) {
                return;
            }
            match self.work.get().map_or(WorkState::Waiting, |work| work.turn()) {
                // There are new bytes, or the build has ended: check again.
                WorkState::Between | WorkState::Done => {}
                WorkState::Waiting | WorkState::Busy => grown.await,
            }
        }
    }

    /// Appends built chunks and wakes readers.
    pub(super) fn push(&self, chunks: Vec<Bytes>) {
        let mut state = self.state();
        state.chunks.reserve(chunks.len());
        state.ends.reserve(chunks.len());
        for chunk in chunks {
            if !chunk.is_empty() {
                let end = state.made() + u64_from_usize(chunk.len());
                state.ends.push(end);
                state.chunks.push(chunk);
            }
        }
        drop(state);
        self.grown.notify_waiters();
    }

    /// Marks it complete. Returns `false`, and does nothing, if it does not have the promised length: the caller must
    /// then call [`Self::fail`].
    pub(super) fn finish(&self) -> bool {
        let mut state = self.state();
        let made = state.made();
        if *self.length.get_or_init(|| made) != made {
            return false;
        }
        state.phase = BodyPhase::Complete;
        drop(state);
        self.grown.notify_waiters();
        true
    }

    /// Marks it failed and drops its chunks. Has no effect on a complete body.
    pub(super) fn fail(&self, error: E) {
        let mut state = self.state();
        if matches!(state.phase, BodyPhase::Growing) {
            state.phase = BodyPhase::Failed(error);
            state.chunks = Vec::new();
            state.ends = Vec::new();
        }
        drop(state);
        self.grown.notify_waiters();
    }

    /// Removes its chunks and returns them; none unless it is complete.
    pub(super) fn release(&self) -> Vec<Bytes> {
        let mut state = self.state();
        if !matches!(state.phase, BodyPhase::Complete) {
            return Vec::new();
        }
        state.phase = BodyPhase::Released;
        state.ends = state.ends.last().copied().into_iter().collect();
        std::mem::take(&mut state.chunks)
    }

    /// Records that more than one request uses it.
    pub(super) fn join(&self) {
        self.joined.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// Bytes of memory that it takes when it is complete.
    pub(super) fn weight(&self) -> u64 {
        const BODY: u64 = 512;
        const CHUNK: u64 = 96;
        let state = self.state();
        state.made() + BODY + CHUNK * u64_from_usize(state.chunks.len())
    }

    fn state(&self) -> MutexGuard<'_, BodyState<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> BodyState<E> {
    /// Bytes built so far.
    fn made(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }
}

impl<E> fmt::Debug for Body<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, RangeState};
    use crate::media::u64_from_usize;
    use bytes::Bytes;
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use std::sync::Arc;

    fn looked(body: &Body<&'static str>, range: std::ops::Range<u64>) -> (RangeState<&'static str>, Vec<u8>) {
        let mut bytes = Vec::new();
        let look = body.get(&range, |chunk| bytes.extend(chunk));
        (look, bytes)
    }

    proptest! {
        #[test]
        fn what_is_there_of_a_range_is_that_slice_of_the_whole(
            sizes in prop::collection::vec(0_usize..9, 0..9), start in 0_u64..80, len in 0_u64..80,
        ) {
            let whole: Vec<u8> = (0..=255).take(sizes.iter().sum()).collect();
            let mut rest = whole.as_slice();
            let body = Body::growing(None);
            for size in sizes {
                let (now, later) = rest.split_at(size);
                body.push(vec![Bytes::copy_from_slice(now)]);
                rest = later;
            }
            let at = |place: u64| usize::try_from(place).unwrap().min(whole.len());
            let expected = &whole[at(start)..at(start + len)];
            let (look, bytes) = looked(&body, start..start + len);
            prop_assert_eq!(&bytes, expected);
            let none = if expected.is_empty() { RangeState::Growing } else { RangeState::Here(u64_from_usize(bytes.len())) };
            prop_assert_eq!(look, none);
            prop_assert_eq!(body.finish(), true);
            prop_assert_eq!(looked(&body, start..start + len), (RangeState::Here(u64_from_usize(bytes.len())), bytes));
        }
    }

    #[test]
    fn what_was_released_is_said_to_be_and_its_chunks_are_free() {
        let body: Body<&str> = Body::complete(vec![Bytes::from(vec![1; 4]), Bytes::from(vec![2; 4])]);
        let chunks = body.release();
        assert!(chunks.iter().all(Bytes::is_unique));
        assert_eq!(looked(&body, 3..5), (RangeState::Released, vec![]));
        assert_eq!(looked(&body, 8..8), (RangeState::Here(0), vec![]));
        assert_eq!((body.length(), body.release()), (Some(8), vec![]));
    }

    #[test]
    fn a_body_of_another_length_than_promised_is_not_complete() {
        let body = Body::growing(Some(5));
        body.push(vec![Bytes::from_static(b"four")]);
        assert!(!body.finish());
        body.fail("short");
        assert_eq!(looked(&body, 0..5), (RangeState::Failed("short"), vec![]));
        body.fail("again");
        assert_eq!(looked(&body, 0..5), (RangeState::Failed("short"), vec![]));
    }

    #[tokio::test]
    async fn readers_follow_as_it_grows() {
        let body = Arc::new(Body::<&str>::growing(Some(4)));
        let readers: Vec<_> = (0..100_u64)
            .map(|number| {
                let body = Arc::clone(&body);
                tokio::spawn(async move {
                    let (mut at, mut bytes) = (number % 4, Vec::new());
                    while at < 4 {
                        match body.get(&(at..4), |chunk| bytes.extend(chunk)) {
                            RangeState::Here(count) => at += count,
                            RangeState::Growing => body.reached(at).await,
                            RangeState::Released | RangeState::Failed(_) => break,
                        }
                    }
                    bytes
                })
            })
            .collect();
        for byte in b"abcd" {
            tokio::task::yield_now().await;
            body.push(vec![Bytes::copy_from_slice(&[*byte])]);
        }
        assert!(body.finish());
        assert_eq!(body.made().await, Ok(()));
        for (number, reader) in readers.into_iter().enumerate() {
            assert_eq!(reader.await.unwrap(), b"abcd"[number % 4..]);
        }
    }
}
