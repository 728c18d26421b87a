//! Records of an asset: its `asset.json` in the store, and its row in the library.

use crate::catalog::Asset;
use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::library::AssetRow;
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, u64_from_usize};
use bytes::Bytes;

impl Ingest {
    /// Writes an `asset.json`.
    pub(in crate::ingest) async fn describe(&self, id: &AssetId, descriptor: &Descriptor) -> Result<(), Error> {
        let path = format!("{id}/{DESCRIPTOR}");
        Ok(self.catalog.store().put(&path, Bytes::from(descriptor.print())).await?)
    }
}

/// Row for `asset`; title, details and creation time come from the `known` row if there is one.
pub(in crate::ingest) fn row_of(asset: &Asset, known: Option<AssetRow>, now: i64) -> AssetRow {
    let (title, details, created) = known.map_or((None, Details::default(), now), |known| {
        let AssetRow { title, details, created, .. } = known;
        (title, details, created)
    });
    // Only the library stores titles of loose files.
    let (title, details) = match &asset.details {
        Some(details) => (asset.title.clone(), details.clone()),
        None => (title.unwrap_or_else(|| asset.title.clone()), details),
    };
    AssetRow {
        id: asset.id.as_str().into(),
        title: Some(title),
        details,
        created,
        updated: now,
        bytes: asset.files.iter().map(|file| file.object.size()).sum(),
        millis: u64::try_from(asset.plan.end().micros() / 1_000).unwrap_or(0),
        files: u32::try_from(u64_from_usize(asset.files.len())).unwrap_or(u32::MAX),
        deleted: None,
        purge_at: None,
        before: None,
    }
}
