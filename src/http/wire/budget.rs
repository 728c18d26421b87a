//! The memory budget for the frames of all connections. A connection with a fast client returns its grant at once; slow
//! clients use the budget up, and each then holds only a small frame. The less is left, the smaller the grants.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One grant is at most the remaining budget divided by this.
const SHARES: u64 = 16;

/// A budget of bytes.
#[derive(Debug)]
pub(in crate::http) struct FrameBudget {
    left: AtomicU64,
}

/// Bytes taken from the budget; dropping the grant returns them.
#[derive(Debug)]
pub(in crate::http) struct FrameGrant {
    frames: Arc<FrameBudget>,
    bytes: u64,
}

impl FrameBudget {
    /// A budget of `bytes`.
    pub(in crate::http) fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { left: AtomicU64::new(bytes) })
    }

    /// Takes `most` bytes, or a smaller share of the remaining budget. `None` if the share is less than `least` bytes.
    pub(in crate::http) fn take(self: &Arc<Self>, most: u64, least: u64) -> Option<FrameGrant> {
        let share = |left: u64| most.min(left / SHARES);
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (share(left) >= least).then(|| left - share(left))
        });
        taken.ok().map(|left| FrameGrant { frames: Arc::clone(self), bytes: share(left) })
    }
}

impl FrameGrant {
    /// Size of the grant in bytes.
    pub(in crate::http) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns all but `bytes` to the budget.
    pub(in crate::http) fn shrink(&mut self, bytes: u64) {
        if let Some(over) = self.bytes.checked_sub(bytes) {
            self.frames.left.fetch_add(over, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for FrameGrant {
    fn drop(&mut self) {
        self.frames.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::FrameBudget;

    #[test]
    fn what_is_granted_is_given_back() {
        let frames = FrameBudget::new(160);
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
        let frames = FrameBudget::new(1_600);
        let grants: Vec<_> = std::iter::from_fn(|| frames.take(1_000, 10)).collect();
        let bytes: Vec<u64> = grants.iter().map(super::FrameGrant::bytes).collect();
        assert!(bytes.is_sorted_by(|one, next| one >= next) && bytes.iter().all(|bytes| (10..=100).contains(bytes)));
        assert!((1_400..=1_600).contains(&bytes.iter().sum::<u64>()), "{bytes:?}");
    }
}
