//! Parser of movie fragments: `moof` → more samples of each track (ISO/IEC 14496-12 §8.8).
//!
//! ```text
//! moof │ traf │ tfhd: track, base of its byte offsets, defaults
//!      │      │ tfdt: decode time of its first sample; without it, the end of the sample before
//!      │      │ trun: a chunk: duration, size, flags, composition offset of each sample
//!      │ traf …
//! ```

use super::boxes::Atom;
use super::boxes::BoxFields;
use super::error::Error;
use super::error::FourCc;
use super::moov::Moov;
use super::moov::ParsedTrak;
use super::seal::EncryptionMark;
use super::stsd::Stsd;
use super::tables::Used;
use crate::media::IndexBuilder;
use crate::media::SAMPLE_LIMIT;
use crate::media::Sizes;
use crate::media::TableError;
use crate::media::i64_from_u64;
use crate::media::u64_from_usize;
use crate::media::usize_from_u32;

/// Defaults for samples without own values: `trex`, overridden by `tfhd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Defaults {
    entry: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { entry: 1, duration: 0, size: 0, flags: 0 }
    }
}

impl Defaults {
    /// Reads `trex`.
    pub(super) fn read(trex: Atom<'_>) -> Result<(u32, Self), Error> {
        let (_, _, mut fields) = trex.full()?;
        let track = fields.u32()?;
        let (entry, duration, size, flags) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        Ok((track, Self { entry, duration, size, flags }))
    }
}

/// sample_is_non_sync_sample (§8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// The samples of one track that were read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct FragmentSamples {
    /// All tables of the samples except `sizes` and `sync`.
    builder: IndexBuilder,
    sizes: Vec<u32>,
    sync: Vec<u32>,
    next: u64,
    bytes: u64,
    /// Decode time at which the first fragment ends, including the samples of `moov`; `None` before the first fragment.
    first_end: Option<u64>,
    /// The sample entry that all samples use; `None` without samples.
    pub(super) used: Option<Used>,
}

impl FragmentSamples {
    /// Starts with the samples that `moov` itself describes: some writers store their first fragment there.
    fn begin(stored: &mut ParsedTrak, size: u64) -> Result<Self, TableError> {
        let tables = std::mem::take(&mut stored.tables);
        let mut run = Self::default();
        if tables.builder.sizes.count() == 0 {
            return Ok(run);
        }
        run.used = tables.used;
        let index = tables.builder.build(size)?;
        let (mut start, mut end, mut samples) = (None, 0, 0);
        for sample in index.samples(0..index.len()) {
            if start.is_some() && sample.position != end {
                run.builder.push_chunk(start.unwrap_or(0), samples);
                (start, samples) = (None, 0);
            }
            start.get_or_insert(sample.position);
            end = sample.position.saturating_add(u64::from(sample.size));
            samples += 1;
            let flags = if sample.sync { 0 } else { NON_SYNC };
            run.push(&TrunSample { duration: sample.duration, size: sample.size, flags, offset: sample.offset });
        }
        run.builder.push_chunk(start.unwrap_or(0), samples);
        Ok(run)
    }

    /// Duration of the first fragment in ticks of the track, including the samples of `moov`.
    pub(super) fn first_fragment(&self) -> u64 {
        self.first_end.unwrap_or(self.next).saturating_sub(self.builder.first_decode_time)
    }

    /// Returns all samples as a builder, which checks them when it builds the index.
    pub(super) fn finish(self) -> IndexBuilder {
        IndexBuilder { sizes: Sizes::Each(self.sizes), sync: Some(self.sync), ..self.builder }
    }

    fn push(&mut self, sample: &TrunSample) {
        self.builder.push_duration(sample.duration);
        self.builder.push_offset(sample.offset);
        self.sizes.push(sample.size);
        if sample.flags & NON_SYNC == 0 {
            self.sync.push(u32::try_from(self.sizes.len()).unwrap_or(u32::MAX));
        }
        self.next = self.next.saturating_add(u64::from(sample.duration));
        self.bytes = self.bytes.saturating_add(u64::from(sample.size));
    }

