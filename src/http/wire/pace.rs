//! Measures how fast a client reads or sends bytes while the server waits for it. Pure.

use std::time::Duration;

/// Total waiting time over which a client's rate is measured.
const MEASURED: Duration = Duration::from_secs(20);

/// Bytes that a client moved while the server waited for it. Time without waiting does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::http) struct Pace {
    pub(in crate::http) waited: Duration,
    moved: u64,
}

impl Pace {
    /// Records that a wait of `waited` moved `moved` bytes. Returns whether the client is slower than `rate` bytes a
    /// second, which is decided every 20 s of waiting.
    pub(in crate::http) fn is_below(&mut self, rate: u64, waited: Duration, moved: u64) -> bool {
        self.waited += waited;
        self.moved += moved;
        if self.waited < MEASURED {
            return false;
        }
        let least = rate.saturating_mul(self.waited.as_secs());
        std::mem::take(self).moved < least
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::Duration;

    #[test]
    fn a_client_is_measured_by_what_it_takes_while_it_is_waited_for() {
        let (second, mut pace) = (Duration::from_secs(1), Pace::default());
        for _ in 0..19 {
            assert!(!pace.is_below(100, second, 10));
        }
        // 2,010 bytes in 20 s are enough; then a new measurement begins.
        assert!(!pace.is_below(100, second, 1_820));
        assert_eq!(pace, Pace::default());
        assert!(!pace.is_below(100, 19 * second, 1_000));
        assert!(pace.is_below(100, second, 999));
        assert!(!pace.is_below(0, 30 * second, 0));
    }
}
