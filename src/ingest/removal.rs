//! Taking away: uploads that nobody wants any more, assets that are deleted, and had back until they are purged.
//!
//! ```text
//! delete  ─ asset.json says nothing: new viewers find no asset, and versions answer 410
//! restore ─ asset.json says what it said
//! purge   ─ after the grace: the versions that were deleted, then asset.json, then the row
//! ```
//! A name is not an identity: whatever is in the place of a deleted file by then and is another version stays.

use super::append::path;
use super::error::Error;
use super::random::token;
use super::service::{Ingest, millis, now};
use super::version::{InPlace, StoredVersion};
use super::worker::{PURGE, Task};
use crate::catalog::{Asset, Claim};
use crate::library::{AssetRow, JobState, NewJob, Upload, UploadState};
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, SCHEMA_VERSION, u64_from_usize};
use crate::metrics::Fate;
use serde::{Deserialize, Serialize};

/// What an asset was before it was deleted.
#[derive(Debug, Serialize, Deserialize)]
struct Before {
    /// What its `asset.json` said; `None` where it had none.
    descriptor: Option<String>,
    /// Its files.
    files: Vec<Doomed>,
}

/// A file that is to be removed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Doomed {
    /// The version that was deleted.
    Version(StoredVersion),
    /// Its path alone, as earlier releases wrote it: too little to remove a file by.
    Name(String),
}

impl Before {
    /// The versions that are to be removed.
    fn versions(&self) -> impl Iterator<Item = &StoredVersion> {
        self.files.iter().filter_map(|file| match file {
            Doomed::Version(version) => Some(version),
            Doomed::Name(_) => None,
        })
    }

    /// Whether it does not say which versions.
    fn is_by_name(&self) -> bool {
        self.files.iter().any(|file| matches!(file, Doomed::Name(_)))
    }
}

impl Ingest {
    /// Gives an upload up: what is stored of it goes. On a disk that is full to the last byte it goes first, and is
    /// written about then.
    pub async fn terminate(&self, id: &str) -> Result<(), Error> {
        match self.terminate_once(id).await {
            Err(Error::Full) => {
                self.make_room(id).await?;
                self.terminate_once(id).await
            }
            done => done,
        }
    }

