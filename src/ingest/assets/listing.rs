//! Lists assets: uploaded ones, and those that somebody put into the store by hand.

use super::record::row_of;
use crate::catalog::{self, Asset};
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::{AssetQuery, AssetRow};
use crate::media::AssetId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows per query.
const PAGE: u32 = 500;

impl Ingest {
    /// Row of one asset, and the opened asset if it is not deleted.
    pub async fn asset(&self, id: &AssetId) -> Result<(AssetRow, Option<Arc<Asset>>), Error> {
        let known = self.library.asset(id.as_str()).await?;
        if let Some(row) = known.clone().filter(|row| row.deleted.is_some()) {
            return Ok((row, None));
        }
        let asset = self.catalog.open(id).await?;
        let row = row_of(&asset, known.clone(), known.as_ref().map_or_else(now, |row| row.updated));
        // Keep the row up to date for lists when somebody edits `asset.json` by hand.
        if known.is_some_and(|known| (&known.title, &known.details) != (&row.title, &row.details)) {
            self.library.note_asset(&row, now()).await?;
        }
        Ok((row, Some(asset)))
    }

    /// Adds rows for assets that appeared in the store, and removes rows of assets that vanished. Opens only assets
    /// that just one of the two lists names.
    pub(in crate::ingest) async fn sync(&self) -> Result<(), Error> {
        let (names, known) = (self.catalog.listed().await?, self.known().await?);
        for id in names.iter().filter(|name| !known.contains_key(*name)).filter_map(|name| AssetId::new(name)) {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            if let Ok(asset) = self.catalog.open(&id).await {
                self.library.note_asset(&row_of(&asset, None, now()), now()).await?;
            }
        }
        let is_listed = |name: &String| names.binary_search(name).is_ok();
        for (name, _) in known.iter().filter(|(name, deleted)| !**deleted && !is_listed(name)) {
            let gone = match AssetId::new(name) {
                Some(id) => matches!(self.catalog.open(&id).await, Err(catalog::Error::NotFound)),
                None => true,
            };
            if gone {
                self.library.forget_asset(name).await?;
            }
        }
        Ok(())
    }

    /// Names of all assets with a row, and whether each is deleted.
    pub(in crate::ingest) async fn known(&self) -> Result<BTreeMap<String, bool>, Error> {
        let mut known = BTreeMap::new();
        for deleted in [false, true] {
            let mut query = AssetQuery { limit: PAGE, deleted, ..AssetQuery::default() };
            loop {
                let (rows, next) = self.library.list_assets(&query).await?;
                known.extend(rows.into_iter().map(|row| (row.id, deleted)));
                let Some(after) = next else { break };
                query.after = Some(after);
            }
        }
        Ok(known)
    }
}
