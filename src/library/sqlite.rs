//! A file of this machine as the database.
//!
//! WAL, so that readers and the writer do not wait for each other; `synchronous = FULL`, so that what was committed is on
//! the disk even if the power fails (under WAL, NORMAL would lose the last commits). The file and its folder are made if
//! they are missing, for this user alone: it holds what others must not read.

use super::engine::Engine;
use super::{Error, migrate};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long another process may hold the lock that is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// How long to wait for a connection that is in use here.
const TURN: Duration = Duration::from_secs(10);

/// Connections that read.
const READERS: u32 = 4;

/// Between two attempts to open.
const PAUSE: Duration = Duration::from_millis(20);

/// Opens `path`, waiting at most so long for others that are opening it too.
pub(super) async fn open(path: &Path, patience: Duration) -> Result<Engine, Error> {
    if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
        return Err(Error::Address { why: "sqlite: needs the path of a file".into() });
    }
    let made = path.to_owned();
    let making = tokio::task::spawn_blocking(move || make(&made)).await;
    let making = making.map_err(io::Error::other).and_then(|made| made);
    making.map_err(|error| refused(path, sqlx::Error::Io(error)))?;
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY).foreign_keys(true);
    let options = options.synchronous(SqliteSynchronous::Full).disable_statement_logging();
    let pool = || {
        let pool = SqlitePoolOptions::new().acquire_timeout(TURN).test_before_acquire(false);
        pool.idle_timeout(None).max_lifetime(None)
    };
    let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
    let until = Instant::now() + patience;
    // Changing to WAL needs the file alone, and SQLite does not wait for that.
    let writer = loop {
        match pool().max_connections(1).connect_with(writing.clone()).await {
            Ok(writer) => break writer,
            Err(error) if is_busy(&error) && Instant::now() < until => sleep(PAUSE).await,
            Err(error) if is_busy(&error) => return Err(error.into()),
            Err(error) => return Err(refused(path, error)),
        }
    };
    migrate::sqlite(&writer).await?;
    let readers = pool().max_connections(READERS).connect_lazy_with(options.pragma("query_only", "ON"));
    Ok(Engine::Sqlite { writer, readers })
}

/// Whether another process has the file locked: 5 BUSY, 6 LOCKED (sqlite.org/rescode.html).
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// What does not open is not usable, and asking again later will not help; it says which file that is.
fn refused(path: &Path, error: sqlx::Error) -> Error {
    let why = match error.into() {
        Error::Away { why } | Error::Refused { why } => why,
        other => return other,
    };
    Error::Refused { why: format!("{}: {why}", path.display()) }
}

/// Makes the file, if it is missing, so that it lasts.
fn make(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = parent.map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs::create_dir_all(&folder)?;
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => {
            file.sync_all()?;
            File::open(folder)?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}
