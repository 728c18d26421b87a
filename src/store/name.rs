//! Rules for names: hidden names, media files, valid paths, and the names that the store reserves for itself.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Deepest nesting of folders; deeper ones are ignored.
pub(super) const DEPTH_LIMIT: usize = 16;

/// The folder of unfinished objects, at the root of each store; hidden, so that no path of an asset leads into it.
pub(super) const STAGING: &str = ".staging";

/// Path of `name` in `folder`; either may be `""`.
pub(super) fn below(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", _) => name.into(),
        (_, "") => folder.into(),
        _ => format!("{folder}/{name}"),
    }
}

/// A random name that no other task picks: 16 hexadecimal digits.
pub(super) fn nonce() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The folder of objects that we store for ourselves, beside those that they are about; hidden, so that no path of an
/// asset leads into it.
pub(super) const OWN_FOLDER: &str = ".afflux";

/// Name prefix of objects that hide another one beside them: an object store shows an uploaded object before anyone can
/// check it.
const VEIL: &str = "~draft-";

/// Path of the object that hides the one at `path`.
pub(super) fn veil(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if folder.is_empty() { format!("{VEIL}{name}") } else { format!("{folder}/{VEIL}{name}") }
}

/// The name that an object called `name` hides beside it; `None` if it hides none.
pub(super) fn veiled(name: &str) -> Option<&str> {
    name.strip_prefix(VEIL)
}

/// The extensions of media files, compared without regard to case: ISO base media and QuickTime under all their names.
const MEDIA: [&str; 11] = ["mp4", "m4v", "m4a", "mov", "m4b", "qt", "f4v", "3gp", "3g2", "ismv", "isma"];

/// Whether `name` has the extension of a media file.
#[must_use]
pub fn is_media(name: &str) -> bool {
    let parts = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    parts.is_some_and(|(_, extension)| MEDIA.iter().any(|media| extension.eq_ignore_ascii_case(media)))
}

/// The extensions of media files, each in all its spellings, the usual one first.
pub(super) fn spellings() -> impl Iterator<Item = Vec<String>> {
    MEDIA.iter().map(|extension| {
        let mut all = vec![String::new()];
        for letter in extension.chars() {
            let cases = BTreeSet::from([letter.to_ascii_lowercase(), letter.to_ascii_uppercase()]);
            // Lower case sorts after upper case, so reverse.
            let with = |start: &String| cases.iter().rev().map(|letter| format!("{start}{letter}")).collect::<Vec<_>>();
            all = all.iter().flat_map(with).collect();
        }
        all
    })
}

/// The most common file names whose name without extension is `stem`.
pub(super) fn usual_names(stem: &str) -> impl Iterator<Item = String> {
    MEDIA.iter().map(move |extension| format!("{stem}.{extension}"))
}

/// Whether `path` is valid: at most 17 plain names between slashes, none hidden. The root, `""`, is not plain.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    path.split('/').count() <= DEPTH_LIMIT + 1 && path.split('/').all(is_plain_name)
}

/// Whether something may be written at `path`: it is plain, or plain below [`STAGING`].
pub(super) fn is_writable(path: &str) -> bool {
    let below = path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/'));
    is_plain(below.unwrap_or(path))
}

/// Whether `id` is valid for a draft: one plain name that leaves room for suffixes.
pub(super) fn is_draft_id(id: &str) -> bool {
    is_plain_name(id) && id.len() <= 128
}

/// Whether `name` is one plain name: not empty, not hidden (`.`, `~`), no slashes, no control characters.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && !is_hidden(name.as_bytes()) && !name.contains(|c: char| c.is_control() || c == '/' || c == '\\')
}

/// Whether a name is hidden: it begins with `.` or `~`.
pub(super) const fn is_hidden(name: &[u8]) -> bool {
    matches!(name, [b'.' | b'~', ..])
}

#[cfg(test)]
mod tests {
    use super::{is_draft_id, is_media, is_plain, is_writable, spellings, veil, veiled};

    #[test]
    fn a_veil_hides_the_object_that_it_is_called_after() {
        for (path, name) in [("a/b.mp4", "b.mp4"), ("b.mp4", "b.mp4")] {
            let veil = veil(path);
            assert_eq!(veiled(veil.rsplit('/').next().unwrap()), Some(name));
            assert!(!is_plain(&veil));
        }
        assert_eq!(veiled("b.mp4"), None);
    }

    #[test]
    fn media_is_known_by_its_extension() {
        for name in ["a.mp4", "a.b.M4V", "a.M4a", "ü.mov", "a.isma", "a.3GP", "a.m4b", "a.qt", "a.f4v"] {
            assert!(is_media(name), "{name}");
        }
        for name in ["mp4", ".mp4", "a.mp", "a.mp4.part", "a.mkv", "a.", "a.ism", "a.m4s"] {
            assert!(!is_media(name), "{name}");
        }
    }

    #[test]
    fn every_spelling_of_an_extension_is_media_and_the_usual_one_is_first() {
        let all: Vec<Vec<String>> = spellings().collect();
        assert_eq!(all[0], ["mp4", "mP4", "Mp4", "MP4"]);
        assert_eq!(all.iter().find(|all| all[0] == "mov").unwrap().len(), 8);
        assert!(all.iter().flatten().all(|extension| is_media(&format!("a.{extension}"))));
    }

    #[test]
    fn what_is_written_hides_in_one_folder_alone() {
        for path in ["a.mp4", "a/asset.json", ".staging/a", ".staging/a/b"] {
            assert!(is_writable(path), "{path}");
        }
        for path in ["", ".staging", ".staging/", ".staging/../a", "a/.staging/b", ".afflux/a", ".staging/.a", "../a"] {
            assert!(!is_writable(path), "{path}");
        }
        assert!(is_draft_id("01J8-x") && !is_draft_id("a/b") && !is_draft_id("") && !is_draft_id(&"a".repeat(129)));
    }

    #[test]
    fn a_path_cannot_climb_or_hide() {
        for path in ["", "/", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/~b", "a\\b", "a\0", "a\n"] {
            assert!(!is_plain(path), "{path:?}");
        }
        assert!(is_plain("a/b c/ü.mp4"));
        assert!(is_plain(&vec!["a"; 17].join("/")));
        assert!(!is_plain(&vec!["a"; 18].join("/")));
    }
}