    /// Sets the decode time of the next sample to that of `tfdt`, and adapts the duration of the sample before.
    fn continue_at(&mut self, tfdt: Atom<'_>, track: u32) -> Result<(), Error> {
        let (version, _, mut fields) = tfdt.full()?;
        let time = fields.wide(version)?;
        let Some((count, last)) = self.builder.durations.last().copied() else {
            self.builder.first_decode_time = time;
            self.next = time;
            return Ok(());
        };
        if time == self.next {
            return Ok(());
        }
        // A muxer's rounding may shorten that sample, but never to 0: decode times strictly increase.
        let began = self.next.saturating_sub(u64::from(last));
        let lasts = time.checked_sub(began).filter(|lasts| *lasts > 0);
        let Some(lasts) = lasts else {
            return Err(Error::BackInTime { track, at: tfdt.at, claims: time, expected: self.next });
        };
        let too_far = || {
            tfdt.value("baseMediaDecodeTime", i64_from_u64(time), "at most 2^32 ticks behind the decode time before it")
        };
        let lasts = u32::try_from(lasts).map_err(|_| too_far())?;
        self.builder.durations.pop();
        if count > 1 {
            self.builder.durations.push((count - 1, last));
        }
        self.builder.push_duration(lasts);
        self.next = time;
        Ok(())
    }

    /// Checks the sample entry that a `tfhd` names: it must equal the entry used before.
    fn use_entry(&mut self, used: Used, track: u32, stsd: &Stsd) -> Result<(), Error> {
        let Used { entry, kind, at } = used;
        match self.used {
            Some(Used { entry: from, .. }) if from != entry && stsd.first_like(from) != stsd.first_like(entry) => {
                Err(Error::EntryChanges { track, kind, at, from, to: entry })
            }
            Some(_) => Ok(()),
            None => {
                self.used = Some(used);
                Ok(())
            }
        }
    }
}

/// Adds a fragment's samples to their tracks. `size` is the object's size in bytes.
pub(super) fn moof(atom: Atom<'_>, moov: &mut Moov, size: u64) -> Result<(), Error> {
    // §8.8.7.1: without a base offset, the first traf counts from the moof, each later traf from its predecessor's end.
    let mut end = atom.at;
    for child in atom.children() {
        let child = child?;
        if child.kind == FourCc(*b"traf") {
            let place = TrafBase { moof: atom.at, end, size };
            end = traf(child, moov, place)?;
        }
    }
    Ok(())
}

/// Byte of the object at which the last sample data of a fragment ends; 0 if it has no samples.
pub(super) fn reach(atom: Atom<'_>, moov: &Moov, size: u64) -> Result<u64, Error> {
    let (mut end, mut last) = (atom.at, 0);
    for child in atom.children() {
        let child = child?;
        if child.kind == FourCc(*b"traf") {
            let header = Tfhd::read(child.need(*b"tfhd")?, moov, TrafBase { moof: atom.at, end, size })?;
            let runs = placed(child, &header)?;
            last = runs.iter().map(|run| run.end).max().unwrap_or(0).max(last);
            end = runs.last().map_or(header.base, |run| run.end);
        }
    }
    Ok(last)
}

/// Positions that the byte offsets of a traf may count from, and the size of the object.
#[derive(Debug, Clone, Copy)]
struct TrafBase {
    moof: u64,
    end: u64,
    size: u64,
}

