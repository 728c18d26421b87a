//! A body: separate chunks, read while it grows by however many follow it.
//!
//! ```text
//! Growing ──finish──► Complete ──release──► Released      its chunks are dropped at once; who still needs some makes
//!    └─────fail─────► Failed                              its own
//! ```
//! A reader takes references to the chunks that it is about to send and no more, so a slow one never holds the body.

use super::work::{Left, Work};
use crate::media::{u64_from_usize, usize_from_u64};
use bytes::Bytes;
use std::fmt;
use std::ops::Range;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// Bytes that are made once and read by many.
pub struct Body<E> {
    length: OnceLock<u64>,
    state: Mutex<State<E>>,
    /// Told whenever there is more, or never will be.
    grown: Notify,
    joined: AtomicBool,
    /// What makes it; of a complete one, nothing.
    work: OnceLock<Box<Work>>,
}

struct State<E> {
    chunks: Vec<Bytes>,
    /// Where each chunk ends.
    ends: Vec<u64>,
    phase: Phase<E>,
}

enum Phase<E> {
    Growing,
    Complete,
    Released,
    Failed(E),
}

/// What there is of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look<E> {
    /// So many bytes from its start on, at least one, were handed over; or the range is empty.
    Here(u64),
    /// Its first byte is not made yet.
    Growing,
    /// Its bytes were made and dropped since.
    Released,
    /// Its first byte will not be made.
    Failed(E),
}

impl<E: Clone> Body<E> {
    /// A body without bytes yet; `length` where that is known before it is made.
    pub(super) fn growing(length: Option<u64>) -> Self {
        let state = State { chunks: Vec::new(), ends: Vec::new(), phase: Phase::Growing };
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

    /// Gives it what makes it, once. [`Self::stand_by`] must be awaited by somebody who does not go away.
    pub(super) fn made_by(&self, work: Work) {
        // A second one would be let go.
        let _ = self.work.set(Box::new(work));
    }

    /// Sees to it that it is made.
    pub(super) async fn stand_by(&self) {
        if let Some(work) = self.work.get() {
            work.guard().await;
        }
    }

    /// The end of a step of its maker, who calls this: readers take what there is.
    pub(super) async fn between(&self) {
        if let Some(work) = self.work.get() {
            work.between().await;
        }
    }

    /// A body of all its bytes.
    #[must_use]
    pub fn complete(chunks: Vec<Bytes>) -> Self {
        let body = Self::growing(None);
        body.push(chunks);
        body.finish();
        body
    }

    /// Its length in bytes; `None` until it is made where its format does not let that be known before.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length.get().copied()
    }

