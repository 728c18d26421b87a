//! Writes films as files: headers with real tables, media of plausible bytes. Each picture is a length and one NAL
//! unit.

use crate::movie::Reel;
use crate::support::{self, Stored};
use afflux::media::{Kind, Sample};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Age of a film, according to its file.
const AGE: Duration = Duration::from_hours(1);

/// Pictures a second.
const RATE: usize = 30;

/// Pictures after which the media of a repeated film start over: five minutes.
const LAP: usize = 9_000;

/// Bytes reserved for audio after each picture of a repeated film: room for two frames.
const SOUND: u64 = 1_024;

/// Properties of a film.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    /// Length in seconds.
    pub(crate) seconds: usize,
    /// Bytes of video per 6 s, on average.
    pub(crate) pictures: u64,
    /// Placement of its media.
    pub(crate) media: Media,
    /// Distinguishes films that are otherwise alike.
    pub(crate) seed: u32,
}

/// Placement of a film's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// Contiguous, in chunks of half a second.
    InARow,
    /// The same five minutes of media again and again, in chunks as small as those of live recordings. The film is long
    /// and has headers to match, but its file is small.
    Repeated,
}

impl Film {
    pub(crate) const fn new(seconds: usize, pictures: u64) -> Self {
        Self { seconds, pictures, media: Media::InARow, seed: 0 }
    }

    /// Two hours with MPEG-TS segments of 4.8 MB in 6 s: headers of 7 MB, media of 240 MB.
    pub(crate) const fn long() -> Self {
        Self { seconds: 7_200, pictures: 4_560_000, media: Media::Repeated, seed: 0 }
    }

    /// Writes the film; returns the size of its headers in bytes.
    pub(crate) fn write(&self, path: &Path) -> usize {
        let reels = self.reels();
        let stored = match self.media {
            Media::InARow => Stored::chunked(&reels, [15, 24]),
            Media::Repeated => repeated(&reels),
        };
        let mut samples: Vec<(Sample, bool)> = Vec::new();
        for track in &stored.understand().tracks {
            let picture = matches!(track.kind, Kind::Video(_));
            samples.extend(track.index.samples(0..track.index.len()).map(|sample| (sample, picture)));
        }
        samples.sort_by_key(|(sample, _)| sample.position);
        let file = File::create(path).unwrap();
        write(&file, &stored, &samples);
        // Old, like the films of a library, so that the server may use sendfile.
        file.set_modified(SystemTime::now() - AGE).unwrap();
        stored.headers()
    }

    /// The two-hour film, cut to length and scaled to rate.
    fn reels(&self) -> [Reel; 2] {
        let [mut pictures, mut sound] = support::reels();
        pictures.frames.truncate(self.seconds * RATE);
        sound.frames.truncate(self.seconds * 48_000 / 1_024);
        let total: u64 = pictures.frames.iter().map(|frame| u64::from(frame.size)).sum();
        let wanted = self.pictures * self.seconds as u64 / 6;
        for frame in &mut pictures.frames {
            frame.size = ((u64::from(frame.size) * wanted / total) as u32).max(64);
        }
        if self.media == Media::Repeated {
            for at in LAP..pictures.frames.len() {
                pictures.frames[at].size = pictures.frames[at - LAP].size;
            }
        }
        pictures.frames[0].size += self.seed;
        [pictures, sound]
    }
}

/// Layout of a lap: a picture, room for audio, a picture and so on; after the lap it repeats.
fn repeated(reels: &[Reel; 2]) -> Stored {
    let [pictures, sound] = reels;
    let lap = pictures.frames.iter().take(LAP);
    let mut starts = vec![0];
    starts.extend(lap.scan(0, |end, frame| {
        *end += u64::from(frame.size) + SOUND;
        Some(*end)
    }));
    let place = |picture: usize| starts[picture % LAP];
    // Audio lies after the picture that is on screen when it begins.
    let picture = |chunk: usize| chunk * 2 * 1_024 * RATE / 48_000;
    let sound_at = |chunk| place(picture(chunk)) + u64::from(pictures.frames[picture(chunk) % LAP].size);
    // A file must be as long as all its samples together: after the lap it is a hole, which nobody reads.
    let total = reels.iter().flat_map(|reel| &reel.frames).map(|frame| u64::from(frame.size)).sum();
    Stored::placed(reels, [1, 2], total, |base| {
        let pictures = (0..pictures.frames.len()).map(|at| base + place(at)).collect();
        let sound = (0..sound.frames.len().div_ceil(2)).map(|chunk| base + sound_at(chunk)).collect();
        vec![pictures, sound]
    })
}

/// The first bytes of a picture: the length of its one NAL unit, and its type (H.264 §7.4.1: IDR, or a reference).
fn nal_unit(sample: &Sample) -> [u8; 5] {
    let [a, b, c, d] = (sample.size - 4).to_be_bytes();
    [a, b, c, d, if sample.sync { 0x65 } else { 0x41 }]
}

/// Writes all bytes in order: headers, samples, and zeros between samples. Repeated samples are written once.
fn write(file: &File, stored: &Stored, samples: &[(Sample, bool)]) {
    let filler: Vec<u8> = (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(stored.start()).unwrap();
    let mut end = stored.headers() as u64;
    for (sample, picture) in samples.iter().filter(|(sample, _)| sample.size > 0) {
        let Some(gap) = sample.position.checked_sub(end) else { continue };
        out.write_all(&vec![0; gap as usize]).unwrap();
        let start = if *picture { &nal_unit(sample)[..] } else { &[] };
        out.write_all(start).unwrap();
        out.write_all(&filler[..sample.size as usize - start.len()]).unwrap();
        end = sample.position + u64::from(sample.size);
    }
    out.flush().unwrap();
    file.set_len(stored.size()).unwrap();
}

/// Reads the allocated part of a file, so that it is in the page cache.
pub(crate) fn warm(path: &Path) {
    let (file, mut buffer, mut at) = (File::open(path).unwrap(), vec![0; 1 << 20], 0);
    // Blocks of 512 bytes, whatever the disk's are: the file after them is a hole.
    let stored = file.metadata().unwrap().blocks() * 512;
    while at < stored {
        match file.read_at(&mut buffer, at).unwrap() as u64 {
            0 => break,
            count => at += count,
        }
    }
}
