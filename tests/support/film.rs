//! A film of any size that takes almost no disk space: real headers, and a short row of frames of which every segment
//! shows another stretch. No two segments within [`ROW`] have the same media, and none has the same bytes.
//!
//! ```text
//! stored   │ ftyp │ moov │ mdat: frame 0, 1, 2 … 213 │      a frame: a length and one NAL unit
//! segment 0                      [0 ………… 149]
//! segment 1                         [1 ………… 150]
//! ```

#![allow(dead_code, reason = "each test crate uses a part of it")]

#[path = "movie.rs"]
mod movie;

use super::support::Server;
use afflux::media::Kind;
use std::path::Path;

/// Frames per segment: 6 s at 25 a second. Only the first is a key frame.
pub(crate) const FRAMES: u32 = 150;

/// Segments until a stretch of the row repeats.
const ROW: u32 = 64;

/// A film with video only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    /// Number of segments of 6 s.
    pub(crate) segments: u32,
    /// Bytes per frame; a segment has 150 frames.
    pub(crate) frame: u32,
    /// Frames per chunk, a divisor of [`FRAMES`]: frames of a chunk are contiguous.
    chunk: u32,
}

impl Film {
    /// A film in which each segment is contiguous.
    pub(crate) const fn new(segments: u32, frame: u32) -> Self {
        Self { segments, frame, chunk: FRAMES }
    }

    /// Segments of 4.8 MB.
    pub(crate) const fn large(segments: u32) -> Self {
        Self::new(segments, 32_000)
    }

    /// The same film with each segment in chunks of `chunk` frames, the last chunk stored first.
    pub(crate) const fn in_pieces_of(self, chunk: u32) -> Self {
        Self { chunk, ..self }
    }

    /// Writes the film to `path`.
    pub(crate) fn write(self, path: &Path) {
        let mut stored = boxed(*b"ftyp", b"isom\0\0\0\0isomavc1");
        // The `moov` has the same length whatever offsets it holds.
        let base = stored.len() + self.moov(0).len() + 16;
        stored.extend(self.moov(base as u32));
        let media = u64::from(self.frame) * u64::from(FRAMES * self.segments.max(2));
        stored.extend([0, 0, 0, 1]);
        stored.extend(*b"mdat");
        stored.extend((16 + media).to_be_bytes());
        stored.extend((0..ROW + FRAMES).flat_map(|number| self.picture(number)));
        std::fs::write(path, stored).unwrap();
        // A film file must not be smaller than the media it claims.
        std::fs::File::options().write(true).open(path).unwrap().set_len(base as u64 + media).unwrap();
    }

    /// Writes the film to a new folder, alone, as `film.mp4`.
    pub(crate) fn house(self) -> tempfile::TempDir {
        let house = tempfile::tempdir().unwrap();
        self.write(&house.path().join("film.mp4"));
        house
    }

    /// A frame of the row: a slice of pseudo-random bytes, none of them zero.
    fn picture(self, number: u32) -> Vec<u8> {
        let mut seed = number.wrapping_mul(0x9e37_79b9) | 1;
        let chance = std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            (seed >> 24) as u8 | 1
        });
        let mut frame = (self.frame - 4).to_be_bytes().to_vec();
        frame.push(0x65);
        frame.extend(chance.take(self.frame as usize - 5));
        frame
    }

    fn moov(self, base: u32) -> Vec<u8> {
        let millis = self.segments * 6_000;
        let movie = [vec![0; 12], words(&[1_000, millis, 0x1_0000]), vec![0; 76]].concat();
        let tkhd = [words(&[7, 0, 0, 1, 0, millis]), vec![0; 60]].concat();
        let clock = words(&[0, 0, 0, 25_000, 0, 0x55c4_0000]);
        let hdlr = [vec![0; 8], b"vide".to_vec(), vec![0; 13]].concat();
        let stbl = boxed(*b"stbl", &self.tables(base));
        let mdia = [boxed(*b"mdhd", &clock), boxed(*b"hdlr", &hdlr), boxed(*b"minf", &stbl)].concat();
        let trak = [boxed(*b"tkhd", &tkhd), boxed(*b"mdia", &mdia)].concat();
        boxed(*b"moov", &[boxed(*b"mvhd", &movie), boxed(*b"trak", &trak)].concat())
    }

    fn tables(self, base: u32) -> Vec<u8> {
        let (frames, segments) = (self.segments * FRAMES, self.segments);
        let table = |kind: [u8; 4], numbers: &[u32]| boxed(kind, &words(&[&[0][..], numbers].concat()));
        let counted = |numbers: Vec<u32>| [vec![numbers.len() as u32], numbers].concat();
        let chunks = FRAMES / self.chunk;
        let place = |chunk| chunk / chunks % ROW + (chunks - 1 - chunk % chunks) * self.chunk;
        let places = (0..segments * chunks).map(|chunk| base + place(chunk) * self.frame).collect();
        let keys = (0..segments).map(|number| number * FRAMES + 1).collect();
        [
            boxed(*b"stsd", &[words(&[0, 1]), movie::entry(&Kind::Video(movie::PICTURE)).to_vec()].concat()),
            table(*b"stts", &[1, frames, 1_000]),
            table(*b"stsc", &[1, 1, self.chunk, 1]),
            table(*b"stsz", &[self.frame, frames]),
            table(*b"stco", &counted(places)),
            table(*b"stss", &counted(keys)),
        ]
        .concat()
    }
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], &kind, content].concat()
}

/// URLs in the playlists of an asset with one track.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub(crate) playlist: String,
    /// The init segment, if there is one.
    pub(crate) init: Option<String>,
    pub(crate) segments: Vec<String>,
}

impl Names {
    /// Reads the playlists, starting at `entry`, such as `index.m3u8`.
    pub(crate) fn of(server: &Server, asset: &str, entry: &str) -> Self {
        let entry = format!("/vod/{asset}/{entry}");
        let text = |url: &str| {
            let answer = server.get(url, "");
            assert_eq!(answer.status, 200, "{url}: {:?}", String::from_utf8_lossy(&answer.body));
            answer.text().to_owned()
        };
        let playlist = listed(&entry, &text(&entry)).swap_remove(0);
        let text = text(&playlist);
        let init = text.split_once("EXT-X-MAP:URI=\"").and_then(|(_, rest)| rest.split_once('"'));
        let init = init.map(|(name, _)| beside(&playlist, name));
        Self { init, segments: listed(&playlist, &text), playlist }
    }
}

/// URLs of the URI lines in a playlist.
pub(crate) fn listed(base: &str, text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|name| beside(base, name)).collect()
}

/// Resolves `name` against the URL `base`.
pub(crate) fn beside(base: &str, name: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            ".." => parts.truncate(parts.len() - 1),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
