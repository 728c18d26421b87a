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
mod tests;
