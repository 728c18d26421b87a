//! Errors of the database: the errors of both engines, grouped by how a caller can react.

use sqlx::error::DatabaseError;

/// An error of the database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configured address is not usable.
    #[error("the database's address is not usable: {why}")]
    Address {
        /// The fault; quotes no part of the address, which may contain a password.
        why: String,
    },
    /// The database cannot be reached, is starting or stopping, or did not answer in time. A retry may help. Whether
    /// the statement took effect is *not known*: a retry must be idempotent.
    #[error("the database does not answer: {why}")]
    Away {
        /// The cause.
        why: String,
    },
    /// The disk of the database is full. Nothing was changed.
    #[error("the database's disk is full: {why}")]
    Full {
        /// The message of the database.
        why: String,
    },
    /// The database refuses: wrong password, no such database, a value that the schema does not allow.
    #[error("the database refuses: {why}")]
    Refused {
        /// The message of the database.
        why: String,
    },
    /// A row with this key exists already.
    #[error("it is in the database already")]
    Taken,
    /// All assets and uploads together would exceed the quota.
    #[error("all assets and uploads together would have {bytes} bytes, and {limit} are allowed")]
    Quota {
        /// Bytes they would have.
        bytes: u64,
        /// Bytes they may have.
        limit: u64,
    },
    /// A newer version of this program has changed the schema.
    #[error("the database belongs to a newer version of this program: migration {migration} is not known here")]
    Newer {
        /// The first migration that this version does not know.
        migration: i64,
    },
    /// A row contains a value that this version does not understand.
    #[error("a row cannot be read: {why}")]
    Row {
        /// The column and the fault.
        why: String,
    },
    /// The cursor of a list is invalid: this list never issued it.
    #[error("there is no such place in the list")]
    Place,
}

impl Error {
    /// Whether a retry may help.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Full { .. })
    }
}

/// The message of an engine, on one line.
fn line(what: &dyn std::fmt::Display) -> String {
    what.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => classify(&*error),
            sqlx::Error::Migrate(error) => (*error).into(),
            sqlx::Error::Configuration(why) => Self::Address { why: line(&why) },
            // If the server is killed, its connection may end in the middle of a message.
            sqlx::Error::Io(why) => Self::Away { why: line(&why) },
            sqlx::Error::Tls(why) => Self::Away { why: line(&why) },
            sqlx::Error::Protocol(why) => Self::Away { why: line(&why) },
            sqlx::Error::PoolTimedOut => Self::Away { why: "no connection to it became free or could be made".into() },
            sqlx::Error::PoolClosed => Self::Away { why: "it was closed here".into() },
            sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => Self::Away { why: line(&error) },
            other => Self::Row { why: line(&other) },
        }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError;
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            MigrateError::VersionMissing(migration) => Self::Newer { migration },
            other => Self::Refused { why: line(&other) },
        }
    }
}

/// Classifies an error that the engine itself reports.
fn classify(error: &dyn DatabaseError) -> Error {
    if error.is_unique_violation() {
        return Error::Taken;
    }
    let why = line(&error.message());
    let code = error.code();
    let passing = match code.as_deref() {
        // PostgreSQL's codes have five characters (its manual, appendix A).
        Some(code) if code.len() == 5 => is_passing_state(code),
        // SQLite's codes are numbers whose low byte is the result code (sqlite.org/rescode.html).
        Some(code) => code.parse().is_ok_and(is_passing_result),
        None => false,
    };
    if code.as_deref().is_some_and(is_full) {
        return Error::Full { why };
    }
    if passing { Error::Away { why } } else { Error::Refused { why } }
}

/// Whether a retry may help on PostgreSQL: 08 connection exception, 40 transaction rollback (serialization, deadlock),
/// 53 insufficient resources (disk full, too many connections), 55P03 lock not available, 57 operator intervention
/// (shutting down, starting, cancelled), 58 system error.
fn is_passing_state(code: &str) -> bool {
    ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "55P03"
}

/// Whether the disk is full: PostgreSQL's 53100, SQLite's FULL, and its IOERR_SHMSIZE (10 | 19 << 8): no room for the
/// index of its log.
fn is_full(code: &str) -> bool {
    matches!(code, "53100" | "13" | "4874")
}

/// Whether a retry may help on SQLite: 5 BUSY, 6 LOCKED, 7 NOMEM, 10 IOERR, 13 FULL, 14 CANTOPEN, 15 PROTOCOL.
fn is_passing_result(code: u32) -> bool {
    matches!(code & 0xff, 5 | 6 | 7 | 10 | 13 | 14 | 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let codes = ["08006", "40001", "53300", "55P03", "57P01", "58030", "23505", "28P01", "3D000", "42P01", "55000"];
        let passing: Vec<&str> = codes.into_iter().filter(|code| is_passing_state(code)).collect();
        assert_eq!(passing, ["08006", "40001", "53300", "55P03", "57P01", "58030"]);
        // Includes extended codes, with more in the upper bytes: BUSY_SNAPSHOT, IOERR_FSYNC; CONSTRAINT_CHECK.
        let passing: Vec<u32> =
            [5, 517, 1_034, 13, 1, 26, 275].into_iter().filter(|code| is_passing_result(*code)).collect();
        assert_eq!(passing, [5, 517, 1_034, 13]);
    }

    #[test]
    fn a_full_disk_is_told_from_other_trouble() {
        let codes = ["53100", "53300", "13", "4874", "10", "5", "778"];
        assert_eq!(codes.into_iter().filter(|code| is_full(code)).collect::<Vec<_>>(), ["53100", "13", "4874"]);
    }

    #[test]
    fn what_an_engine_says_becomes_one_line() {
        assert_eq!(line(&"no such\n\ttable:  jobs"), "no such table: jobs");
    }
}
