//! A two-hour film: as tracks, and as the stored file that holds them, with only the headers in memory.

use crate::movie::{Reel, audio, video};
use afflux::demux::{Probe, Step};
use afflux::media::{ByteRange, Kind, Movie};
use afflux::plan::{Plan, Settings, SourceFile};
use bytes::Bytes;
use std::sync::Arc;

/// Samples per chunk of video and audio, as common encoders write them: half a second.
const PER_CHUNK: [usize; 2] = [15, 24];

/// 30 pictures a second with three B-pictures in a row and a keyframe each 2 s; AAC at 48 kHz. 553,500 samples.
pub(crate) fn reels() -> [Reel; 2] {
    longer(1)
}

/// The same content, `times` times two hours long.
pub(crate) fn longer(times: u32) -> [Reel; 2] {
    let mut pictures = video(30, 216_000 * times, |at| at % 60 == 0);
    for (at, frame) in (0_u32..).zip(&mut pictures.frames) {
        frame.offset = [1_000, 4_000, 2_000, 0, 0][at as usize % 5];
        // Sizes vary like an encoder's: a keyframe is some twenty times a B-picture.
        let spread = at.wrapping_mul(2_654_435_761) >> 20;
        frame.size = if frame.sync { 60_000 + spread * 8 } else { 2_000 + spread * 3 };
    }
    let mut sound = audio(337_500 * times);
    for (at, frame) in (0_u32..).zip(&mut sound.frames) {
        frame.size = 330 + (at.wrapping_mul(2_654_435_761) >> 25);
    }
    [pictures.edited(0, 1_000), sound.edited(0, 1_024)]
}

/// The stored file: its headers and its length.
#[derive(Debug)]
pub(crate) struct Stored {
    headers: Bytes,
    size: u64,
}

impl Stored {
    /// Makes `ftyp`, `moov`, and the header of an `mdat` without its bytes.
    pub(crate) fn new(reels: &[Reel]) -> Self {
        Self::chunked(reels, PER_CHUNK)
    }

    /// Like `new`, with other numbers of samples per chunk for the two tracks.
    pub(crate) fn chunked(reels: &[Reel], per_chunk: [usize; 2]) -> Self {
        let sizes = chunk_sizes(reels, per_chunk);
        Self::placed(reels, per_chunk, sizes.iter().flatten().sum(), |base| offsets(&sizes, base))
    }

    /// Like `chunked`, with `media` bytes of `mdat`, and each track's chunks at `offsets`, which gets the start of the
    /// media.
    pub(crate) fn placed(
        reels: &[Reel],
        per_chunk: [usize; 2],
        media: u64,
        offsets: impl Fn(u64) -> Vec<Vec<u64>>,
    ) -> Self {
        let mut headers = boxed(*b"ftyp", b"isom\0\0\0\0isomavc1");
        // The `moov` has the same length whatever offsets it holds.
        let base = headers.len() + moov(reels, &offsets(0), per_chunk).len() + 16;
        headers.extend(moov(reels, &offsets(base as u64), per_chunk));
        headers.extend([0, 0, 0, 1]);
        headers.extend(*b"mdat");
        headers.extend((media + 16).to_be_bytes());
        Self { size: headers.len() as u64 + media, headers: headers.into() }
    }

    /// Size of its headers, in bytes.
    pub(crate) fn headers(&self) -> usize {
        self.headers.len()
    }

    /// Its headers: all bytes before the media.
    pub(crate) fn start(&self) -> &Bytes {
        &self.headers
    }

    /// Size of the whole file, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Parses and checks the file and builds its index, as the server does on the first request.
    pub(crate) fn understand(&self) -> Movie {
        let (mut probe, mut range) = Probe::new(self.size).unwrap();
        loop {
            match probe.feed(&self.read(range)).unwrap() {
                Step::Need(next) => range = next,
                Step::Done(movie) => return *movie,
            }
        }
    }

    fn read(&self, range: ByteRange) -> Bytes {
        let (start, end) = (range.start() as usize, range.end() as usize);
        if end <= self.headers.len() {
            return self.headers.slice(start..end);
        }
        let mut bytes = self.headers.get(start..).unwrap_or_default().to_vec();
        bytes.resize(end - start, 0);
        bytes.into()
    }
}

/// An asset of one source, with segments of 6 s.
pub(crate) fn planned(movie: Movie) -> Plan {
    let source = SourceFile { file: "film.mp4".into(), name: None, movie: Arc::new(movie), said: Vec::new() };
    Plan::new(&[source], 0, Settings { target_millis: 6_000 }).unwrap()
}