    /// Removes what is staged of an unfinished upload, and gives up the library's reserve.
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
            // What became of it is told no longer.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => {
                self.library.delete_upload(id).await?;
                return Ok(());
            }
        }
        self.writers.stop(id);
        // Whoever writes elsewhere is fenced.
        let row = self.library.take_upload(id, now()).await?.unwrap_or(row);
        let from = [UploadState::Receiving];
        if !self.library.settle_upload(id, &from, UploadState::Cancelled, None, None, now()).await? {
            return Err(Error::Conflict("the upload was finished in the meantime".into()));
        }
        self.metrics.upload_ended(Fate::Cancelled);
        self.clear(&row).await?;
        tracing::info!(upload = id, asset = %row.asset, "an upload is given up");
        Ok(())
    }

    /// Gives up an upload that waits to be published; one that is being published stays.
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

    /// Removes what is stored of an upload, then its row.
    async fn clear(&self, row: &Upload) -> Result<(), Error> {
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.take_back(row).await?;
        self.library.delete_upload(&row.id).await?;
        Ok(())
    }

    /// Removes what a client put by the signed URL of `row`, if it was given one: only such a file is hidden.
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

    /// Gives up uploads that nobody went on with.
    pub(super) async fn expire(&self, most: u32) -> Result<(), Error> {
        for row in self.library.expired_uploads(now(), most).await? {
            match self.terminate(&row.id).await {
                Ok(()) | Err(Error::NotFound(_) | Error::Conflict(_)) => {}
                Err(error) => tracing::warn!(upload = %row.id, "an upload that expired is still there: {error}"),
            }
        }
        Ok(())
    }

    /// Deletes an asset: it is not there any more, and can be had back until it is purged.
    pub async fn delete(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.hold(id, &held).await?;
        let deleted = self.delete_held(id).await;
        self.library.unlock_asset(id.as_str(), &held).await?;
        deleted
    }

    async fn delete_held(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let mut known = self.library.asset(id.as_str()).await?;
        if let Some(row) = known.clone().filter(|row| row.deleted.is_some())
            && self.is_over(id, &row).await?
        {
            // What is to be deleted now has been put there since.
            self.end_deletion(id).await?;
            known = None;
        }
        let row = match known.clone().filter(|row| row.deleted.is_some()) {
            // Again: whoever did it before may have been killed in its middle.
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

    /// Writes down what an asset was, before it is taken away.
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

    /// Refuses to delete a film that has a folder of its name with other films in it: the `asset.json` that hides the one
    /// would hide the others.
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

    /// The descriptor and the versions of an asset.
    async fn before(&self, asset: &Asset, claim: Claim) -> Result<Before, Error> {
        let descriptor = match claim {
            Claim::Described(descriptor) => Some(descriptor.print()),
            Claim::None | Claim::Loose(_) => None,
        };
        let mut files = Vec::new();
        for file in &asset.files {
            let version = self.version(file.object.path()).await?;
            let same = |version: &StoredVersion| version.content == Some(file.movie.content.to_string());
            let changed = || Error::Interrupted(format!("{}: changed while it was deleted", file.object.path()));
            files.push(Doomed::Version(version.filter(same).ok_or_else(changed)?));
        }
        Ok(Before { descriptor, files })
    }

    /// Gives a deleted asset back.
    pub async fn restore(&self, id: &AssetId) -> Result<AssetRow, Error> {
        let held = token::<8>();
        self.hold(id, &held).await?;
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
                InPlace::Same => {}
                InPlace::Other => return Err(lost(&format!("{} has been replaced", version.path))),
                InPlace::Nothing => return Err(lost(&format!("{} has been removed", version.path))),
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

    /// Removes what is left of the deleted asset that `task` is about.
    pub(super) async fn purge(&self, task: &Task) -> Result<(), Error> {
        let id = AssetId::new(&task.subject).ok_or_else(|| Error::Name(task.subject.clone()))?;
        self.hold(&id, &task.id).await?;
        let purged = self.purge_held(&id).await;
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        purged
    }

    async fn purge_held(&self, id: &AssetId) -> Result<(), Error> {
        // Restored in the meantime, deleted again later, or purged before.
        let Some(row) = self.library.asset(id.as_str()).await?.filter(|row| row.purge_at.is_some_and(|at| at <= now()))
        else {
            return Ok(());
        };
        let before = parsed(&row)?;
        if before.is_by_name() {
            // A name alone does not say which file was meant: nothing is removed, and nothing is shown again.
            tracing::warn!(asset = %id, "not purged: it was deleted by a version that did not note which files; \
                restore it and delete it again, or remove its files");
            return Ok(());
        }
        let named = self.named_again(id).await?;
        for version in before.versions() {
            match named.iter().find(|path| **path == version.path) {
                Some(path) => tracing::warn!(asset = %id, path, "kept: asset.json names it again"),
                None => self.remove_version(version).await?,
            }
        }
        self.end_deletion(id).await?;
        tracing::info!(asset = %id, "an asset is purged");
        Ok(())
    }

    /// Ends the deletions whose files have all been replaced or removed by somebody else, so that what is there now is
    /// shown; finishes those that a crash cut short.
    pub(super) async fn settle_deletions(&self) -> Result<(), Error> {
        for (name, deleted) in self.known().await? {
            let Some(id) = AssetId::new(&name).filter(|_| deleted) else { continue };
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let held = token::<8>();
            self.hold(&id, &held).await?;
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
            tracing::info!(asset = %id, "the files of a deleted asset have been replaced: what is there now is shown");
            return self.end_deletion(id).await;
        }
        let shown = match self.catalog.claim(id).await? {
            Claim::Described(descriptor) => Some(descriptor.print()) == parsed(&row)?.descriptor,
            Claim::None | Claim::Loose(_) => true,
        };
        if shown { self.delete_held(id).await.map(drop) } else { Ok(()) }
    }

    /// Whether nothing is left to delete of what `row` tells of, and other files have taken its place.
    async fn is_over(&self, id: &AssetId, row: &AssetRow) -> Result<bool, Error> {
        let before = parsed(row)?;
        if before.is_by_name() {
            return Ok(false);
        }
        let mut replaced = !self.named_again(id).await?.is_empty();
        for version in before.versions() {
            match self.look_for(version).await? {
                InPlace::Same => return Ok(false),
                InPlace::Other => replaced = true,
                InPlace::Nothing => {}
            }
        }
        Ok(replaced)
    }

    /// The files that the `asset.json` of a deleted asset names: somebody wrote it since. One that cannot be understood
    /// was written by somebody, too, and is left alone with its files.
    async fn named_again(&self, id: &AssetId) -> Result<Vec<String>, Error> {
        match self.catalog.claim(id).await? {
            Claim::Described(descriptor) => {
                Ok(descriptor.renditions.iter().map(|rendition| format!("{id}/{}", rendition.file)).collect())
            }
            Claim::None | Claim::Loose(_) => Ok(Vec::new()),
        }
    }

    /// Forgets that an asset was deleted, and hides nothing of its name any more.
    async fn end_deletion(&self, id: &AssetId) -> Result<(), Error> {
        self.unhide(id).await?;
        self.library.delete_asset_row(id.as_str()).await?;
        Ok(())
    }

    /// Removes the `asset.json` that hides a deleted asset; one that names files is somebody else's, and stays.
    async fn unhide(&self, id: &AssetId) -> Result<(), Error> {
        let path = format!("{id}/{DESCRIPTOR}");
        let Some(stamp) = self.catalog.store().written(&path).await? else { return Ok(()) };
        match self.catalog.claim(id).await? {
            Claim::Described(descriptor) if descriptor.renditions.is_empty() => {
                self.catalog.store().remove_version(&path, &stamp.mark()).await?;
            }
            Claim::Described(_) | Claim::Loose(_) | Claim::None => {}
        }
        Ok(())
    }

    /// Removes a file that another replaced, unless it is part of its asset again.
    pub(super) async fn discard(&self, task: &Task) -> Result<(), Error> {
        let (folder, file) = task.subject.rsplit_once('/').ok_or_else(|| Error::Name(task.subject.clone()))?;
        let id = AssetId::new(folder).ok_or_else(|| Error::Name(folder.into()))?;
        let Ok(version) = serde_json::from_str::<StoredVersion>(&task.payload) else {
            tracing::warn!(
                path = task.subject,
                "kept: the job does not say which version of the file it was meant for"
            );
            return Ok(());
        };
        self.hold(&id, &task.id).await?;
        let discarded = match self.named_again(&id).await {
            Ok(named) if named.contains(&format!("{folder}/{file}")) => Ok(()),
            Ok(_) => self.remove_version(&version).await,
            Err(error) => Err(error),
        };
        self.library.unlock_asset(id.as_str(), &task.id).await?;
        discarded
    }

    /// Waits until the asset is not found any more.
    async fn gone(&self, id: &AssetId) -> Result<(), Error> {
        match self.catalog.renewed(id).await {
            Err(crate::catalog::Error::NotFound) => Ok(()),
            Ok(_) => Err(Error::Interrupted(format!("{id} is deleted, and can be seen for a moment still"))),
            Err(error) => Err(error.into()),
        }
    }
}

/// The job that purges `id` then: one for each time that it is deleted.
fn purging(id: &AssetId, run_at: i64) -> NewJob {
    NewJob {
        id: token::<16>(),
        kind: PURGE.into(),
        subject: id.as_str().into(),
        payload: String::new(),
        priority: -10,
        dedupe: Some(format!("{PURGE} {id} {run_at}")),
        max_attempts: 20,
        run_at,
    }
}

fn parsed(row: &AssetRow) -> Result<Before, Error> {
    let text = row.before.as_deref().unwrap_or_default();
    serde_json::from_str(text).map_err(|error| Error::Library(format!("what {} was cannot be read: {error}", row.id)))
}

/// What is told of `asset`, created when it was `known` first.
pub(super) fn row_of(asset: &Asset, known: Option<AssetRow>, now: i64) -> AssetRow {
    let (title, details, created) = known.map_or((None, Details::default(), now), |known| {
        let AssetRow { title, details, created, .. } = known;
        (title, details, created)
    });
    // The library alone knows what a loose file is called.
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
