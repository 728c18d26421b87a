//! Synthetic films for tests: tables without media. The byte at offset `n` of their object is [`byte`]`(n)`.

use afflux::media::{
    Aac, Arrangement, Codec, ContentId, Edit, Family, IndexBuilder, Kind, Language, Layout, LeftOut, Moment, Movie,
    Picture, Sizes, Sound, Ticks, Timescale, Track,
};
use afflux::mux::Piece;
use afflux::plan::SourceFile;
use bytes::Bytes;
use std::sync::Arc;

/// One sample of a film's track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) duration: u32,
    pub(crate) offset: i32,
    pub(crate) size: u32,
    pub(crate) sync: bool,
}

/// One track of a film.
#[derive(Debug, Clone)]
pub(crate) struct Reel {
    pub(crate) kind: Kind,
    pub(crate) timescale: u32,
    pub(crate) frames: Vec<Frame>,
    pub(crate) edit: Edit,
}

pub(crate) const PICTURE: Picture = Picture::plain(320, 180);
/// The parameter sets of [`entry`], with start codes.
pub(crate) const PARAMETER_SETS: &[u8] =
    &[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xe4, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80];
pub(crate) const SOUND: Sound = Sound { channels: 2, sample_rate: 48_000, arrangement: Arrangement::Speakers };

/// The byte of every synthetic object at `offset`.
pub(crate) fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9E37_79B9) >> 16) as u8
}

/// The bytes of a list of pieces.
pub(crate) fn bake(pieces: &[Piece]) -> Vec<u8> {
    let bake = |piece: &Piece| match piece {
        Piece::Generated(bytes) => bytes.to_vec(),
        Piece::Stored(range) => (range.start()..range.end()).map(byte).collect(),
    };
    pieces.iter().flat_map(bake).collect()
}

/// Video of `fps` frames a second at timescale 1000 × fps, keyframes as `keyframes` says, no reordering.
pub(crate) fn video(fps: u32, frames: u32, keyframes: impl Fn(u32) -> bool) -> Reel {
    let frame = |at| Frame { duration: 1_000, offset: 0, size: 100 + at % 7, sync: keyframes(at) };
    Reel {
        kind: Kind::Video(PICTURE),
        timescale: 1_000 * fps,
        frames: (0..frames).map(frame).collect(),
        edit: Edit::NONE,
    }
}

/// AAC at 48 kHz: frames of 1,024 samples.
pub(crate) fn audio(frames: u32) -> Reel {
    let frame = |at| Frame { duration: 1_024, offset: 0, size: 20 + at % 5, sync: true };
    Reel { kind: Kind::Audio(SOUND), timescale: 48_000, frames: (0..frames).map(frame).collect(), edit: Edit::NONE }
}

impl Reel {
    pub(crate) fn edited(mut self, delay_millis: i64, media_time: i64) -> Self {
        self.edit = Edit { delay: Moment::from_millis(delay_millis), media_time: Ticks(media_time), length: None };
        self
    }

    fn track(&self, id: u32, position: &mut u64, per_chunk: usize) -> Track {
        let mut builder = IndexBuilder::default();
        for part in self.frames.chunks(per_chunk) {
            builder.push_chunk(*position, part.len() as u32);
            *position += part.iter().map(|frame| u64::from(frame.size)).sum::<u64>();
            // A gap, so that chunks are never adjacent.
            *position += 3;
        }
        for frame in &self.frames {
            builder.push_duration(frame.duration);
            builder.push_offset(frame.offset);
        }
        builder.sizes = Sizes::Each(self.frames.iter().map(|frame| frame.size).collect());
        builder.sync =
            Some((1..).zip(&self.frames).filter(|(_, frame)| frame.sync).map(|(number, _)| number).collect());
        let (fourcc, string, family) = match self.kind {
            Kind::Video(_) => (
                *b"avc1",
                "avc1.42c00d",
                Family::H264 { nal_length: 4, parameter_sets: Bytes::from_static(PARAMETER_SETS) },
            ),
            Kind::Audio(_) => {
                let aac = Aac {
                    object_type: 2,
                    core_type: 2,
                    sample_rate: 48_000,
                    channel_configuration: 2,
                    frame_length: 1_024,
                };
                (*b"mp4a", "mp4a.40.2", Family::Aac(aac))
            }
        };
        Track {
            id,
            kind: self.kind,
            timescale: Timescale::new(self.timescale).unwrap(),
            language: Language::undetermined(),
            title: None,
            enabled: true,
            alternate_group: 0,
            codec: Codec { fourcc, string: string.into(), family, supplemental: None },
            entry: entry(&self.kind),
            edit: self.edit,
            left_out: LeftOut::default(),
            index: builder.build(1 << 40).unwrap(),
        }
    }
}

