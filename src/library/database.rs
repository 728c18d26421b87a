//! Opening a database and closing it.
//!
//! ```text
//!   "sqlite:/var/lib/afflux/library.db" ─┐                        ┌ its folder and file (mode 0600) are made if missing
//!                                        ├─ open ─ connect ──────┤
//!   "postgres://user:…@host/name" ───────┘  (bounded) └ migrate   └ tried again while the server starts
//! ```
//! Several processes may start at once on the same database: who comes second waits until the first has migrated.

use super::engine::{Engine, Purpose};
use super::migrate;
use super::wake::Wake;
use super::{Error, sqlite};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long a database that does not answer is tried at the start.
const OPENING: Duration = Duration::from_secs(15);

/// How long one attempt to connect may take.
const CONNECTING: Duration = Duration::from_secs(5);

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(250);

/// Connections of one process to PostgreSQL. One of them listens.
const CONNECTIONS: u32 = 10;

/// A database: uploads, jobs, keys, assets. A clone is the same database.
#[derive(Clone)]
pub struct Library {
    pub(super) inner: Arc<Inner>,
}

/// What clones share.
pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) wake: Wake,
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
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            // sqlite:///path is the same as sqlite:/path.
            sqlite::open(Path::new(path.strip_prefix("//").unwrap_or(path)), OPENING).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            postgres(url).await?
        } else {
            return Err(Error::Address { why: "it begins with neither sqlite: nor postgres://".into() });
        };
        Ok(Self { inner: Arc::new(Inner { engine, wake: Wake::default() }) })
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
        matches!(self.engine(), Engine::Postgres(_))
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

async fn postgres(url: &str) -> Result<Engine, Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("afflux").disable_statement_logging();
    let until = Instant::now() + OPENING;
    // One connection by itself: it says what is wrong, where a pool would say that it waited in vain.
    while let Err(error) = attempt(&options).await {
        if !error.is_away() || Instant::now() >= until {
            return Err(error);
        }
        sleep(PAUSE).await;
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(CONNECTING);
    let pool = pool.connect_lazy_with(options);
    migrate::postgres(&pool).await?;
    Ok(Engine::Postgres(pool))
}

/// Connects and leaves again.
async fn attempt(options: &PgConnectOptions) -> Result<(), Error> {
    let place = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    match timeout(CONNECTING, options.connect()).await {
        Ok(Ok(connection)) => {
            let _ = timeout(CONNECTING, connection.close()).await;
            Ok(())
        }
        Ok(Err(error)) => Err(match error.into() {
            Error::Away { why } => Error::Away { why: format!("{place}: {why}") },
            Error::Refused { why } => Error::Refused { why: format!("{place}: {why}") },
            other => other,
        }),
        Err(_) => Err(Error::Away { why: format!("{place}: no connection within {} s", CONNECTING.as_secs()) }),
    }
}
