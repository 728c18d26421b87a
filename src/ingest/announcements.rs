//! Announces to waiting requests that a job on their upload has ended.
//!
//! ```text
//! a worker of this process ─ announce(upload) ─► each listener wakes if it waits for this upload
//! a worker of another process: no announcement    each listener polls: after 250 ms, 500 ms, 1 s, then every 2 s
//! ```
//! An announcement does not tell how the job ended: the listener reads the row of its upload.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::time::timeout;

/// Wait before the first poll.
const FIRST: Duration = Duration::from_millis(250);

/// Longest wait between two polls.
const LONGEST: Duration = Duration::from_secs(2);

/// Announcements that a listener may fall behind; one that falls further behind polls at once.
const BACKLOG: usize = 64;

/// Announcements of a process. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Announcements {
    sender: Sender<Arc<str>>,
}

/// A request that waits for one upload.
#[derive(Debug)]
pub(super) struct Listener {
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
    /// Wakes the listeners for `upload`.
    pub(super) fn announce(&self, upload: &str) {
        // An error means that nobody listens.
        let _ = self.sender.send(upload.into());
    }

    /// A listener for `upload`. It misses no announcement from now on, so the caller reads the row after this.
    pub(super) fn listen(&self, upload: &str) -> Listener {
        Listener { upload: upload.into(), receiver: self.sender.subscribe(), patience: FIRST }
    }
}

impl Listener {
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
    use super::{Announcements, BACKLOG, FIRST, LONGEST, Listener};
    use std::time::Duration;
    use tokio::time::{Instant, timeout};

    /// A listener that does not poll during the test.
    fn patient(announcements: &Announcements, upload: &str) -> Listener {
        Listener { patience: Duration::from_mins(1), ..announcements.listen(upload) }
    }

    async fn wakes(listener: &mut Listener) -> bool {
        timeout(Duration::from_millis(50), listener.woken()).await.is_ok()
    }

    #[tokio::test]
    async fn an_announcement_wakes_those_who_wait_for_its_upload_alone() {
        let announcements = Announcements::default();
        let (mut a, mut b) = (patient(&announcements, "a"), patient(&announcements, "b"));
        announcements.clone().announce("a");
        assert_eq!((wakes(&mut a).await, wakes(&mut b).await), (true, false));
    }

    #[tokio::test]
    async fn a_listener_that_falls_behind_polls() {
        let announcements = Announcements::default();
        let mut listener = patient(&announcements, "a");
        for _ in 0..=BACKLOG {
            announcements.announce("b");
        }
        assert!(wakes(&mut listener).await);
    }

    #[tokio::test]
    async fn the_time_between_polls_doubles_up_to_a_bound() {
        let mut listener = Announcements::default().listen("a");
        let began = Instant::now();
        listener.woken().await;
        assert!(began.elapsed() >= FIRST);
        let mut waits = Vec::new();
        for _ in 0..4 {
            waits.push(listener.patience.as_millis());
            // A dropped wait counts as one.
            assert!(!wakes(&mut listener).await);
        }
        assert_eq!(waits, [500, 1_000, 2_000, LONGEST.as_millis()]);
    }
}
