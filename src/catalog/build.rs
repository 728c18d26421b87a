//! Puts an asset together from the files that were found for it.

use super::asset::{Asset, AssetFile};
use super::error::{Error, Reason};
use super::ladder::stem;
use super::movies::{Movies, Wanted};
use super::settle::Media;
use super::shape::{Form, Found, below};
use crate::media::{AssetId, DescriptorTrack, Details, MediaKind, Rendition};
use crate::metrics::{Metrics, Stage};
use crate::plan::{self, Plan, Source};
use crate::store::{Object, Store};
use futures_util::stream;
use futures_util::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Instant;

/// Files of one asset that are opened at a time.
const AT_ONCE: usize = 4;

/// Opens, reads and plans.
#[derive(Debug)]
pub(super) struct Builder {
    pub(super) store: Store,
    pub(super) movies: Arc<Movies>,
    pub(super) settings: plan::Settings,
    pub(super) limits: plan::Limits,
    pub(super) metrics: Arc<Metrics>,
}

impl Builder {
    /// The asset `id` of what was `found`; all of it, or why not. What it has in common with the asset that was there
    /// before is that one's: it may have been replaced since, by what is not whole yet.
    pub(super) async fn build(&self, id: &AssetId, found: &Found, before: Option<&Asset>) -> Result<Asset, Error> {
        let before = |(name, stamp): &Media| before?.file(name).filter(|file| file.object.stamp() == *stamp);
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

    /// The asset `id` of files that are open.
    pub(super) async fn assemble(
        &self,
        id: &AssetId,
        found: &Found,
        mut files: Vec<AssetFile>,
    ) -> Result<Asset, Error> {
        for file in &mut files {
            file.served = served(found, &file.name);
        }
        let plan = self.plan(found, &files).await?;
        let (title, details) = (title(id, found), details(found));
        Ok(Asset { id: id.clone(), title, details, files, plan, notes: found.notes.clone() })
    }

    /// The file `name` of `folder`, which must still be the version that the stamp tells of.
    pub(super) async fn open(&self, folder: &str, (name, stamp): Media) -> Result<AssetFile, Error> {
        let path = below(folder, &name);
        let object = match self.store.open_as(&path, stamp).await.map_err(Error::from) {
            Err(Error::NotFound) => return Err(Error::Interrupted(format!("{path}: went away while it was opened"))),
            opened => opened?,
        };
        if object.stamp() != stamp {
            return Err(Error::being_written(&path));
        }
        self.read(name, object).await
    }

    /// The file `name`, whose bytes are `object`.
    pub(super) async fn read(&self, name: String, object: Object) -> Result<AssetFile, Error> {
        let movie = self.movies.of(&object).await?;
        Ok(AssetFile { served: name.clone(), name, object, movie })
    }

    async fn plan(&self, found: &Found, files: &[AssetFile]) -> Result<Arc<Plan>, Error> {
        let sources: Vec<Source> = files.iter().map(|file| source(found, file)).collect();
        let wanted =
            Wanted { reference: reference(found, &sources), sources, settings: self.settings, limits: self.limits };
        let objects: Vec<&Object> = files.iter().map(|file| &file.object).collect();
        let start = Instant::now();
        let planned = self.movies.plan(&objects, wanted).await;
        self.metrics.took(Stage::Plan, start.elapsed());
        planned?.map_err(|refusal| Error::unplayable(at_fault(found), Reason::Plan(refusal)))
    }
}

fn source(found: &Found, file: &AssetFile) -> Source {
    let name = match &found.form {
        Form::File => None,
        Form::Ladder => Some(stem(&file.name).to_owned()),
        Form::Described(descriptor) => {
            let rendition = descriptor.renditions.iter().find(|rendition| rendition.file == file.name);
            Some(rendition.map_or(stem(&file.name), Rendition::name).to_owned())
        }
    };
    Source { file: file.name.clone(), name, movie: Arc::clone(&file.movie), said: said(found, &file.name) }
}

/// What the file `name` is called to be had as a file.
fn served(found: &Found, name: &str) -> String {
    let rendition = match &found.form {
        Form::File | Form::Ladder => None,
        Form::Described(descriptor) => descriptor.renditions.iter().find(|rendition| rendition.file == name),
    };
    match (rendition.and_then(|rendition| rendition.name.as_deref()), name.rsplit_once('.')) {
        (Some(called), Some((_, extension))) => format!("{called}.{extension}"),
        _ => name.into(),
    }
}

fn said(found: &Found, file: &str) -> Vec<DescriptorTrack> {
    match &found.form {
        Form::File | Form::Ladder => Vec::new(),
        Form::Described(descriptor) => {
            let of_file = descriptor.renditions.iter().filter(|rendition| rendition.file == file);
            of_file.flat_map(|rendition| rendition.tracks.clone()).collect()
        }
    }
}

/// The file that sets the start and the cuts: the one that `asset.json` names, else the first that has video.
fn reference(found: &Found, sources: &[Source]) -> usize {
    let named = match &found.form {
        Form::File | Form::Ladder => None,
        Form::Described(descriptor) => descriptor.reference.as_deref(),
    };
    let is_named = |source: &Source| Some(source.file.as_str()) == named;
    let has_video = |source: &Source| source.movie.tracks.iter().any(|track| track.kind.media() == MediaKind::Video);
    sources.iter().position(is_named).or_else(|| sources.iter().position(has_video)).unwrap_or(0)
}

fn title(id: &AssetId, found: &Found) -> String {
    let said = match &found.form {
        Form::File | Form::Ladder => None,
        Form::Described(descriptor) => descriptor.title.clone(),
    };
    said.unwrap_or_else(|| id.last_part().into())
}

fn details(found: &Found) -> Option<Details> {
    match &found.form {
        Form::File | Form::Ladder => None,
        Form::Described(descriptor) => Some(descriptor.details.clone()),
    }
}

/// What a refused plan is about: the file, or the folder where there are several.
fn at_fault(found: &Found) -> String {
    match found.files.as_slice() {
        [(name, _)] => below(&found.folder, name),
        _ => found.folder.clone(),
    }
}
