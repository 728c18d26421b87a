//! The library itself: opens the database by its URL, and closes it.
//!
//! ```text
//!   "sqlite:/var/lib/afflux/library.db" ─┐                        ┌ folder and file (mode 0600) are created if missing
//!                                        ├─ open ─ connect ──────┤
//!   "postgres://user:…@host/name" ───────┘  (bounded) └ migrate   └ retried while the server starts
//! ```
//! Several processes may start at once on the same database: the second waits until the first has migrated it.

use super::engine::{AccessMode, Engine};
#[cfg(feature = "postgres")]
use super::postgres;
use super::wake::Wake;
use super::{Error, reserve, sqlite};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long to retry at the start while the database does not answer.
pub(super) const OPENING: Duration = Duration::from_secs(15);

/// The control plane's database: uploads, jobs, keys, assets. Clones share its connections.
#[derive(Clone)]
pub struct Library {
    pub(super) inner: Arc<LibraryInner>,
}

/// State that clones share.
pub(super) struct LibraryInner {
    pub(super) engine: Engine,
    pub(super) wake: Wake,
    /// Path of the reserve (`reserve.rs`); `None` for PostgreSQL.
    pub(super) reserve: Option<PathBuf>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connections may contain a password.
        f.debug_struct("Library").field("is_shared", &self.is_shared()).finish_non_exhaustive()
    }
}

impl Library {
    /// Opens `sqlite:PATH` or `postgres://…` and migrates its schema.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let mut reserve = None;
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            // sqlite:///path is the same as sqlite:/path.
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            reserve = Some(reserve::beside(path));
            opened(path).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            server(url).await?
        } else {
            return Err(Error::Address { why: "it begins with neither sqlite: nor postgres://".into() });
        };
        let library = Self { inner: Arc::new(LibraryInner { engine, wake: Wake::default(), reserve }) };
        library.keep_reserve().await;
        Ok(library)
    }

    /// Checks that the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.engine().ask(AccessMode::Read, "SELECT 1", vec![]).await.map(|_| ())
    }

    /// Closes all connections; from then on every clone fails with [`Error::Away`].
    pub async fn close(&self) {
        self.inner.wake.stop();
        self.engine().close().await;
    }

    /// Whether other machines may use the same database: true for PostgreSQL.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.engine().is_shared()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

/// Opens an SQLite file; if the disk is full, removes the reserve and tries again.
async fn opened(path: &Path) -> Result<Engine, Error> {
    match sqlite::open(path, OPENING).await {
        Err(Error::Full { .. }) => {
            let reserve = reserve::beside(path);
            let _done = tokio::task::spawn_blocking(move || reserve::release(&reserve)).await;
            sqlite::open(path, OPENING).await
        }
        opened => opened,
    }
}

#[cfg(feature = "postgres")]
async fn server(url: &str) -> Result<Engine, Error> {
    postgres::open(url, OPENING).await
}

#[cfg(not(feature = "postgres"))]
async fn server(_: &str) -> Result<Engine, Error> {
    let why = "this build has no PostgreSQL: rebuild with --features postgres";
    std::future::ready(Err(Error::Address { why: why.into() })).await
}