/// Adds a traf's samples to their track. Returns the byte of the object at which their data ends.
fn traf(atom: Atom<'_>, moov: &mut Moov, place: TrafBase) -> Result<u64, Error> {
    let tfhd = atom.need(*b"tfhd")?;
    let header = Tfhd::read(tfhd, moov, place)?;
    let track = header.track;
    let runs = placed(atom, &header)?;
    let end = runs.last().map_or(header.base, |run| run.end);
    let Some(stored) = moov.places.get(&track).copied().and_then(|at| moov.tracks.get_mut(at)) else { return Ok(end) };
    stored.seal = stored.seal.or_else(|| EncryptionMark::find(atom));
    let mut run = joined(stored, place.size)?;
    if let Some(tfdt) = atom.child(*b"tfdt")? {
        run.continue_at(tfdt, track)?;
    }
    for located in runs.iter().filter(|run| run.trun.count > 0) {
        run.use_entry(Used { entry: header.defaults.entry, kind: tfhd.kind, at: tfhd.at }, track, &stored.stsd)?;
        located.append(&mut run, &header, place.size)?;
    }
    if !run.sizes.is_empty() {
        run.first_end.get_or_insert(run.next);
    }
    stored.run = Some(run);
    Ok(end)
}

/// A run of samples, and the byte range of its data.
struct LocatedRun<'a> {
    trun: Trun<'a>,
    start: u64,
    end: u64,
}

impl LocatedRun<'_> {
    /// Appends the samples to `run`; `size` is the size of the object.
    fn append(&self, run: &mut FragmentSamples, header: &Tfhd, size: u64) -> Result<(), Error> {
        let trun = &self.trun;
        let samples = u64_from_usize(run.sizes.len()) + u64::from(trun.count);
        if samples > u64::from(SAMPLE_LIMIT) {
            return Err(trun.fields.count(trun.count, u64::from(SAMPLE_LIMIT) - u64_from_usize(run.sizes.len())));
        }
        // Samples without fields cost a hostile file no bytes in `trun`: only the size of their data bounds the count.
        if trun.stride() == 0 && header.defaults.size == 0 {
            return Err(trun.fields.count(trun.count, 0));
        }
        let len = trun.bytes(&header.defaults);
        let total = run.bytes.saturating_add(len);
        if total > size {
            return Err(Error::Oversize { track: header.track, kind: FourCc(*b"trun"), at: trun.at, total, size });
        }
        run.builder.push_chunk(self.start, trun.count);
        trun.samples(header.defaults).for_each(|sample| run.push(&sample));
        Ok(())
    }
}

/// The runs of a traf, in order.
fn placed<'a>(atom: Atom<'a>, header: &Tfhd) -> Result<Vec<LocatedRun<'a>>, Error> {
    let (mut runs, mut cursor) = (Vec::new(), header.base);
    for child in atom.children() {
        let child = child?;
        if child.kind != FourCc(*b"trun") {
            continue;
        }
        let trun = Trun::read(child)?;
        let start = trun.position.map_or(Some(cursor), |offset| header.base.checked_add_signed(i64::from(offset)));
        let claims = i128::from(header.base) + i128::from(trun.position.unwrap_or(0));
        let refused = || Error::Position { track: header.track, kind: child.kind, at: child.at, claims };
        let start = start.ok_or_else(refused)?;
        cursor = start.checked_add(trun.bytes(&header.defaults)).ok_or_else(refused)?;
        runs.push(LocatedRun { trun, start, end: cursor });
    }
    Ok(runs)
}

/// Takes the samples of a track so far, starting with those of `moov`.
fn joined(stored: &mut ParsedTrak, size: u64) -> Result<FragmentSamples, Error> {
    let (track, at) = (stored.track.id, stored.at);
    match stored.run.take() {
        Some(run) => Ok(run),
        None => FragmentSamples::begin(stored, size).map_err(|flaw| Error::Track { track, at, flaw }),
    }
}

/// Content of `tfhd`, with missing values from `trex`.
#[derive(Debug, Clone, Copy)]
struct Tfhd {
    track: u32,
    base: u64,
    defaults: Defaults,
}