    /// Hands over what there is of `range`, without waiting.
    pub fn look(&self, range: &Range<u64>, mut each: impl FnMut(Bytes)) -> Look<E> {
        let state = self.state();
        let made = state.made();
        let end = range.end.min(made);
        if range.start >= end {
            return match &state.phase {
                Phase::Complete | Phase::Released => Look::Here(0),
                Phase::Growing => Look::Growing,
                Phase::Failed(error) => Look::Failed(error.clone()),
            };
        }
        if matches!(state.phase, Phase::Released) {
            return Look::Released;
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
        Look::Here(end - range.start)
    }

    /// Waits until byte `at` is made, or never will be.
    pub async fn reached(&self, at: u64) {
        self.until(|state| state.made() > at || !matches!(state.phase, Phase::Growing)).await;
    }

    /// Waits until nothing is made any more; why not all of it was.
    pub async fn made(&self) -> Result<(), E> {
        self.until(|state| !matches!(state.phase, Phase::Growing)).await;
        self.failure().map_or(Ok(()), Err)
    }

    /// Why no more of it will be made; `None` as long as it may be, or has been.
    #[must_use]
    pub fn failure(&self) -> Option<E> {
        match &self.state().phase {
            Phase::Failed(error) => Some(error.clone()),
            Phase::Growing | Phase::Complete | Phase::Released => None,
        }
    }

    async fn until(&self, enough: impl Fn(&State<E>) -> bool) {
        loop {
            let mut grown = pin!(self.grown.notified());
            // Heard of from here on, whatever happens between the look and the wait.
            grown.as_mut().enable();
            if enough(&self.state()) {
                return;
            }
            match self.work.get().map_or(Left::Waiting, |work| work.turn()) {
                // There is more; or there will never be.
                Left::Between | Left::Done => {}
                Left::Waiting | Left::Busy => grown.await,
            }
        }
    }

    /// Appends what was made.
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

    /// All of it is made. `false` when that is not as long as was promised: it has failed then, if `fail` is called.
    pub(super) fn finish(&self) -> bool {
        let mut state = self.state();
        let made = state.made();
        if *self.length.get_or_init(|| made) != made {
            return false;
        }
        state.phase = Phase::Complete;
        drop(state);
        self.grown.notify_waiters();
        true
    }

    /// No more of it will be made. Does nothing to one that is complete.
    pub(super) fn fail(&self, error: E) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Growing) {
            state.phase = Phase::Failed(error);
            state.chunks = Vec::new();
            state.ends = Vec::new();
        }
        drop(state);
        self.grown.notify_waiters();
    }

    /// Drops its chunks; they are what is returned.
    pub(super) fn release(&self) -> Vec<Bytes> {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Complete) {
            return Vec::new();
        }
        state.phase = Phase::Released;
        state.ends = state.ends.last().copied().into_iter().collect();
        std::mem::take(&mut state.chunks)
    }

    /// More than one want it.
    pub(super) fn join(&self) {
        self.joined.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    /// What it takes in memory when it is complete.
    pub(super) fn weight(&self) -> u64 {
        const BODY: u64 = 512;
        const CHUNK: u64 = 96;
        let state = self.state();
        state.made() + BODY + CHUNK * u64_from_usize(state.chunks.len())
    }

    fn state(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> State<E> {
    /// Bytes made so far.
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
    use super::{Body, Look};
    use crate::media::u64_from_usize;
    use bytes::Bytes;
    use proptest::prelude::{prop, prop_assert_eq, proptest};
    use std::sync::Arc;

    fn looked(body: &Body<&'static str>, range: std::ops::Range<u64>) -> (Look<&'static str>, Vec<u8>) {
        let mut bytes = Vec::new();
        let look = body.look(&range, |chunk| bytes.extend(chunk));
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
            let none = if expected.is_empty() { Look::Growing } else { Look::Here(u64_from_usize(bytes.len())) };
            prop_assert_eq!(look, none);
            prop_assert_eq!(body.finish(), true);
            prop_assert_eq!(looked(&body, start..start + len), (Look::Here(u64_from_usize(bytes.len())), bytes));
        }
    }

    #[test]
    fn what_was_released_is_said_to_be_and_its_chunks_are_free() {
        let body: Body<&str> = Body::complete(vec![Bytes::from(vec![1; 4]), Bytes::from(vec![2; 4])]);
        let chunks = body.release();
        assert!(chunks.iter().all(Bytes::is_unique));
        assert_eq!(looked(&body, 3..5), (Look::Released, vec![]));
        assert_eq!(looked(&body, 8..8), (Look::Here(0), vec![]));
        assert_eq!((body.length(), body.release()), (Some(8), vec![]));
    }

    #[test]
    fn a_body_of_another_length_than_promised_is_not_complete() {
        let body = Body::growing(Some(5));
        body.push(vec![Bytes::from_static(b"four")]);
        assert!(!body.finish());
        body.fail("short");
        assert_eq!(looked(&body, 0..5), (Look::Failed("short"), vec![]));
        body.fail("again");
        assert_eq!(looked(&body, 0..5), (Look::Failed("short"), vec![]));
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
                        match body.look(&(at..4), |chunk| bytes.extend(chunk)) {
                            Look::Here(count) => at += count,
                            Look::Growing => body.reached(at).await,
                            Look::Released | Look::Failed(_) => break,
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
