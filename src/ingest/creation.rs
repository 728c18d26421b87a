//! A new upload: what it will be, whether it may be, and its row.

use super::error::Error;
use super::name::Target;
use super::random::token;
use super::service::{Ingest, later, now};
use crate::catalog::Claim;
use crate::library::{NewUpload, Upload};
use crate::media::AssetId;
use std::time::Duration;

/// How long a name is held while it is being given away.
const NAMING: Duration = Duration::from_secs(30);

/// How often a name that another gives away is asked for.
const TURNS: u32 = 100;

/// How long between.
const TURN: Duration = Duration::from_millis(50);

/// What a client wants to upload.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The asset that it is of; one that nothing is known of yet where nobody says.
    pub asset: Option<&'a str>,
    /// What the file is called.
    pub filename: Option<&'a str>,
    /// What kind of file it is.
    pub media_type: Option<&'a str>,
    /// What the asset is called where it is new.
    pub title: Option<&'a str>,
    /// Bytes; `None` where they are told later.
    pub length: Option<u64>,
    /// The id that it gets; one of its own where absent.
    pub id: Option<&'a str>,
    /// Whether it may only make an asset, and not change one.
    pub makes_asset: bool,
    /// What else is said of it, as tus writes it.
    pub metadata: &'a str,
    /// Who asks.
    pub key: &'a str,
}

impl Ingest {
    /// Begins an upload.
    pub async fn create(&self, wanted: Wanted<'_>) -> Result<Upload, Error> {
        let id = wanted.id.map_or_else(token::<16>, Into::into);
        let target = Target::new(&id, wanted.asset, (wanted.filename, wanted.media_type))?;
        self.allow(wanted.length).await?;
        match (&target.asset, target.unmarked(), target.marked()) {
            (Some(asset), _, _) => {
                self.check_claim(asset).await?;
                if wanted.makes_asset && !self.is_free(asset).await? {
                    let detail = format!("{asset} is there already: the scope `write` changes assets");
                    return Err(Error::Conflict(detail));
                }
                self.insert(&id, asset, (&target, wanted)).await
            }
            (None, Some(asset), Some(marked)) => {
                self.hold(&asset, &id).await?;
                let free = self.is_free(&asset).await;
                let named = match free {
                    Ok(true) => self.insert(&id, &asset, (&target, wanted)).await,
                    Ok(false) => self.insert(&id, &marked, (&target, wanted)).await,
                    Err(error) => Err(error),
                };
                self.library.unlock_asset(asset.as_str(), &id).await?;
                named
            }
            (None, _, _) => Err(Error::Name(target.stem.clone())),
        }
    }

    /// Whether so many bytes may be brought.
    pub(super) async fn allow(&self, length: Option<u64>) -> Result<(), Error> {
        let limit = self.settings.largest;
        match length {
            Some(0) => return Err(Error::Request("an upload of no bytes is no video".into())),
            Some(bytes) if bytes > limit => return Err(Error::Large { what: "one upload", bytes, limit }),
            Some(_) | None => {}
        }
        let limit = self.settings.quota;
        if limit == 0 {
            return Ok(());
        }
        let held = self.library.open_upload_bytes().await?.saturating_add(self.library.asset_bytes().await?);
        // One whose length is not known must have room for a byte.
        let bytes = held.saturating_add(length.unwrap_or(1));
        if bytes > limit { Err(Error::Large { what: "all assets and uploads together", bytes, limit }) } else { Ok(()) }
    }

    async fn insert(
        &self,
        id: &str,
        asset: &AssetId,
        (target, wanted): (&Target, Wanted<'_>),
    ) -> Result<Upload, Error> {
        let path = format!("{asset}/{}", target.file);
        self.catalog.store().check_writable(&path)?;
        let row = NewUpload {
            id: id.into(),
            asset: asset.as_str().into(),
            file: target.file.clone(),
            title: wanted.title.map(Into::into),
            length: wanted.length,
            metadata: wanted.metadata.into(),
            expires: later(self.settings.expires),
            key: wanted.key.into(),
        };
        self.library.insert_upload(&row, now()).await?;
        tracing::info!(upload = id, %asset, length = wanted.length, "an upload begins");
        self.upload(id).await
    }

    /// Whether files may be added to what is called `asset`.
    pub(super) async fn check_claim(&self, asset: &AssetId) -> Result<(), Error> {
        if self.library.asset(asset.as_str()).await?.is_some_and(|row| row.deleted.is_some()) {
            return Err(Error::Conflict(format!("{asset} is deleted: restore it, or wait until it is purged")));
        }
        match self.catalog.claim(asset).await? {
            Claim::None | Claim::Described(_) => Ok(()),
            Claim::Loose => Err(Error::Conflict(format!(
                "{asset} is made of files that lie in the store without an asset.json: write one, or take another name"
            ))),
        }
    }

    /// Whether nothing is called `asset`, nor will be by an upload under way.
    async fn is_free(&self, asset: &AssetId) -> Result<bool, Error> {
        let known = self.library.asset(asset.as_str()).await?.is_some();
        if known || self.library.uploads_under_way(asset.as_str()).await? > 0 {
            return Ok(false);
        }
        match self.catalog.claim(asset).await {
            Ok(Claim::None) => Ok(true),
            Ok(Claim::Described(_) | Claim::Loose) | Err(crate::catalog::Error::Unplayable { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Holds the name `asset` for the upload or job `by`: nobody else gives it away or publishes by it. Whoever takes up
    /// the same job after a crash holds it at once.
    pub(super) async fn hold(&self, asset: &AssetId, by: &str) -> Result<(), Error> {
        for _ in 0..TURNS {
            if self.library.lock_asset(asset.as_str(), by, later(NAMING), now()).await? {
                return Ok(());
            }
            tokio::time::sleep(TURN).await;
        }
        Err(Error::Held(asset.as_str().into()))
    }
}
