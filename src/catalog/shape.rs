//! Resolves the name of an asset to files, given the folder that contains it and the folder of that name. No I/O.

use super::error::{Error, Reason};
use super::ladder::{LooseReason, stem};
use super::settle::{StampedFile, UnsettledFile, held_as, is_held};
use crate::lint::{Code, Finding};
use crate::media::{AssetId, Descriptor, Rendition};
use std::sync::Arc;

/// How the files of a folder form assets.
#[derive(Debug, Clone)]
pub(super) enum FolderShape {
    /// One asset, as its `asset.json` says.
    Described(Arc<Descriptor>),
    /// One asset that its `asset.json` makes unplayable.
    Misdescribed(Error),
    /// One asset: these of its files. The others could not be read, and each is refused under its own name.
    Ladder(Vec<String>),
    /// No asset: each file is an asset of its own. Contains the reason if it could have been a ladder.
    Loose(Option<LooseReason>),
}

impl FolderShape {
    /// Whether the folder is an asset.
    pub(super) const fn is_asset(&self) -> bool {
        match self {
            Self::Described(_) | Self::Misdescribed(_) | Self::Ladder(_) => true,
            Self::Loose(_) => false,
        }
    }

    /// Whether it is an asset whose `asset.json` lists no renditions.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Described(descriptor) if descriptor.renditions.is_empty())
    }

    /// Whether the file `name` in it may be an asset of its own.
    fn leaves(&self, name: &str) -> bool {
        match self {
            Self::Described(_) | Self::Misdescribed(_) => false,
            Self::Ladder(rungs) => !rungs.iter().any(|rung| rung == name),
            Self::Loose(_) => true,
        }
    }
}

/// A folder with its files and its shape.
#[derive(Debug, Clone, Copy)]
pub(super) struct FolderContents<'a> {
    /// Its path; the root is `""`.
    pub(super) path: &'a str,
    /// Its complete media files.
    pub(super) media: &'a [StampedFile],
    /// Its media files that are being written.
    pub(super) held: &'a [UnsettledFile],
    /// Its shape.
    pub(super) shape: &'a FolderShape,
}

/// The files of an asset. Equal as long as nothing about the asset changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AssetSources {
    /// The folder of its files.
    pub(super) folder: String,
    /// Its files with their stamps, in order.
    pub(super) files: Vec<StampedFile>,
    /// Whether it is one file or a folder.
    pub(super) form: AssetForm,
    /// Findings of lint.
    pub(super) notes: Vec<Finding>,
}

/// How an asset is stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AssetForm {
    /// One file.
    File,
    /// A folder whose files form a ladder.
    Ladder,
    /// A folder with an `asset.json`.
    Described(Arc<Descriptor>),
}

/// Resolves `id`: `parent` is the folder that contains it, `own` the folder of its name.
pub(super) fn resolve(
    id: &AssetId,
    parent: Option<FolderContents<'_>>,
    own: Option<FolderContents<'_>>,
) -> Result<AssetSources, Error> {
    // An `asset.json` without renditions: not published yet, or deleted. It also hides a file of the same name beside
    // the folder.
    if own.is_some_and(|own| own.shape.is_empty()) {
        return Err(Error::NotFound);
    }
    let named = |place: &FolderContents<'_>, name: &str| stem(name) == id.last_part() && place.shape.leaves(name);
    let files: Vec<&StampedFile> =
        parent.iter().flat_map(|place| place.media.iter().filter(|(name, _)| named(place, name))).collect();
    let asset_folder = own.filter(|place| place.shape.is_asset());
    match (files.as_slice(), asset_folder, parent) {
        ([], None, _) | ([_, ..], _, None) => Err(Error::NotFound),
        ([], Some(own), _) => folder(own),
        ([file], None, Some(parent)) => Ok(AssetSources {
            folder: parent.path.into(),
            files: vec![(*file).clone()],
            form: AssetForm::File,
            notes: notes(parent, own, &file.0),
        }),
        ([first, rest @ ..], own, Some(parent)) => {
            let others =
                rest.iter().map(|(name, _)| name.clone()).chain(own.map(|own| format!("the folder {}/", own.path)));
            let others: Vec<String> = others.collect();
            Err(Error::unplayable(below(parent.path, &first.0), Reason::Collision(others.join(" and "))))
        }
    }
}