impl Tfhd {
    fn read(tfhd: Atom<'_>, moov: &Moov, place: TrafBase) -> Result<Self, Error> {
        let (_, flags, mut fields) = tfhd.full()?;
        let track = fields.u32()?;
        let trex = moov.defaults.get(&track).copied().unwrap_or_default();
        let base = match (flags & 0x1 != 0, flags & 0x2_0000 != 0) {
            (true, _) => fields.u64()?,
            (false, true) => place.moof,
            (false, false) => place.end,
        };
        let defaults = Defaults {
            entry: fields.optional(flags, 0x2)?.unwrap_or(trex.entry),
            duration: fields.optional(flags, 0x8)?.unwrap_or(trex.duration),
            size: fields.optional(flags, 0x10)?.unwrap_or(trex.size),
            flags: fields.optional(flags, 0x20)?.unwrap_or(trex.flags),
        };
        Ok(Self { track, base, defaults })
    }
}

/// One sample of a `trun`.
#[derive(Debug, Clone, Copy)]
struct TrunSample {
    duration: u32,
    size: u32,
    flags: u32,
    offset: i32,
}

/// The header of a `trun`, and the fields of its samples.
#[derive(Debug, Clone)]
struct Trun<'a> {
    at: u64,
    flags: u32,
    count: u32,
    position: Option<i32>,
    first_flags: Option<u32>,
    fields: BoxFields<'a>,
}

const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const OFFSET: u32 = 0x800;

impl<'a> Trun<'a> {
    fn read(trun: Atom<'a>) -> Result<Self, Error> {
        let (_, flags, mut fields) = trun.full()?;
        let count = fields.u32()?;
        let position = fields.optional(flags, 0x1)?.map(|offset| i32::from_be_bytes(offset.to_be_bytes()));
        let first_flags = fields.optional(flags, 0x4)?;
        let this = Self { at: trun.at, flags, count, position, first_flags, fields };
        let fits = u64_from_usize(this.fields.rest().len().checked_div(this.stride()).unwrap_or(usize::MAX));
        if u64::from(count) > fits {
            return Err(this.fields.count(count, fits));
        }
        Ok(this)
    }

    /// Size of one sample's fields in the `trun`, in bytes.
    fn stride(&self) -> usize {
        [DURATION, SIZE, FLAGS, OFFSET].iter().filter(|present| self.flags & **present != 0).count() * 4
    }

