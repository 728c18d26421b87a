//! Limits the bytes that are being built at once. Builds beyond the limit wait a bounded time in the order of arrival.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes for each permit of the semaphore.
const UNIT: u64 = 1_024;

/// A build was refused because others used all the room for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} KiB are being made already, and none of it was done within {} ms", self.units, self.wait.as_millis())]
pub struct Shed {
    units: u32,
    wait: Duration,
}

/// A limit on the bytes being built. Clones share it.
#[derive(Debug, Clone)]
pub struct Governor {
    room: Arc<Semaphore>,
    units: u32,
    wait: Duration,
}

/// A share of the room, released on drop.
#[derive(Debug)]
pub struct BuildPermit {
    _room: OwnedSemaphorePermit,
}

impl Governor {
    /// A limit of `bound` bytes, rounded down to KiB, but at least 1 KiB. [`Self::enter`] waits at most `wait`.
    #[must_use]
    pub fn new(bound: u64, wait: Duration) -> Self {
        let units = u32::try_from(bound / UNIT).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        let room = Semaphore::new(usize::try_from(units).expect("28 bits fit a usize"));
        Self { room: Arc::new(room), units, wait }
    }

    /// Takes room for `bytes`, clamped to the whole limit. Fails if there is none in time.
    pub async fn enter(&self, bytes: u64) -> Result<BuildPermit, Shed> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        let shed = Shed { units: self.units, wait: self.wait };
        if let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(units) {
            return Ok(BuildPermit { _room: room });
        }
        let room = timeout(self.wait, Arc::clone(&self.room).acquire_many_owned(units)).await;
        room.map_err(|_| shed)?.map(|room| BuildPermit { _room: room }).map_err(|_| shed)
    }

    /// Bytes of room in use.
    #[must_use]
    pub fn taken(&self) -> u64 {
        (u64::from(self.units) * UNIT).saturating_sub(self.left())
    }

    /// Bytes of free room.
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
        // A build that would fit does not overtake one that waits.
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
