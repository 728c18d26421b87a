//! Films as files: headers of real tables, media of plausible bytes. Each picture is one NAL unit behind its length.

use crate::movie::Reel;
use crate::support::{self, Stored};
use afflux::media::{Kind, Sample};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How long ago a film was written, as far as its file says.
const AGE: Duration = Duration::from_hours(1);

/// Pictures a second.
const RATE: usize = 30;

/// Pictures after which a repeated film's media begin anew: five minutes.
const LAP: usize = 9_000;

/// Bytes behind each picture of a repeated film that are kept for sound: two frames fit.
const SOUND: u64 = 1_024;

/// What a film is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Film {
    /// Its length.
    pub(crate) seconds: usize,
    /// Bytes of pictures in 6 s, on average.
    pub(crate) pictures: u64,
    /// Where its media are.
    pub(crate) media: Media,
    /// What tells it from others that are alike.
    pub(crate) seed: u32,
}

/// Where a film's media are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    /// In a row, in chunks of half a second.
    InARow,
    /// Over and over in the same five minutes of media, in chunks as small as streams have that are written as they
    /// come. A long film whose headers are those of its length, and whose file is small.
    Repeated,
}

impl Film {
    pub(crate) const fn new(seconds: usize, pictures: u64) -> Self {
        Self { seconds, pictures, media: Media::InARow, seed: 0 }
    }

    /// Two hours whose MPEG-TS segments of 6 s have 4.8 MB: headers of 7 MB, media of 240 MB.
    pub(crate) const fn long() -> Self {
        Self { seconds: 7_200, pictures: 4_560_000, media: Media::Repeated, seed: 0 }
    }

    /// Writes it. Says the bytes of its headers.
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
        // As those of a library do, it rests.
        file.set_modified(SystemTime::now() - AGE).unwrap();
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
        if self.media == Media::Repeated {
            for at in LAP..pictures.frames.len() {
                pictures.frames[at].size = pictures.frames[at - LAP].size;
            }
        }
        pictures.frames[0].size += self.seed;
        [pictures, sound]
    }
}

/// A picture, room for sound, a picture: a lap of them, and from then on the same again.
fn repeated(reels: &[Reel; 2]) -> Stored {
    let [pictures, sound] = reels;
    let lap = pictures.frames.iter().take(LAP);
    let mut starts = vec![0];
    starts.extend(lap.scan(0, |end, frame| {
        *end += u64::from(frame.size) + SOUND;
        Some(*end)
    }));
    let place = |picture: usize| starts[picture % LAP];
    // Sound lies behind the picture that is shown when it begins.
    let picture = |chunk: usize| chunk * 2 * 1_024 * RATE / 48_000;
    let sound_at = |chunk| place(picture(chunk)) + u64::from(pictures.frames[picture(chunk) % LAP].size);
    // A file must be as long as its samples together: behind the lap it is a hole, which nobody reads.
    let total = reels.iter().flat_map(|reel| &reel.frames).map(|frame| u64::from(frame.size)).sum();
    Stored::placed(reels, [1, 2], total, |base| {
        let pictures = (0..pictures.frames.len()).map(|at| base + place(at)).collect();
        let sound = (0..sound.frames.len().div_ceil(2)).map(|chunk| base + sound_at(chunk)).collect();
        vec![pictures, sound]
    })
}

/// The first bytes of a picture: how long its one NAL unit is, and what it is (H.264 §7.4.1: IDR, or a reference).
fn nal_unit(sample: &Sample) -> [u8; 5] {
    let [a, b, c, d] = (sample.size - 4).to_be_bytes();
    [a, b, c, d, if sample.sync { 0x65 } else { 0x41 }]
}

/// Writes all bytes in a row: headers, samples, and zeros where no sample is. What is repeated is written once.
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

/// Reads what is stored of a file, so that the page cache holds it.
pub(crate) fn warm(path: &Path) {
    let (file, mut buffer, mut at) = (File::open(path).unwrap(), vec![0; 1 << 20], 0);
    // Blocks of 512 bytes, whatever the disk's are: what is behind them is a hole.
    let stored = file.metadata().unwrap().blocks() * 512;
    while at < stored {
        match file.read_at(&mut buffer, at).unwrap() as u64 {
            0 => break,
            count => at += count,
        }
    }
}