fn chunk_sizes(reels: &[Reel], per_chunk: [usize; 2]) -> Vec<Vec<u64>> {
    let bytes = |frames: &[crate::movie::Frame]| frames.iter().map(|frame| u64::from(frame.size)).sum();
    reels.iter().zip(per_chunk).map(|(reel, per_chunk)| reel.frames.chunks(per_chunk).map(bytes).collect()).collect()
}

/// Offsets of each track's chunks: evenly interleaved, as all tracks have the same duration.
fn offsets(sizes: &[Vec<u64>], mut at: u64) -> Vec<Vec<u64>> {
    let mut offsets = vec![Vec::new(); sizes.len()];
    let number = |track: usize, number: usize| (number as f64 / sizes[track].len() as f64, track, number);
    let mut chunks: Vec<(f64, usize, usize)> =
        (0..sizes.len()).flat_map(|track| (0..sizes[track].len()).map(move |at| number(track, at))).collect();
    chunks.sort_by(|a, b| a.partial_cmp(b).unwrap());
    for (_, track, number) in chunks {
        offsets[track].push(at);
        at += sizes[track][number];
    }
    offsets
}

fn moov(reels: &[Reel], offsets: &[Vec<u64>], per_chunk: [usize; 2]) -> Vec<u8> {
    let mvhd = [vec![0; 12], words(&[1_000, millis(&reels[0]), 0x1_0000]), vec![0; 76]].concat();
    let traks = (1..).zip(reels).zip(offsets).zip(per_chunk).flat_map(|(((id, reel), offsets), per_chunk)| {
        let stbl = boxed(*b"stbl", &tables(reel, offsets, per_chunk));
        trak(id, reel, &stbl)
    });
    boxed(*b"moov", &[boxed(*b"mvhd", &mvhd), traks.collect()].concat())
}

/// Duration of a track, in milliseconds.
fn millis(reel: &Reel) -> u32 {
    let ticks: u64 = reel.frames.iter().map(|frame| u64::from(frame.duration)).sum();
    (ticks * 1_000 / u64::from(reel.timescale)) as u32
}

fn trak(id: u32, reel: &Reel, stbl: &[u8]) -> Vec<u8> {
    let handler = if matches!(reel.kind, Kind::Video(_)) { b"vide" } else { b"soun" };
    let tkhd = [words(&[7, 0, 0, id, 0, millis(reel)]), vec![0; 60]].concat();
    let edit = words(&[0, 1, millis(reel), u32::try_from(reel.edit.media_time.0).unwrap(), 0x1_0000]);
    let mdhd = words(&[0, 0, 0, reel.timescale, 0, 0x55c4_0000]);
    let hdlr = [vec![0; 8], handler.to_vec(), vec![0; 13]].concat();
    let mdia = [boxed(*b"mdhd", &mdhd), boxed(*b"hdlr", &hdlr), boxed(*b"minf", stbl)].concat();
    let edts = boxed(*b"edts", &boxed(*b"elst", &edit));
    boxed(*b"trak", &[boxed(*b"tkhd", &tkhd), edts, boxed(*b"mdia", &mdia)].concat())
}

fn tables(reel: &Reel, offsets: &[u64], per_chunk: usize) -> Vec<u8> {
    let frames = &reel.frames;
    let count = frames.len() as u32;
    let entry = crate::movie::entry(&reel.kind);
    let table = |kind: [u8; 4], numbers: &[u32]| boxed(kind, &words(&[&[0][..], numbers].concat()));
    let mut all = boxed(*b"stsd", &[words(&[0, 1]), entry.to_vec()].concat());
    all.extend(table(*b"stts", &[1, count, frames[0].duration]));
    all.extend(table(*b"stsc", &[1, 1, per_chunk as u32, 1]));
    let sizes: Vec<u32> = [0, count].into_iter().chain(frames.iter().map(|frame| frame.size)).collect();
    all.extend(table(*b"stsz", &sizes));
    let places: Vec<u8> = offsets.iter().flat_map(|at| at.to_be_bytes()).collect();
    all.extend(boxed(*b"co64", &[words(&[0, offsets.len() as u32]), places].concat()));
    if matches!(reel.kind, Kind::Video(_)) {
        let runs: Vec<u32> = frames.iter().flat_map(|frame| [1, frame.offset.cast_unsigned()]).collect();
        all.extend(table(*b"ctts", &[&[count][..], &runs].concat()));
        let sync: Vec<u32> = (1..).zip(frames).filter(|(_, frame)| frame.sync).map(|(number, _)| number).collect();
        all.extend(table(*b"stss", &[&[sync.len() as u32][..], &sync].concat()));
    }
    all
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], &kind, content].concat()
}
