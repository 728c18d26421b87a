//! Packs sample tables that arrive in parts: such a table is never whole in memory, and takes only the memory of the
//! resulting index.

use super::offsets::OffsetPacker;
use super::packed::BLOCK;
use super::packer::{Packer, SumsPacker};
use super::tables::{ChunkOffsets, OffsetRuns, Sizes};

/// Packer of one table; takes its entries big-endian, as files store them.
#[derive(Debug)]
pub struct Column(TablePacker);

#[derive(Debug)]
enum TablePacker {
    Sizes(EntryBlocks<4>, SumsPacker),
    Offsets(EntryBlocks<8>, OffsetPacker),
    Chunks(EntryBlocks<4>, Packer),
    WideChunks(EntryBlocks<8>, Packer),
}

/// A packed table.
#[derive(Debug, PartialEq, Eq)]
pub enum PackedTable {
    /// Sizes from `stsz`.
    Sizes(Sizes),
    /// Composition offsets from `ctts`.
    Offsets(OffsetRuns),
    /// Chunk offsets from `stco` or `co64`.
    Chunks(ChunkOffsets),
}

impl Column {
    /// An empty `stsz` with a size per sample.
    #[must_use]
    pub fn stsz() -> Self {
        Self(TablePacker::Sizes(EntryBlocks::default(), SumsPacker::default()))
    }

    /// An empty `ctts`.
    #[must_use]
    pub fn ctts() -> Self {
        Self(TablePacker::Offsets(EntryBlocks::default(), OffsetPacker::default()))
    }

    /// An empty `stco`.
    #[must_use]
    pub fn stco() -> Self {
        Self(TablePacker::Chunks(EntryBlocks::default(), Packer::default()))
    }

    /// An empty `co64`.
    #[must_use]
    pub fn co64() -> Self {
        Self(TablePacker::WideChunks(EntryBlocks::default(), Packer::default()))
    }

    /// Size of one entry, in bytes.
    #[must_use]
    pub const fn width(&self) -> u64 {
        match self.0 {
            TablePacker::Sizes(..) | TablePacker::Chunks(..) => 4,
            TablePacker::Offsets(..) | TablePacker::WideChunks(..) => 8,
        }
    }

    /// Takes any number of the next bytes of the entries. The table must have fewer than 2³⁰ entries in all.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            TablePacker::Sizes(parts, sizes) => {
                parts.push(bytes, |entries| sizes.push_slice(entries, |entry| narrow(*entry)));
            }
            TablePacker::Offsets(parts, runs) => {
                parts.push(bytes, |entries| runs.push(entries.iter().copied().map(OffsetRuns::stored)));
            }
            TablePacker::Chunks(parts, chunks) => {
                parts.push(bytes, |entries| chunks.push_slice(entries, |entry| narrow(*entry), |_| {}));
            }
            TablePacker::WideChunks(parts, chunks) => {
                parts.push(bytes, |entries| chunks.push_slice(entries, |entry| wide(*entry), |_| {}));
            }
        }
    }

    /// Returns the packed table; ignores bytes behind the last whole entry.
    #[must_use]
    pub fn finish(self) -> PackedTable {
        match self.0 {
            TablePacker::Sizes(parts, mut sizes) => {
                sizes.push_slice(parts.rest(), |entry| narrow(*entry));
                PackedTable::Sizes(Sizes::Packed(sizes.finish().expect("fewer than 2³⁰ sizes of 32 bits")))
            }
            TablePacker::Offsets(parts, mut runs) => {
                runs.push(parts.rest().iter().copied().map(OffsetRuns::stored));
                PackedTable::Offsets(runs.finish())
            }
            TablePacker::Chunks(parts, mut chunks) => {
                chunks.push_slice(parts.rest(), |entry| narrow(*entry), |_| {});
                PackedTable::Chunks(ChunkOffsets::Packed(chunks.finish()))
            }
            TablePacker::WideChunks(parts, mut chunks) => {
                chunks.push_slice(parts.rest(), |entry| wide(*entry), |_| {});
                PackedTable::Chunks(ChunkOffsets::Packed(chunks.finish()))
            }
        }
    }
}

fn narrow(entry: [u8; 4]) -> u64 {
    u64::from(u32::from_be_bytes(entry))
}

