//! The least rate at which a client must send bytes.

use std::time::Duration;
use tokio::time::Instant;

/// Time in which a client must send `LEAST` bytes.
const STALL: Duration = Duration::from_mins(1);

/// Bytes that a client must send within `STALL`, unless fewer are left: 1 KiB a second.
const LEAST: u64 = 60 << 10;

/// Deadline for clients that send too slowly.
#[derive(Debug)]
pub(in crate::ingest) struct MinimumRate {
    /// Bytes received since `until` was set.
    came: u64,
    /// The deadline.
    pub(in crate::ingest) until: Instant,
}

impl MinimumRate {
    /// A deadline for a client that begins to send at `now`.
    pub(in crate::ingest) fn new(now: Instant) -> Self {
        Self { came: 0, until: now + STALL }
    }

    /// Counts `bytes` received at `now`.
    pub(in crate::ingest) fn brought(&mut self, bytes: u64, now: Instant) {
        self.came = self.came.saturating_add(bytes);
        if self.came >= LEAST {
            *self = Self::new(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST, MinimumRate, STALL};
    use std::time::Duration;
    use tokio::time::Instant;

    #[test]
    fn a_byte_now_and_then_wins_no_time() {
        let start = Instant::now();
        let mut pace = MinimumRate::new(start);
        for second in 0..59 {
            pace.brought(LEAST / 60, start + Duration::from_secs(second));
        }
        assert_eq!(pace.until, start + STALL);
        let later = start + Duration::from_secs(59);
        pace.brought(LEAST / 60, later);
        assert_eq!((pace.until, pace.came), (later + STALL, 0));
    }
}
