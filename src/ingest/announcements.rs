//! Announces to waiting requests that a job on their upload has ended.
//!
//! ```text
//! a worker of this process ─ announce(upload) ─► each waiter wakes if it waits for this upload
//! a worker of another process: no announcement    each waiter polls: after 250 ms, 500 ms, 1 s, then every 2 s
//! ```
//! An announcement does not tell how the job ended: the waiter reads the row of its upload.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::time::timeout;

/// Wait before the first poll.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait between two polls.
const LONGEST: Duration = Duration::from_secs(2);

/// Announcements that a waiter may fall behind; one that falls further behind polls at once.
const BACKLOG: usize = 64;

/// Announcements of a process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Announcements {
    sender: Sender<Arc<str>>,
}

/// A request that waits for one upload.
#[derive(Debug)]
pub(super) struct UploadWaiter {
    upload: String,
    receiver: Receiver<Arc<str>>,
    patience: Duration,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { sender: Sender::new(BACKLOG) }
    }
}

impl Announcements {
    /// Wakes the waiters for `upload`.
    pub(super) fn announce(&self, upload: &str) {
        // An error means that nobody listens.
        let _ = self.sender.send(upload.into());
    }

    /// A waiter for `upload`. It misses no announcement from now on, so the caller reads the row after this.
    pub(super) fn wait_for(&self, upload: &str) -> UploadWaiter {
        UploadWaiter { upload: upload.into(), receiver: self.sender.subscribe(), patience: FIRST }
    }
}

impl UploadWaiter {
    /// Waits until a job on the upload ends in this process, or until it is time to poll.
    pub(super) async fn woken(&mut self) {
        let patience = self.patience;
        self.patience = patience.saturating_mul(2).min(LONGEST);
        // Both outcomes mean that the caller reads the row.
        let _ = timeout(patience, self.announced()).await;
    }

    async fn announced(&mut self) {
        loop {
            match self.receiver.recv().await {
                Ok(upload) if *upload == *self.upload => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Announcements, BACKLOG, FIRST, LONGEST, UploadWaiter};
    use std::time::Duration;
    use tokio::time::{Instant, timeout};

    /// A waiter that does not poll during the test.
    fn patient(announcements: &Announcements, upload: &str) -> UploadWaiter {
        UploadWaiter { patience: Duration::from_mins(1), ..announcements.wait_for(upload) }
    }

    async fn wakes(waiter: &mut UploadWaiter) -> bool {
        timeout(Duration::from_millis(50), waiter.woken()).await.is_ok()
    }

    #[tokio::test]
    async fn an_announcement_wakes_those_who_wait_for_its_upload_alone() {
        let announcements = Announcements::default();
        let (mut a, mut b) = (patient(&announcements, "a"), patient(&announcements, "b"));
        announcements.clone().announce("a");
        assert_eq!((wakes(&mut a).await, wakes(&mut b).await), (true, false));
    }

    #[tokio::test]
    async fn a_waiter_that_falls_behind_polls() {
        let announcements = Announcements::default();
        let mut waiter = patient(&announcements, "a");
        for _ in 0..=BACKLOG {
            announcements.announce("b");
        }
        assert!(wakes(&mut waiter).await);
    }

    #[tokio::test]
    async fn the_time_between_polls_doubles_up_to_a_bound() {
        let mut waiter = Announcements::default().wait_for("a");
        let began = Instant::now();
        waiter.woken().await;
        assert!(began.elapsed() >= FIRST);
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(waiter.patience.as_millis());
            // A dropped wait counts as one.
            assert!(!wakes(&mut waiter).await);
        }
        assert_eq!(waits, [500, 1_000, 2_000, LONGEST.as_millis()]);
    }
}
