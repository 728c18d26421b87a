//! What all connections hold to be sent next: one budget. A connection whose client takes its bytes gives its grant
//! back at once; slow ones use the budget up, and hold little each from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

    /// Takes `bytes`, if they are left.
    pub(super) fn take(self: &Arc<Self>, bytes: u64) -> Option<Grant> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.ok().map(|_| Grant { frames: Arc::clone(self), bytes })
    }
}

impl Grant {
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
        let frames = Frames::new(10);
        let mut six = frames.take(6).unwrap();
        assert!(frames.take(5).is_none());
        let four = frames.take(4).unwrap();
        six.shrink(1);
        let five = frames.take(5).unwrap();
        drop((six, four));
        assert!(frames.take(6).is_none());
        drop(five);
        assert!(frames.take(10).is_some());
    }
}
