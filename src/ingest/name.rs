//! What an upload will be called: the asset that it is of, the file that it becomes, the name that URLs give it.

use super::error::Error;
use crate::media::AssetId;
use crate::store::is_media;

/// Digits of an upload's id that its file's name ends with: two files of one name are told apart by them.
const MARK: usize = 8;

/// Bytes of a file's name without mark and extension, at most.
const STEM: usize = 200;

/// What an upload will be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The asset, where it was named.
    pub(super) asset: Option<AssetId>,
    /// What the asset is called where nobody says, and what URLs call the file.
    pub(super) stem: String,
    /// The file.
    pub(super) file: String,
}

impl Target {
    /// Of an upload `id` that was called `filename` and is of `asset`; `media_type` tells what the file's name does not.
    pub(super) fn new(
        id: &str,
        asset: Option<&str>,
        (filename, media_type): (Option<&str>, Option<&str>),
    ) -> Result<Self, Error> {
        let asset = asset.map(|name| AssetId::new(name).ok_or_else(|| Error::Name(name.into()))).transpose()?;
        // Browsers send paths for folders, and some systems' separators.
        let base = filename.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let extension = extension(filename, media_type)?;
        let stem = plain(stem).unwrap_or_else(|| "video".into());
        let mark: String = id.chars().take(MARK).collect();
        let file = format!("{stem}-{mark}.{extension}");
        Ok(Self { asset, stem, file })
    }

    /// The asset's name where nobody said one: what the file is called; with the upload's mark where that is taken.
    pub(super) fn marked(&self) -> Option<AssetId> {
        AssetId::new(self.file.rsplit_once('.').map_or(&self.file, |(stem, _)| stem))
    }

    /// The same, called otherwise in URLs: by its name with its mark.
    pub(super) fn apart(&self) -> Self {
        let (stem, extension) = self.file.rsplit_once('.').unwrap_or((&self.file, "mp4"));
        let mark = stem.rsplit_once('-').map_or("", |(_, mark)| mark);
        Self { file: format!("{stem}-{mark}.{extension}"), stem: stem.into(), asset: self.asset.clone() }
    }

    /// The same without the mark.
    pub(super) fn unmarked(&self) -> Option<AssetId> {
        AssetId::new(&self.stem)
    }
}

/// The extension that a file called `filename` gets, in lower case; `media_type` tells it where the name has none.
pub fn extension(filename: Option<&str>, media_type: Option<&str>) -> Result<String, Error> {
    let base = filename.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
    let extension = base.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    if is_media(&format!("a.{extension}")) {
        return Ok(extension);
    }
    let known = media_type.and_then(extension_of).filter(|_| extension.is_empty());
    known.map(Into::into).ok_or_else(|| Error::Type(filename.unwrap_or("a file without a name").into()))
}

/// Whether a file has a name that an upload gave it.
pub(super) fn is_marked(file: &str) -> bool {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let mark = stem.rsplit_once('-').map_or("", |(_, mark)| mark);
    mark.len() == MARK && mark.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The extension of files of a media type.
fn extension_of(media_type: &str) -> Option<&'static str> {
    match media_type.split(';').next().unwrap_or_default().trim() {
        "video/mp4" => Some("mp4"),
        "video/x-m4v" => Some("m4v"),
        "video/quicktime" => Some("mov"),
        "video/3gpp" | "audio/3gpp" => Some("3gp"),
        "video/3gpp2" | "audio/3gpp2" => Some("3g2"),
        "audio/mp4" | "audio/x-m4a" => Some("m4a"),
        _ => None,
    }
}

/// `stem` as a part of an asset's name: what cannot stand there is left out; `None` where nothing remains.
fn plain(stem: &str) -> Option<String> {
    let kept: String = stem.chars().filter(|c| !c.is_control()).collect();
    let kept = kept.trim().trim_start_matches(['.', '~']).trim();
    let end = kept.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= STEM).last()?;
    let kept = kept.get(..end)?.trim_end();
    if AssetId::is_part(kept) {
        Some(kept.into())
    } else {
        Some(format!("{kept} video")).filter(|kept| AssetId::is_part(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, is_marked};

    fn target(filename: &str) -> Option<(String, String)> {
        Target::new("0123456789abcdef", None, (Some(filename), Some("video/mp4")))
            .ok()
            .map(|made| (made.stem, made.file))
    }

    #[test]
    fn a_file_is_called_as_it_was_with_a_mark() {
        let expect = |filename: &str, stem: &str, file: &str| {
            assert_eq!(target(filename), Some((stem.into(), file.into())), "{filename:?}");
        };
        expect("night.MP4", "night", "night-01234567.mp4");
        expect("C:\\films\\a b.mov", "a b", "a b-01234567.mov");
        expect("../../etc/.~x.m4a", "x", "x-01234567.m4a");
        expect("ü\u{7}.mp4", "ü", "ü-01234567.mp4");
        expect("blob", "blob", "blob-01234567.mp4");
        expect("memo.3gp", "memo", "memo-01234567.3gp");
        expect("talk.isma", "talk", "talk-01234567.isma");
        expect(".mp4", "video", "video-01234567.mp4");
        let long = "ü".repeat(300);
        expect(&format!("{long}.mp4"), &"ü".repeat(100), &format!("{}-01234567.mp4", "ü".repeat(100)));
        for other in ["a.mkv", "a.exe", "a.mp4.html"] {
            assert_eq!(target(other), None, "{other}");
        }
    }

    #[test]
    fn a_file_that_is_kept_beside_another_of_its_name_is_called_otherwise() {
        let target = Target::new("0123456789", Some("films/night"), (Some("a.mp4"), None)).unwrap().apart();
        assert_eq!((target.stem.as_str(), target.file.as_str()), ("a-01234567", "a-01234567-01234567.mp4"));
        assert!(is_marked(&target.file));
    }

    #[test]
    fn a_name_that_an_upload_gave_is_known() {
        assert!(is_marked("a b-01234567.mp4"));
        for other in ["a.mp4", "a-0123456.mp4", "a-0123456g.mp4", "01234567.mp4"] {
            assert!(!is_marked(other), "{other}");
        }
    }

    #[test]
    fn a_name_that_urls_reserve_is_not_taken() {
        assert_eq!(target("files.mp4").unwrap().0, "files video");
        assert_eq!(target("index.mp4").unwrap().0, "index");
        let target = Target::new("0123456789", Some("films/night"), (Some("a.mp4"), None)).unwrap();
        assert_eq!(target.asset.unwrap().as_str(), "films/night");
        assert!(Target::new("0123456789", Some("../x"), (Some("a.mp4"), None)).is_err());
    }
}
