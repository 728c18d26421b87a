//! Publishes complete uploads: the file becomes part of its asset as a whole, or is refused with a reason.
//!
//! ```text
//! lock the asset's name
//!   └─ no loose films may lie in the folder of that name: they are assets of their own
//!   └─ trial: read, planned, linted as the asset would be ─ unplayable? refused, never visible
//!   │    on the staged bytes; in an object store, which shows complete objects at once, on a hidden one
//!   └─ the draft appears as a file                        (again after a crash: it is there already)
//!   └─ asset.json, put last: old files and this one       (viewers in the middle: no URL of theirs changes)
//!   └─ rows of the asset and of the upload
//! ```
//! Each step can run twice; a worker that takes over the job after a crash repeats them all.

use super::discover::RefusedFile;
use super::report::{codec_list, report};
use crate::catalog::{Asset, ExistingAsset};
use crate::ingest::assets::record::row_of;
use crate::ingest::assets::version::StoredVersion;
use crate::ingest::clock::{later, now};
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::receive::claim::occupied;
use crate::ingest::receive::name::{path, url_name};
use crate::ingest::service::Ingest;
use crate::ingest::task::Task;
use crate::library::{JobKind, NewJob, Settlement, Upload, UploadState};
use crate::media::{AssetId, Descriptor, Details, Rendition, SCHEMA_VERSION};
use crate::metrics::UploadOutcome;

/// Attempts to open a newly published asset before the job gives up and retries.
const LOOKS: u32 = 40;

impl Ingest {
    /// Publishes the upload of `task`.
    pub(in crate::ingest) async fn finish(&self, task: &Task) -> Result<(), Error> {
        let row = self.upload(&task.subject).await?;
        match row.state {
            UploadState::Received => {}
            // An earlier worker on this job finished it.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => return Ok(()),
            UploadState::Receiving => return Err(Error::Conflict("bytes are still missing".into())),
        }
        let asset = AssetId::new(&row.asset).ok_or_else(|| Error::Name(row.asset.clone()))?;
        self.lock_name(&asset, &task.id).await?;
        let finished = match self.publish(&row, &asset, &task.id).await {
            // A retry would not change the file: refuse it.
            Err(error) if !error.passes() => self.refuse(&row, &error).await,
            published => published,
        };
        self.library.unlock_asset(asset.as_str(), &task.id).await?;
        finished
    }

    async fn publish(&self, row: &Upload, id: &AssetId, by: &str) -> Result<(), Error> {
        let before = self.described(row, id).await?;
        if before.renditions.iter().all(|rendition| rendition.file != row.file) {
            self.check_condition(id, url_name(&row.file), &row.metadata).await?;
        }
        let after = joined(&before, row);
        let asset = if self.is_there(row).await? {
            self.try_placed(row, id, &after).await?
        } else {
            self.place(row, id, &after).await?
        };
        // Remove the staged parts of writers that were killed. The published file itself is not staged.
        self.catalog.store().discard_draft(&row.id, &path(row), "").await?;
        // Reading may have taken longer than the lock lasts: renew it.
        self.lock_name(id, by).await?;
        if self.described(row, id).await? != before {
            return Err(Error::Interrupted(format!("{id}: somebody else changed it in the meantime")));
        }
        self.catalog.store().reveal(&path(row)).await?;
        if after != before {
            self.describe(id, &after).await?;
        }
        self.wait_until_served(id, row).await?;
        self.record_published(row, &asset, &before).await
    }

    /// Tries the draft of `row`, and moves it to its final path.
    async fn place(&self, row: &Upload, id: &AssetId, after: &Descriptor) -> Result<Asset, Error> {
        let (store, path) = (self.catalog.store(), path(row));
        let draft = store.draft(&row.id, &path, row.length, &row.saved).await?;
        if let Some(staged) = store.staged(&draft).await? {
            self.check_cost(&staged).await?;
            let asset = match self.catalog.trial(id, after.clone(), Some(&staged)).await.map_err(Error::from) {
                Err(error) if !error.passes() => return Err(self.explained(error, RefusedFile::Staged(&draft)).await),
                tried => tried?,
            };
            draft.finish().await?;
            return Ok(asset);
        }
        store.hide(&path).await?;
        draft.finish().await?;
        self.try_placed(row, id, after).await
    }

    /// Tries the file of `row` at its final path; removes it if it is refused.
    async fn try_placed(&self, row: &Upload, id: &AssetId, after: &Descriptor) -> Result<Asset, Error> {
        let path = path(row);
        let stamp = self.catalog.store().written(&path).await?;
        let tried = match self.check_cost(&self.catalog.store().open(&path).await?).await {
            Ok(()) => self.catalog.trial(id, after.clone(), None).await.map_err(Error::from),
            Err(error) => Err(error),
        };
        match tried {
            Err(error) if !error.passes() => {
                let error = self.explained(error, RefusedFile::Placed(&path)).await;
                if let Some(stamp) = stamp {
                    self.catalog.store().remove_version(&path, &stamp.mark()).await?;
                }
                self.catalog.store().reveal(&path).await?;
                Err(error)
            }
            tried => tried,
        }
    }

