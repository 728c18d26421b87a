//! Evictable connections: the server may close them, oldest first, to make room for a new one. These are connections
//! that have not sent a whole request, and those whose client has closed its sending side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The evictable connections of one listener.
#[derive(Debug, Default)]
pub(in crate::http) struct Evictable {
    queue: Mutex<EvictionQueue>,
    entered: Notify,
}

/// Connections in the order in which they became evictable.
#[derive(Debug, Default)]
struct EvictionQueue {
    next: u64,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Evictable {
    /// Closes the connection that has been evictable for the longest time. `false` if there is none.
    pub(in crate::http) fn evict_oldest(&self) -> bool {
        let oldest = self.queue().waiting.pop_first();
        oldest.is_some_and(|(_, token)| {
            token.cancel();
            true
        })
    }

    /// Waits until a connection becomes evictable, or returns at once if one did since the last call.
    pub(in crate::http) async fn entered(&self) {
        self.entered.notified().await;
    }

    fn queue(&self) -> MutexGuard<'_, EvictionQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place in the queue of evictable connections. Dropping it removes the connection.
#[derive(Debug)]
pub(in crate::http) struct EvictionSlot {
    evictable: Arc<Evictable>,
    evicted: CancellationToken,
    number: Mutex<Option<u64>>,
}

impl EvictionSlot {
    /// Makes a connection evictable, as the newest.
    pub(in crate::http) fn take(evictable: &Arc<Evictable>) -> Self {
        let (evictable, evicted) = (Arc::clone(evictable), CancellationToken::new());
        let seat = Self { evictable, evicted, number: Mutex::default() };
        seat.enter();
        seat
    }

    /// Makes the connection evictable again, as the newest.
    pub(in crate::http) fn enter(&self) {
        self.leave();
        let mut queue = self.evictable.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, self.evicted.clone());
        drop(queue);
        *self.number() = Some(number);
        self.evictable.entered.notify_one();
    }

    /// Protects the connection from eviction.
    pub(in crate::http) fn leave(&self) {
        let number = self.number().take();
        if let Some(number) = number {
            self.evictable.queue().waiting.remove(&number);
        }
    }

    /// Waits until the connection is evicted.
    pub(in crate::http) async fn evicted(&self) {
        self.evicted.cancelled().await;
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EvictionSlot {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::{Evictable, EvictionSlot};
    use futures_util::FutureExt;
    use std::sync::Arc;

    #[test]
    fn the_oldest_connection_that_may_be_closed_is_closed_first() {
        let evictable = Arc::new(Evictable::default());
        let seats: Vec<EvictionSlot> = (0..4).map(|_| EvictionSlot::take(&evictable)).collect();
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
        drop(EvictionSlot::take(&evictable));
        assert!(!evictable.evict_oldest());
        assert!(evictable.entered().now_or_never().is_some());
    }
}
