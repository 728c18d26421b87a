//! Publishing: an upload whose bytes are all there becomes part of its asset, whole, or is refused by name.
//!
//! ```text
//! hold the asset's name
//!   └─ new: an asset.json of nothing, so that nobody sees the file before it is described
//!   └─ the draft appears as a file                        (again after a crash: it is there already)
//!   └─ trial: read, planned, linted as the asset would be ─ no video? the file goes, and the reason stays
//!   └─ asset.json, put last: what was there, and this     (viewers in the middle: no URL of theirs changes)
//!   └─ rows: what the asset is, what the upload became
//! ```
//! Each step can be done twice; whoever takes the job up after a crash does them all again.

use super::append::path;
use super::error::Error;
use super::removal::row_of;
use super::report::{report, said};
use super::service::{Ingest, later, now};
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
        let finished = match self.publish(&row, &asset).await {
            // What it is does not change by trying again.
            Err(error) if !error.passes() => self.refuse(&row, &asset, &error).await,
            published => published,
        };
        self.library.unlock_asset(asset.as_str(), &task.id).await?;
        finished
    }

    /// Removes an `asset.json` that says nothing, where nothing will come of it any more. The name is held.
    pub(super) async fn unclaim(&self, id: &AssetId) -> Result<(), Error> {
        let busy = self.library.uploads_under_way(id.as_str()).await? > 0;
        if busy || self.library.asset(id.as_str()).await?.is_some() {
            return Ok(());
        }
        match self.catalog.claim(id).await? {
            Claim::Described(descriptor) if descriptor.renditions.is_empty() => {
                Ok(self.catalog.store().remove(&format!("{id}/{DESCRIPTOR}")).await?)
            }
            Claim::Described(_) | Claim::Loose | Claim::None => Ok(()),
        }
    }

    async fn publish(&self, row: &Upload, id: &AssetId) -> Result<(), Error> {
        let before = self.described(row, id).await?;
        if !self.is_there(row).await? {
            let draft = self.catalog.store().draft(&row.id, &path(row), row.length, &row.saved).await?;
            draft.finish().await?;
        }
        // What writers that were killed had staged beside it; what became the file is none of that any more.
        self.catalog.store().discard_draft(&row.id, &path(row), "").await?;
        let after = joined(&before, row);
        let asset = match self.catalog.trial(id, after.clone()).await.map_err(Error::from) {
            Err(error) if !error.passes() => {
                let error = self.explained(error, &path(row)).await;
                self.catalog.store().remove(&path(row)).await?;
                return Err(error);
            }
            tried => tried?,
        };
        if after != before {
            self.describe(id, &after).await?;
        }
        self.seen(id, row).await?;
        self.told(row, &asset, &before).await
    }

    /// Whether the whole file is in its place: put there by whoever had the job before, or by the client itself.
    async fn is_there(&self, row: &Upload) -> Result<bool, Error> {
        let stamp = self.catalog.store().seek(&path(row)).await?;
        Ok(stamp.is_some_and(|stamp| row.length == Some(stamp.size())))
    }

    /// What `asset.json` says; where there is none, one that says nothing is put, so that files appear with it.
    pub(super) async fn described(&self, row: &Upload, id: &AssetId) -> Result<Descriptor, Error> {
        match self.catalog.claim(id).await? {
            Claim::Described(descriptor) => Ok(Descriptor::clone(&descriptor)),
            Claim::Loose => Err(Error::Conflict(format!("{id} was made of other files in the meantime"))),
            Claim::None => {
                let nothing = Descriptor {
                    version: SCHEMA_VERSION,
                    title: row.title.clone(),
                    details: Details::default(),
                    reference: None,
                    renditions: Vec::new(),
                };
                self.describe(id, &nothing).await?;
                Ok(nothing)
            }
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

    async fn refuse(&self, row: &Upload, asset: &AssetId, why: &Error) -> Result<(), Error> {
        tracing::info!(upload = %row.id, asset = %row.asset, "an upload is refused: {why}");
        self.metrics.upload_ended(Fate::Refused);
        self.catalog.store().discard_draft(&row.id, &path(row), &row.saved).await?;
        let from = [UploadState::Received];
        self.library.settle_upload(&row.id, &from, UploadState::Refused, Some(&why.to_string()), None, now()).await?;
        self.unclaim(asset).await
    }

    /// Writes down what the asset is and what became of the upload, and that a file that was replaced goes later.
    async fn told(&self, row: &Upload, asset: &Asset, before: &Descriptor) -> Result<(), Error> {
        let known = self.library.asset(asset.id.as_str()).await?;
        let now = now();
        let told = row_of(asset, known, now);
        self.library.put_asset(&told, now).await?;
        for gone in before.renditions.iter().filter(|file| asset.file(&file.file).is_none()) {
            self.library.enqueue(&self.discarding(&asset.id, &gone.file), now).await?;
        }
        let report = report(asset).to_string();
        let from = [UploadState::Received];
        self.metrics.upload_ended(Fate::Published);
        self.library.settle_upload(&row.id, &from, UploadState::Published, None, Some(&report), now).await?;
        self.look_later(&row.id).await?;
        tracing::info!(upload = %row.id, asset = %asset.id, files = asset.files.len(), "an upload is published: {}", said(asset));
        Ok(())
    }

    /// The job that removes a file that another replaced, once nobody is in its middle any more.
    fn discarding(&self, id: &AssetId, file: &str) -> NewJob {
        let subject = format!("{id}/{file}");
        NewJob {
            id: super::random::token::<16>(),
            kind: DISCARD.into(),
            dedupe: Some(format!("{DISCARD} {subject}")),
            subject,
            payload: String::new(),
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
fn url_name(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('-').map_or(stem, |(name, _)| name)
}
