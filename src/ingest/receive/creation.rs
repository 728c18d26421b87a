//! Creates uploads: checks the request, chooses the name, inserts the row.

use super::metadata::Metadata;
use super::name::UploadTarget;
use crate::config::OnConflict;
use crate::ingest::clock::{later, now};
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::service::Ingest;
use crate::library::{NewUpload, Upload};
use crate::media::AssetId;

/// A client's request for an upload.
#[derive(Debug, Clone, Copy, Default)]
pub struct UploadRequest<'a> {
    /// Asset to upload to; `None` for a new asset with a free name.
    pub asset: Option<&'a str>,
    /// File name given by the client.
    pub filename: Option<&'a str>,
    /// Media type given by the client.
    pub media_type: Option<&'a str>,
    /// Title of the asset, if it is new.
    pub title: Option<&'a str>,
    /// Size in bytes; `None` if the client sends it later.
    pub length: Option<u64>,
    /// Id of the upload; `None` for a random one.
    pub id: Option<&'a str>,
    /// Whether the key may only create assets, not change existing ones.
    pub makes_asset: bool,
    /// Policy if the name is taken; `None` for the one in `metadata`.
    pub on_conflict: Option<OnConflict>,
    /// Further metadata in the form of tus `Upload-Metadata`.
    pub metadata: &'a str,
    /// Id of the API key used.
    pub key: &'a str,
}

/// A requested upload, and the names that it gets.
#[derive(Debug, Clone, Copy)]
struct NewFile<'a> {
    target: &'a UploadTarget,
    wanted: UploadRequest<'a>,
}

impl Ingest {
    /// Creates an upload.
    pub async fn create(&self, wanted: UploadRequest<'_>) -> Result<Upload, Error> {
        let id = wanted.id.map_or_else(token::<16>, Into::into);
        let target = UploadTarget::new(&id, wanted.asset, wanted.filename, wanted.media_type)?;
        self.check_length(wanted.length)?;
        let said = match wanted.on_conflict {
            Some(policy) => Some(policy),
            None => policy(wanted.metadata)?,
        };
        match (&target.asset, target.unmarked(), target.marked()) {
            (Some(asset), _, _) if wanted.makes_asset => {
                self.lock_name(asset, &id).await?;
                let made = self.insert_first(&id, asset, NewFile { target: &target, wanted }).await;
                self.library.unlock_asset(asset.as_str(), &id).await?;
                made
            }
            (Some(asset), _, _) => {
                self.check_condition(asset, &target.stem, wanted.metadata).await?;
                self.check_claim(asset).await?;
                let target = self.beside(asset, &target, said.unwrap_or(OnConflict::Replace)).await?;
                self.insert(&id, asset, NewFile { target: &target, wanted }).await
            }
            (None, Some(asset), Some(marked)) => {
                self.lock_name(&asset, &id).await?;
                let policy = match said.unwrap_or(self.settings.on_conflict) {
                    OnConflict::Replace if wanted.makes_asset => OnConflict::Refuse,
                    policy @ (OnConflict::Keep | OnConflict::Refuse | OnConflict::Replace) => policy,
                };
                let named = self.name_for(asset.clone(), marked, policy).await;
                let named = match named {
                    Ok(name) => self.insert(&id, &name, NewFile { target: &target, wanted }).await,
                    Err(error) => Err(error),
                };
                self.library.unlock_asset(asset.as_str(), &id).await?;
                named
            }
            (None, _, _) => Err(Error::Name(target.stem.clone())),
        }
    }

    /// Inserts the first upload of `asset`; the caller holds its name.
    async fn insert_first(&self, id: &str, asset: &AssetId, file: NewFile<'_>) -> Result<Upload, Error> {
        let NewFile { target, wanted } = file;
        self.check_condition(asset, &target.stem, wanted.metadata).await?;
        self.check_claim(asset).await?;
        if !self.is_free(asset).await? {
            return Err(Error::Conflict(format!("{asset} is there already: the scope `write` changes assets")));
        }
        self.insert(id, asset, file).await
    }

    /// Resolves a conflict between `target` and a file of the same name in `asset`.
    async fn beside(&self, asset: &AssetId, target: &UploadTarget, policy: OnConflict) -> Result<UploadTarget, Error> {
        let taken = || self.has_file(asset, &target.stem);
        match policy {
            OnConflict::Keep if taken().await? => Ok(target.apart()),
            OnConflict::Refuse if taken().await? => {
                Err(Error::Conflict(format!("{asset} has a file called {} already", target.stem)))
            }
            OnConflict::Keep | OnConflict::Refuse | OnConflict::Replace => Ok(target.clone()),
        }
    }

    /// Chooses a name for a new asset: `asset`, or by the policy `marked` if `asset` is taken.
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

    /// Checks the size of one upload. The quota is not checked here but in the library, which reserves the space.
    pub(in crate::ingest) fn check_length(&self, length: Option<u64>) -> Result<(), Error> {
        let limit = self.settings.largest;
        match length {
            Some(0) => Err(Error::Request("an upload of no bytes is no video".into())),
            Some(bytes) if bytes > limit => Err(Error::Large { what: "one upload", bytes, limit }),
            Some(_) | None => Ok(()),
        }
    }

    async fn insert(&self, id: &str, asset: &AssetId, file: NewFile<'_>) -> Result<Upload, Error> {
        let NewFile { target, wanted } = file;
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
}

/// The `on_conflict` policy in an upload's metadata; `None` if absent.
fn policy(metadata: &str) -> Result<Option<OnConflict>, Error> {
    let metadata = Metadata::parse(metadata).unwrap_or_default();
    let wrong = |why| Error::Request(format!("on_conflict: {why}"));
    metadata.get("on_conflict").map(|word| word.parse().map_err(wrong)).transpose()
}
