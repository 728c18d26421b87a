//! How much is being made at once: so many bytes, and who finds no room waits a bounded time in the order of arrival.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes that one permit stands for.
const UNIT: u64 = 1_024;

/// Too much was being made for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} KiB are being made already, and none of it was done within {} ms", self.units, self.wait.as_millis())]
pub struct Shed {
    units: u32,
    wait: Duration,
}

/// Room for so many bytes.
#[derive(Debug, Clone)]
pub struct Governor {
    room: Arc<Semaphore>,
    units: u32,
    wait: Duration,
}

/// Room that is taken as long as this lives.
#[derive(Debug)]
pub struct Turn {
    _room: OwnedSemaphorePermit,
}

impl Governor {
    /// Room for `bound` bytes, rounded down to KiB, at least one; who finds none waits for `wait` at most.
    #[must_use]
    pub fn new(bound: u64, wait: Duration) -> Self {
        let units = u32::try_from(bound / UNIT).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        let room = Semaphore::new(usize::try_from(units).expect("28 bits"));
        Self { room: Arc::new(room), units, wait }
    }

    /// Takes room for `bytes`; all of it where that is not enough.
    pub async fn enter(&self, bytes: u64) -> Result<Turn, Shed> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let shed = Shed { units: self.units, wait: self.wait };
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(Turn { _room: room });
        }
        let room = timeout(self.wait, Arc::clone(&self.room).acquire_many_owned(units)).await;
        room.map_err(|_| shed)?.map(|room| Turn { _room: room }).map_err(|_| shed)
    }

    /// Bytes for which room is taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        (u64::from(self.units) * UNIT).saturating_sub(self.left())
    }

    /// Bytes for which there is room now.
    #[must_use]
    pub fn left(&self) -> u64 {
        crate::media::u64_from_usize(self.room.available_permits()) * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::Governor;
    use std::time::Duration;

    #[tokio::test]
    async fn who_finds_no_room_waits_in_order_and_not_for_ever() {
        let governor = Governor::new(10 << 10, Duration::from_millis(50));
        let first = governor.enter(6 << 10).await.unwrap();
        let second = tokio::spawn({
            let governor = governor.clone();
            async move { governor.enter(6 << 10).await }
        });
        tokio::task::yield_now().await;
        // One that would fit does not overtake.
        let third = governor.enter(2 << 10).await;
        assert_eq!(
            third.unwrap_err().to_string(),
            "10 KiB are being made already, and none of it was done within 50 ms"
        );
        assert!(second.await.unwrap().is_err());
        drop(first);
        assert_eq!(governor.left(), 10 << 10);
        let turn = governor.enter(1 << 40).await.unwrap();
        assert_eq!(governor.left(), 0);
        drop(turn);
        assert_eq!(governor.left(), 10 << 10);
    }
}
