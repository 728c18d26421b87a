//! Publishing: an upload whose bytes are all there becomes part of its asset, whole, or is refused by name.
//!
//! ```text
//! hold the asset's name
//!   └─ nothing else may be there: films in a folder of that name are assets of their own
//!   └─ trial: read, planned, linted as the asset would be ─ no video? nothing was shown, and the reason stays
//!   │    on the staged bytes; in an object store, which shows objects when they are whole, on one that is hidden
//!   └─ the draft appears as a file                        (again after a crash: it is there already)
//!   └─ asset.json, put last: what was there, and this     (viewers in the middle: no URL of theirs changes)
//!   └─ rows: what the asset is, what the upload became
//! ```
//! Each step can be done twice; whoever takes the job up after a crash does them all again.

use super::append::path;
use super::condition;
use super::creation::occupied;
use super::discover::RefusedFile;
use super::error::Error;
use super::metadata::Metadata;
use super::removal::row_of;
use super::report::{report, said};
use super::service::{Ingest, later, now};
use super::version::StoredVersion;
use super::worker::{DISCARD, Task};
use crate::catalog::{Asset, Claim};
use crate::library::{NewJob, Upload, UploadState};
use crate::media::{AssetId, DESCRIPTOR, Descriptor, Details, Rendition, SCHEMA_VERSION};
use crate::metrics::Fate;
use bytes::Bytes;

/// How often an asset that was published is looked for before it is believed to be there.
const LOOKS: u32 = 40;

impl Ingest {
    /// Publishes the upload that `task` is about.
    pub(super) async fn finish(&self, task: &Task) -> Result<(), Error> {
        let row = self.upload(&task.subject).await?;
        match row.state {
            UploadState::Received => {}
            // Done by whoever had the job before.
            UploadState::Published | UploadState::Refused | UploadState::Cancelled => return Ok(()),
            UploadState::Receiving => return Err(Error::Conflict("bytes are still missing".into())),
        }
        let asset = AssetId::new(&row.asset).ok_or_else(|| Error::Name(row.asset.clone()))?;
        self.hold(&asset, &task.id).await?;
        let finished = match self.publish(&row, &asset, &task.id).await {
            // What it is does not change by trying again.
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
        // What writers that were killed had staged beside it; what became the file is none of that any more.
        self.catalog.store().discard_draft(&row.id, &path(row), "").await?;
        // To read it may have taken longer than a name is held.
        self.hold(id, by).await?;
        if self.described(row, id).await? != before {
            return Err(Error::Interrupted(format!("{id}: somebody else changed it in the meantime")));
        }
        self.catalog.store().reveal(&path(row)).await?;
        if after != before {
            self.describe(id, &after).await?;
        }
        self.seen(id, row).await?;
        self.told(row, &asset, &before).await
    }

    /// The content id of the file that URLs call `name`, in the asset that `descriptor` tells of.
    async fn replaced(&self, id: &AssetId, descriptor: &Descriptor, name: &str) -> Result<Option<String>, Error> {
        let Some(file) = descriptor.renditions.iter().find(|rendition| rendition.name() == name) else {
            return Ok(None);
        };
        let version = self.version(&format!("{id}/{}", file.file)).await?;
        Ok(version.and_then(|version| version.content))
    }

    /// Whether `asset` has a file that URLs call `stem`.
    pub(super) async fn has_file(&self, asset: &AssetId, stem: &str) -> Result<bool, Error> {
        match self.catalog.claim(asset).await? {
            Claim::Described(descriptor) => Ok(descriptor.renditions.iter().any(|file| file.name() == stem)),
            Claim::None | Claim::Loose(_) => Ok(false),
        }
    }

    /// Whether a file that URLs call `stem` may be put into `asset`, given what the client expects to be there.
    pub(super) async fn check_condition(&self, asset: &AssetId, stem: &str, metadata: &str) -> Result<(), Error> {
        let metadata = Metadata::parse(metadata).unwrap_or_default();
        if metadata.get(condition::IF_MATCH).is_none() && metadata.get(condition::IF_NONE_MATCH).is_none() {
            return Ok(());
        }
        let current = match self.catalog.claim(asset).await? {
            Claim::Described(descriptor) => self.replaced(asset, &descriptor, stem).await?,
            Claim::None | Claim::Loose(_) => None,
        };
        condition::check(&metadata, current.as_deref())
    }

    /// Tries the draft of `row`, and puts it in its place.
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

    /// Tries the file of `row` where it is; one that is refused goes.
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

    /// Whether the whole file is in its place: put there by whoever had the job before, or by the client itself.
    async fn is_there(&self, row: &Upload) -> Result<bool, Error> {
        let stamp = self.catalog.store().seek(&path(row)).await?;
        Ok(stamp.is_some_and(|stamp| row.length == Some(stamp.size())))
    }

    /// What `asset.json` says; nothing where there is none yet.
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
            Claim::Described(descriptor) => Ok(Descriptor::clone(&descriptor)),
            Claim::Loose(files) => Err(occupied(id, &files)),
            Claim::None => Ok(nothing),
        }
    }

    /// Puts an `asset.json`.
    pub(super) async fn describe(&self, id: &AssetId, descriptor: &Descriptor) -> Result<(), Error> {
        let path = format!("{id}/{DESCRIPTOR}");
        Ok(self.catalog.store().put(&path, Bytes::from(descriptor.print())).await?)
    }

    /// Waits until players are served what was put: looks under way may have begun before.
    async fn seen(&self, id: &AssetId, row: &Upload) -> Result<(), Error> {
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
        self.metrics.upload_ended(Fate::Refused);
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        self.take_back(row).await?;
        let from = [UploadState::Received];
        self.library.settle_upload(&row.id, &from, UploadState::Refused, Some(&why.to_string()), None, now()).await?;
        Ok(())
    }

    /// Writes down what the asset is and what became of the upload, and that a file that was replaced goes later.
    async fn told(&self, row: &Upload, asset: &Asset, before: &Descriptor) -> Result<(), Error> {
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
            self.metrics.upload_ended(Fate::Published);
        }
        self.look_later(&row.id).await?;
        tracing::info!(upload = %row.id, asset = %asset.id, files = asset.files.len(), "an upload is published: {}", said(asset));
        Ok(())
    }

    /// The job that removes a version of a file that another replaced, once nobody is in its middle any more.
    fn discarding(&self, version: StoredVersion) -> NewJob {
        NewJob {
            id: super::random::token::<16>(),
            kind: DISCARD.into(),
            dedupe: Some(format!("{DISCARD} {} {}", version.path, version.mark)),
            payload: serde_json::to_string(&version).expect("texts are JSON"),
            subject: version.path,
            priority: -10,
            max_attempts: 20,
            run_at: later(self.settings.grace),
        }
    }
}

/// What `asset.json` says once the file of `row` is part of it: in the place of one that URLs call the same, else last.
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

/// What URLs call a file: its name without the upload's mark.
pub(super) fn url_name(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('-').map_or(stem, |(name, _)| name)
}
