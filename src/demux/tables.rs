//! Parser of `stbl` → [`IndexBuilder`]: reads the sample tables of a track, and checks their counts against the size of
//! their boxes. The long tables are not copied.
//!
//! ISO/IEC 14496-12 §8.6 and §8.7. `IndexBuilder::build` checks that the tables agree with each other.

use super::boxes::Atom;
use super::boxes::BoxFields;
use super::error::Error;
use super::error::FourCc;
use super::stsd::Stsd;
use crate::media::IndexBuilder;
use crate::media::OffsetRuns;
use crate::media::PackedTable;
use crate::media::SAMPLE_LIMIT;
use crate::media::Sizes;
use crate::media::usize_from_u32;
use bytes::Bytes;

/// The sample entry that a table or fragment uses, and the box that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    /// sample_description_index, from 1.
    pub(super) entry: u32,
    /// `stsc` or `tfhd`.
    pub(super) kind: FourCc,
    /// Byte of the object at which that box begins.
    pub(super) at: u64,
}

/// Content of `stbl`.
#[derive(Debug, Clone, Default)]
pub(super) struct StblTables {
    /// Builder that holds the tables.
    pub(super) builder: IndexBuilder,
    /// The one sample entry of all chunks; `None` without chunks.
    pub(super) used: Option<Used>,
}

impl StblTables {
    /// Reads the tables of `stbl`, which is part of `bytes`. A missing box is an empty table: fragmented files may lack
    /// all of them.
    pub(super) fn read(stbl: Atom<'_>, track: u32, bytes: &Bytes, stsd: &Stsd) -> Result<Self, Error> {
        let mut builder = IndexBuilder::default();
        let mut used = None;
        for child in stbl.children() {
            let child = child?;
            if let Some(packing) = child.packing() {
                take(packing, &mut builder);
                continue;
            }
            match &child.kind.0 {
                b"stts" => builder.durations = stts(child)?,
                b"ctts" => builder.offsets = ctts(child, bytes)?,
                b"stsz" => builder.sizes = stsz(child, bytes)?,
                b"stz2" => builder.sizes = stz2(child)?,
                b"stco" => builder.chunk_offsets = stco(child)?.into(),
                b"co64" => builder.chunk_offsets = co64(child)?.into(),
                b"stss" => builder.sync = Some(stss(child)?),
                b"stsc" => (builder.chunk_runs, used) = stsc(child, track, stsd)?,
                _ => {}
            }
        }
        Ok(Self { builder, used })
    }
}

/// Moves a table that the sieve has packed into the builder.
fn take(packing: PackedTable, builder: &mut IndexBuilder) {
    match packing {
        PackedTable::Sizes(sizes) => builder.sizes = sizes,
        PackedTable::Offsets(offsets) => builder.offsets = offsets,
        PackedTable::Chunks(offsets) => builder.chunk_offsets = offsets,
    }
}

fn stts(atom: Atom<'_>) -> Result<Vec<(u32, u32)>, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    let entries = fields.table::<8>(count)?.iter();
    let entry = |[a, b, c, d, delta @ ..]: &[u8; 8]| (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes(*delta));
    Ok(entries.map(entry).collect())
}

fn ctts(atom: Atom<'_>, bytes: &Bytes) -> Result<OffsetRuns, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    Ok(OffsetRuns::Stored(bytes.slice_ref(fields.table::<8>(count)?.as_flattened())))
}

fn stsz(atom: Atom<'_>, bytes: &Bytes) -> Result<Sizes, Error> {
    let (_, _, mut fields) = atom.full()?;
    let (size, count) = (fields.u32()?, fields.u32()?);
    if size > 0 {
        return Ok(Sizes::Same { size, count });
    }
    let sizes = limited(&fields, count)?.table::<4>(count)?;
    Ok(Sizes::Stored(bytes.slice_ref(sizes.as_flattened())))
}

fn stz2(atom: Atom<'_>) -> Result<Sizes, Error> {
    let (_, _, mut fields) = atom.full()?;
    let [_, _, _, bits] = fields.take()?;
    let count = fields.u32()?;
    let fields = limited(&fields, count)?;
    let take = usize_from_u32(count);
    let sizes = match bits {
        4 => {
            let bytes = fields.table::<1>(count.div_ceil(2))?.iter().flatten();
            bytes.flat_map(|byte| [byte >> 4, byte & 15]).map(u32::from).take(take).collect()
        }
        8 => fields.table::<1>(count)?.iter().flatten().copied().map(u32::from).collect(),
        16 => fields.table::<2>(count)?.iter().map(|size| u32::from(u16::from_be_bytes(*size))).collect(),
        other => return Err(atom.value("field_size", i64::from(other), "4, 8 or 16")),
    };
    Ok(Sizes::Each(sizes))
}

/// Refuses a count above [`SAMPLE_LIMIT`] before the caller copies anything.
fn limited<'a>(fields: &BoxFields<'a>, count: u32) -> Result<BoxFields<'a>, Error> {
    if count > SAMPLE_LIMIT {
        return Err(fields.count(count, u64::from(SAMPLE_LIMIT)));
    }
    Ok(fields.clone())
}

fn stco(atom: Atom<'_>) -> Result<Vec<u64>, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    Ok(fields.table::<4>(count)?.iter().map(|offset| u64::from(u32::from_be_bytes(*offset))).collect())
}

