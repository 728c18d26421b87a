//! What is told of assets: of those that were uploaded, and of those that somebody put into the store.

use super::error::Error;
use super::removal::row_of;
use super::service::{Ingest, now};
use crate::catalog::{self, Asset};
use crate::library::AssetRow;
use crate::media::AssetId;
use std::sync::Arc;

/// Assets that are looked at together.
const PAGE: usize = 64;

impl Ingest {
    /// One asset: what is told of it, and what it is where it is there.
    pub async fn asset(&self, id: &AssetId) -> Result<(AssetRow, Option<Arc<Asset>>), Error> {
        let known = self.library.asset(id.as_str()).await?;
        if let Some(row) = known.clone().filter(|row| row.deleted.is_some()) {
            return Ok((row, None));
        }
        let asset = self.catalog.open(id).await?;
        let row = known.unwrap_or_else(|| row_of(&asset, None, now()));
        Ok((row, Some(asset)))
    }

    /// Writes down the assets that somebody put into the store, and forgets those that somebody took from it.
    pub(super) async fn sync(&self) -> Result<(), Error> {
        let mut after = None;
        loop {
            let page = self.catalog.page(after.as_ref(), PAGE).await?;
            for (id, opened) in &page.entries {
                self.sync_one(id, opened).await?;
            }
            after = page.next;
            if after.is_none() || self.stop.is_cancelled() {
                break;
            }
        }
        self.forget().await
    }

    async fn sync_one(&self, id: &AssetId, opened: &Result<Arc<Asset>, catalog::Error>) -> Result<(), Error> {
        let Ok(asset) = opened else { return Ok(()) };
        let known = self.library.asset(id.as_str()).await?;
        let row = row_of(asset, known.clone(), now());
        let same = known.as_ref().is_some_and(|known| {
            known.deleted.is_some() || AssetRow { updated: known.updated, ..row.clone() } == *known
        });
        if !same {
            self.library.put_asset(&row, now()).await?;
        }
        Ok(())
    }

    /// Forgets assets that are not there any more.
    async fn forget(&self) -> Result<(), Error> {
        let mut query = crate::library::AssetQuery { limit: 500, ..Default::default() };
        loop {
            let (rows, next) = self.library.list_assets(&query).await?;
            for row in rows {
                let id = AssetId::new(&row.id);
                let gone = match id {
                    Some(id) => matches!(self.catalog.open(&id).await, Err(catalog::Error::NotFound)),
                    None => true,
                };
                if gone {
                    self.library.delete_asset_row(&row.id).await?;
                }
            }
            match next {
                Some(after) => query.after = Some(after),
                None => return Ok(()),
            }
        }
    }
}
