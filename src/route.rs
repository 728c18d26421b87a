//! The paths that players request: one type parses and prints them, so that every URL in a manifest can be answered.
//!
//! ```text
//! /vod/{asset}/index.m3u8                          HLS, multivariant playlist
//! /vod/{asset}/index.mpd                           DASH, manifest
//! /vod/{asset}/ts.m3u8                             HLS, multivariant playlist of MPEG-TS
//! /vod/{asset}/files/{file}                        the stored file
//! /vod/{asset}/~{version}/{track}/index.m3u8       HLS, media playlist
//! /vod/{asset}/~{version}/{track}/init.mp4         CMAF header
//! /vod/{asset}/~{version}/{track}/{number}.m4s     CMAF segment, numbers from 1
//! /vod/{asset}/~{version}/{tracks}/ts.m3u8         HLS, media playlist of MPEG-TS
//! /vod/{asset}/~{version}/{tracks}/{number}.ts     MPEG-TS segment, numbers from 1
//! ```
//! An MPEG-TS stream has one track, or a video and an audio track: `v1/a2`.
//! A track is named by its kind and track_ID, and, where the asset is a folder, by its file: `v1`, `a2-1080p`. It
//! names nothing else, so a rendition that joins an asset changes no other track's URL. Law: `parse(print(r)) = r`.

use crate::media::{AssetId, MediaKind, Packaging, StreamName, TrackName, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode, utf8_percent_encode};
use std::borrow::Cow;
use std::fmt;

/// Characters that are percent-encoded: those that a path must not contain (RFC 3986 §3.3), and `$`, which DASH
/// templates use. Browsers and proxies send all others unchanged, so that they send the path that is printed here.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'$')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// The resource that a path names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Route {
    /// The HLS multivariant playlist.
    Hls(AssetId),
    /// The DASH manifest.
    Dash(AssetId),
    /// The HLS multivariant playlist of MPEG-TS.
    Ts(AssetId),
    /// A stored file, unchanged.
    File(AssetId, String),
    /// A part of one version of a stream.
    Stream(AssetId, Version, StreamName, Part),
}

/// A part of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// Its HLS media playlist.
    Playlist,
    /// Its CMAF header ("init segment").
    Init,
    /// A CMAF segment; the first is 1.
    Segment(u32),
}

impl Route {
    /// Parses a path. `None` if no resource can have this path: for example, if it has percent signs without two
    /// hexadecimal digits, encoded slashes, dot segments, or numbers with leading zeros (`01.m4s`).
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        if !is_well_encoded(path) {
            return None;
        }
        let decode = |part| percent_decode_str(part).decode_utf8().ok();
        let parts: Vec<Cow<'_, str>> = path.strip_prefix("/vod/")?.split('/').map(decode).collect::<Option<_>>()?;
        let at = parts.iter().position(|part| !AssetId::is_part(part))?;
        let (name, rest) = parts.split_at(at);
        let asset = AssetId::new(&name.join("/"))?;
        match rest {
            [entry] if entry == "index.m3u8" => Some(Self::Hls(asset)),
            [entry] if entry == "index.mpd" => Some(Self::Dash(asset)),
            [entry] if entry == "ts.m3u8" => Some(Self::Ts(asset)),
            [files, file] if files == "files" && is_file(file) => Some(Self::File(asset, file.clone().into_owned())),
            [version, track, part] => {
                let (packaging, part) = parse_part(part)?;
                let name = StreamName::alone(packaging, parse_track(track)?);
                Some(Self::Stream(asset, parse_version(version)?, name, part))
            }
            [version, video, audio, part] => {
                let (packaging, part) = parse_part(part)?;
                let name = StreamName::muxed(parse_track(video)?, parse_track(audio)?)?;
                let version = parse_version(version)?;
                (packaging == Packaging::Ts).then_some(Self::Stream(asset, version, name, part))
            }
            _ => None,
        }
    }

    /// Whether it is an entry point, with a stable URL under the name of its asset, and not a part of one version.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        match self {
            Self::Hls(_) | Self::Dash(_) | Self::Ts(_) | Self::File(..) => true,
            Self::Stream(..) => false,
        }
    }

    /// The asset that it belongs to.
    #[must_use]
    pub const fn asset(&self) -> &AssetId {
        match self {
            Self::Hls(asset) | Self::Dash(asset) | Self::Ts(asset) | Self::File(asset, _) | Self::Stream(asset, ..) => {
                asset
            }
        }
    }

    /// The relative reference to it from the entry manifests of its asset.
    #[must_use]
    pub fn from_entry(&self) -> String {
        PathBelowAsset(self).to_string()
    }

    /// The relative reference to it from a media playlist that lists it.
    #[must_use]
    pub fn from_playlist(&self) -> String {
        let is_muxed = matches!(self, Self::Stream(_, _, name, _) if name.second().is_some());
        format!("{}{}", up(is_muxed), PathBelowAsset(self))
    }
}

