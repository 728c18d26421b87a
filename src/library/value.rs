//! Parameters of SQL statements and access to result rows, the same for both engines.
//!
//! ```text
//!   &str, Option<&str>, i64, u64, … ──► Value ──► $1, $2, …      row ──► Row::text("id"), Row::number("created"), …
//! ```
//! Number parameters have 64 bits (PostgreSQL narrows them for narrower columns); numbers in rows are as wide as their
//! column. Text with NUL is refused, because PostgreSQL would refuse it but SQLite would not.

use super::Error;
use sqlx::database::Database;
#[cfg(feature = "postgres")]
use sqlx::postgres::PgRow;
use sqlx::query::Query;
use sqlx::sqlite::SqliteRow;
use sqlx::{Encode, Row as _, SqlStr, Type};

/// A parameter of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// Text or NULL.
    Text(Option<String>),
    /// Number or NULL.
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

/// Converts a count to the type of a column. Fails if it exceeds `i64::MAX`.
pub(super) fn number(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Error::Refused { why: format!("{count} is more than a column holds") })
}

/// A statement with its parameters bound. Fails if a text contains NUL.
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

/// A row of a result.
pub(super) enum Row {
    /// From SQLite.
    Sqlite(SqliteRow),
    /// From PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PgRow),
}

impl Row {
    /// A text that is not NULL.
    pub(super) fn text(&self, column: &str) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A text that may be NULL.
    pub(super) fn maybe_text(&self, column: &str) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT that is not NULL.
    pub(super) fn number(&self, column: &str) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT that may be NULL.
    pub(super) fn maybe_number(&self, column: &str) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A SMALLINT that is not NULL.
    pub(super) fn small(&self, column: &str) -> Result<i16, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            #[cfg(feature = "postgres")]
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A BIGINT as a count. Fails if it is negative.
    pub(super) fn count(&self, column: &str) -> Result<u64, Error> {
        narrow(column, self.number(column)?)
    }

    /// A BIGINT as a 32-bit number. Fails if it is out of range.
    pub(super) fn short(&self, column: &str) -> Result<i32, Error> {
        narrow(column, self.number(column)?)
    }

    /// A word of an enumeration, parsed by `read`. Fails if `read` does not know it.
    pub(super) fn word<T>(&self, column: &str, read: fn(&str) -> Option<T>) -> Result<T, Error> {
        let word = self.text(column)?;
        read(&word).ok_or_else(|| Error::Row { why: format!("{column}: {word} is not known") })
    }
}

/// Converts `number` to a narrower type. Fails if it is out of range.
pub(super) fn narrow<T: TryFrom<i64>>(column: &str, number: i64) -> Result<T, Error> {
    T::try_from(number).map_err(|_| Error::Row { why: format!("{column}: {number} is out of range") })
}