/// A sample entry that demuxers accept: `avc1` with an `avcC` of baseline 1.3, `mp4a` with an `esds` of AAC-LC.
pub(crate) fn entry(kind: &Kind) -> Bytes {
    let boxed = |kind: &[u8; 4], content: &[u8]| {
        let mut out = (content.len() as u32 + 8).to_be_bytes().to_vec();
        out.extend(kind);
        out.extend(content);
        out
    };
    let out = match kind {
        Kind::Video(picture) => {
            let mut content = vec![0, 0, 0, 0, 0, 0, 0, 1];
            content.extend([0; 16]);
            content.extend(picture.width.to_be_bytes());
            content.extend(picture.height.to_be_bytes());
            content.extend([0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
            content.extend([0; 32]);
            content.extend([0, 0x18, 0xff, 0xff]);
            let sps = [0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x07, 0xe4];
            let pps = [0x68, 0xce, 0x3c, 0x80];
            let mut avcc = vec![1, 0x42, 0xc0, 0x0d, 0xff, 0xe1, 0, sps.len() as u8];
            avcc.extend(sps);
            avcc.extend([1, 0, pps.len() as u8]);
            avcc.extend(pps);
            content.extend(boxed(b"avcC", &avcc));
            boxed(b"avc1", &content)
        }
        Kind::Audio(_) => {
            let mut content = vec![0, 0, 0, 0, 0, 0, 0, 1];
            content.extend([0; 8]);
            content.extend([0, 2, 0, 16, 0, 0, 0, 0]);
            content.extend((48_000_u32 << 16).to_be_bytes());
            // ES_Descriptor, DecoderConfigDescriptor (AAC, audio, no rates), AudioSpecificConfig, SLConfigDescriptor.
            let mut esds = vec![0, 0, 0, 0, 3, 25, 0, 1, 0, 4, 17, 0x40, 0x15];
            esds.extend([0; 11]);
            esds.extend([5, 2, 0x11, 0x90, 6, 1, 2]);
            content.extend(boxed(b"esds", &esds));
            boxed(b"mp4a", &content)
        }
    };
    out.into()
}

/// A movie of these reels, one track each, ids from 1.
pub(crate) fn movie(reels: &[Reel]) -> Arc<Movie> {
    let mut position = 40;
    let tracks = (1..).zip(reels).map(|(id, reel)| reel.track(id, &mut position, 5)).collect();
    let mut content = blake3::Hasher::new();
    for reel in reels {
        content.update(format!("{:?} {} {:?}", reel.kind, reel.timescale, reel.edit).as_bytes());
        for frame in &reel.frames {
            let numbers = [frame.duration, frame.offset.cast_unsigned(), frame.size, u32::from(frame.sync)];
            content.update(&numbers.map(u32::to_be_bytes).concat());
        }
    }
    let content = content.finalize();
    Arc::new(Movie {
        content: ContentId::new(*content.as_bytes().first_chunk().unwrap()),
        size: position,
        layout: Layout::MoovFirst,
        cut_at: None,
        tracks,
        skipped: Vec::new(),
    })
}

/// A source of an asset with one file.
pub(crate) fn source(reels: &[Reel]) -> SourceFile {
    SourceFile { file: "film.mp4".into(), name: None, movie: movie(reels), said: Vec::new() }
}
