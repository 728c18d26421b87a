//! One interface to two database engines: SQLite, a file on this machine, and PostgreSQL, shared by several machines.
//!
//! ```text
//!              ┌ Sqlite   writer: 1 connection; writers of this process queue for it in turn instead of
//!   Engine ────┤                  polling for SQLite's lock; BEGIN IMMEDIATE waits for other processes
//!              │          readers: a few connections, which neither wait for writers nor block them (WAL)
//!              └ Postgres one pool
//!
//!   talk(Purpose) ──► Talk ── rows, run, … ──► done()      dropped before done(): its connection is closed, not reused
//!   begin()       ──► Talk in a transaction ── … ──► commit()  or  roll_back()
//! ```
//! A dropped future, a timeout or a failed statement leaves a connection in an unknown state: it is closed, which rolls
//! back its open transaction. Every wait has a limit.

use super::Error;
use super::value::{Row, Value, bound};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, SqlSafeStr, SqlStr, Sqlite, SqlitePool};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, Postgres};
use std::time::Duration;

/// Time limit of one statement.
pub(super) const STATEMENT: Duration = Duration::from_secs(15);

/// Begins a transaction on PostgreSQL. If this machine vanishes in the middle, its locks are released soon, not when
/// TCP gives up.
#[cfg(feature = "postgres")]
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// A database engine with its connections.
pub(super) enum Engine {
    /// An SQLite file.
    Sqlite {
        /// One connection, for all changes.
        writer: SqlitePool,
        /// Connections for reading.
        readers: SqlitePool,
    },
    /// A PostgreSQL server.
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// Purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccessMode {
    /// Only reads.
    Read,
    /// May change data.
    Write,
}

impl Engine {
    /// A connection without a transaction: each statement commits by itself.
    pub(super) async fn talk(&self, purpose: AccessMode) -> Result<EngineConnection, Error> {
        Ok(match (self, purpose) {
            (Self::Sqlite { readers, .. }, AccessMode::Read) => {
                EngineConnection::Sqlite(PooledConnection::new(readers.acquire().await?))
            }
            (Self::Sqlite { writer, .. }, AccessMode::Write) => {
                EngineConnection::Sqlite(PooledConnection::new(writer.acquire().await?))
            }
            #[cfg(feature = "postgres")]
            (Self::Postgres(pool), _) => EngineConnection::Postgres(PooledConnection::new(pool.acquire().await?)),
        })
    }

    /// A connection in a transaction that may change data.
    pub(super) async fn begin(&self) -> Result<EngineConnection, Error> {
        let mut talk = self.talk(AccessMode::Write).await?;
        match talk {
            EngineConnection::Sqlite(_) => talk.say("BEGIN IMMEDIATE").await?,
            #[cfg(feature = "postgres")]
            EngineConnection::Postgres(_) => talk.say(BEGIN).await?,
        }
        Ok(talk)
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn ask(&self, purpose: AccessMode, sql: impl SqlSafeStr, values: Vec<Value>) -> Rows {
        let mut talk = self.talk(purpose).await?;
        let rows = talk.rows(sql, values).await;
        // A refused statement changes nothing, so the connection can be reused.
        if matches!(rows, Ok(_) | Err(Error::Refused { .. } | Error::Taken)) {
            talk.done();
        }
        rows
    }

    /// End of a subquery that picks rows to change: PostgreSQL skips rows that another transaction is changing; SQLite
    /// has only one writer at a time.
    pub(super) const fn unlocked(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// SQL clause that compares texts byte by byte, whatever the collation of the database.
    pub(super) const fn bytewise(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "COLLATE BINARY",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "COLLATE \"C\"",
        }
    }

    /// Whether other machines may use the same database.
    pub(super) const fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Closes all connections once they are returned.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Result of a statement.
pub(super) type Rows = Result<Vec<Row>, Error>;

/// A connection in use.
pub(super) struct PooledConnection<D: Database> {
    connection: PoolConnection<D>,
    /// Whether the connection may be reused.
    clean: bool,
}

impl<D: Database> PooledConnection<D> {
    const fn new(connection: PoolConnection<D>) -> Self {
        Self { connection, clean: false }
    }
}

impl<D: Database> Drop for PooledConnection<D> {
    fn drop(&mut self) {
        if !self.clean {
            self.connection.close_on_drop();
        }
    }
}

/// A connection in use, of either engine.
pub(super) enum EngineConnection {
    /// SQLite.
    Sqlite(PooledConnection<Sqlite>),
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PooledConnection<Postgres>),
}

impl EngineConnection {
    /// Runs a statement and returns its rows. Reads all of them, because a change with `RETURNING` is complete only
    /// then.
    pub(super) async fn rows(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Rows {
        let sql = sql.into_sql_str();
        match self {
            Self::Sqlite(line) => {
                let rows = within(bound(sql, values)?.fetch_all(&mut *line.connection)).await?;
                Ok(rows.into_iter().map(Row::Sqlite).collect())
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(line) => {
                let rows = within(bound(sql, values)?.fetch_all(&mut *line.connection)).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// Runs a statement. Returns whether it gives any row: one that it found, or one that it changed with `RETURNING`.
    pub(super) async fn any(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<bool, Error> {
        Ok(!self.rows(sql, values).await?.is_empty())
    }

    /// Runs statements that have neither parameters nor results.
    pub(super) async fn say(&mut self, sql: &'static str) -> Result<(), Error> {
        match self {
            Self::Sqlite(line) => within(sqlx::raw_sql(sql).execute(&mut *line.connection)).await.map(|_| ()),
            #[cfg(feature = "postgres")]
            Self::Postgres(line) => within(sqlx::raw_sql(sql).execute(&mut *line.connection)).await.map(|_| ()),
        }
    }

    /// Returns the connection to the pool.
    pub(super) fn done(mut self) {
        match &mut self {
            Self::Sqlite(line) => line.clean = true,
            #[cfg(feature = "postgres")]
            Self::Postgres(line) => line.clean = true,
        }
    }

    /// Commits the transaction: its changes are durable once this returns.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.say("COMMIT").await?;
        self.done();
        Ok(())
    }

    /// Rolls the transaction back: nothing is changed.
    pub(super) async fn roll_back(mut self) -> Result<(), Error> {
        self.say("ROLLBACK").await?;
        self.done();
        Ok(())
    }
}

/// Marks an assembled statement as safe: no part of it comes from outside; values are parameters.
pub(super) fn ours(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(STATEMENT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Away { why: format!("no answer within {} s", STATEMENT.as_secs()) }),
    }
}