    /// Whether the complete file is at its final path: an earlier worker, or the client itself, put it there.
    async fn is_there(&self, row: &Upload) -> Result<bool, Error> {
        let stamp = self.catalog.store().seek(&path(row)).await?;
        Ok(stamp.is_some_and(|stamp| row.length == Some(stamp.size())))
    }

    /// The asset's `asset.json`; an empty descriptor if there is none yet.
    async fn described(&self, row: &Upload, id: &AssetId) -> Result<Descriptor, Error> {
        let nothing = Descriptor {
            version: SCHEMA_VERSION,
            title: row.title.clone(),
            details: Details::default(),
            reference: None,
            renditions: Vec::new(),
        };
        if self.library.asset(id.as_str()).await?.is_some_and(|row| row.deleted.is_some()) {
            return Err(Error::Conflict(format!("{id} was deleted in the meantime")));
        }
        match self.claimed(id).await? {
            ExistingAsset::Described(descriptor) => Ok(Descriptor::clone(&descriptor)),
            ExistingAsset::Loose(files) => Err(occupied(id, &files)),
            ExistingAsset::None => Ok(nothing),
        }
    }

    /// Waits until players get the published file: asset lookups that began before may still be in flight.
    async fn wait_until_served(&self, id: &AssetId, row: &Upload) -> Result<(), Error> {
        for _ in 0..LOOKS {
            match self.catalog.renewed(id).await {
                Ok(asset) if asset.file(&row.file).is_some() => return Ok(()),
                Ok(_) | Err(crate::catalog::Error::NotFound | crate::catalog::Error::Interrupted(_)) => {
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Interrupted(format!("{id}: what was published cannot be seen yet")))
    }

    async fn refuse(&self, row: &Upload, why: &Error) -> Result<(), Error> {
        tracing::info!(upload = %row.id, asset = %row.asset, "an upload is refused: {why}");
        self.metrics.upload_ended(UploadOutcome::Refused);
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.take_back(row).await?;
        let reason = why.to_string();
        let settlement =
            Settlement { reason: Some(&reason), ..Settlement::plain(UploadState::Received, UploadState::Refused) };
        self.library.settle_upload(&row.id, settlement, now()).await?;
        Ok(())
    }

    /// Stores the rows of the asset and the published upload, and enqueues the later removal of a replaced file.
    async fn record_published(&self, row: &Upload, asset: &Asset, before: &Descriptor) -> Result<(), Error> {
        let known = self.library.asset(asset.id.as_str()).await?;
        let now = now();
        let told = row_of(asset, known, now);
        for gone in before.renditions.iter().filter(|file| asset.file(&file.file).is_none()) {
            if let Some(version) = self.version(&format!("{}/{}", asset.id, gone.file)).await? {
                self.library.enqueue(&self.discarding(version), now).await?;
            }
        }
        let report = report(asset, row, before).to_string();
        if self.library.publish_upload(&row.id, &told, &report, now).await? {
            self.metrics.upload_ended(UploadOutcome::Published);
        }
        self.look_later(&row.id).await?;
        tracing::info!(upload = %row.id, asset = %asset.id, files = asset.files.len(), "an upload is published: {}", codec_list(asset));
        Ok(())
    }

    /// The job that removes a replaced version of a file, after a delay for viewers in the middle of it.
    fn discarding(&self, version: StoredVersion) -> NewJob {
        NewJob {
            id: token::<16>(),
            kind: JobKind::Discard,
            dedupe: Some(format!("{} {} {}", JobKind::Discard, version.path, version.mark)),
            payload: serde_json::to_string(&version).expect("texts are JSON"),
            subject: version.path,
            priority: -10,
            max_attempts: 20,
            run_at: later(self.settings.grace),
        }
    }
}

/// The new `asset.json` with the file of `row`: in place of the file with the same URL name, else last.
fn joined(before: &Descriptor, row: &Upload) -> Descriptor {
    let name = url_name(&row.file);
    let mut after = before.clone();
    let next = Rendition { file: row.file.clone(), name: Some(name.into()), size: row.length, tracks: Vec::new() };
    match after.renditions.iter_mut().find(|rendition| rendition.name() == name) {
        Some(rendition) => {
            if after.reference.as_ref() == Some(&rendition.file) {
                after.reference = Some(next.file.clone());
            }
            *rendition = Rendition { tracks: rendition.tracks.clone(), ..next };
        }
        None => after.renditions.push(next),
    }
    if after.reference.is_none() {
        after.reference = after.renditions.first().map(|rendition| rendition.file.clone());
    }
    after
}
