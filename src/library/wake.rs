//! Wakes workers when there may be a job to claim.
//!
//! ```text
//!   enqueue ──► Notify ──► workers of this process
//!      └ NOTIFY afflux_jobs (in its transaction) ──► a listener in each process ──► Notify ──► its workers
//! ```
//! A wake-up does not guarantee a job. Workers also look after `patience`, because some jobs cause no wake-up: jobs of
//! another process on the same SQLite file, jobs added while the listener is disconnected, and jobs that become due.

use super::engine::AccessMode;
#[cfg(feature = "postgres")]
use super::engine::Engine;
use super::{Error, Library};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, postgres::PgListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Name of the PostgreSQL channel.
#[cfg(feature = "postgres")]
const CHANNEL: &str = "afflux_jobs";

/// Pause before listening again after the server went away.
#[cfg(feature = "postgres")]
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes the workers of this process.
#[derive(Default)]
pub(super) struct Wake {
    notify: Arc<Notify>,
    /// The task that listens to PostgreSQL; started by the first worker that waits.
    listener: OnceLock<AbortHandle>,
}

impl Wake {
    /// Wakes workers of this process.
    pub(super) fn wake(&self) {
        call(&self.notify);
    }

    /// Stops listening, and wakes workers of this process.
    pub(super) fn stop(&self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
        self.wake();
    }

    #[cfg(feature = "postgres")]
    fn listen(&self, pool: &PgPool) {
        self.listener.get_or_init(|| {
            let listening = listen(pool.clone(), Arc::clone(&self.notify));
            tokio::spawn(listening).abort_handle()
        });
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Wakes all waiting workers, and the next one that waits: it may have looked just before the job was added.
fn call(notify: &Notify) {
    notify.notify_waiters();
    notify.notify_one();
}

#[cfg(feature = "postgres")]
async fn listen(pool: PgPool, notify: Arc<Notify>) {
    while !pool.is_closed() {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            // Jobs added while it was not listening caused no notification.
            call(&notify);
            while listener.try_recv().await.is_ok() {
                call(&notify);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Library {
    /// Wakes workers of all processes.
    pub(super) async fn call(&self) -> Result<(), Error> {
        if self.engine().is_shared() {
            self.engine().ask(AccessMode::Read, "SELECT pg_notify('afflux_jobs', '')", vec![]).await?;
        }
        self.inner.wake.wake();
        Ok(())
    }

    /// Waits until there may be a job to claim, at most for `patience`, so that workers also poll at that interval.
    pub async fn job_woken(&self, patience: Duration) {
        let wake = &self.inner.wake;
        #[cfg(feature = "postgres")]
        if let Engine::Postgres(pool) = self.engine() {
            wake.listen(pool);
        }
        let _ = tokio::time::timeout(patience, wake.notify.notified()).await;
    }
}
