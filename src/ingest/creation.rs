//! A new upload: what it will be, whether it may be, and its row.

use super::error::Error;
use super::metadata::Metadata;
use super::name::{Target, is_marked};
use super::random::token;
use super::service::{Ingest, later, now};
use crate::catalog::Claim;
use crate::config::OnConflict;
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
    /// The policy where its name is taken; the one of `metadata` where absent.
    pub on_conflict: Option<OnConflict>,
    /// Further metadata, as tus writes it.
    pub metadata: &'a str,
    /// Who asks.
    pub key: &'a str,
}

impl Ingest {
    /// Begins an upload.
    pub async fn create(&self, wanted: Wanted<'_>) -> Result<Upload, Error> {
        let id = wanted.id.map_or_else(token::<16>, Into::into);
        let target = Target::new(&id, wanted.asset, (wanted.filename, wanted.media_type))?;
        self.check_length(wanted.length)?;
        let said = match wanted.on_conflict {
            Some(policy) => Some(policy),
            None => policy(wanted.metadata)?,
        };
        match (&target.asset, target.unmarked(), target.marked()) {
            (Some(asset), _, _) if wanted.makes_asset => {
                self.hold(asset, &id).await?;
                let made = self.insert_first(&id, asset, (&target, wanted)).await;
                self.library.unlock_asset(asset.as_str(), &id).await?;
                made
            }
            (Some(asset), _, _) => {
                self.check_condition(asset, &target.stem, wanted.metadata).await?;
                self.check_claim(asset).await?;
                let target = self.beside(asset, &target, said.unwrap_or(OnConflict::Replace)).await?;
                self.insert(&id, asset, (&target, wanted)).await
            }
            (None, Some(asset), Some(marked)) => {
                self.hold(&asset, &id).await?;
                let policy = match said.unwrap_or(self.settings.on_conflict) {
                    OnConflict::Replace if wanted.makes_asset => OnConflict::Refuse,
                    policy @ (OnConflict::Keep | OnConflict::Refuse | OnConflict::Replace) => policy,
                };
                let named = self.name_for(asset.clone(), marked, policy).await;
                let named = match named {
                    Ok(name) => self.insert(&id, &name, (&target, wanted)).await,
                    Err(error) => Err(error),
                };
                self.library.unlock_asset(asset.as_str(), &id).await?;
                named
            }
            (None, _, _) => Err(Error::Name(target.stem.clone())),
        }
    }

    /// Begins the first upload of `asset`, whose name the caller holds.
    async fn insert_first(
        &self,
        id: &str,
        asset: &AssetId,
        (target, wanted): (&Target, Wanted<'_>),
    ) -> Result<Upload, Error> {
        self.check_condition(asset, &target.stem, wanted.metadata).await?;
        self.check_claim(asset).await?;
        if !self.is_free(asset).await? {
            return Err(Error::Conflict(format!("{asset} is there already: the scope `write` changes assets")));
        }
        self.insert(id, asset, (target, wanted)).await
    }

    /// What a file becomes whose name another file of `asset` may have.
    async fn beside(&self, asset: &AssetId, target: &Target, policy: OnConflict) -> Result<Target, Error> {
        let taken = || self.has_file(asset, &target.stem);
        match policy {
            OnConflict::Keep if taken().await? => Ok(target.apart()),
            OnConflict::Refuse if taken().await? => {
                Err(Error::Conflict(format!("{asset} has a file called {} already", target.stem)))
            }
            OnConflict::Keep | OnConflict::Refuse | OnConflict::Replace => Ok(target.clone()),
        }
    }

    /// What an asset becomes that would be called `asset`, and `marked` where that is taken.
    async fn name_for(&self, asset: AssetId, marked: AssetId, policy: OnConflict) -> Result<AssetId, Error> {
        if self.is_free(&asset).await? {
            return Ok(asset);
        }
        match policy {
            OnConflict::Refuse => Err(Error::Conflict(format!("{asset} is there already"))),
            OnConflict::Replace => self.check_claim(&asset).await.map(|()| asset),
            OnConflict::Keep if self.is_free(&marked).await? => Ok(marked),
            OnConflict::Keep => Err(Error::Conflict(format!("{asset} and {marked} are there already: name the asset"))),
        }
    }

    /// Whether one upload may have so many bytes. The quota is looked at where its room is taken: in the library.
    pub(super) fn check_length(&self, length: Option<u64>) -> Result<(), Error> {
        let limit = self.settings.largest;
        match length {
            Some(0) => Err(Error::Request("an upload of no bytes is no video".into())),
            Some(bytes) if bytes > limit => Err(Error::Large { what: "one upload", bytes, limit }),
            Some(_) | None => Ok(()),
        }
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
        self.library.begin_upload(&row, self.settings.quota, now()).await?;
        tracing::info!(upload = id, %asset, length = wanted.length, "an upload begins");
        self.upload(id).await
    }

    /// Whether files may be added to what is called `asset`.
    pub(super) async fn check_claim(&self, asset: &AssetId) -> Result<(), Error> {
        if self.library.asset(asset.as_str()).await?.is_some_and(|row| row.deleted.is_some()) {
            return Err(Error::Conflict(format!("{asset} is deleted: restore it, or wait until it is purged")));
        }
        match self.claimed(asset).await? {
            Claim::None | Claim::Described(_) => Ok(()),
            Claim::Loose(files) => Err(occupied(asset, &files)),
        }
    }

    /// What claims the name `asset`, files of uploads to it apart that are in their place and not published yet.
    pub(super) async fn claimed(&self, asset: &AssetId) -> Result<Claim, Error> {
        let claim = self.catalog.claim(asset).await?;
        let Claim::Loose(files) = &claim else { return Ok(claim) };
        for file in files {
            let ours = match file.strip_prefix(asset.as_str()).and_then(|rest| rest.strip_prefix('/')) {
                Some(name) if is_marked(name) => self.library.is_uploading(asset.as_str(), name).await?,
                Some(_) | None => false,
            };
            if !ours {
                return Ok(claim);
            }
        }
        Ok(if files.is_empty() { claim } else { Claim::None })
    }

    /// Whether nothing is called `asset`, nor will be by an upload under way.
    async fn is_free(&self, asset: &AssetId) -> Result<bool, Error> {
        let known = self.library.asset(asset.as_str()).await?.is_some();
        if known || self.library.uploads_under_way(asset.as_str()).await? > 0 {
            return Ok(false);
        }
        match self.catalog.claim(asset).await {
            Ok(Claim::None) => Ok(true),
            Ok(Claim::Described(_) | Claim::Loose(_)) | Err(crate::catalog::Error::Unplayable { .. }) => Ok(false),
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

/// The answer where `files` are in the way of what is to be called `asset`.
pub(super) fn occupied(asset: &AssetId, files: &[String]) -> Error {
    let lies = match files {
        [] => "files".into(),
        [file] => file.clone(),
        [file, others @ ..] => format!("{file} and {} more", others.len()),
    };
    Error::Conflict(format!(
        "{asset}: {lies} lie in the store without an asset.json, and would not be found any more: write one, or take \
         another name"
    ))
}

/// What the metadata of an upload say of a name that is taken.
fn policy(metadata: &str) -> Result<Option<OnConflict>, Error> {
    let metadata = Metadata::parse(metadata).unwrap_or_default();
    let wrong = |why| Error::Request(format!("on_conflict: {why}"));
    metadata.get("on_conflict").map(|word| word.parse().map_err(wrong)).transpose()
}