fn folder(own: FolderContents<'_>) -> Result<AssetSources, Error> {
    let found = |files, form| Ok(AssetSources { folder: own.path.into(), files, form, notes: Vec::new() });
    match own.shape {
        FolderShape::Misdescribed(error) => Err(error.clone()),
        FolderShape::Loose(_) => Err(Error::NotFound),
        FolderShape::Ladder(rungs) => {
            let files = own.media.iter().filter(|(name, _)| rungs.contains(name));
            found(files.cloned().collect(), AssetForm::Ladder)
        }
        FolderShape::Described(descriptor) => {
            found(described(own, descriptor)?, AssetForm::Described(Arc::clone(descriptor)))
        }
    }
}

/// The files that an `asset.json` names; an error unless all exist and have different names for their tracks.
fn described(own: FolderContents<'_>, descriptor: &Descriptor) -> Result<Vec<StampedFile>, Error> {
    let mut files: Vec<StampedFile> = Vec::new();
    for (at, rendition) in descriptor.renditions.iter().enumerate() {
        let refuse = |reason| Error::unplayable(below(own.path, &rendition.file), reason);
        let Some(file) = vouched(own, rendition).or_else(|| believed(own, &rendition.file)) else {
            let path = || below(own.path, &rendition.file);
            let coming = is_held(own.held, &rendition.file);
            return Err(if coming { Error::being_written(&path()) } else { refuse(Reason::Missing) });
        };
        let before = descriptor.renditions.iter().take(at);
        if let Some(other) = before.clone().find(|other| other.name() == rendition.name()) {
            return Err(refuse(Reason::Collision(other.file.clone())));
        }
        files.push(file);
    }
    Ok(files)
}

/// A file that was written a moment ago and has the size that its publisher announced, so it counts as complete.
fn vouched(own: FolderContents<'_>, rendition: &Rendition) -> Option<StampedFile> {
    let stamp = held_as(own.held, &rendition.file)?.stamp();
    (rendition.size == Some(stamp.size())).then(|| (rendition.file.clone(), stamp))
}

fn believed(own: FolderContents<'_>, name: &str) -> Option<StampedFile> {
    own.media.iter().find(|(each, _)| each == name).cloned()
}

fn notes(parent: FolderContents<'_>, own: Option<FolderContents<'_>>, file: &str) -> Vec<Finding> {
    let loose = match parent.shape {
        FolderShape::Loose(Some(why)) => Some(Finding::new(Code::LooseFolder, why.to_string())),
        FolderShape::Loose(None)
        | FolderShape::Ladder(_)
        | FolderShape::Described(_)
        | FolderShape::Misdescribed(_) => None,
    };
    let beside = own.map(|own| {
        let text = format!("{file} stands beside the folder {}/, whose files are assets below the same name", own.path);
        Finding::new(Code::NameBesideFolder, text)
    });
    loose.into_iter().chain(beside).collect()
}

