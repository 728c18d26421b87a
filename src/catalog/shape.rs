//! What a name means, given what its folder and the folder of that name were found to be. Knows no files.

use super::error::{Error, Reason};
use super::ladder::{Loose, stem};
use super::settle::{Held, Media, held_as, is_held};
use crate::lint::{Code, Finding};
use crate::media::{AssetId, Descriptor, Rendition};
use std::sync::Arc;

/// What a folder is.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    /// One asset, as its `asset.json` says.
    Described(Arc<Descriptor>),
    /// One asset that its `asset.json` makes unplayable.
    Misdescribed(Error),
    /// One asset: these of its files. The others could not be understood and are refused each by its own name.
    Ladder(Vec<String>),
    /// No asset: each file is its own. The reason, where it could have been a ladder.
    Loose(Option<Loose>),
}

impl Shape {
    /// Whether the folder is an asset.
    pub(super) const fn is_asset(&self) -> bool {
        match self {
            Self::Described(_) | Self::Misdescribed(_) | Self::Ladder(_) => true,
            Self::Loose(_) => false,
        }
    }

    /// Whether it is an asset that nothing is published of.
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

/// A folder and what it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// Its path; the root is `""`.
    pub(super) path: &'a str,
    /// Its media files that are whole.
    pub(super) media: &'a [Media],
    /// Its media files that are being written.
    pub(super) held: &'a [Held],
    /// What it is.
    pub(super) shape: &'a Shape,
}

/// What an asset is made of. Equal as long as nothing about it changed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    /// The folder of its files.
    pub(super) folder: String,
    /// Its files with their stamps, in order.
    pub(super) files: Vec<Media>,
    /// Whether it is one file or a folder.
    pub(super) form: Form,
    /// What lint says.
    pub(super) notes: Vec<Finding>,
}

/// What kind of thing an asset is in the store.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    /// One file.
    File,
    /// A folder whose files go together.
    Ladder,
    /// A folder with an `asset.json`.
    Described(Arc<Descriptor>),
}

