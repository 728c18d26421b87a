//! Who writes to which upload in this process: the last to come; whoever was there before is told to leave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Writers by upload.
#[derive(Debug, Clone, Default)]
pub(super) struct Writers {
    writing: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

/// A writer's turn; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    writers: Writers,
    upload: String,
    left: CancellationToken,
}

impl Writers {
    /// Takes the turn for `upload`.
    pub(super) fn take(&self, upload: &str) -> Turn {
        let left = CancellationToken::new();
        let before = self.lock(|writing| writing.insert(upload.into(), left.clone()));
        if let Some(before) = before {
            before.cancel();
        }
        Turn { writers: self.clone(), upload: upload.into(), left }
    }

    /// Tells whoever writes to `upload` to leave.
    pub(super) fn stop(&self, upload: &str) {
        if let Some(writer) = self.lock(|writing| writing.remove(upload)) {
            writer.cancel();
        }
    }

    fn lock<T>(&self, change: impl FnOnce(&mut HashMap<String, CancellationToken>) -> T) -> T {
        change(&mut self.writing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Turn {
    /// Waits until another takes the turn.
    pub(super) async fn taken(&self) {
        self.left.cancelled().await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Another's turn is left as it is.
        if !self.left.is_cancelled() {
            self.writers.lock(|writing| writing.remove(&self.upload));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Writers;

    #[tokio::test]
    async fn the_last_to_come_writes() {
        let writers = Writers::default();
        let first = writers.take("a");
        let second = writers.take("a");
        first.taken().await;
        drop(first);
        assert!(writers.lock(|writing| writing.contains_key("a")));
        drop(second);
        assert!(writers.lock(|writing| writing.is_empty()));
        let third = writers.take("a");
        writers.stop("a");
        third.taken().await;
    }
}