/// The path of `name` in `folder`.
pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.into() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::{AssetForm, FolderContents, FolderShape, resolve};
    use crate::catalog::error::Error;
    use crate::catalog::ladder::LooseReason;
    use crate::catalog::settle::StampedFile;
    use crate::media::{AssetId, Descriptor};
    use crate::store::Store;
    use std::sync::Arc;

    struct Folder {
        path: &'static str,
        media: Vec<StampedFile>,
        shape: FolderShape,
    }

    impl Folder {
        fn place(&self) -> FolderContents<'_> {
            FolderContents { path: self.path, media: &self.media, held: &[], shape: &self.shape }
        }
    }

    async fn folder(path: &'static str, media: &[&str], shape: FolderShape) -> Folder {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.mp4"), b"a").unwrap();
        let stamp = Store::open_folder(root.path()).unwrap().stat("a.mp4").await.unwrap();
        Folder { path, media: media.iter().map(|name| ((*name).into(), stamp)).collect(), shape }
    }

    fn described(json: &str) -> FolderShape {
        FolderShape::Described(Arc::new(Descriptor::parse(json.as_bytes()).unwrap()))
    }

    /// The form, the files and the notes' codes; or the error.
    fn resolved(
        id: &str,
        parent: &Folder,
        own: Option<&Folder>,
    ) -> Result<(String, Vec<String>, Vec<&'static str>), String> {
        let found = resolve(&AssetId::new(id).unwrap(), Some(parent.place()), own.map(Folder::place));
        let found = found.map_err(|error| error.to_string())?;
        let form = match found.form {
            AssetForm::File => "file",
            AssetForm::Ladder => "ladder",
            AssetForm::Described(_) => "described",
        };
        let files = found.files.into_iter().map(|(name, _)| name).collect();
        Ok((form.into(), files, found.notes.iter().map(|note| note.code.as_str()).collect()))
    }

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_file_is_an_asset_unless_its_folder_is() {
        let loose = folder("d", &["a.mp4", "b.MOV"], FolderShape::Loose(None)).await;
        assert_eq!(resolved("d/b", &loose, None), Ok(("file".into(), files(&["b.MOV"]), vec![])));
        assert_eq!(resolved("d/c", &loose, None), Err("there is no such asset".into()));
        let ladder = folder("d", &["a.mp4", "b.mp4", "bad.mp4"], FolderShape::Ladder(files(&["a.mp4", "b.mp4"]))).await;
        assert_eq!(resolved("d/a", &ladder, None), Err("there is no such asset".into()));
        assert_eq!(resolved("d/bad", &ladder, None), Ok(("file".into(), files(&["bad.mp4"]), vec![])));
        let root = folder("", &[], FolderShape::Loose(None)).await;
        assert_eq!(resolved("d", &root, Some(&ladder)), Ok(("ladder".into(), files(&["a.mp4", "b.mp4"]), vec![])));
        assert_eq!(resolved("d", &root, Some(&loose)), Err("there is no such asset".into()));
    }

    #[tokio::test]
    async fn a_file_of_a_loose_folder_says_why() {
        let why = LooseReason::Many;
        let loose = folder("d", &["a.mp4"], FolderShape::Loose(Some(why))).await;
        let nested = folder("d/a", &["c.mp4"], FolderShape::Loose(None)).await;
        let expected = ("file".into(), files(&["a.mp4"]), vec!["loose-folder", "name-beside-folder"]);
        assert_eq!(resolved("d/a", &loose, Some(&nested)), Ok(expected));
    }

    #[tokio::test]
    async fn a_name_that_two_claim_is_refused_to_both() {
        let two = folder("", &["a.mov", "a.mp4"], FolderShape::Loose(None)).await;
        assert_eq!(resolved("a", &two, None), Err("a.mov: its name is also that of a.mp4: rename one".into()));
        let ladder = folder("b", &["x.mp4", "y.mp4"], FolderShape::Ladder(files(&["x.mp4", "y.mp4"]))).await;
        let beside = folder("", &["b.mp4"], FolderShape::Loose(None)).await;
        let error = resolved("b", &beside, Some(&ladder));
        assert_eq!(error, Err("b.mp4: its name is also that of the folder b/: rename one".into()));
    }

    #[tokio::test]
    async fn a_described_folder_is_exactly_its_renditions_in_their_order() {
        let root = folder("", &[], FolderShape::Loose(None)).await;
        let shape = described(r#"{"version":1,"renditions":[{"file":"b.mp4"},{"file":"a.m4a"}]}"#);
        let own = folder("d", &["a.m4a", "b.mp4", "c.mp4"], shape.clone()).await;
        assert_eq!(resolved("d", &root, Some(&own)), Ok(("described".into(), files(&["b.mp4", "a.m4a"]), vec![])));
        assert!(matches!(resolve(&AssetId::new("d/c").unwrap(), Some(own.place()), None), Err(Error::NotFound)));
        let lacking = folder("d", &["a.m4a"], shape).await;
        let error = resolved("d", &root, Some(&lacking));
        let expected = "d/b.mp4: asset.json names it, and there is no such MP4 or QuickTime file";
        assert_eq!(error, Err(expected.into()));
        let same = described(r#"{"version":1,"renditions":[{"file":"a.mp4"},{"file":"a.m4a"}]}"#);
        let same = folder("d", &["a.m4a", "a.mp4"], same).await;
        let error = resolved("d", &root, Some(&same));
        assert_eq!(error, Err("d/a.m4a: its name is also that of a.mp4: rename one".into()));
    }
}