/// Whether `path` is spelled as it is printed: it percent-encodes only bytes that must be encoded, in upper-case
/// digits. Unencoded brackets and the like are allowed too, because browsers and proxies send them.
#[must_use]
pub fn is_canonical(path: &str) -> bool {
    let (plain, encoded) = path.split_once('%').map_or((path, None), |(plain, rest)| (plain, Some(rest)));
    plain.bytes().all(|byte| byte.is_ascii_graphic())
        && encoded.is_none_or(|rest| {
            rest.split('%').all(|part| {
                part.split_at_checked(2).is_some_and(|(digits, plain)| {
                    has_to_be_encoded(digits) && plain.bytes().all(|byte| byte.is_ascii_graphic())
                })
            })
        })
}

/// From a stream's playlist up to its asset.
const fn up(is_muxed: bool) -> &'static str {
    if is_muxed { "../../../" } else { "../../" }
}

/// Whether two hexadecimal digits follow each percent sign.
fn is_well_encoded(path: &str) -> bool {
    let mut encoded = path.split('%').skip(1);
    encoded.all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

/// Whether these two digits are the upper-case encoding of a byte that is printed encoded.
fn has_to_be_encoded(digits: &str) -> bool {
    let upper = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    let byte = u8::from_str_radix(digits, 16).ok().filter(|_| upper);
    byte.is_some_and(|byte| percent_encode(&[byte], ENCODED).any(|text| text.starts_with('%')))
}

/// Prints the references to segments from the media playlist that lists them, as [`Route::from_playlist`] does. Only
/// the numbers are printed for each segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments {
    before: String,
    behind: &'static str,
}

impl Segments {
    /// The segments of a stream.
    #[must_use]
    pub fn of(version: Version, name: &StreamName) -> Self {
        let before = format!("{}~{version}/{}", up(name.second().is_some()), Tracks(name));
        Self { before, behind: extension(name.packaging()) }
    }

    /// The reference to segment `number`, from 1.
    #[must_use]
    pub fn reference(&self, number: u32) -> String {
        format!("{}{number}{}", self.before, self.behind)
    }

    /// Typical length of a reference in bytes.
    #[must_use]
    pub const fn about(&self) -> usize {
        self.before.len() + "10000".len() + self.behind.len()
    }

    /// Appends the reference to segment `number`, from 1.
    pub fn print(&self, number: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self.before.as_bytes());
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.extend_from_slice(self.behind.as_bytes());
    }
}

/// The DASH template of a stream's segments, from its asset's manifest (ISO/IEC 23009-1 §5.3.9.4.4).
#[must_use]
pub fn segment_template(version: Version, name: &StreamName) -> String {
    format!("~{version}/{}$Number${}", Tracks(name), extension(name.packaging()))
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/vod/")?;
        for part in self.asset().as_str().split('/') {
            write!(f, "{}/", utf8_percent_encode(part, ENCODED))?;
        }
        write!(f, "{}", PathBelowAsset(self))
    }
}

/// Prints the part of a route after its asset.
struct PathBelowAsset<'a>(&'a Route);