/// What `id` means: `parent` is the folder that it stands in, `own` the folder of its name.
pub(super) fn resolve(id: &AssetId, parent: Option<Place<'_>>, own: Option<Place<'_>>) -> Result<Found, Error> {
    // An `asset.json` of nothing: not published yet, or deleted. A file of the same name beside it is not there either.
    if own.is_some_and(|own| own.shape.is_empty()) {
        return Err(Error::NotFound);
    }
    let named = |place: &Place<'_>, name: &str| stem(name) == id.last_part() && place.shape.leaves(name);
    let files: Vec<&Media> =
        parent.iter().flat_map(|place| place.media.iter().filter(|(name, _)| named(place, name))).collect();
    let asset_folder = own.filter(|place| place.shape.is_asset());
    match (files.as_slice(), asset_folder, parent) {
        ([], None, _) | ([_, ..], _, None) => Err(Error::NotFound),
        ([], Some(own), _) => folder(own),
        ([file], None, Some(parent)) => Ok(Found {
            folder: parent.path.into(),
            files: vec![(*file).clone()],
            form: Form::File,
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

fn folder(own: Place<'_>) -> Result<Found, Error> {
    let found = |files, form| Ok(Found { folder: own.path.into(), files, form, notes: Vec::new() });
    match own.shape {
        Shape::Misdescribed(error) => Err(error.clone()),
        Shape::Loose(_) => Err(Error::NotFound),
        Shape::Ladder(rungs) => {
            let files = own.media.iter().filter(|(name, _)| rungs.contains(name));
            found(files.cloned().collect(), Form::Ladder)
        }
        Shape::Described(descriptor) => found(described(own, descriptor)?, Form::Described(Arc::clone(descriptor))),
    }
}

/// The files that an `asset.json` names, all of them there, no two with one name for their tracks.
fn described(own: Place<'_>, descriptor: &Descriptor) -> Result<Vec<Media>, Error> {
    let mut files: Vec<Media> = Vec::new();
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

/// A file that was written a moment ago and has all the bytes that whoever published it said it would have.
fn vouched(own: Place<'_>, rendition: &Rendition) -> Option<Media> {
    let stamp = held_as(own.held, &rendition.file)?.stamp();
    (rendition.size == Some(stamp.size())).then(|| (rendition.file.clone(), stamp))
}

fn believed(own: Place<'_>, name: &str) -> Option<Media> {
    own.media.iter().find(|(each, _)| each == name).cloned()
}

fn notes(parent: Place<'_>, own: Option<Place<'_>>, file: &str) -> Vec<Finding> {
    let loose = match parent.shape {
        Shape::Loose(Some(why)) => Some(Finding::new(Code::LooseFolder, why.to_string())),
        Shape::Loose(None) | Shape::Ladder(_) | Shape::Described(_) | Shape::Misdescribed(_) => None,
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
    use super::{Form, Place, Shape, resolve};
    use crate::catalog::error::Error;
    use crate::catalog::ladder::Loose;
    use crate::catalog::settle::Media;
    use crate::media::{AssetId, Descriptor};
    use crate::store::Store;
    use std::sync::Arc;

    struct Folder {
        path: &'static str,
        media: Vec<Media>,
        shape: Shape,
    }

    impl Folder {
        fn place(&self) -> Place<'_> {
            Place { path: self.path, media: &self.media, held: &[], shape: &self.shape }
        }
    }

    async fn folder(path: &'static str, media: &[&str], shape: Shape) -> Folder {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.mp4"), b"a").unwrap();
        let stamp = Store::open_folder(root.path()).unwrap().stat("a.mp4").await.unwrap();
        Folder { path, media: media.iter().map(|name| ((*name).into(), stamp)).collect(), shape }
    }

    fn described(json: &str) -> Shape {
        Shape::Described(Arc::new(Descriptor::parse(json.as_bytes()).unwrap()))
    }

    /// The form, the files and the notes' codes; or the error.
    fn told(
        id: &str,
        parent: &Folder,
        own: Option<&Folder>,
    ) -> Result<(String, Vec<String>, Vec<&'static str>), String> {
        let found = resolve(&AssetId::new(id).unwrap(), Some(parent.place()), own.map(Folder::place));
        let found = found.map_err(|error| error.to_string())?;
        let form = match found.form {
            Form::File => "file",
            Form::Ladder => "ladder",
            Form::Described(_) => "described",
        };
        let files = found.files.into_iter().map(|(name, _)| name).collect();
        Ok((form.into(), files, found.notes.iter().map(|note| note.code.as_str()).collect()))
    }

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn a_file_is_an_asset_unless_its_folder_is() {
        let loose = folder("d", &["a.mp4", "b.MOV"], Shape::Loose(None)).await;
        assert_eq!(told("d/b", &loose, None), Ok(("file".into(), files(&["b.MOV"]), vec![])));
        assert_eq!(told("d/c", &loose, None), Err("there is no such asset".into()));
        let ladder = folder("d", &["a.mp4", "b.mp4", "bad.mp4"], Shape::Ladder(files(&["a.mp4", "b.mp4"]))).await;
        assert_eq!(told("d/a", &ladder, None), Err("there is no such asset".into()));
        assert_eq!(told("d/bad", &ladder, None), Ok(("file".into(), files(&["bad.mp4"]), vec![])));
        let root = folder("", &[], Shape::Loose(None)).await;
        assert_eq!(told("d", &root, Some(&ladder)), Ok(("ladder".into(), files(&["a.mp4", "b.mp4"]), vec![])));
        assert_eq!(told("d", &root, Some(&loose)), Err("there is no such asset".into()));
    }

    #[tokio::test]
    async fn a_file_of_a_loose_folder_says_why() {
        let why = Loose::Many;
        let loose = folder("d", &["a.mp4"], Shape::Loose(Some(why))).await;
        let nested = folder("d/a", &["c.mp4"], Shape::Loose(None)).await;
        let expected = ("file".into(), files(&["a.mp4"]), vec!["loose-folder", "name-beside-folder"]);
        assert_eq!(told("d/a", &loose, Some(&nested)), Ok(expected));
    }

    #[tokio::test]
    async fn a_name_that_two_claim_is_refused_to_both() {
        let two = folder("", &["a.mov", "a.mp4"], Shape::Loose(None)).await;
        assert_eq!(told("a", &two, None), Err("a.mov: its name is also that of a.mp4: rename one".into()));
        let ladder = folder("b", &["x.mp4", "y.mp4"], Shape::Ladder(files(&["x.mp4", "y.mp4"]))).await;
        let beside = folder("", &["b.mp4"], Shape::Loose(None)).await;
        let error = told("b", &beside, Some(&ladder));
        assert_eq!(error, Err("b.mp4: its name is also that of the folder b/: rename one".into()));
    }

    #[tokio::test]
    async fn a_described_folder_is_exactly_its_renditions_in_their_order() {
        let root = folder("", &[], Shape::Loose(None)).await;
        let shape = described(r#"{"version":1,"renditions":[{"file":"b.mp4"},{"file":"a.m4a"}]}"#);
        let own = folder("d", &["a.m4a", "b.mp4", "c.mp4"], shape.clone()).await;
        assert_eq!(told("d", &root, Some(&own)), Ok(("described".into(), files(&["b.mp4", "a.m4a"]), vec![])));
        assert!(matches!(resolve(&AssetId::new("d/c").unwrap(), Some(own.place()), None), Err(Error::NotFound)));
        let lacking = folder("d", &["a.m4a"], shape).await;
        let error = told("d", &root, Some(&lacking));
        let expected = "d/b.mp4: asset.json names it, and there is no such MP4 or QuickTime file";
        assert_eq!(error, Err(expected.into()));
        let same = described(r#"{"version":1,"renditions":[{"file":"a.mp4"},{"file":"a.m4a"}]}"#);
        let same = folder("d", &["a.m4a", "a.mp4"], same).await;
        let error = told("d", &root, Some(&same));
        assert_eq!(error, Err("d/a.m4a: its name is also that of a.mp4: rename one".into()));
    }
}
