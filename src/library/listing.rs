//! The asset list: search, order and paging.
//!
//! ```text
//!   AssetQuery{ search, sort, after … } ─► WHERE searched LIKE … AND (bytes, id) > ($1, $2) ORDER BY bytes, id
//!   after = base64url(["bytes", 4096, "film"]): order and last row of the previous page
//! ```

use super::assets::{columns, searched};
use super::engine::AccessMode;
use super::paging::{LIMIT, PageQuery};
use super::{AssetRow, Error, Library};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Sort key of the asset list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AssetSort {
    /// Name, byte by byte.
    #[default]
    Name,
    /// Time when the row was inserted.
    Created,
    /// Time when the row was last written.
    Updated,
    /// Size of all files, in bytes.
    Bytes,
}

impl AssetSort {
    /// All sort keys.
    pub const ALL: [Self; 4] = [Self::Name, Self::Created, Self::Updated, Self::Bytes];

    /// The word for this sort key in queries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Bytes => "bytes",
        }
    }

    /// Parses a sort key. `None` if the word is unknown.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.word() == word)
    }

    /// The number that a row is sorted by; `None` if rows are sorted by name.
    fn number(self, row: &AssetRow) -> Option<i64> {
        match self {
            Self::Name => None,
            Self::Created => Some(row.created),
            Self::Updated => Some(row.updated),
            Self::Bytes => i64::try_from(row.bytes).ok(),
        }
    }

    /// Cursor behind a row.
    fn place(self, row: &AssetRow) -> String {
        let place = serde_json::json!([self.word(), self.number(row), row.id]);
        URL_SAFE_NO_PAD.encode(place.to_string())
    }

    /// Parses a cursor of [`AssetSort::place`]: number and id. [`Error::Place`] if it belongs to another order.
    fn behind(self, place: &str) -> Result<(Option<i64>, String), Error> {
        let bytes = URL_SAFE_NO_PAD.decode(place).map_err(|_| Error::Place)?;
        let (word, number, id): (String, Option<i64>, String) =
            serde_json::from_slice(&bytes).map_err(|_| Error::Place)?;
        let is_ours = word == self.word() && number.is_none() == (self == Self::Name);
        is_ours.then_some((number, id)).ok_or(Error::Place)
    }
}

/// Filter, order and page of an asset list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssetQuery {
    /// Text to find in name, title or details, in upper or lower case. No character is a wildcard.
    pub search: Option<String>,
    /// Sort key; equal rows are sorted by name.
    pub sort: AssetSort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// Cursor from the previous page. [`Error::Place`] if that page had another order.
    pub after: Option<String>,
    /// Most rows on the page.
    pub limit: u32,
    /// Whether to list only deleted assets; else only the others.
    pub deleted: bool,
    /// Only assets whose names begin with one of these; empty: all.
    pub prefixes: Vec<String>,
}

impl Library {
    /// A page of assets, and the cursor for the next page; `None` on the last page.
    pub async fn list_assets(&self, query: &AssetQuery) -> Result<(Vec<AssetRow>, Option<String>), Error> {
        let mut page = PageQuery::of(concat!("SELECT ", columns!(), " FROM assets"));
        page.only(if query.deleted { "deleted IS NOT NULL" } else { "deleted IS NULL" }, []);
        if let Some(search) = query.search.as_deref().filter(|search| !search.is_empty()) {
            page.only("searched LIKE ? ESCAPE '!'", [(&pattern(search)).into()]);
        }
        page.below("id", &query.prefixes);
        let name = format!("id {}", self.engine().bytewise());
        let key = match query.sort {
            AssetSort::Name => name.clone(),
            AssetSort::Created | AssetSort::Updated | AssetSort::Bytes => format!("{}, {name}", query.sort.word()),
        };
        let (than, direction) = if query.descending { ("<", " DESC") } else { (">", "") };
        if let Some(after) = &query.after {
            match query.sort.behind(after)? {
                (None, id) => page.only(&format!("{key} {than} ?"), [(&id).into()]),
                (Some(number), id) => page.only(&format!("({key}) {than} (?, ?)"), [number.into(), (&id).into()]),
            }
        }
        let order: Vec<String> = key.split(", ").map(|column| format!("{column}{direction}")).collect();
        let limit = query.limit.clamp(1, LIMIT - 1);
        // One extra row shows whether there is a next page.
        let (sql, values) = page.statement(&order.join(", "), limit.saturating_add(1));
        let rows = self.engine().ask(AccessMode::Read, sql, values).await?;
        let mut rows: Vec<AssetRow> = rows.iter().map(AssetRow::read).collect::<Result<_, _>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows.last().filter(|_| more).map(|row| query.sort.place(row));
        Ok((rows, next))
    }
}

/// LIKE pattern for texts that contain `text`.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for letter in searched(text).chars() {
        if matches!(letter, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_of_a_search_stands_for_itself() {
        assert_eq!(pattern("100%_ÄB!"), "%100!%!_äb!!%");
    }

    #[test]
    fn a_place_is_read_back_by_its_own_order_alone() {
        let row = AssetRow {
            id: "film".into(),
            title: None,
            details: crate::media::Details::default(),
            created: 3,
            updated: 4,
            bytes: 5,
            millis: 6,
            files: 1,
            deleted: None,
            purge_at: None,
            before: None,
        };
        for sort in AssetSort::ALL {
            let place = sort.place(&row);
            for other in AssetSort::ALL {
                let wanted = if other == sort { Ok((sort.number(&row), "film".into())) } else { Err(Error::Place) };
                assert_eq!(other.behind(&place), wanted);
            }
        }
    }
}