impl fmt::Display for PathBelowAsset<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Route::Hls(_) => f.write_str("index.m3u8"),
            Route::Dash(_) => f.write_str("index.mpd"),
            Route::File(_, file) => write!(f, "files/{}", utf8_percent_encode(file, ENCODED)),
            Route::Ts(_) => f.write_str("ts.m3u8"),
            Route::Stream(_, version, name, part) => {
                write!(f, "~{version}/{}", Tracks(name))?;
                match (name.packaging(), part) {
                    (Packaging::Cmaf, Part::Playlist) => f.write_str("index.m3u8"),
                    (Packaging::Ts, Part::Playlist) => f.write_str("ts.m3u8"),
                    (Packaging::Cmaf | Packaging::Ts, Part::Init) => f.write_str("init.mp4"),
                    (packaging, Part::Segment(number)) => write!(f, "{number}{}", extension(packaging)),
                }
            }
        }
    }
}

/// The extension of segments.
const fn extension(packaging: Packaging) -> &'static str {
    match packaging {
        Packaging::Cmaf => ".m4s",
        Packaging::Ts => ".ts",
    }
}

/// The last part of a path, which says the packaging too.
fn parse_part(text: &str) -> Option<(Packaging, Part)> {
    match text {
        "index.m3u8" => Some((Packaging::Cmaf, Part::Playlist)),
        "init.mp4" => Some((Packaging::Cmaf, Part::Init)),
        "ts.m3u8" => Some((Packaging::Ts, Part::Playlist)),
        segment => [Packaging::Cmaf, Packaging::Ts].into_iter().find_map(|packaging| {
            let number = canonical_number(segment.strip_suffix(extension(packaging))?)?;
            Some((packaging, Part::Segment(number)))
        }),
    }
}

fn parse_version(text: &str) -> Option<Version> {
    text.strip_prefix('~')?.parse().ok()
}

fn parse_track(text: &str) -> Option<TrackName> {
    let (head, file) = match text.split_once('-') {
        Some((head, file)) => (head, Some(file)),
        None => (text, None),
    };
    let kind = match head.get(..1)? {
        "v" => MediaKind::Video,
        "a" => MediaKind::Audio,
        _ => return None,
    };
    let file = match file {
        Some(file) if !is_file(file) => return None,
        file => file.map(String::from),
    };
    Some(TrackName { kind, id: canonical_number(head.get(1..)?)?, file })
}

/// Prints the name of a track for URLs.
struct PrintedTrackName<'a>(&'a TrackName);

impl fmt::Display for PrintedTrackName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.0.kind {
            MediaKind::Video => 'v',
            MediaKind::Audio => 'a',
        };
        write!(f, "{letter}{}", self.0.id)?;
        self.0.file.iter().try_for_each(|file| write!(f, "-{}", utf8_percent_encode(file, ENCODED)))
    }
}

/// The tracks of a stream as URLs have them, each with a slash behind it.
struct Tracks<'a>(&'a StreamName);

impl fmt::Display for Tracks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tracks().try_for_each(|track| write!(f, "{}/", PrintedTrackName(track)))
    }
}

/// Parses a number from 1 in its printed form: digits only, no leading zero.
fn canonical_number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    digits.then(|| text.parse().ok()).flatten()
}

