//! Connections that the server may close to make room for a new one, oldest first: those that have not sent a whole
//! request, and those whose client has closed its sending side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The connections of one listener that may be closed.
#[derive(Debug, Default)]
pub(super) struct Evictable {
    queue: Mutex<Queue>,
    entered: Notify,
}

/// In the order of their arrival.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Evictable {
    /// Closes the connection that waits longest; whether there was one.
    pub(super) fn evict_oldest(&self) -> bool {
        let oldest = self.queue().waiting.pop_first();
        oldest.is_some_and(|(_, token)| {
            token.cancel();
            true
        })
    }

    /// Waits until a connection has entered since the last call.
    pub(super) async fn entered(&self) {
        self.entered.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place among those that may be closed.
#[derive(Debug)]
pub(super) struct Seat {
    evictable: Arc<Evictable>,
    evicted: CancellationToken,
    number: Mutex<Option<u64>>,
}

impl Seat {
    /// A connection that may be closed from now on.
    pub(super) fn take(evictable: &Arc<Evictable>) -> Self {
        let (evictable, evicted) = (Arc::clone(evictable), CancellationToken::new());
        let seat = Self { evictable, evicted, number: Mutex::default() };
        seat.enter();
        seat
    }

    /// The connection may be closed again, as the newest of all.
    pub(super) fn enter(&self) {
        self.leave();
        let mut queue = self.evictable.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, self.evicted.clone());
        drop(queue);
        *self.number() = Some(number);
        self.evictable.entered.notify_one();
    }

    /// The connection may not be closed.
    pub(super) fn leave(&self) {
        let number = self.number().take();
        if let Some(number) = number {
            self.evictable.queue().waiting.remove(&number);
        }
    }

    /// Waits until the connection has to be closed.
    pub(super) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::{Evictable, Seat};
    use futures_util::FutureExt;
    use std::sync::Arc;

    #[test]
    fn the_oldest_connection_that_may_be_closed_is_closed_first() {
        let evictable = Arc::new(Evictable::default());
        let seats: Vec<Seat> = (0..4).map(|_| Seat::take(&evictable)).collect();
        let evicted = || seats.iter().map(|seat| seat.evicted().now_or_never().is_some()).collect::<Vec<_>>();
        seats[0].leave();
        seats[1].enter();
        assert!(evictable.evict_oldest());
        assert_eq!(evicted(), [false, false, true, false]);
        assert!(evictable.evict_oldest() && evictable.evict_oldest() && !evictable.evict_oldest());
        assert_eq!(evicted(), [false, true, true, true]);
    }

    #[test]
    fn a_connection_that_has_ended_is_not_closed_again() {
        let evictable = Arc::new(Evictable::default());
        drop(Seat::take(&evictable));
        assert!(!evictable.evict_oldest());
        assert!(evictable.entered().now_or_never().is_some());
    }
}
