//! The tables of a track among frozen bytes, as they are in memory: packed.
//!
//! ```text
//! tables   │ first decode time u64 │ sized u64 │ timed u64 │ composed: 0 or 1, u64 │ placed u64 │
//!          │ durations │ offsets │ sizes │ samples of chunks │ positions of chunks │ sync │
//! packed   │ values u64 │ each block's least u64 │ each block's width u8 │ words u64 │
//! offsets  │ 0 │    or  │ 1 │ count u32 │ dictionary i32 │ codes: packed │    or  │ 2 │ least i32 │ distances: packed │
//! sync     │ 0 │    or  │ 1 │ count u32 │ numbers u32 │
//! ```
//! Where a block's words begin follows from the widths before it, and sums from the values: neither is stored, so
//! neither can be wrong.

use super::reader::Reader;
use super::{Damage, freeze_count};
use crate::media::index::SampleIndex;
use crate::media::num::{u64_from_usize, usize_from_u64};
use crate::media::offsets::Offsets;
use crate::media::packed::{BLOCK, Block, Packed, Sums};
use crate::media::sync::Sync;
use crate::media::tables::{Flaw, SAMPLE_LIMIT, Totals, check_chunks};
use crate::media::words::Words;

/// Distinct offsets of a dictionary at most: a code is a byte.
const DICTIONARY: usize = 256;

