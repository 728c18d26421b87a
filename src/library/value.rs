//! What goes into a statement and what comes out of a row, the same for both engines.
//!
//! ```text
//!   &str, Option<&str>, i64, u64, … ──► Value ──► $1, $2, …      row ──► Row::text("id"), Row::number("created"), …
//! ```
//! Numbers are 64 bits on the way in (PostgreSQL narrows where a column is narrower) and as wide as their column on the
//! way out. A text with a NUL in it is refused here, as PostgreSQL alone would refuse it.

use super::Error;
use sqlx::database::Database;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Encode, Row as _, SqlStr, Type};

/// A parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, or none.
    Text(Option<String>),
    /// A number, or none.
    Number(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

/// A count as a column holds it.
pub(super) fn number(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Error::Refused { why: format!("{count} is more than a column holds") })
}

/// A statement with its parameters in place.
pub(super) fn bound<'q, D>(sql: SqlStr, values: Vec<Value>) -> Result<Query<'q, D, D::Arguments>, Error>
where
    D: Database,
    Option<String>: Encode<'q, D> + Type<D>,
    Option<i64>: Encode<'q, D> + Type<D>,
{
    let mut query = sqlx::query(sql);
    for value in values {
        query = match value {
            Value::Text(Some(text)) if text.contains('\0') => {
                return Err(Error::Refused { why: "a text has a NUL in it".into() });
            }
            Value::Text(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
        };
    }
    Ok(query)
}

/// A row of an answer.
pub(super) enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

impl Row {
    /// A text that is there.
    pub(super) fn text(&self, column: &str) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A text that may be none.
    pub(super) fn maybe_text(&self, column: &str) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT that is there.
    pub(super) fn number(&self, column: &str) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT that may be none.
    pub(super) fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A SMALLINT that is there.
    pub(super) fn small(&self, column: &str) -> Result<i16, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT that counts something.
    pub(super) fn count(&self, column: &str) -> Result<u64, Error> {
        narrow(column, self.number(column)?)
    }

    /// A BIGINT of which 32 bits are used.
    pub(super) fn short(&self, column: &str) -> Result<i32, Error> {
        narrow(column, self.number(column)?)
    }

    /// A word that `read` knows.
    pub(super) fn word<T>(&self, column: &str, read: fn(&str) -> Option<T>) -> Result<T, Error> {
        let word = self.text(column)?;
        read(&word).ok_or_else(|| Error::Row { why: format!("{column}: {word} is not known") })
    }
}

/// `number`, as it is read here.
pub(super) fn narrow<T: TryFrom<i64>>(column: &str, number: i64) -> Result<T, Error> {
    T::try_from(number).map_err(|_| Error::Row { why: format!("{column}: {number} is out of range") })
}
