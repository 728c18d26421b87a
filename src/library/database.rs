//! Opening a database and closing it.
//!
//! ```text
//!   "sqlite:/var/lib/afflux/library.db" ─┐                        ┌ its folder and file (mode 0600) are made if missing
//!                                        ├─ open ─ connect ──────┤
//!   "postgres://user:…@host/name" ───────┘  (bounded) └ migrate   └ tried again while the server starts
//! ```
//! Several processes may start at once on the same database: who comes second waits until the first has migrated.

use super::engine::{Engine, Purpose};
#[cfg(feature = "postgres")]
use super::postgres;
use super::wake::Wake;
use super::{Error, reserve, sqlite};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long a database that does not answer is tried at the start.
pub(super) const OPENING: Duration = Duration::from_secs(15);

/// A database: uploads, jobs, keys, assets. A clone is the same database.
#[derive(Clone)]
pub struct Library {
    pub(super) inner: Arc<Inner>,
}

/// What clones share.
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) wake: Wake,
    /// The file that keeps room for the last writes.
    pub(super) reserve: Option<PathBuf>,
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connections know a password.
        f.debug_struct("Library").field("is_shared", &self.is_shared()).finish_non_exhaustive()
    }
}

impl Library {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its schema up to date.
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
        let library = Self { inner: Arc::new(Inner { engine, wake: Wake::default(), reserve }) };
        library.keep_reserve().await;
        Ok(library)
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.engine().ask(Purpose::Read, "SELECT 1", vec![]).await.map(|_| ())
    }

    /// Closes its connections; every clone of it answers [`Error::Away`] from now on.
    pub async fn close(&self) {
        self.inner.wake.stop();
        self.engine().close().await;
    }

    /// Whether other machines may use it too: PostgreSQL.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.engine().is_shared()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

/// Opens an SQLite file; where its disk is full, without the reserve.
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
