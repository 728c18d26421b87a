//! Two engines behind one way to talk: SQLite, a file of this machine, and PostgreSQL, shared by many.
//!
//! ```text
//!              ┌ Sqlite   writer: 1 connection, whoever changes anything queues for it here, in turn,
//!   Engine ────┤                  instead of polling for SQLite's lock; other processes are waited for in BEGIN IMMEDIATE
//!              │          readers: a few connections, which neither wait for writers nor hold them up (WAL)
//!              └ Postgres one pool
//!
//!   talk(Purpose) ──► Talk ── rows, run, … ──► done()      dropped before done(): its connection is closed, not reused
//!   begin()       ──► Talk in a transaction ── … ──► commit()  or  roll_back()
//! ```
//! A future that is dropped in the middle, a wait that ran out and a statement that failed leave a connection in a state
//! that nobody knows: so it is closed, which rolls back what was open. Every wait has a limit.

use super::Error;
use super::value::{Row, Value, bound};
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Database, SqlSafeStr, SqlStr, Sqlite, SqlitePool};
#[cfg(feature = "postgres")]
use sqlx::{PgPool, Postgres};
use std::time::Duration;

/// How long one statement may take.
pub(super) const STATEMENT: Duration = Duration::from_secs(15);

/// What a transaction of PostgreSQL begins with: if this machine vanishes in the middle, what it has locked is free
/// again soon, not when TCP gives up.
#[cfg(feature = "postgres")]
const BEGIN: &str = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// The engines, each with its connections.
pub(super) enum Engine {
    /// A file.
    Sqlite {
        /// One connection, for all that changes something.
        writer: SqlitePool,
        /// For the rest.
        readers: SqlitePool,
    },
    /// A server.
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
}

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Nothing is changed.
    Read,
    /// Something may be changed.
    Write,
}

impl Engine {
    /// A connection; each statement stands for itself.
    pub(super) async fn talk(&self, purpose: Purpose) -> Result<Talk, Error> {
        Ok(match (self, purpose) {
            (Self::Sqlite { readers, .. }, Purpose::Read) => Talk::Sqlite(Line::new(readers.acquire().await?)),
            (Self::Sqlite { writer, .. }, Purpose::Write) => Talk::Sqlite(Line::new(writer.acquire().await?)),
            #[cfg(feature = "postgres")]
            (Self::Postgres(pool), _) => Talk::Postgres(Line::new(pool.acquire().await?)),
        })
    }

    /// A connection in a transaction that may change something.
    pub(super) async fn begin(&self) -> Result<Talk, Error> {
        let mut talk = self.talk(Purpose::Write).await?;
        match talk {
            Talk::Sqlite(_) => talk.say("BEGIN IMMEDIATE").await?,
            #[cfg(feature = "postgres")]
            Talk::Postgres(_) => talk.say(BEGIN).await?,
        }
        Ok(talk)
    }

    /// The rows that one statement answers.
    pub(super) async fn ask(&self, purpose: Purpose, sql: impl SqlSafeStr, values: Vec<Value>) -> Rows {
        let mut talk = self.talk(purpose).await?;
        let rows = talk.rows(sql, values).await;
        // A statement that was refused has changed nothing, and the connection is as it was.
        if matches!(rows, Ok(_) | Err(Error::Refused { .. } | Error::Taken)) {
            talk.done();
        }
        rows
    }

    /// Ends a subquery that picks rows to change: PostgreSQL passes over those that another one is changing; SQLite has
    /// one writer at a time anyway.
    pub(super) const fn unlocked(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// What makes texts compare byte by byte, whatever the database was set up with.
    pub(super) const fn bytewise(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "COLLATE BINARY",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "COLLATE \"C\"",
        }
    }

    /// Whether other machines may use it too.
    pub(super) const fn is_shared(&self) -> bool {
        match self {
            Self::Sqlite { .. } => false,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => true,
        }
    }

    /// Closes all connections, once they are given back.
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

/// What a statement answers.
pub(super) type Rows = Result<Vec<Row>, Error>;

/// A connection in use.
pub(super) struct Line<D: Database> {
    connection: PoolConnection<D>,
    /// Whether it may be used again.
    clean: bool,
}

impl<D: Database> Line<D> {
    const fn new(connection: PoolConnection<D>) -> Self {
        Self { connection, clean: false }
    }
}

impl<D: Database> Drop for Line<D> {
    fn drop(&mut self) {
        if !self.clean {
            self.connection.close_on_drop();
        }
    }
}

/// A connection in use, of either engine.
pub(super) enum Talk {
    /// With SQLite.
    Sqlite(Line<Sqlite>),
    /// With PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Line<Postgres>),
}

impl Talk {
    /// The rows that a statement answers. All are read, as a change that answers rows is made only then.
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

    /// Whether a statement answers any row: whether there is such a row, or whether one was changed, if it says
    /// `RETURNING`.
    pub(super) async fn any(&mut self, sql: impl SqlSafeStr, values: Vec<Value>) -> Result<bool, Error> {
        Ok(!self.rows(sql, values).await?.is_empty())
    }

    /// Statements without parameters and without answer.
    pub(super) async fn say(&mut self, sql: &'static str) -> Result<(), Error> {
        match self {
            Self::Sqlite(line) => within(sqlx::raw_sql(sql).execute(&mut *line.connection)).await.map(|_| ()),
            #[cfg(feature = "postgres")]
            Self::Postgres(line) => within(sqlx::raw_sql(sql).execute(&mut *line.connection)).await.map(|_| ()),
        }
    }

    /// Gives the connection back.
    pub(super) fn done(mut self) {
        match &mut self {
            Self::Sqlite(line) => line.clean = true,
            #[cfg(feature = "postgres")]
            Self::Postgres(line) => line.clean = true,
        }
    }

    /// Ends a transaction: once this answers, what was changed lasts.
    pub(super) async fn commit(mut self) -> Result<(), Error> {
        self.say("COMMIT").await?;
        self.done();
        Ok(())
    }

    /// Ends a transaction: nothing was changed.
    pub(super) async fn roll_back(mut self) -> Result<(), Error> {
        self.say("ROLLBACK").await?;
        self.done();
        Ok(())
    }
}

/// A statement put together of our own words: no part of it comes from outside, values are parameters.
pub(super) fn ours(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

async fn within<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
    match tokio::time::timeout(STATEMENT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::Away { why: format!("no answer within {} s", STATEMENT.as_secs()) }),
    }
}