/// Whether `name` can be a file in the folder of an asset: a name, not a path, and not hidden.
fn is_file(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['.', '~'])
        && !name.contains(|c: char| c.is_control() || c == '/' || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::{Part, Route, Segments, is_canonical};
    use crate::media::{AssetId, MediaKind, Packaging, StreamName, TrackName, Version};
    use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    fn routes() -> impl Strategy<Value = Route> {
        let asset = "[^~./\\\\\\p{C}][^/\\\\\\p{C}]{0,8}(/[^~./\\\\\\p{C}][^/\\\\\\p{C}]{0,8}){0,2}"
            .prop_filter_map("reserved", |name| AssetId::new(&name));
        let file = "[^~./\\\\\\p{C}][^/\\\\\\p{C}]{0,8}";
        let named = |kind: MediaKind| {
            (1_u32.., proptest::option::of(file)).prop_map(move |(id, file)| TrackName { kind, id, file })
        };
        let (video, audio) = (named(MediaKind::Video), named(MediaKind::Audio));
        let number = || 1_u32..;
        let part = prop_oneof![Just(Part::Playlist), Just(Part::Init), number().prop_map(Part::Segment)];
        let of_ts = prop_oneof![Just(Part::Playlist), number().prop_map(Part::Segment)];
        let parts = (part, of_ts, any::<[u8; 12]>().prop_map(Version::new));
        (asset, file, video, audio, parts, 0..7).prop_map(|(asset, file, video, audio, parts, which)| {
            let (part, of_ts, version) = parts;
            match which {
                0 => Route::Hls(asset),
                1 => Route::Dash(asset),
                2 => Route::Ts(asset),
                3 => Route::File(asset, file),
                4 => Route::Stream(asset, version, StreamName::alone(Packaging::Cmaf, audio), part),
                5 => Route::Stream(asset, version, StreamName::alone(Packaging::Ts, video), of_ts),
                _ => Route::Stream(asset, version, StreamName::muxed(video, audio).unwrap(), of_ts),
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_parsed(route in routes()) {
            let path = route.to_string();
            prop_assert!(is_canonical(&path));
            prop_assert_eq!(Route::parse(&path), Some(route));
        }

        #[test]
        fn segments_are_listed_as_their_routes_are_printed(route in routes()) {
            if let Route::Stream(_, version, name, Part::Segment(number)) = &route {
                prop_assert_eq!(Segments::of(*version, name).reference(*number), route.from_playlist());
            }
        }

        #[test]
        fn no_path_panics(path in "\\PC{0,60}") {
            let _ = Route::parse(&path);
            let _ = Route::parse(&format!("/vod/{path}"));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for path in [
            "/",
            "/vod",
            "/vod/",
            "/vod/a",
            "/vod/a/",
            "/vod//index.mpd",
            "/vod/index.mpd",
            "/vod/a/../b/index.mpd",
            "/vod/a%2Fb/index.mpd",
            "/vod/%2e%2e/index.mpd",
            "/vod/a/%00/index.mpd",
            "/vod/a/files/",
            "/vod/a/files/..",
            "/vod/a/files/b/c",
            "/vod/a/files/%2e%2e%2fetc",
            "/vod/a/~00/v1/init.mp4",
            "/vod/a/index.mpd/",
            "/vod/a/~000102030405060708090a0b/v1/01.m4s",
            "/vod/a/~000102030405060708090a0b/v1/0.m4s",
            "/vod/a/~000102030405060708090a0b/x1/1.m4s",
            "/vod/a/~000102030405060708090a0b/v01/1.m4s",
            "/vod/a/~000102030405060708090a0b/v1/+1.m4s",
            "/vod/a/~000102030405060708090a0b/v1-/1.m4s",
            "/vod/a/~000102030405060708090a0b/a1/v1/1.ts",
            "/vod/a/~000102030405060708090a0b/v1/a1/1.m4s",
            "/vod/a/~000102030405060708090a0b/v1/a1/index.m3u8",
            "/vod/a/~000102030405060708090a0b/v1/a1/a2/1.ts",
            "/vod/a/~000102030405060708090a0b/v1/01.ts",
            "/vod/%ff/index.mpd",
            "/vod/%u002e/index.mpd",
            "/vod/a%/index.mpd",
            "/vod/a%2/index.mpd",
            "/vod/~a/index.mpd",
            "/vod/.a/index.m3u8",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_path_has_one_spelling() {
        for path in ["/vod/film%20(2019)!/index.m3u8", "/vod/%C3%BC/a+b&c/index.mpd", "/vod/a[1]/index.mpd"] {
            assert!(is_canonical(path), "{path}");
        }
        for path in
            ["/vod/%61/index.m3u8", "/vod/a%28b%29/x", "/vod/%c3%bc/x", "/vod/%7Ea/x", "/vod/\u{fc}/x", "/%", "/%2"]
        {
            assert!(!is_canonical(path), "{path}");
        }
    }

    #[test]
    fn references_are_relative_to_what_says_them() {
        let route = Route::parse("/vod/a/b/~000102030405060708090a0b/v1-x%20y/7.m4s").unwrap();
        assert_eq!(route.from_entry(), "~000102030405060708090a0b/v1-x%20y/7.m4s");
        assert_eq!(route.from_playlist(), "../../~000102030405060708090a0b/v1-x%20y/7.m4s");
        let route = Route::parse("/vod/a/~000102030405060708090a0b/v1/a2/7.ts").unwrap();
        assert_eq!(route.from_playlist(), "../../../~000102030405060708090a0b/v1/a2/7.ts");
    }
}
