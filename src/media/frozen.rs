//! A [`Movie`] as bytes that outlive the process, and back: what took a whole `moov` to understand is read in a
//! millisecond.
//!
//! ```text
//! file     │ magic 8 │ revision u32 │ movie │ checksum u64: CRC-64/NVME of all before it │
//! movie    │ content 16 │ size u64 │ layout u8 │ count u32 │ tracks │ count u32 │ skipped │
//! skipped  │ track u32 │ handler 4 │ reason: text │
//! text     │ bytes u32 │ UTF-8 │
//! ```
//! Numbers are little-endian; tracks stand in `frozen/track.rs`, their tables in `frozen/tables.rs`. The checksum finds
//! what was torn or has rotted. It is no signature: all that an index promises is checked again, so that bytes with a
//! right checksum and wrong tables are refused as a `moov` would be. Any change of what is written, or of what a
//! demuxer makes of the same file, is a new [`REVISION`].

mod reader;
mod tables;
mod track;

use super::id::ContentId;
use super::num::u32_from_usize;
use super::tables::Flaw;
use super::track::{Layout, Movie, Skipped, Track};
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use reader::Reader;
use std::collections::BTreeSet;

/// What a frozen movie begins with.
const MAGIC: [u8; 8] = *b"afflux\0i";

/// How movies are written today; others are refused.
pub const REVISION: u32 = 1;

/// Bytes of the checksum.
const CHECKSUM: usize = 8;

/// Why bytes are no frozen movie.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// They are something else.
    #[error("the bytes are no frozen movie")]
    Foreign,
    /// Another version of Afflux wrote them.
    #[error("the movie is frozen as revision {found}; this is {REVISION}")]
    Revision {
        /// Its revision.
        found: u32,
    },
    /// They are not what was written.
    #[error("the checksum is wrong")]
    Checksum,
    /// They end too early.
    #[error("{needs} bytes are needed where {left} are left")]
    Short {
        /// Bytes of the field.
        needs: u64,
        /// Bytes there are.
        left: u64,
    },
    /// Something stands behind the movie.
    #[error("{rest} bytes stand behind the movie")]
    Behind {
        /// How many bytes.
        rest: u64,
    },
    /// A field has a value that no movie has.
    #[error("no movie has such a {0}")]
    Value(&'static str),
    /// The tables contradict each other.
    #[error("the tables contradict each other")]
    Tables(#[from] Flaw),
}

impl Movie {
    /// All that is known of it, to be [thawed](Self::thaw) later.
    #[must_use]
    pub fn freeze(&self) -> Vec<u8> {
        let heap: usize = self.tracks.iter().map(|track| track.index.heap_bytes() + track.entry.len()).sum();
        let mut out = Vec::with_capacity(heap + 4_096);
        out.extend(MAGIC);
        out.extend(REVISION.to_le_bytes());
        out.extend(self.content.as_bytes());
        out.extend(self.size.to_le_bytes());
        out.push(match self.layout {
            Layout::MoovFirst => 0,
            Layout::MoovLast => 1,
            Layout::Fragmented => 2,
        });
        freeze_count(&mut out, self.tracks.len());
        for track in &self.tracks {
            track::freeze(track, &mut out);
        }
        freeze_count(&mut out, self.skipped.len());
        for Skipped { track, handler, reason } in &self.skipped {
            out.extend(track.to_le_bytes());
            out.extend(handler);
            freeze_bytes(&mut out, reason.as_bytes());
        }
        let checksum = checksum(&out);
        out.extend(checksum);
        out
    }

    /// What was [frozen](Self::freeze). It holds on to `bytes`, and memory beside them is a small part of theirs.
    pub fn thaw(bytes: &Bytes) -> Result<Self, Damage> {
        let mut movie = opened(bytes)?;
        let (content, size) = (ContentId::new(movie.take()?), movie.u64()?);
        let layout = match movie.u8()? {
            0 => Layout::MoovFirst,
            1 => Layout::MoovLast,
            2 => Layout::Fragmented,
            _ => return Err(Damage::Value("layout")),
        };
        let tracks = thaw_tracks(&mut movie, size)?;
        // The reader bounds both loops: each turn takes bytes.
        let mut skipped = Vec::new();
        for _ in 0..movie.u32()? {
            skipped.push(Skipped { track: movie.u32()?, handler: movie.take()?, reason: movie.text()? });
        }
        movie.finish()?;
        Ok(Self { content, size, layout, tracks, skipped })
    }
}

/// What stands between revision and checksum, where both are right.
fn opened(bytes: &Bytes) -> Result<Reader<'_>, Damage> {
    let behind = bytes.strip_prefix(&MAGIC).ok_or(Damage::Foreign)?;
    let found = Reader::new(bytes, behind).u32()?;
    if found != REVISION {
        return Err(Damage::Revision { found });
    }
    let (summed, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(Damage::Checksum)?;
    if self::checksum(summed) != *checksum {
        return Err(Damage::Checksum);
    }
    let head = MAGIC.len() + REVISION.to_le_bytes().len();
    Ok(Reader::new(bytes, summed.get(head..).ok_or(Damage::Checksum)?))
}

/// What stands behind `bytes`: as fast as memory is read.
fn checksum(bytes: &[u8]) -> [u8; CHECKSUM] {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, bytes).to_le_bytes()
}

