//! Titles that only the library holds, for the gallery of this process: rows that changed are read every few seconds, so
//! that every replica shows them.

use crate::catalog::Annotation;
use crate::ingest::clock::millis;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{AssetChange, AssetRow};
use crate::media::AssetId;
use std::time::Duration;

/// Rows that are read together.
const PAGE: u32 = 500;

/// How far the clocks of servers that share a library may differ, and how long a write may take to become visible.
const OVERLAP: Duration = Duration::from_mins(1);

impl Ingest {
    /// Annotates the catalog with every row that changed after `since`; the position from which to read the next time.
    pub(in crate::ingest) async fn annotate(&self, since: AssetChange) -> Result<AssetChange, Error> {
        let mut after = since;
        loop {
            let rows = self.library.changed_assets(&after, PAGE).await?;
            for row in &rows {
                self.annotate_row(row);
            }
            let Some(last) = rows.last() else {
                let updated = after.updated.saturating_sub(millis(OVERLAP));
                return Ok(AssetChange { updated, id: String::new() });
            };
            after = AssetChange { updated: last.updated, id: last.id.clone() };
        }
    }

    /// Annotates the catalog with one row; a deleted asset loses its annotation.
    pub(in crate::ingest) fn annotate_row(&self, row: &AssetRow) {
        let Some(id) = AssetId::new(&row.id) else { return };
        let annotation = match row.deleted {
            None => Annotation { title: row.title.as_deref().map(Into::into), details: row.details.clone() },
            Some(_) => Annotation::default(),
        };
        self.catalog.annotate(&id, annotation);
    }
}
