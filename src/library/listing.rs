//! The catalogue, searched, sorted and page by page.
//!
//! ```text
//!   AssetQuery{ search, sort, after … } ─► WHERE searched LIKE … AND (bytes, id) > ($1, $2) ORDER BY bytes, id
//!   after = base64url(["bytes", 4096, "film"]): the last row of the page before, and what it was sorted by
//! ```

use super::assets::{columns, searched};
use super::engine::Purpose;
use super::paging::{LIMIT, Page};
use super::{AssetRow, Error, Library};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What assets are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AssetSort {
    /// Their names, byte by byte.
    #[default]
    Name,
    /// When they were first put.
    Created,
    /// When they were last put.
    Updated,
    /// Bytes of all of their files.
    Bytes,
}

impl AssetSort {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Name, Self::Created, Self::Updated, Self::Bytes];

    /// What it is called in queries.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Bytes => "bytes",
        }
    }

    /// The one that is called so.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.word() == word)
    }

    /// What a row is sorted by, besides its name: nothing, for those that are sorted by it.
    fn number(self, row: &AssetRow) -> Option<i64> {
        match self {
            Self::Name => None,
            Self::Created => Some(row.created),
            Self::Updated => Some(row.updated),
            Self::Bytes => i64::try_from(row.bytes).ok(),
        }
    }

    /// The place behind a row.
    fn place(self, row: &AssetRow) -> String {
        let place = serde_json::json!([self.word(), self.number(row), row.id]);
        URL_SAFE_NO_PAD.encode(place.to_string())
    }

    /// What [`AssetSort::place`] was made of.
    fn behind(self, place: &str) -> Result<(Option<i64>, String), Error> {
        let bytes = URL_SAFE_NO_PAD.decode(place).map_err(|_| Error::Place)?;
        let (word, number, id): (String, Option<i64>, String) =
            serde_json::from_slice(&bytes).map_err(|_| Error::Place)?;
        let is_ours = word == self.word() && number.is_none() == (self == Self::Name);
        is_ours.then_some((number, id)).ok_or(Error::Place)
    }
}

/// Which assets, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AssetQuery {
    /// A part of the name, the title or the details, in upper or lower case; every character stands for itself.
    pub search: Option<String>,
    /// What they are sorted by; their names decide between equals.
    pub sort: AssetSort,
    /// Whether the last comes first.
    pub descending: bool,
    /// The place that came with the page before. [`Error::Place`] if it came with another order.
    pub after: Option<String>,
    /// How many, at most.
    pub limit: u32,
    /// Whether to list those that are deleted, and only those; else those that are not.
    pub deleted: bool,
    /// What their names begin with, one of these; empty: anything.
    pub prefixes: Vec<String>,
}

impl Library {
    /// A page of assets, and the place of the next one if there is any.
    pub async fn list_assets(&self, query: &AssetQuery) -> Result<(Vec<AssetRow>, Option<String>), Error> {
        let mut page = Page::of(concat!("SELECT ", columns!(), " FROM assets"));
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
        // One more than is wanted says whether there is a next page.
        let (sql, values) = page.statement(&order.join(", "), limit.saturating_add(1));
        let rows = self.engine().ask(Purpose::Read, sql, values).await?;
        let mut rows: Vec<AssetRow> = rows.iter().map(AssetRow::read).collect::<Result<_, _>>()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        let next = rows.last().filter(|_| more).map(|row| query.sort.place(row));
        Ok((rows, next))
    }
}

/// A pattern for whatever has `text` in it.
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
