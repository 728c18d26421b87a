//! The current writer of each upload in this process: the latest request wins, and the one before is told to stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Active writers by upload id.
#[derive(Debug, Clone, Default)]
pub(in crate::ingest) struct Writers {
    writing: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

/// A writer's turn; dropping it ends the turn.
#[derive(Debug)]
pub(in crate::ingest) struct WriterTurn {
    writers: Writers,
    upload: String,
    left: CancellationToken,
}

impl Writers {
    /// Takes the turn for `upload`, and stops the writer before.
    pub(in crate::ingest) fn take(&self, upload: &str) -> WriterTurn {
        let left = CancellationToken::new();
        let before = self.lock(|writing| writing.insert(upload.into(), left.clone()));
        if let Some(before) = before {
            before.cancel();
        }
        WriterTurn { writers: self.clone(), upload: upload.into(), left }
    }

    /// Stops the writer of `upload`.
    pub(in crate::ingest) fn stop(&self, upload: &str) {
        if let Some(writer) = self.lock(|writing| writing.remove(upload)) {
            writer.cancel();
        }
    }

    fn lock<T>(&self, change: impl FnOnce(&mut HashMap<String, CancellationToken>) -> T) -> T {
        change(&mut self.writing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WriterTurn {
    /// Waits until another writer takes the turn.
    pub(in crate::ingest) async fn taken(&self) {
        self.left.cancelled().await;
    }
}

impl Drop for WriterTurn {
    fn drop(&mut self) {
        // Leave another writer's turn alone.
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