fn thaw_tracks(movie: &mut Reader<'_>, size: u64) -> Result<Vec<Track>, Damage> {
    let (mut tracks, mut ids) = (Vec::new(), BTreeSet::new());
    for _ in 0..movie.u32()? {
        let track = track::thaw(movie, size)?;
        if track.id == 0 || !ids.insert(track.id) {
            return Err(Damage::Value("track_ID"));
        }
        tracks.push(track);
    }
    if tracks.is_empty() { Err(Damage::Value("number of tracks")) } else { Ok(tracks) }
}

fn freeze_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32_from_usize(count).to_le_bytes());
}

fn freeze_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    freeze_count(out, bytes.len());
    out.extend(bytes);
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::{CHECKSUM, Damage, MAGIC, REVISION};
    use crate::media::index::SampleIndex;
    use crate::media::packed::{Packed, Sums};
    use crate::media::sync::Sync;
    use crate::media::{
        Aac, Codec, ContentId, Edit, Family, Flaw, IndexBuilder, Kind, Language, Layout, Moment, Movie, OffsetRuns,
        Picture, SAMPLE_LIMIT, Sizes, Skipped, Sound, Ticks, Timescale, Track,
    };
    use bytes::Bytes;
    use proptest::prelude::{
        BoxedStrategy, Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    const SIZE: u64 = 1 << 33;

    fn index(rows: &[(u32, i32, u32)], per_chunk: usize, every: u32, first_decode_time: u64) -> SampleIndex {
        let sizes = Sizes::Each(rows.iter().map(|row| row.2).collect());
        let sync = (every > 0).then(|| (1..=rows.len() as u32).step_by(every as usize).collect());
        let mut builder = IndexBuilder { first_decode_time, sizes, sync, ..IndexBuilder::default() };
        let mut position = 1 << 20;
        for part in rows.chunks(per_chunk) {
            builder.push_chunk(position, part.len() as u32);
            position += part.iter().map(|row| u64::from(row.2)).sum::<u64>() + 3;
        }
        for (duration, offset, _) in rows {
            builder.push_duration(*duration);
            builder.push_offset(*offset);
        }
        builder.build(SIZE).unwrap()
    }

    fn entry(fourcc: [u8; 4]) -> Bytes {
        [&[0, 0, 0, 12][..], &fourcc, b"rest"].concat().into()
    }

    fn video(index: SampleIndex) -> Track {
        let picture = Picture { width: 320, height: 180, pixel_aspect: (4, 3), matrix: [-1, 2, 3, 4, 5, 6, 7, 8, 9] };
        let family = Family::H264 { nal_length: 4, parameter_sets: Bytes::from_static(&[0, 0, 0, 1, 0x67]) };
        Track {
            id: 7,
            kind: Kind::Video(picture),
            timescale: Timescale::new(25_000).unwrap(),
            language: Language::undetermined(),
            codec: Codec { fourcc: *b"avc1", string: "avc1.42c00d".into(), family },
            entry: entry(*b"avc1"),
            edit: Edit { delay: Moment::from_millis(40), media_time: Ticks(2), length: Some(Moment::from_millis(9)) },
            index,
        }
    }

    fn audio(index: SampleIndex) -> Track {
        let aac = Aac { object_type: 5, core_type: 2, sample_rate: 1, channel_configuration: 2, frame_length: 960 };
        Track {
            id: 2,
            kind: Kind::Audio(Sound { channels: 2, sample_rate: 48_000 }),
            timescale: Timescale::new(48_000).unwrap(),
            language: Language::new("pt-BR").unwrap(),
            codec: Codec { fourcc: *b"mp4a", string: "mp4a.40.5".into(), family: Family::Aac(aac) },
            entry: entry(*b"mp4a"),
            edit: Edit::NONE,
            index,
        }
    }

    fn film(tracks: Vec<Track>) -> Movie {
        let skipped = vec![Skipped { track: 9, handler: *b"hint", reason: "is neither, « really »".into() }];
        Movie { content: ContentId::new([3; 16]), size: SIZE, layout: Layout::MoovLast, tracks, skipped }
    }

    fn small() -> Movie {
        let rows: Vec<(u32, i32, u32)> =
            (0..70_u32).map(|at| (10 + at % 2, (at % 3).cast_signed() * 10, 100 + at * at)).collect();
        film(vec![video(index(&rows, 7, 12, 5)), audio(index(&rows[..9], 2, 0, 0))])
    }

    fn movies() -> impl Strategy<Value = Movie> {
        let offset = prop_oneof![3 => -3_i32..3, 1 => any::<i32>()];
        let size = prop_oneof![9 => 0_u32..5_000, 1 => 0_u32..1 << 22];
        let rows = |offset: BoxedStrategy<i32>| {
            prop::collection::vec((prop_oneof![Just(7_u32), 0_u32..9_000], offset, size.clone()), 1..400)
        };
        let first = prop_oneof![Just(0_u64), 0..1_u64 << 61];
        (rows(offset.boxed()), rows(Just(0).boxed()), 1_usize..9, 0_u32..20, first).prop_map(
            |(seen, heard, per_chunk, every, first)| {
                film(vec![video(index(&seen, per_chunk, every, first)), audio(index(&heard, per_chunk, 0, 0))])
            },
        )
    }

    fn thaw(bytes: &[u8]) -> Result<Movie, Damage> {
        Movie::thaw(&Bytes::copy_from_slice(bytes))
    }

    /// `body` behind a right magic and revision, before a right checksum.
    fn sealed(mut frozen: Vec<u8>) -> Vec<u8> {
        let checksum = super::checksum(&frozen);
        frozen.extend(checksum);
        frozen
    }

    fn unsealed(movie: &Movie) -> Vec<u8> {
        let mut frozen = movie.freeze();
        frozen.truncate(frozen.len() - CHECKSUM);
        frozen
    }

    /// Looks up all there is.
    fn consult(movie: &Movie) {
        for track in &movie.tracks {
            let index = &track.index;
            let (mut count, mut time) = (0, index.decode_time(0));
            for sample in index.samples(0..index.len()) {
                assert!(sample.position + u64::from(sample.size) <= movie.size || sample.size == 0);
                assert_eq!((sample.number, sample.decode_time), (count, time));
                assert_eq!(index.samples(count..count + 1).next(), Some(sample));
                assert_eq!((index.size(count), index.duration(count)), (sample.size, sample.duration));
                assert!(sample.offset >= index.least_offset() && sample.sync == index.is_sync(count));
                assert!(index.first_decoded_at(time) <= count);
                count += 1;
                time.0 += i64::from(sample.duration);
            }
            assert_eq!((count, time), (index.len(), index.decode_time(index.len())));
            assert!(time.0 < 1 << 62 && index.sync_count() >= 1);
            assert!(index.ranges(0..count).all(|range| range.end() <= movie.size));
            assert!(index.least_composition_time(0..count) >= Some(Ticks(i64::from(index.least_offset()))));
            assert_eq!(index.bytes_of(0..count), index.bytes());
            let syncs = (0..index.sync_count()).filter_map(|at| index.sync_sample(at)).filter(|at| *at < count);
            assert_eq!(syncs.count() as u32, index.sync_before(count));
            assert_eq!(index.constant_duration(count..count), None);
        }
    }

    proptest! {
        #[test]
        fn what_was_frozen_is_thawed(movie in movies()) {
            let frozen = movie.freeze();
            prop_assert_eq!(thaw(&frozen), Ok(movie.clone()));
            let heap: usize = movie.tracks.iter().map(|track| track.index.heap_bytes()).sum();
            prop_assert!(frozen.len() < heap + 1_000);
        }
    }

    #[test]
    fn every_truncation_is_refused_with_a_right_checksum_too() {
        let (frozen, body) = (small().freeze(), unsealed(&small()));
        for at in 0..frozen.len() {
            assert!(thaw(&frozen[..at]).is_err(), "{at}");
        }
        for at in 0..body.len() {
            assert!(thaw(&sealed(body[..at].to_vec())).is_err(), "{at}");
        }
        let more = [&unsealed(&small())[..], &[0; 5]].concat();
        assert_eq!(thaw(&sealed(more)), Err(Damage::Behind { rest: 5 }));
    }

    #[test]
    fn every_flip_is_refused() {
        let frozen = small().freeze();
        for at in 0..frozen.len() {
            let mut flipped = frozen.clone();
            flipped[at] ^= 0x10;
            let refused = thaw(&flipped).unwrap_err();
            let expected = match at {
                0..8 => Damage::Foreign,
                8..12 => Damage::Revision { found: REVISION ^ 0x10 << (8 * (at - 8)) },
                _ => Damage::Checksum,
            };
            assert_eq!(refused, expected);
        }
        assert_eq!(thaw(&MAGIC), Err(Damage::Short { needs: 4, left: 0 }));
    }

    #[test]
    fn forged_bytes_are_refused_or_a_movie_that_keeps_its_promises() {
        let frozen = unsealed(&small());
        let mut kept = 0;
        for at in MAGIC.len() + 4..frozen.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, frozen[at] ^ 1, frozen[at] ^ 0x40, frozen[at].wrapping_add(1)] {
                let mut forged = frozen.clone();
                forged[at] = value;
                if let Ok(movie) = thaw(&sealed(forged)) {
                    consult(&movie);
                    kept += 1;
                }
            }
        }
        assert!(kept > 100, "{kept}");
    }

    #[test]
    fn a_count_without_its_bytes_reserves_nothing() {
        let frozen = unsealed(&small());
        for at in MAGIC.len() + 4..frozen.len() - 8 {
            let mut forged = frozen.clone();
            forged[at..at + 8].copy_from_slice(&0x00ff_ffff_ffff_ffff_u64.to_le_bytes());
            if let Ok(movie) = thaw(&sealed(forged)) {
                consult(&movie);
            }
        }
    }

    fn refused(change: impl Fn(&mut Movie)) -> Damage {
        let mut movie = small();
        change(&mut movie);
        thaw(&movie.freeze()).unwrap_err()
    }

    fn tables(change: impl Fn(&mut SampleIndex)) -> Damage {
        refused(|movie| change(&mut movie.tracks[0].index))
    }

    #[test]
    fn tables_that_contradict_each_other_are_refused() {
        let sums = |values: &[u64]| Sums::new(values.iter().copied()).unwrap();
        let unequal = Damage::Value("number of values in a table");
        assert_eq!(tables(|index| index.durations = sums(&[10; 69])), unequal);
        assert_eq!(tables(|index| index.sizes = sums(&[10; 71])), unequal);
        assert_eq!(
            tables(|index| index.chunk_samples = sums(&[6; 11])),
            Flaw::Unplaced { placed: 66, samples: 70 }.into()
        );
        assert_eq!(tables(|index| index.chunk_samples = sums(&[70])), Damage::Value("number of chunks"));
        let positions: Packed = (0..10).map(|at| if at == 9 { SIZE } else { at }).collect();
        assert!(matches!(
            tables(|index| index.chunk_offsets = positions.clone()),
            Damage::Tables(Flaw::Outside { chunk: 9, .. })
        ));
        let total = 70 * (1 << 28);
        assert_eq!(tables(|index| index.sizes = sums(&[1 << 28; 70])), Flaw::Oversize { total, size: SIZE }.into());
        assert_eq!(tables(|index| index.sizes = sums(&[1 << 32; 70])), Damage::Value("value in a table"));
        assert_eq!(tables(|index| index.first_decode_time = 1 << 62), Flaw::Time.into());
        assert_eq!(tables(|index| index.totals.placed = 69), Flaw::Unplaced { placed: 69, samples: 70 }.into());
        let samples = u64::from(SAMPLE_LIMIT) + 1;
        assert_eq!(tables(|index| index.totals.sized = samples), Flaw::TooMany { samples }.into());
        assert_eq!(tables(|index| index.totals.sized = 0), Flaw::Empty.into());
        assert_eq!(tables(|index| index.totals.composed = None), Damage::Value("composition offset"));
    }

    #[test]
    fn sync_samples_ascend_within_the_track() {
        for numbers in [vec![], vec![70], vec![3, 3], vec![4, 3]] {
            assert_eq!(tables(|index| index.sync = Sync::Some(numbers.clone())), Damage::Value("sync sample"));
        }
    }

    #[test]
    fn a_field_outside_its_domain_is_refused() {
        let track = |change: fn(&mut Track)| refused(|movie| change(&mut movie.tracks[0]));
        assert_eq!(track(|track| track.id = 0), Damage::Value("track_ID"));
        assert_eq!(track(|track| track.id = 2), Damage::Value("track_ID"));
        assert_eq!(refused(|movie| movie.tracks.clear()), Damage::Value("number of tracks"));
        assert_eq!(track(|track| track.codec.string = "a\"\n".into()), Damage::Value("codec string"));
        assert_eq!(track(|track| track.entry = entry(*b"avc3")), Damage::Value("sample entry"));
        assert_eq!(
            track(|track| track.codec.family = Family::H265 { nal_length: 3 }),
            Damage::Value("length of NAL units' lengths")
        );
        assert_eq!(track(|track| track.edit.media_time = Ticks(-1)), Damage::Value("media_time"));
        assert_eq!(track(|track| track.edit.media_time = Ticks(i64::MAX)), Damage::Value("media_time"));
        assert_eq!(track(|track| track.edit.delay = Moment::from_millis(-1)), Damage::Value("moment"));
        assert_eq!(
            track(|track| track.kind = Kind::Audio(Sound { channels: 1, sample_rate: 8 })),
            Damage::Value("codec family")
        );
    }

    #[test]
    fn a_dictionary_of_offsets_holds_none_without_a_sample() {
        let offsets = OffsetRuns::Each((0..300).map(|at| (1, at * 1_000)).collect());
        let rows = vec![(1, 0, 1); 300];
        let mut movie = film(vec![video(index(&rows, 300, 0, 0))]);
        let sizes = Sizes::Same { size: 1, count: 300 };
        let direct = IndexBuilder {
            offsets,
            sizes,
            durations: vec![(300, 1)],
            chunk_offsets: vec![0].into(),
            chunk_runs: vec![(1, 300)],
            ..IndexBuilder::default()
        };
        movie.tracks[0].index = direct.build(SIZE).unwrap();
        assert_eq!(thaw(&movie.freeze()), Ok(movie));
        let refusal = tables(|index| {
            if let crate::media::offsets::Offsets::Dictionary { values, .. } = &mut index.offsets {
                values.push(-5);
            }
        });
        assert_eq!(refusal, Damage::Value("dictionary of composition offsets"));
    }
}
