//! Paging by cursor: each page begins behind the last row of the previous one, not at a count of rows. So no row
//! appears twice and none is missed, even if rows are added meanwhile.
//!
//! ```text
//!   newest first, by (created, id):   … │ created 70, "b" │ created 70, "a" │ created 64, "k" │ …
//!                                                               ▲ "70~a": the next page begins behind it
//! ```

use super::engine::{AccessMode, ours};
use super::value::Value;
use super::{Error, Library};

/// Most rows on one page.
pub const LIMIT: u32 = 1_000;

/// Length of a page as a parameter, capped at [`LIMIT`].
pub(super) fn rows(limit: u32) -> Value {
    i64::from(limit.min(LIMIT)).into()
}

/// Cursor behind a row.
pub(super) fn place(created: i64, id: &str) -> String {
    format!("{created}~{id}")
}

/// A list with pages, newest first.
#[derive(Debug, Clone, Copy)]
pub(super) enum List {
    Uploads,
    Jobs,
}

impl Library {
    /// Resolves `after`: a cursor, or the id of a row that still exists. `None`: the list begins at its first row.
    /// [`Error::Place`] if it is neither.
    pub(super) async fn place(&self, list: List, after: Option<&str>) -> Result<Option<(i64, String)>, Error> {
        let Some(after) = after else {
            return Ok(None);
        };
        if let Some((created, id)) = after.split_once('~')
            && let Ok(created) = created.parse()
        {
            return Ok(Some((created, id.to_owned())));
        }
        let sql = match list {
            List::Uploads => "SELECT created FROM uploads WHERE id = $1",
            List::Jobs => "SELECT created FROM jobs WHERE id = $1",
        };
        let rows = self.engine().ask(AccessMode::Read, sql, vec![after.into()]).await?;
        let row = rows.first().ok_or(Error::Place)?;
        Ok(Some((row.number("created")?, after.to_owned())))
    }
}

/// Builder for the statement that selects one page: conditions and their parameters.
#[derive(Debug)]
pub(super) struct PageQuery {
    select: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl PageQuery {
    /// A page of the rows that `select` returns.
    pub(super) const fn of(select: &'static str) -> Self {
        Self { select, conditions: Vec::new(), values: Vec::new() }
    }

    /// Adds a condition; its `?` stand for `values`, in order.
    pub(super) fn only(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let mut text = String::new();
        let mut values = values.into_iter();
        for part in condition.split_inclusive('?') {
            text.push_str(part.trim_end_matches('?'));
            if let Some(value) = part.ends_with('?').then(|| values.next()).flatten() {
                self.values.push(value);
                text.push('$');
                text.push_str(&self.values.len().to_string());
            }
        }
        self.conditions.push(text);
    }

    /// Restricts the page to rows whose `column` begins with one of `prefixes`. Without prefixes, adds no condition.
    pub(super) fn below(&mut self, column: &str, prefixes: &[String]) {
        let each = prefixes.iter().map(|prefix| format!("substr({column}, 1, {}) = ?", prefix.chars().count()));
        let each: Vec<String> = each.collect();
        if !each.is_empty() {
            self.only(&format!("({})", each.join(" OR ")), prefixes.iter().map(Value::from));
        }
    }

    /// Builds the statement and its parameters: at most `limit` rows in this order.
    pub(super) fn statement(mut self, order: &str, limit: u32) -> (sqlx::SqlStr, Vec<Value>) {
        self.values.push(rows(limit));
        let conditions = if self.conditions.is_empty() { "1 = 1".to_owned() } else { self.conditions.join(" AND ") };
        let sql = format!("{} WHERE {conditions} ORDER BY {order} LIMIT ${}", self.select, self.values.len());
        (ours(sql), self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_in_the_order_of_the_conditions() {
        let mut page = PageQuery::of("SELECT id FROM jobs");
        page.only("state = ?", ["queued".into()]);
        page.only("(created, id) < (?, ?)", [7.into(), "j".into()]);
        page.only("deleted IS NULL", []);
        let (sql, values) = page.statement("id", 5_000);
        let wanted = "SELECT id FROM jobs WHERE state = $1 AND (created, id) < ($2, $3) AND deleted IS NULL \
             ORDER BY id LIMIT $4";
        assert_eq!(sql.as_str(), wanted);
        assert_eq!(values, ["queued".into(), 7.into(), "j".into(), 1_000.into()]);
    }

    #[test]
    fn prefixes_are_alternatives_and_none_asks_nothing() {
        let mut page = PageQuery::of("SELECT id FROM assets");
        page.below("id", &[]);
        page.below("id", &["ü/".into(), "b/".into()]);
        let (sql, values) = page.statement("id", 1);
        let wanted =
            "SELECT id FROM assets WHERE (substr(id, 1, 2) = $1 OR substr(id, 1, 2) = $2) ORDER BY id LIMIT $3";
        assert_eq!((sql.as_str(), values), (wanted, vec!["ü/".into(), "b/".into(), 1.into()]));
    }

    #[test]
    fn a_page_without_conditions_is_of_all() {
        let (sql, _) = PageQuery::of("SELECT id FROM jobs").statement("id", 1);
        assert_eq!(sql.as_str(), "SELECT id FROM jobs WHERE 1 = 1 ORDER BY id LIMIT $1");
    }
}
