//! What all connections hold to be sent next: one budget. A connection whose client takes its bytes gives its grant
//! back at once; slow ones use the budget up, and hold little each from then on. The less is left, the less is granted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One connection gets a part of so many of what is left.
const SHARES: u64 = 16;

/// A budget of bytes.
#[derive(Debug)]
pub(super) struct Frames {
    left: AtomicU64,
}

/// Bytes of the budget that are taken as long as this lives.
#[derive(Debug)]
pub(super) struct Grant {
    frames: Arc<Frames>,
    bytes: u64,
}

impl Frames {
    /// A budget of `bytes`.
    pub(super) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(bytes) })
    }

    /// Takes `most` bytes, or this connection's share of what is left; nothing where that is less than `least`.
    pub(super) fn take(self: &Arc<Self>, most: u64, least: u64) -> Option<Grant> {
        let share = |left: u64| most.min(left / SHARES);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (share(left) >= least).then(|| left - share(left))
        });
        taken.ok().map(|left| Grant { frames: Arc::clone(self), bytes: share(left) })
    }
}

impl Grant {
    /// How many bytes it is for.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what it has beyond `bytes`.
    pub(super) fn shrink(&mut self, bytes: u64) {
        if let Some(over) = self.bytes.checked_sub(bytes) {
            self.frames.left.fetch_add(over, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.frames.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn what_is_granted_is_given_back() {
        let frames = Frames::new(160);
        let mut six = frames.take(6, 1).unwrap();
        let nine = frames.take(20, 9).unwrap();
        assert_eq!((six.bytes(), nine.bytes()), (6, 9));
        assert!(frames.take(20, 10).is_none());
        six.shrink(1);
        drop((six, nine));
        assert_eq!(frames.take(20, 10).unwrap().bytes(), 10);
    }

    #[test]
    fn the_less_is_left_the_less_is_granted_and_never_more() {
        let frames = Frames::new(1_600);
        let grants: Vec<_> = std::iter::from_fn(|| frames.take(1_000, 10)).collect();
        let bytes: Vec<u64> = grants.iter().map(super::Grant::bytes).collect();
        assert!(bytes.is_sorted_by(|one, next| one >= next) && bytes.iter().all(|bytes| (10..=100).contains(bytes)));
        assert!((1_400..=1_600).contains(&bytes.iter().sum::<u64>()), "{bytes:?}");
    }
}