fn wide(entry: [u8; 8]) -> u64 {
    u64::from_be_bytes(entry)
}

/// Splits the arriving bytes into whole blocks of entries of `N` bytes each; the last block may be shorter.
#[derive(Debug, Default)]
struct EntryBlocks<const N: usize> {
    /// Bytes of an incomplete block.
    pending: Vec<u8>,
}

impl<const N: usize> EntryBlocks<N> {
    const BYTES: usize = BLOCK * N;

    /// Calls `each` with the blocks that `bytes` complete.
    fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&[[u8; N]])) {
        let mut bytes = bytes;
        if !self.pending.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(Self::BYTES - self.pending.len()));
            self.pending.extend_from_slice(taken);
            bytes = rest;
            if self.pending.len() < Self::BYTES {
                return;
            }
            each(self.pending.as_chunks::<N>().0);
            self.pending.clear();
        }
        let (blocks, rest) = bytes.split_at(bytes.len() - bytes.len() % Self::BYTES);
        each(blocks.as_chunks::<N>().0);
        self.pending.extend_from_slice(rest);
    }

    /// The entries of the incomplete block.
    fn rest(&self) -> &[[u8; N]] {
        self.pending.as_chunks::<N>().0
    }
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::{Column, PackedTable};
    use crate::media::{IndexBuilder, OffsetRuns, Sizes};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    fn packed(mut column: Column, table: &[u8], parts: &[usize]) -> PackedTable {
        let mut rest = table;
        for part in parts {
            let (now, later) = rest.split_at((*part).min(rest.len()));
            column.push(now);
            rest = later;
        }
        column.push(rest);
        column.finish()
    }

    proptest! {
        #[test]
        fn a_table_in_parts_becomes_what_the_whole_becomes(
            rows in prop::collection::vec((0_u32..1 << 16, 0_u32..4, any::<i16>(), 0_u64..1 << 40), 1..400),
            parts in prop::collection::vec(0_usize..900, 0..12), spread in 0_u32..16,
        ) {
            let sizes: Vec<u8> = rows.iter().flat_map(|row| row.0.to_be_bytes()).collect();
            let runs: Vec<(u32, i32)> = rows.iter().map(|row| (row.1, i32::from(row.2 >> spread))).collect();
            let stored: Vec<u8> = runs.iter().flat_map(|run| [run.0.to_be_bytes(), run.1.to_be_bytes()].concat()).collect();
            let (places, wide): (Vec<u64>, Vec<u8>) = (rows.iter().map(|row| row.3).collect(), rows.iter().flat_map(|row| row.3.to_be_bytes()).collect());
            let narrow: Vec<u8> = places.iter().flat_map(|at| (*at as u32).to_be_bytes()).collect();
            let whole = IndexBuilder {
                durations: vec![(1, 10)],
                offsets: OffsetRuns::Each(runs),
                sizes: Sizes::Each(rows.iter().map(|row| row.0).collect()),
                chunk_offsets: places.clone().into(),
                chunk_runs: vec![(1, 1)],
                ..IndexBuilder::default()
            };
            let PackedTable::Sizes(sizes) = packed(Column::stsz(), &sizes, &parts) else { panic!("sizes") };
            let PackedTable::Offsets(offsets) = packed(Column::ctts(), &stored, &parts) else { panic!("offsets") };
            let PackedTable::Chunks(chunks) = packed(Column::co64(), &wide, &parts) else { panic!("chunks") };
            let in_parts = IndexBuilder { sizes, offsets, chunk_offsets: chunks, ..whole.clone() };
            prop_assert_eq!(in_parts.build(1 << 41), whole.clone().build(1 << 41));
            let PackedTable::Chunks(chunks) = packed(Column::stco(), &narrow, &parts) else { panic!("chunks") };
            let places: Vec<u64> = places.iter().map(|at| at & 0xffff_ffff).collect();
            let (in_parts, whole) = (IndexBuilder { chunk_offsets: chunks, ..whole.clone() }, IndexBuilder { chunk_offsets: places.into(), ..whole });
            prop_assert_eq!(in_parts.build(1 << 41), whole.build(1 << 41));
        }
    }
}
