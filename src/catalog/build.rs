//! Puts an asset together from the files that were found for it.

use super::asset::{Asset, AssetFile};
use super::error::{Error, Reason};
use super::ladder::stem;
use super::movies::{Movies, PlanRequest};
use super::settle::StampedFile;
use super::shape::{AssetForm, AssetSources, below};
use crate::media::{AssetId, DescriptorTrack, Details, MediaKind, Rendition};
use crate::metrics::{Metrics, Stage};
use crate::plan::{self, Plan, SourceFile};
use crate::store::{Object, Store};
use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Instant;

/// Most files of one asset that are opened concurrently.
const AT_ONCE: usize = 4;

/// Opens files, reads their indexes, and plans assets.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) store: Store,
    pub(super) movies: Arc<Movies>,
    pub(super) settings: plan::Settings,
    pub(super) limits: plan::Limits,
    pub(super) metrics: Arc<Metrics>,
}

impl Builder {
    /// Builds the asset `id` from the files in `found`: all of it, or an error. Files that it shares with the previous
    /// asset are taken from that one, because in the store they may have been replaced since by incomplete files.
    pub(super) async fn build(
        &self,
        id: &AssetId,
        found: &AssetSources,
        before: Option<&Asset>,
    ) -> Result<Asset, Error> {
        let before = |(name, stamp): &StampedFile| before?.file(name).filter(|file| file.object.stamp() == *stamp);
        let wanted: Vec<_> = found.files.iter().map(|media| (media.clone(), before(media).cloned())).collect();
        let files = wanted.into_iter().map(|(media, before)| async move {
            match before {
                Some(file) => Ok(file),
                None => self.open(&found.folder, media).await,
            }
        });
        let files: Vec<AssetFile> = stream::iter(files).buffered(AT_ONCE).try_collect().await?;
        self.assemble(id, found, files).await
    }

    /// Builds the asset `id` from open files.
    pub(super) async fn assemble(
        &self,
        id: &AssetId,
        found: &AssetSources,
        mut files: Vec<AssetFile>,
    ) -> Result<Asset, Error> {
        for file in &mut files {
            file.served = served(found, &file.name);
        }
        let plan = self.plan(found, &files).await?;
        let (title, details) = (title(id, found), details(found));
        Ok(Asset { id: id.clone(), title, details, files, plan, notes: found.notes.clone() })
    }

    /// Opens the file `name` of `folder`; an error unless it is still the version of the stamp.
    pub(super) async fn open(&self, folder: &str, file: StampedFile) -> Result<AssetFile, Error> {
        let (name, stamp) = file;
        let path = below(folder, &name);
        let object = match self.store.open_as(&path, stamp).await.map_err(Error::from) {
            Err(Error::NotFound) => return Err(Error::Interrupted(format!("{path}: went away while it was opened"))),
            opened => opened?,
        };
        self.read(name, object).await
    }

    /// Reads the index of the file `name`, whose bytes are `object`.
    pub(super) async fn read(&self, name: String, object: Object) -> Result<AssetFile, Error> {
        let movie = self.movies.of(&object).await?;
        Ok(AssetFile { served: name.clone(), name, object, movie })
    }

    async fn plan(&self, found: &AssetSources, files: &[AssetFile]) -> Result<Arc<Plan>, Error> {
        let sources: Vec<SourceFile> = files.iter().map(|file| source(found, file)).collect();
        let wanted = PlanRequest {
            reference: reference(found, &sources),
            sources,
            settings: self.settings,
            limits: self.limits,
        };
        let objects: Vec<&Object> = files.iter().map(|file| &file.object).collect();
        let start = Instant::now();
        let planned = self.movies.plan(&objects, wanted).await;
        self.metrics.took(Stage::Plan, start.elapsed());
        planned?.map_err(|refusal| Error::unplayable(at_fault(found), Reason::Plan(refusal)))
    }
}

fn source(found: &AssetSources, file: &AssetFile) -> SourceFile {
    let name = match &found.form {
        AssetForm::File => None,
        AssetForm::Ladder => Some(stem(&file.name).to_owned()),
        AssetForm::Described(descriptor) => {
            let rendition = descriptor.renditions.iter().find(|rendition| rendition.file == file.name);
            Some(rendition.map_or(stem(&file.name), Rendition::name).to_owned())
        }
    };
    SourceFile {
        file: file.name.clone(),
        name,
        movie: Arc::clone(&file.movie),
        said: descriptor_tracks(found, &file.name),
    }
}

/// The file name for downloads of the file `name`.
fn served(found: &AssetSources, name: &str) -> String {
    let rendition = match &found.form {
        AssetForm::File | AssetForm::Ladder => None,
        AssetForm::Described(descriptor) => descriptor.renditions.iter().find(|rendition| rendition.file == name),
    };
    match (rendition.and_then(|rendition| rendition.name.as_deref()), name.rsplit_once('.')) {
        (Some(called), Some((_, extension))) => format!("{called}.{extension}"),
        _ => name.into(),
    }
}

fn descriptor_tracks(found: &AssetSources, file: &str) -> Vec<DescriptorTrack> {
    match &found.form {
        AssetForm::File | AssetForm::Ladder => Vec::new(),
        AssetForm::Described(descriptor) => {
            let of_file = descriptor.renditions.iter().filter(|rendition| rendition.file == file);
            of_file.flat_map(|rendition| rendition.tracks.clone()).collect()
        }
    }
}

/// Position of the reference, the file whose keyframes set the start and the segment boundaries: the one that
/// `asset.json` names, else the first with video, else the first.
fn reference(found: &AssetSources, sources: &[SourceFile]) -> usize {
    let named = match &found.form {
        AssetForm::File | AssetForm::Ladder => None,
        AssetForm::Described(descriptor) => descriptor.reference.as_deref(),
    };
    let is_named = |source: &SourceFile| Some(source.file.as_str()) == named;
    let has_video =
        |source: &SourceFile| source.movie.tracks.iter().any(|track| track.kind.media() == MediaKind::Video);
    sources.iter().position(is_named).or_else(|| sources.iter().position(has_video)).unwrap_or(0)
}

fn title(id: &AssetId, found: &AssetSources) -> String {
    let said = match &found.form {
        AssetForm::File | AssetForm::Ladder => None,
        AssetForm::Described(descriptor) => descriptor.title.clone(),
    };
    said.unwrap_or_else(|| id.last_part().into())
}

fn details(found: &AssetSources) -> Option<Details> {
    match &found.form {
        AssetForm::File | AssetForm::Ladder => None,
        AssetForm::Described(descriptor) => Some(descriptor.details.clone()),
    }
}

/// Path to report for a refused plan: the file, or the folder if there are several files.
fn at_fault(found: &AssetSources) -> String {
    match found.files.as_slice() {
        [(name, _)] => below(&found.folder, name),
        _ => found.folder.clone(),
    }
}
