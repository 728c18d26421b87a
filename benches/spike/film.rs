//! Films as files: headers of real tables, media of plausible bytes. Each picture is one NAL unit behind its length.

use crate::movie::Reel;
use crate::support::{self, Stored};
use afflux::media::{Kind, Sample};
use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Pictures a second.
const RATE: usize = 30;

/// What a film is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    /// Its length.
    pub(crate) seconds: usize,
    /// Bytes of pictures in 6 s, on average.
    pub(crate) pictures: u64,
    /// Samples in a chunk of pictures, and of sound.
    pub(crate) per_chunk: [usize; 2],
    /// How its media is stored.
    pub(crate) media: Media,
    /// What tells it from others that are alike.
    pub(crate) seed: u32,
}

/// How a film's media is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// Every byte is written.
    Written,
    /// Only the start of each picture is written; the rest are holes, which read as zeros.
    Holes,
}

impl Film {
    /// One of `seconds`, chunks of half a second, all bytes written.
    pub(crate) const fn new(seconds: usize, pictures: u64) -> Self {
        Self { seconds, pictures, per_chunk: [15, 24], media: Media::Written, seed: 0 }
    }

    /// Two hours whose MPEG-TS segments of 6 s have 4.8 MB, in chunks as small as streams have that are written as they
    /// come: headers of 7 MB. Media in holes: the file claims 5.7 GB and takes a sixth of that.
    pub(crate) const fn long() -> Self {
        Self { seconds: 7_200, pictures: 4_560_000, per_chunk: [1, 2], media: Media::Holes, seed: 0 }
    }

    /// Writes it. Says the bytes of its headers.
    pub(crate) fn write(&self, path: &Path) -> usize {
        let stored = Stored::chunked(&self.reels(), self.per_chunk);
        let movie = stored.understand();
        let mut samples: Vec<(Sample, bool)> = Vec::new();
        for track in &movie.tracks {
            let picture = matches!(track.kind, Kind::Video(_));
            samples.extend(track.index.samples(0..track.index.len()).map(|sample| (sample, picture)));
        }
        samples.sort_by_key(|(sample, _)| sample.position);
        let file = File::create(path).unwrap();
        match self.media {
            Media::Written => write_all(file, stored.start(), &samples),
            Media::Holes => write_starts(&file, &stored, &samples),
        }
        stored.headers()
    }

    /// The film of two hours, cut to length and scaled to rate.
    fn reels(&self) -> [Reel; 2] {
        let [mut pictures, mut sound] = support::reels();
        pictures.frames.truncate(self.seconds * RATE);
        sound.frames.truncate(self.seconds * 48_000 / 1_024);
        let total: u64 = pictures.frames.iter().map(|frame| u64::from(frame.size)).sum();
        let wanted = self.pictures * self.seconds as u64 / 6;
        for frame in &mut pictures.frames {
            frame.size = ((u64::from(frame.size) * wanted / total) as u32).max(64);
        }
        pictures.frames[0].size += self.seed;
        [pictures, sound]
    }
}

/// The first bytes of a picture: how long its one NAL unit is, and what it is (H.264 §7.4.1: IDR, or a reference).
fn nal_unit(sample: &Sample) -> [u8; 5] {
    let [a, b, c, d] = (sample.size - 4).to_be_bytes();
    [a, b, c, d, if sample.sync { 0x65 } else { 0x41 }]
}

fn write_all(file: File, headers: &[u8], samples: &[(Sample, bool)]) {
    let filler: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(headers).unwrap();
    for (sample, picture) in samples {
        // Chunks touch: what is written is where the next one begins.
        let start = if *picture { &nal_unit(sample)[..] } else { &[] };
        out.write_all(start).unwrap();
        out.write_all(&filler[..sample.size as usize - start.len()]).unwrap();
    }
    let end = samples.last().map_or(0, |(sample, _)| sample.position + u64::from(sample.size));
    assert_eq!(out.stream_position().unwrap(), end, "samples touch");
}

fn write_starts(file: &File, stored: &Stored, samples: &[(Sample, bool)]) {
    file.set_len(stored.size()).unwrap();
    file.write_all_at(stored.start(), 0).unwrap();
    for (sample, _) in samples.iter().filter(|(_, picture)| *picture) {
        file.write_all_at(&nal_unit(sample), sample.position).unwrap();
    }
}

/// Reads a file to its end, so that the page cache holds it.
pub(crate) fn warm(path: &Path) {
    let (mut file, mut buffer) = (File::open(path).unwrap(), vec![0; 1 << 20]);
    while file.read(&mut buffer).unwrap() > 0 {}
}
