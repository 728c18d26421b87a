//! Names of an upload: its asset, its file, and the file's name in URLs.

use crate::ingest::error::Error;
use crate::library::Upload;
use crate::media::AssetId;
use crate::store::is_media;

/// Digits of the upload's id at the end of its file name; they tell files of the same name apart.
const MARK: usize = 8;

/// Longest file name without mark and extension, in bytes.
const STEM: usize = 200;

/// Names of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ingest) struct UploadTarget {
    /// The asset, if the client named it.
    pub(in crate::ingest) asset: Option<AssetId>,
    /// Default name of the asset, and the file's name in URLs.
    pub(in crate::ingest) stem: String,
    /// Name of the file.
    pub(in crate::ingest) file: String,
}

impl UploadTarget {
    /// Names for the upload `id` of a file `filename` to `asset`; `media_type` gives the extension if the name has
    /// none.
    pub(in crate::ingest) fn new(
        id: &str,
        asset: Option<&str>,
        filename: Option<&str>,
        media_type: Option<&str>,
    ) -> Result<Self, Error> {
        let asset = asset.map(|name| AssetId::new(name).ok_or_else(|| Error::Name(name.into()))).transpose()?;
        // Browsers send paths for folders, and some systems send backslashes.
        let base = filename.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
        let stem = base.rsplit_once('.').map_or(base, |(stem, _)| stem);
        let extension = extension(filename, media_type)?;
        let stem = plain(stem).unwrap_or_else(|| "video".into());
        let mark: String = id.chars().take(MARK).collect();
        let file = format!("{stem}-{mark}.{extension}");
        Ok(Self { asset, stem, file })
    }

    /// Alternative default name of the asset, with the upload's mark, for when the plain one is taken.
    pub(in crate::ingest) fn marked(&self) -> Option<AssetId> {
        AssetId::new(self.file.rsplit_once('.').map_or(&self.file, |(stem, _)| stem))
    }

    /// The same upload under another URL name: its file name with the mark.
    pub(in crate::ingest) fn apart(&self) -> Self {
        let (stem, extension) = self.file.rsplit_once('.').unwrap_or((&self.file, "mp4"));
        let mark = stem.rsplit_once('-').map_or("", |(_, mark)| mark);
        Self { file: format!("{stem}-{mark}.{extension}"), stem: stem.into(), asset: self.asset.clone() }
    }

    /// Default name of the asset, without the mark.
    pub(in crate::ingest) fn unmarked(&self) -> Option<AssetId> {
        AssetId::new(&self.stem)
    }
}

/// Extension for a file called `filename`, in lower case; `media_type` decides if the name has none.
pub fn extension(filename: Option<&str>, media_type: Option<&str>) -> Result<String, Error> {
    let base = filename.unwrap_or("").rsplit(['/', '\\']).next().unwrap_or("");
    let extension = base.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    if is_media(&format!("a.{extension}")) {
        return Ok(extension);
    }
    let known = media_type.and_then(extension_of).filter(|_| extension.is_empty());
    known.map(Into::into).ok_or_else(|| Error::Type(filename.unwrap_or("a file without a name").into()))
}

/// Path of an upload's file in the store.
pub(in crate::ingest) fn path(row: &Upload) -> String {
    format!("{}/{}", row.asset, row.file)
}

/// The URL name of a file: its name without extension and upload mark.
pub(in crate::ingest) fn url_name(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    stem.rsplit_once('-').map_or(stem, |(name, _)| name)
}

/// Whether a file name has the form that uploads give.
pub(in crate::ingest) fn is_marked(file: &str) -> bool {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let mark = stem.rsplit_once('-').map_or("", |(_, mark)| mark);
    mark.len() == MARK && mark.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// File extension for a media type.
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

/// Makes `stem` a valid part of an asset name by leaving out characters; `None` if nothing remains.
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
    use super::{UploadTarget, is_marked};

    fn target(filename: &str) -> Option<(String, String)> {
        UploadTarget::new("0123456789abcdef", None, Some(filename), Some("video/mp4"))
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
        let target = UploadTarget::new("0123456789", Some("films/night"), Some("a.mp4"), None).unwrap().apart();
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
        let target = UploadTarget::new("0123456789", Some("films/night"), Some("a.mp4"), None).unwrap();
        assert_eq!(target.asset.unwrap().as_str(), "films/night");
        assert!(UploadTarget::new("0123456789", Some("../x"), Some("a.mp4"), None).is_err());
    }
}