fn co64(atom: Atom<'_>) -> Result<Vec<u64>, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    Ok(fields.table::<8>(count)?.iter().map(|offset| u64::from_be_bytes(*offset)).collect())
}

fn stss(atom: Atom<'_>) -> Result<Vec<u32>, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    Ok(fields.table::<4>(count)?.iter().map(|number| u32::from_be_bytes(*number)).collect())
}

/// Runs of chunks, and the sample entry that all of them use; `None` without chunks.
type ChunkRuns = (Vec<(u32, u32)>, Option<Used>);

fn stsc(atom: Atom<'_>, track: u32, stsd: &Stsd) -> Result<ChunkRuns, Error> {
    let (_, _, mut fields) = atom.full()?;
    let count = fields.u32()?;
    let (kind, at) = (atom.kind, atom.at);
    let mut runs = Vec::with_capacity(usize_from_u32(count).min(atom.body.len() / 12));
    let mut used: Option<Used> = None;
    for [c0, c1, c2, c3, s0, s1, s2, s3, entry @ ..] in fields.table::<12>(count)? {
        runs.push((u32::from_be_bytes([*c0, *c1, *c2, *c3]), u32::from_be_bytes([*s0, *s1, *s2, *s3])));
        let entry = u32::from_be_bytes(*entry);
        match used {
            Some(Used { entry: from, .. }) if from != entry && stsd.first_like(from) != stsd.first_like(entry) => {
                return Err(Error::EntryChanges { track, kind, at, from, to: entry });
            }
            Some(_) => {}
            None => used = Some(Used { entry, kind, at }),
        }
    }
    Ok((runs, used))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::as_conversions, clippy::cast_sign_loss, reason = "numbers of a test are small")]

    use super::StblTables;
    use crate::demux::boxes::Atom;
    use crate::demux::fixture::{atom, full, stsd, table, words};
    use crate::demux::stsd::{Handler, Stsd};
    use crate::demux::{Error, FourCc};
    use crate::media::Sizes;
    use bytes::Bytes;

    fn read(boxes: &[Vec<u8>]) -> Result<StblTables, Error> {
        let stbl = Bytes::from(atom(b"stbl", &boxes.concat()));
        let stsd = stsd(&[]);
        let stsd = Stsd::read(Atom::new(&stsd, 0)?, Handler::Video)?;
        StblTables::read(Atom::new(&stbl, 0)?, 1, &stbl, &stsd)
    }

    fn sizes(stz2: &[u8]) -> Result<Sizes, Error> {
        read(&[full(b"stz2", 0, 0, stz2)]).map(|tables| tables.builder.sizes)
    }

    #[test]
    fn compact_sizes_are_unpacked() {
        assert_eq!(sizes(&[0, 0, 0, 4, 0, 0, 0, 3, 0x12, 0x30]), Ok(Sizes::Each(vec![1, 2, 3])));
        assert_eq!(sizes(&[0, 0, 0, 8, 0, 0, 0, 2, 0x12, 0x30]), Ok(Sizes::Each(vec![0x12, 0x30])));
        assert_eq!(sizes(&[0, 0, 0, 16, 0, 0, 0, 1, 0x12, 0x30]), Ok(Sizes::Each(vec![0x1230])));
        assert!(matches!(sizes(&[0, 0, 0, 5, 0, 0, 0, 0]), Err(Error::Value { claims: 5, .. })));
        assert!(matches!(sizes(&[0, 0, 0, 16, 0, 0, 0, 2, 1, 2]), Err(Error::Count { claims: 2, fits: 1, .. })));
    }

    #[test]
    fn offsets_are_signed_in_either_version() {
        for version in [0, 1] {
            let ctts = full(b"ctts", version, 0, &words(&[2, 1, (-7_i32) as u32, 4, 9]));
            let offsets = read(&[ctts]).unwrap().builder.offsets;
            assert_eq!(offsets.iter().collect::<Vec<_>>(), [(1, -7), (4, 9)]);
        }
    }

    #[test]
    fn wide_chunk_offsets_are_read() {
        let co64 = table(b"co64", &[2, 1, 0, 0, 5]);
        assert_eq!(read(&[co64]).unwrap().builder.chunk_offsets, vec![1 << 32, 5].into());
    }

    #[test]
    fn a_count_beyond_its_box_is_refused_with_its_place() {
        for (kind, entry) in [(b"stts", 8), (b"ctts", 8), (b"stco", 4), (b"co64", 8), (b"stss", 4), (b"stsc", 12)] {
            let error = read(&[table(b"free", &[]), full(kind, 0, 0, &words(&[u32::MAX, 1, 1, 1, 1]))]).unwrap_err();
            let refused = Error::Count { kind: FourCc(*kind), at: 20, claims: 0xffff_ffff, fits: 16 / entry };
            assert_eq!(error, refused);
        }
        let stsz = read(&[table(b"stsz", &[0, 9, 1])]).unwrap_err();
        assert_eq!(stsz, Error::Count { kind: FourCc(*b"stsz"), at: 8, claims: 9, fits: 1 });
        let stts = read(&[atom(b"stts", &[0; 7])]).unwrap_err();
        assert_eq!(stts, Error::Short { kind: FourCc(*b"stts"), at: 8, has: 7, needs: 8 });
    }
}
