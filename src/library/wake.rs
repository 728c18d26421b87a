//! Who waits for jobs is woken when there may be one.
//!
//! ```text
//!   enqueue ──► Notify ──► workers of this process
//!      └ NOTIFY afflux_jobs (in its transaction) ──► a listener in each process ──► Notify ──► its workers
//! ```
//! Being woken promises nothing, and what is missed is made up for by `patience`: a process on the same SQLite file, a
//! listener whose server went away, a job that becomes due.

#[cfg(feature = "postgres")]
use super::engine::Engine;
use super::engine::Purpose;
use super::{Error, Library};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, postgres::PgListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What PostgreSQL calls the channel.
#[cfg(feature = "postgres")]
const CHANNEL: &str = "afflux_jobs";

/// How long to wait before listening again, when the server went away.
#[cfg(feature = "postgres")]
const PAUSE: Duration = Duration::from_secs(1);

/// Wakes who waits.
#[derive(Default)]
pub(super) struct Wake {
    notify: Arc<Notify>,
    /// The task that listens to PostgreSQL, once someone waits.
    listener: OnceLock<AbortHandle>,
}

impl Wake {
    /// Says that there may be a job.
    pub(super) fn wake(&self) {
        call(&self.notify);
    }

    /// Ends listening.
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

/// Wakes all who wait, and the next one who comes: it may have looked for a job just before this one was there.
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
            // Of what came before it listened, or while it did not, it was not told.
            call(&notify);
            while listener.try_recv().await.is_ok() {
                call(&notify);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Library {
    /// Says to all processes that there may be a job.
    pub(super) async fn call(&self) -> Result<(), Error> {
        if self.engine().is_shared() {
            self.engine().ask(Purpose::Read, "SELECT pg_notify('afflux_jobs', '')", vec![]).await?;
        }
        self.inner.wake.wake();
        Ok(())
    }

    /// Waits until there may be a job to claim, at most for `patience`: so it also paces who polls.
    pub async fn job_woken(&self, patience: Duration) {
        let wake = &self.inner.wake;
        #[cfg(feature = "postgres")]
        if let Engine::Postgres(pool) = self.engine() {
            wake.listen(pool);
        }
        let _ = tokio::time::timeout(patience, wake.notify.notified()).await;
    }
}
