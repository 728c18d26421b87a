//! Removes uploads, deletes and restores assets, and purges deleted assets after the grace period.
//!
//! ```text
//! delete  ─ asset.json lists no files: new viewers find no asset, and its versions answer 410
//! restore ─ asset.json gets its old content back
//! purge   ─ after the grace: the versions that were deleted, then asset.json, then the row
//! ```
//! A name is not an identity: a file that has replaced a deleted one by then is another version, and stays.

use super::append::path;
use super::error::Error;
use super::random::token;
use super::service::{Ingest, millis, now};
use super::version::{StoredState, StoredVersion};
use super::worker::Task;
use crate::catalog::{Asset, ExistingAsset};
use crate::library::{AssetRow, JobKind, JobState, NewJob, Upload, UploadState};
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, SCHEMA_VERSION, u64_from_usize};
use crate::metrics::UploadOutcome;
use serde::{Deserialize, Serialize};

/// State of an asset before its deletion.
#[derive(Debug, Serialize, Deserialize)]
struct DeletedAsset {
    /// Content of its `asset.json`; `None` if it had none.
    descriptor: Option<String>,
    /// Its files.
    files: Vec<DeletedFile>,
}

/// A file to remove.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum DeletedFile {
    /// The version that was deleted.
    Version(StoredVersion),
    /// Only its path, as earlier releases wrote it: too little to decide which file to remove.
    Name(String),
}

impl DeletedAsset {
    /// The versions to remove.
    fn versions(&self) -> impl Iterator<Item = &StoredVersion> {
        self.files.iter().filter_map(|file| match file {
            DeletedFile::Version(version) => Some(version),
            DeletedFile::Name(_) => None,
        })
    }

    /// Whether the files are known by path only.
    fn is_by_name(&self) -> bool {
        self.files.iter().any(|file| matches!(file, DeletedFile::Name(_)))
    }
}

impl Ingest {
    /// Gives up an upload and removes its stored bytes. On a full disk it first frees the bytes, then updates the
    /// database.
    pub async fn terminate(&self, id: &str) -> Result<(), Error> {
        match self.terminate_once(id).await {
            Err(Error::Full) => {
                self.make_room(id).await?;
                self.terminate_once(id).await
            }
            done => done,
        }
    }

    /// Frees the staged bytes of an unfinished upload and the library's reserve.
    async fn make_room(&self, id: &str) -> Result<(), Error> {
        let row = self.upload(id).await?;
        if row.state == UploadState::Receiving {
            self.writers.stop(id);
            self.catalog.store().discard_draft(&row.id, &path(&row), &row.saved).await?;
        }
        self.library.release_reserve().await;
        Ok(())
    }