    fn samples(&self, defaults: Defaults) -> impl Iterator<Item = TrunSample> + 'a {
        let (flags, stride, rest) = (self.flags, self.stride(), self.fields.rest());
        let first = self.first_flags.unwrap_or(defaults.flags);
        (0..usize_from_u32(self.count)).map(move |at| {
            let mut row = rest.get(at * stride..(at + 1) * stride).unwrap_or_default();
            let mut word = |present: u32, default: u32| match row.split_first_chunk::<4>() {
                Some((word, rest)) if flags & present != 0 => {
                    row = rest;
                    u32::from_be_bytes(*word)
                }
                _ => default,
            };
            let (duration, size) = (word(DURATION, defaults.duration), word(SIZE, defaults.size));
            let own = word(FLAGS, defaults.flags);
            let offset = i32::from_be_bytes(word(OFFSET, 0).to_be_bytes());
            TrunSample { duration, size, flags: if at == 0 && flags & FLAGS == 0 { first } else { own }, offset }
        })
    }

    /// Total size of the samples' data, in bytes.
    fn bytes(&self, defaults: &Defaults) -> u64 {
        if self.flags & SIZE == 0 {
            return u64::from(self.count) * u64::from(defaults.size);
        }
        self.samples(*defaults).fold(0_u64, |sum, sample| sum.saturating_add(u64::from(sample.size)))
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::as_conversions,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "numbers of a test are small"
    )]

    use crate::demux::fixture::{Trak, atom, drive, ftyp, full, moov, movie, table, words};
    use crate::demux::{Error, FourCc};
    use crate::media::{Edit, Layout, TableError, Ticks, Track};

    const BASE_IS_MOOF: u32 = 0x2_0000;

    fn traf(track: u32, tfdt: Option<u32>, truns: &[Vec<u8>]) -> Vec<u8> {
        let tfdt = tfdt.map(|time| table(b"tfdt", &[time])).unwrap_or_default();
        atom(b"traf", &[full(b"tfhd", 0, BASE_IS_MOOF, &words(&[track])), tfdt, truns.concat()].concat())
    }

    /// Two samples of 10 and 20 bytes, the first of them a sync sample, `at` bytes behind the moof.
    fn trun(at: u32) -> Vec<u8> {
        full(b"trun", 0, 0x305, &words(&[2, at, 0, 100, 10, 100, 20]))
    }

    fn fragment(trafs: &[Vec<u8>]) -> Vec<u8> {
        let moof = atom(b"moof", &[table(b"mfhd", &[1]), trafs.concat()].concat());
        [moof, atom(b"mdat", &[7; 100])].concat()
    }

    /// ftyp and moov; the defaults in `trex` are 90 ticks, 5 bytes, no sync sample.
    fn header(traks: &[Trak]) -> Vec<u8> {
        let mvex: Vec<_> = traks.iter().map(|t| table(b"trex", &[t.id, 1, 90, 5, 0x1_0000])).collect();
        let traks: Vec<_> = traks.iter().map(Trak::print).collect();
        [ftyp(), moov(&[traks.concat(), atom(b"mvex", &mvex.concat())])].concat()
    }

    fn video() -> Trak {
        Trak::video(0).empty()
    }

    fn audio() -> Trak {
        Trak::audio(0).empty()
    }

    /// position, size, decode time, sync.
    fn samples(track: &Track) -> Vec<(u64, u32, i64, bool)> {
        track.index.samples(0..track.index.len()).map(|s| (s.position, s.size, s.decode_time.0, s.sync)).collect()
    }

    fn only(object: &[u8]) -> Track {
        movie(object).unwrap().tracks.remove(0)
    }

    #[test]
    fn runs_of_fragments_become_one_track() {
        let head = header(&[video()]);
        let (one, two) = (fragment(&[traf(1, Some(0), &[trun(80)])]), fragment(&[traf(1, None, &[trun(90)])]));
        let object = [head.clone(), one.clone(), atom(b"styp", b"msdh"), two].concat();
        let (first, second) = (head.len() as u64 + 80, (head.len() + one.len()) as u64 + 12 + 90);
        let expected = [
            (first, 10, 0, true),
            (first + 10, 20, 100, false),
            (second, 10, 200, true),
            (second + 10, 20, 300, false),
        ];
        assert_eq!(samples(&only(&object)), expected);
        assert_eq!(movie(&object).unwrap().layout, Layout::Fragmented);
        assert_eq!(drive(&object).unwrap().1, 1);
    }

    #[test]
    fn a_recording_that_ends_inside_its_last_fragment_plays_to_the_one_before_and_no_change_of_a_byte_panics() {
        let head = [header(&[video()]), fragment(&[traf(1, Some(0), &[trun(120)])])].concat();
        let last = fragment(&[traf(1, Some(200), &[trun(120)])]);
        let object = [head.clone(), last].concat();
        let known = |len: usize| {
            let movie = movie(&object[..len]).unwrap();
            (movie.tracks[0].index.len(), movie.cut_at)
        };
        assert_eq!((known(object.len()), known(head.len())), ((4, None), (2, None)));
        for len in head.len() + 8..head.len() + 120 + 30 {
            assert_eq!(known(len), (2, Some(head.len() as u64)), "{len} of {}", object.len());
        }
        // A broken fragment is refused if it is the only one or if others follow it.
        let only = header(&[video()]).len();
        for len in only + 8..only + 120 + 30 {
            assert!(movie(&object[..len]).is_err(), "{len}");
        }
        let far = fragment(&[traf(1, Some(200), &[trun(0x7fff_ffff)])]);
        assert!(movie(&[head.clone(), far, fragment(&[traf(1, Some(400), &[trun(120)])])].concat()).is_err());
        for at in 0..object.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = object.clone();
                changed[at] = byte;
                drop(movie(&changed));
            }
        }
    }

    #[test]
    fn a_gap_before_a_fragment_lengthens_the_sample_before_it() {
        let parts = |time| {
            [
                header(&[video()]),
                fragment(&[traf(1, Some(0), &[trun(80)])]),
                fragment(&[traf(1, Some(time), &[trun(80)])]),
            ]
        };
        let durations = |time| only(&parts(time).concat()).index.samples(0..4).map(|s| s.duration).collect::<Vec<_>>();
        assert_eq!(durations(200), [100, 100, 100, 100]);
        assert_eq!(durations(260), [100, 160, 100, 100]);
        assert_eq!(durations(101), [100, 1, 100, 100]);
        let refused = movie(&parts(100).concat()).unwrap_err();
        let at = parts(100).concat().windows(4).rposition(|four| four == b"tfdt").unwrap() as u64 - 4;
        assert_eq!(refused, Error::BackInTime { track: 1, at, claims: 100, expected: 200 });
    }

    #[test]
    fn defaults_come_from_tfhd_and_else_from_trex() {
        let head = header(&[video()]);
        let at = head.len() as u64 + 9;
        let bare = full(b"trun", 0, 1, &words(&[2, 9]));
        assert_eq!(
            samples(&only(&[head.clone(), fragment(&[traf(1, None, std::slice::from_ref(&bare))])].concat())),
            [(at, 5, 0, true), (at + 5, 5, 90, false),]
        );
        let tfhd = full(b"tfhd", 0, BASE_IS_MOOF | 0x38, &words(&[1, 7, 8, 0]));
        let own = fragment(&[atom(b"traf", &[tfhd, bare].concat())]);
        assert_eq!(samples(&only(&[head, own].concat())), [(at, 8, 0, true), (at + 8, 8, 7, true)]);
    }

    #[test]
    fn without_offsets_runs_follow_each_other_and_trafs_too() {
        let head = header(&[video(), audio()]);
        let run = full(b"trun", 0, 0, &words(&[2]));
        let old = |track| atom(b"traf", &[full(b"tfhd", 0, 0, &words(&[track])), run.clone(), run.clone()].concat());
        let movie = movie(&[head.clone(), fragment(&[old(1), old(2)])].concat()).unwrap();
        let positions = |track: &Track| samples(track).iter().map(|s| s.0 - head.len() as u64).collect::<Vec<_>>();
        assert_eq!(movie.tracks.iter().map(positions).collect::<Vec<_>>(), [[0, 5, 10, 15], [20, 25, 30, 35]]);
    }

    #[test]
    fn a_base_offset_counts_from_the_object() {
        let tfhd = full(b"tfhd", 0, 1, &words(&[1, 0, 40]));
        let run = full(b"trun", 0, 1, &words(&[1, 2]));
        let object = [header(&[video()]), fragment(&[atom(b"traf", &[tfhd, run].concat())])].concat();
        assert_eq!(samples(&only(&object)), [(42, 5, 0, true)]);
    }

    #[test]
    fn composition_offsets_are_signed() {
        let run = full(b"trun", 1, 0x801, &words(&[2, 80, 50, (-50_i32) as u32]));
        let track = only(&[header(&[video()]), fragment(&[traf(1, None, &[run])])].concat());
        assert_eq!(track.index.samples(0..2).map(|s| s.offset).collect::<Vec<_>>(), [50, -50]);
    }

    #[test]
    fn a_recording_that_begins_late_is_presented_from_its_first_sample() {
        let late = |elst: &[u32]| {
            let edts = if elst.is_empty() { Vec::new() } else { atom(b"edts", &table(b"elst", elst)) };
            let audio = Trak { more: edts, ..audio() };
            let trafs = [traf(1, Some(250_000), &[trun(200)]), traf(2, Some(441_441), &[trun(230)])];
            let movie = movie(&[header(&[video(), audio]), fragment(&trafs), fragment(&[])].concat()).unwrap();
            movie.tracks.iter().map(|track| track.edit).collect::<Vec<_>>()
        };
        let edit = |ticks| Edit { media_time: Ticks(ticks), ..Edit::NONE };
        assert_eq!(late(&[]), [edit(250_000), edit(441_000)]);
        assert_eq!(late(&[1, 0, 400, 0x1_0000]), [edit(250_000), edit(441_400)]);
        // The edit counts from 0: its media time stays as stored, and the video's too.
        assert_eq!(late(&[1, 0, 441_500, 0x1_0000]), [Edit::NONE, edit(441_500)]);
    }

    #[test]
    fn samples_of_the_moov_come_before_those_of_the_fragments() {
        let head = |offset| header(&[Trak::video(offset)]);
        let at = head(0).len() as u32 + 8;
        let object = [head(at), atom(b"mdat", &[7; 60]), fragment(&[traf(1, None, &[trun(80)])])].concat();
        let (at, moof) = (u64::from(at), u64::from(at) + 60);
        let expected = [
            (at, 10, 0, true),
            (at + 10, 20, 1_000, false),
            (at + 30, 30, 2_000, false),
            (moof + 80, 10, 3_000, true),
            (moof + 90, 20, 3_100, false),
        ];
        assert_eq!(samples(&only(&object)), expected);
    }

    #[test]
    fn counts_that_no_byte_pays_for_are_refused() {
        let refused = |trun: Vec<u8>| match movie(&[header(&[video()]), fragment(&[traf(1, None, &[trun])])].concat()) {
            Err(Error::Count { kind, claims, fits, .. }) => (kind, claims, fits),
            other => panic!("{other:?}"),
        };
        let kind = FourCc(*b"trun");
        assert_eq!(refused(full(b"trun", 0, 0x200, &words(&[3, 1, 1]))), (kind, 3, 2));
        let object = [header(&[video()]), fragment(&[traf(1, None, &[full(b"trun", 0, 0, &words(&[0xff_ffff]))])])];
        let (size, at) = (object.concat().len() as u64, (object[0].len() + 8 + 16 + 8 + 16) as u64);
        let refused = Error::Oversize { track: 1, kind, at, total: 0xff_ffff * 5, size };
        assert_eq!(movie(&object.concat()).unwrap_err(), refused);
    }

    #[test]
    fn a_fragment_outside_the_object_or_before_the_moov_is_refused() {
        let object = [header(&[video()]), fragment(&[traf(1, None, &[trun(0x7fff_ffff)])])].concat();
        let end = header(&[video()]).len() as u64 + 0x7fff_ffff + 30;
        let flaw = TableError::Outside { chunk: 0, end, size: object.len() as u64 };
        assert_eq!(movie(&object).unwrap_err(), Error::Track { track: 1, at: 56, flaw });
        let early = [ftyp(), fragment(&[]), header(&[video()])].concat();
        assert_eq!(movie(&early).unwrap_err(), Error::FragmentFirst { at: 20 });
        let before = [header(&[video()]), fragment(&[traf(1, None, &[trun(0x8000_0000)])])].concat();
        assert!(matches!(movie(&before).unwrap_err(), Error::Position { track: 1, .. }));
    }

    #[test]
    fn fragments_of_ciphertext_under_a_clear_entry_are_not_served() {
        let senc = full(b"senc", 0, 2, &words(&[2, 0, 0]));
        let sealed = [traf(1, None, &[trun(80), senc])];
        let object = [header(&[video()]), fragment(&sealed)].concat();
        let error = movie(&object).unwrap_err();
        let at = object.windows(4).position(|four| four == b"senc").unwrap() - 4;
        let expected = format!(
            "no track can be served: track 1 (`vide`) is encrypted (`senc` at byte {at}), though its sample entry says that \
             it is clear"
        );
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_track_without_fragments_is_skipped_and_unknown_tracks_are_ignored() {
        let movie = movie(
            &[header(&[video(), audio()]), fragment(&[traf(1, None, &[trun(80)]), traf(9, None, &[trun(80)])])]
                .concat(),
        );
        let movie = movie.unwrap();
        assert_eq!(movie.tracks.len(), 1);
        assert_eq!((movie.skipped[0].track, movie.skipped[0].reason.as_str()), (2, "has no samples"));
    }
}