/// Appends `index`.
pub(super) fn freeze(index: &SampleIndex, out: &mut Vec<u8>) {
    let Totals { sized, timed, composed, placed } = index.totals;
    let numbers = [index.first_decode_time, sized, timed];
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    out.push(u8::from(composed.is_some()));
    let numbers = [composed.unwrap_or(0), placed];
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    freeze_packed(&index.durations.values, out);
    freeze_offsets(&index.offsets, out);
    freeze_packed(&index.sizes.values, out);
    freeze_packed(&index.chunk_samples.values, out);
    freeze_packed(&index.chunk_offsets, out);
    match &index.sync {
        Sync::All => out.push(0),
        Sync::Some(numbers) => {
            out.push(1);
            freeze_count(out, numbers.len());
            out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
    }
}

/// The next tables, of an object of `size` bytes: checked as those of a `moov` are.
pub(super) fn thaw(from: &mut Reader<'_>, size: u64) -> Result<SampleIndex, Damage> {
    let first_decode_time = from.u64()?;
    let totals = thaw_totals(from)?;
    let len = u32::try_from(totals.sized).map_err(|_| Flaw::TooMany { samples: totals.sized })?;
    let durations = thaw_sums(from, (totals.sized, u64::from(u32::MAX)))?;
    let offsets = thaw_offsets(from, totals)?;
    let sizes = thaw_sums(from, (totals.sized, u64::from(u32::MAX)))?;
    if sizes.total() > size {
        return Err(Flaw::Oversize { total: sizes.total(), size }.into());
    }
    let (chunk_samples, chunk_offsets) = thaw_chunks(from, totals.sized)?;
    check_chunks(&chunk_offsets, &chunk_samples, &sizes, size)?;
    let sync = thaw_sync(from, len)?;
    let end = first_decode_time.checked_add(durations.total());
    if end.is_none_or(|end| end >= 1 << 62) {
        return Err(Flaw::Time.into());
    }
    Ok(SampleIndex { len, first_decode_time, durations, offsets, sizes, chunk_samples, chunk_offsets, sync, totals })
}

fn thaw_totals(from: &mut Reader<'_>) -> Result<Totals, Damage> {
    let (sized, timed, offset, composed, placed) = (from.u64()?, from.u64()?, from.u8()?, from.u64()?, from.u64()?);
    let composed = match offset {
        0 if composed == 0 => None,
        1 => Some(composed),
        _ => return Err(Damage::Value("number of composition offsets")),
    };
    if sized == 0 {
        return Err(Flaw::Empty.into());
    }
    if sized > u64::from(SAMPLE_LIMIT) {
        return Err(Flaw::TooMany { samples: sized }.into());
    }
    if placed < sized {
        return Err(Flaw::Unplaced { placed, samples: sized }.into());
    }
    Ok(Totals { sized, timed, composed, placed })
}

/// How many samples each chunk has, which is all of them, and where each begins.
fn thaw_chunks(from: &mut Reader<'_>, samples: u64) -> Result<(Sums, Packed), Damage> {
    let chunk_samples = thaw_packed(from, samples)?;
    let chunk_samples = Sums::over(chunk_samples).ok_or(Damage::Value("number of samples in a chunk"))?;
    if chunk_samples.total() != samples {
        return Err(Flaw::Unplaced { placed: chunk_samples.total(), samples }.into());
    }
    let chunk_offsets = thaw_packed(from, u64::MAX)?;
    if chunk_offsets.len() != chunk_samples.len() {
        return Err(Damage::Value("number of chunks"));
    }
    Ok((chunk_samples, chunk_offsets))
}

/// `len` numbers of at most `most` each, and their sums.
fn thaw_sums(from: &mut Reader<'_>, (len, most): (u64, u64)) -> Result<Sums, Damage> {
    let values = thaw_packed(from, most)?;
    check_count(&values, len)?;
    Sums::over(values).ok_or(Damage::Value("sum"))
}

fn check_count(values: &Packed, len: u64) -> Result<(), Damage> {
    if values.len() == len { Ok(()) } else { Err(Damage::Value("number of values in a table")) }
}

fn freeze_packed(packed: &Packed, out: &mut Vec<u8>) {
    out.extend(packed.len.to_le_bytes());
    out.extend(packed.blocks.iter().flat_map(|block| block.least.to_le_bytes()));
    out.extend(packed.blocks.iter().map(|block| block.width));
    out.extend(packed.words.from(0).flat_map(u64::to_le_bytes));
}

/// Numbers of at most `most` each.
fn thaw_packed(from: &mut Reader<'_>, most: u64) -> Result<Packed, Damage> {
    let len = from.u64()?;
    let count = len.div_ceil(u64_from_usize(BLOCK));
    let (leasts, widths) = (from.fields::<8>(count)?, from.slice(count)?);
    // As long as what was just read, so in proportion to it.
    let mut blocks = Vec::with_capacity(widths.len());
    let (mut left, mut word) = (len, 0_u64);
    for (least, width) in leasts.iter().zip(widths) {
        let at = u32::try_from(word).map_err(|_| Damage::Value("number of words in a table"))?;
        if *width > 64 {
            return Err(Damage::Value("width of a block"));
        }
        blocks.push(Block { least: u64::from_le_bytes(*least), word: at, width: *width });
        let values = left.min(u64_from_usize(BLOCK));
        left -= values;
        word += (values * u64::from(*width)).div_ceil(64);
    }
    let words = Words::Read(from.shared(word.saturating_mul(8))?);
    let packed = Packed { len, blocks, words };
    if packed.within(most) { Ok(packed) } else { Err(Damage::Value("value in a table")) }
}

fn freeze_offsets(offsets: &Offsets, out: &mut Vec<u8>) {
    match offsets {
        Offsets::Zero => out.push(0),
        Offsets::Dictionary { values, codes, .. } => {
            out.push(1);
            freeze_count(out, values.len());
            out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            freeze_packed(codes, out);
        }
        Offsets::Direct { distances, least } => {
            out.push(2);
            out.extend(least.to_le_bytes());
            freeze_packed(distances, out);
        }
    }
}

fn thaw_offsets(from: &mut Reader<'_>, totals: Totals) -> Result<Offsets, Damage> {
    let offsets = match (from.u8()?, totals.composed) {
        (0, _) => Offsets::Zero,
        (1, Some(_)) => thaw_dictionary(from, totals.sized)?,
        (2, Some(_)) => thaw_direct(from, totals.sized)?,
        _ => return Err(Damage::Value("composition offset")),
    };
    Ok(offsets)
}

/// Every value of the dictionary has a code, every code a value: the least one is some sample's.
fn thaw_dictionary(from: &mut Reader<'_>, len: u64) -> Result<Offsets, Damage> {
    let count = from.u32()?;
    let values: Vec<i32> = from.fields(u64::from(count))?.iter().map(|value| i32::from_le_bytes(*value)).collect();
    let codes = thaw_packed(from, u64::MAX)?;
    check_count(&codes, len)?;
    let greatest = u64_from_usize(values.len()).checked_sub(1).filter(|code| *code < u64_from_usize(DICTIONARY));
    let known = greatest.is_some_and(|code| codes.within(code));
    let least = values.iter().copied().min().filter(|_| known);
    let least = least.ok_or(Damage::Value("code of a composition offset"))?;
    let (mut met, mut missing) = ([false; DICTIONARY], values.len());
    // Most dictionaries are met in their first block.
    let mut begins = 0;
    while begins < len && missing > 0 {
        codes.each(begins, begins + u64_from_usize(BLOCK), |code| {
            if let Some(met) = met.get_mut(usize_from_u64(code)) {
                missing -= usize::from(!*met);
                *met = true;
            }
        });
        begins += u64_from_usize(BLOCK);
    }
    if missing == 0 {
        Ok(Offsets::Dictionary { values, codes, least })
    } else {
        Err(Damage::Value("dictionary of composition offsets"))
    }
}

/// The least offset is some sample's, and the greatest fits.
fn thaw_direct(from: &mut Reader<'_>, len: u64) -> Result<Offsets, Damage> {
    let least = from.i32()?;
    let distances = thaw_packed(from, u64::from(i32::MAX.abs_diff(least)))?;
    check_count(&distances, len)?;
    if distances.values(0).any(|distance| distance == 0) {
        Ok(Offsets::Direct { distances, least })
    } else {
        Err(Damage::Value("least composition offset"))
    }
}

/// Sync samples ascend, and there is one.
fn thaw_sync(from: &mut Reader<'_>, len: u32) -> Result<Sync, Damage> {
    match from.u8()? {
        0 => Ok(Sync::All),
        1 => {
            let count = from.u32()?;
            let numbers: Vec<u32> =
                from.fields(u64::from(count))?.iter().map(|number| u32::from_le_bytes(*number)).collect();
            let ascending = numbers.is_sorted_by(|a, b| a < b);
            if ascending && numbers.last().is_some_and(|last| *last < len) {
                Ok(Sync::Some(numbers))
            } else {
                Err(Damage::Value("sync sample"))
            }
        }
        _ => Err(Damage::Value("table of sync samples")),
    }
}