    async fn terminate_once(&self, id: &str) -> Result<(), Error> {
        let row = self.upload(id).await?;
        match row.state {
            UploadState::Receiving => {}
            UploadState::Received => return self.terminate_received(id).await,
            // The upload is settled: forget it.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => {
                self.library.delete_upload(id).await?;
                return Ok(());
            }
        }
        self.writers.stop(id);
        // Fence off writers in other processes.
        let row = self.library.take_upload(id, now()).await?.unwrap_or(row);
        let from = [UploadState::Receiving];
        if !self.library.settle_upload(id, &from, UploadState::Cancelled, None, None, now()).await? {
            return Err(Error::Conflict("the upload was finished in the meantime".into()));
        }
        self.metrics.upload_ended(UploadOutcome::Cancelled);
        self.clear(&row).await?;
        tracing::info!(upload = id, asset = %row.asset, "an upload is given up");
        Ok(())
    }

    /// Gives up an upload that waits for publication. An error if the job is already running.
    async fn terminate_received(&self, id: &str) -> Result<(), Error> {
        if let Some(job) = self.library.job_of_upload(id).await? {
            self.library.cancel_job(&job, now()).await?;
            if self.library.job(&job).await?.is_some_and(|job| job.state == JobState::Running) {
                return Err(Error::Conflict(
                    "all bytes are there, and the upload is being published: ask again".into(),
                ));
            }
        }
        self.call_off(id).await
    }

    /// Removes the stored bytes of an upload, then its row.
    async fn clear(&self, row: &Upload) -> Result<(), Error> {
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.take_back(row).await?;
        self.library.delete_upload(&row.id).await?;
        Ok(())
    }

    /// Removes a file that the client put by a signed URL; only such files are hidden.
    pub(super) async fn take_back(&self, row: &Upload) -> Result<(), Error> {
        let (store, path) = (self.catalog.store(), path(row));
        if !store.is_hidden(&path).await? {
            return Ok(());
        }
        if let Some(stamp) = store.written(&path).await? {
            store.remove_version(&path, &stamp.mark()).await?;
        }
        Ok(store.reveal(&path).await?)
    }

    /// Gives up expired uploads, at most `most`.
    pub(super) async fn expire(&self, most: u32) -> Result<(), Error> {
        for row in self.library.expired_uploads(now(), most).await? {
            match self.terminate(&row.id).await {
                Ok(()) | Err(Error::NotFound(_) | Error::Conflict(_)) => {}
                Err(error) => tracing::warn!(upload = %row.id, "cannot remove an expired upload: {error}"),
            }
        }
        Ok(())
    }

    /// Deletes an asset. It can be restored until it is purged.
    pub async fn delete(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.lock_name(id, &held).await?;
        let deleted = self.delete_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        deleted
    }

    async fn delete_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let mut known = self.library.asset(id.as_str()).await?;
        if let Some(row) = known.clone().filter(|row| row.deleted.is_some())
            && self.is_over(id, &row).await?
        {
            // The old deletion is over: other files have taken its place since, and they are to be deleted.
            self.end_deletion(id).await?;
            known = None;
        }
        let row = match known.clone().filter(|row| row.deleted.is_some()) {
            // Repeat the steps: an earlier request may have been killed in the middle.
            Some(row) => row,
            None => self.doomed(id, known).await?,
        };
        let nothing = Descriptor {
            version: SCHEMA_VERSION,
            title: None,
            details: Details::default(),
            reference: None,
            renditions: Vec::new(),
        };
        self.describe(id, &nothing).await?;
        self.gone(id).await?;
        self.library.enqueue(&purging(id, row.purge_at.unwrap_or_default()), now()).await?;
        tracing::info!(asset = %id, "an asset is deleted");
        Ok(row)
    }

    /// Stores the state of an asset before its deletion.
    async fn doomed(&self, id: &AssetId, known: Option<AssetRow>) -> Result<AssetRow, Error> {
        let claim = self.catalog.claim(id).await?;
        let asset = self.catalog.renewed(id).await?;
        self.catalog.store().check_writable(&format!("{id}/{DESCRIPTOR}"))?;
        self.check_neighbours(id, &asset).await?;
        let now = now();
        let row = AssetRow {
            deleted: Some(now),
            purge_at: Some(now.saturating_add(millis(self.settings.grace))),
            before: serde_json::to_string(&self.before(&asset, claim).await?).ok(),
            ..row_of(&asset, known, now)
        };
        self.library.put_asset(&row, now).await?;
        Ok(row)
    }

    /// Refuses to delete a film if a folder of its name holds other films: the `asset.json` that hides this one would
    /// hide them too.
    async fn check_neighbours(&self, id: &AssetId, asset: &Asset) -> Result<(), Error> {
        let inside = format!("{id}/");
        if asset.files.iter().all(|file| file.object.path().starts_with(&inside)) {
            return Ok(());
        }
        match self.catalog.store().list(id.as_str(), 1).await {
            Ok(listing) if listing.media.is_empty() && !listing.is_large => return Ok(()),
            Err(crate::store::Error::NotFound { .. }) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        Err(Error::Conflict(format!("the folder {id}/ holds other films: rename it or the film, then delete {id}")))
    }

    /// The descriptor and file versions of an asset.
    async fn before(&self, asset: &Asset, claim: ExistingAsset) -> Result<DeletedAsset, Error> {
        let descriptor = match claim {
            ExistingAsset::Described(descriptor) => Some(descriptor.print()),
            ExistingAsset::None | ExistingAsset::Loose(_) => None,
        };
        let mut files = Vec::new();
        for file in &asset.files {
            let version = self.version(file.object.path()).await?;
            let same = |version: &StoredVersion| version.content == Some(file.movie.content.to_string());
            let changed = || Error::Interrupted(format!("{}: changed while it was deleted", file.object.path()));
            files.push(DeletedFile::Version(version.filter(same).ok_or_else(changed)?));
        }
        Ok(DeletedAsset { descriptor, files })
    }

    /// Restores a deleted asset.
    pub async fn restore(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.lock_name(id, &held).await?;
        let restored = self.restore_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        restored
    }

    async fn restore_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let row = self.library.asset(id.as_str()).await?.ok_or(Error::NotFound("asset"))?;
        if row.deleted.is_none() {
            return Ok(row);
        }
        let lost = |what: &str| {
            Error::Conflict(format!(
                "{what} since {id} was deleted: it is kept, and the deleted asset cannot be had back"
            ))
        };
        if self.is_over(id, &row).await? {
            self.end_deletion(id).await?;
            return Err(lost("other files have been put in the place of its files"));
        }
        let before = parsed(&row)?;
        for version in before.versions() {
            match self.look_for(version).await? {
                StoredState::Same => {}
                StoredState::Other => return Err(lost(&format!("{} has been replaced", version.path))),
                StoredState::Nothing => return Err(lost(&format!("{} has been removed", version.path))),
            }
        }
        let path = format!("{id}/{DESCRIPTOR}");
        match before.descriptor {
            Some(text) => self.catalog.store().put(&path, text.into()).await?,
            None => self.unhide(id).await?,
        }
        let row = AssetRow { deleted: None, purge_at: None, before: None, ..row };
        self.library.put_asset(&row, now()).await?;
        self.catalog.renewed(id).await?;
        tracing::info!(asset = %id, "an asset is restored");
        Ok(row)
    }

    /// Purges the deleted asset of `task`.
    pub(super) async fn purge(&self, task: &Task) -> Result<(), Error> {
        let id = AssetId::new(&task.subject).ok_or_else(|| Error::Name(task.subject.clone()))?;
        self.lock_name(&id, &task.id).await?;
        let purged = self.purge_held(&id).await;
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        purged
    }

    async fn purge_held(&self, id: &AssetId) -> Result<(), Error> {
        // The asset was restored, deleted again later, or purged before.
        let Some(row) = self.library.asset(id.as_str()).await?.filter(|row| row.purge_at.is_some_and(|at| at <= now()))
        else {
            return Ok(());
        };
        let before = parsed(&row)?;
        if before.is_by_name() {
            // A path alone does not tell which file to remove: remove nothing, and keep the asset hidden.
            tracing::warn!(asset = %id, "not purged: it was deleted by a version that did not note which files; \
                restore it and delete it again, or remove its files");
            return Ok(());
        }
        let named = self.named_again(id).await?;
        for version in before.versions() {
            match named.iter().find(|path| **path == version.path) {
                Some(path) => tracing::warn!(asset = %id, path, "kept a file: asset.json names it again"),
                None => self.remove_version(version).await?,
            }
        }
        self.end_deletion(id).await?;
        tracing::info!(asset = %id, "an asset is purged");
        Ok(())
    }

    /// Ends deletions whose files somebody else has all replaced or removed, so that the current files are visible;
    /// finishes deletions that a crash interrupted.
    pub(super) async fn settle_deletions(&self) -> Result<(), Error> {
        for (name, deleted) in self.known().await? {
            let Some(id) = AssetId::new(&name).filter(|_| deleted) else { continue };
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let held = token::<8>();
            self.lock_name(&id, &held).await?;
            let settled = self.settle_deletion(&id).await;
            self.library.unlock_asset(&name, &held).await?;
            settled?;
        }
        Ok(())
    }

    async fn settle_deletion(&self, id: &AssetId) -> Result<(), Error> {
        let row = self.library.asset(id.as_str()).await?.filter(|row| row.deleted.is_some());
        let Some(row) = row else { return Ok(()) };
        if self.is_over(id, &row).await? {
            tracing::info!(asset = %id, "the files of a deleted asset have been replaced: the asset is visible again");
            return self.end_deletion(id).await;
        }
        let shown = match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) => Some(descriptor.print()) == parsed(&row)?.descriptor,
            ExistingAsset::None | ExistingAsset::Loose(_) => true,
        };
        if shown { self.delete_held(id).await.map(drop) } else { Ok(()) }
    }

    /// Whether no version in `row` is left to delete and other files have taken its place.
    async fn is_over(&self, id: &AssetId, row: &AssetRow) -> Result<bool, Error> {
        let before = parsed(row)?;
        if before.is_by_name() {
            return Ok(false);
        }
        let mut replaced = !self.named_again(id).await?.is_empty();
        for version in before.versions() {
            match self.look_for(version).await? {
                StoredState::Same => return Ok(false),
                StoredState::Other => replaced = true,
                StoredState::Nothing => {}
            }
        }
        Ok(replaced)
    }

    /// Paths of the files that a deleted asset's `asset.json` names because somebody has written it since. An
    /// `asset.json` that cannot be parsed was also written by somebody: it stays, with its files.
    async fn named_again(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) => {
                Ok(descriptor.renditions.iter().map(|rendition| format!("{id}/{}", rendition.file)).collect())
            }
            ExistingAsset::None | ExistingAsset::Loose(_) => Ok(Vec::new()),
        }
    }

    /// Forgets a deletion, and unhides the asset's name.
    async fn end_deletion(&self, id: &AssetId) -> Result<(), Error> {
        self.unhide(id).await?;
        self.library.delete_asset_row(id.as_str()).await?;
        Ok(())
    }

    /// Removes the `asset.json` that hides a deleted asset. One that names files is somebody else's, and stays.
    async fn unhide(&self, id: &AssetId) -> Result<(), Error> {
        let path = format!("{id}/{DESCRIPTOR}");
        let Some(stamp) = self.catalog.store().written(&path).await? else { return Ok(()) };
        match self.catalog.claim(id).await? {
            ExistingAsset::Described(descriptor) if descriptor.renditions.is_empty() => {
                self.catalog.store().remove_version(&path, &stamp.mark()).await?;
            }
            ExistingAsset::Described(_) | ExistingAsset::Loose(_) | ExistingAsset::None => {}
        }
        Ok(())
    }

    /// Removes a replaced file, unless its asset uses it again.
    pub(super) async fn discard(&self, task: &Task) -> Result<(), Error> {
        let (folder, file) = task.subject.rsplit_once('/').ok_or_else(|| Error::Name(task.subject.clone()))?;
        let id = AssetId::new(folder).ok_or_else(|| Error::Name(folder.into()))?;
        let Ok(version) = serde_json::from_str::<StoredVersion>(&task.payload) else {
            tracing::warn!(
                path = task.subject,
                "kept a replaced file: the job does not say which version of the file to remove"
            );
            return Ok(());
        };
        self.lock_name(&id, &task.id).await?;
        let discarded = match self.named_again(&id).await {
            Ok(named) if named.contains(&format!("{folder}/{file}")) => Ok(()),
            Ok(_) => self.remove_version(&version).await,
            Err(error) => Err(error),
        };
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        discarded
    }

    /// Waits until the catalog does not find the asset any more.
    async fn gone(&self, id: &AssetId) -> Result<(), Error> {
        match self.catalog.renewed(id).await {
            Err(crate::catalog::Error::NotFound) => Ok(()),
            Ok(_) => Err(Error::Interrupted(format!("{id} is deleted, and can be seen for a moment still"))),
            Err(error) => Err(error.into()),
        }
    }
}

/// The job that purges `id` at `run_at`; each deletion has its own.
fn purging(id: &AssetId, run_at: i64) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: JobKind::Purge,
        subject: id.as_str().into(),
        payload: String::new(),
        priority: -10,
        dedupe: Some(format!("{} {id} {run_at}", JobKind::Purge)),
        max_attempts: 20,
        run_at,
    }
}

fn parsed(row: &AssetRow) -> Result<DeletedAsset, Error> {
    let text = row.before.as_deref().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| Error::Library(format!("what {} was cannot be read: {error}", row.id)))
}

/// Row for `asset`; title, details and creation time come from the `known` row if there is one.
pub(super) fn row_of(asset: &Asset, known: Option<AssetRow>, now: i64) -> AssetRow {
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
