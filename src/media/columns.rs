//! Sample tables that come in parts, packed as they come: a table that is never whole in memory takes none but that of
//! the index it becomes.

use super::offsets::OffsetPacker;
use super::packed::BLOCK;
use super::packer::{Packer, SumsPacker};
use super::tables::{ChunkOffsets, OffsetRuns, Sizes};

/// One table, its entries big-endian as files store them.
#[derive(Debug)]
pub struct Column(Filling);

#[derive(Debug)]
enum Filling {
    Sizes(Parts<4>, SumsPacker),
    Offsets(Parts<8>, OffsetPacker),
    Chunks(Parts<4>, Packer),
    WideChunks(Parts<8>, Packer),
}

/// What became of a table.
#[derive(Debug, PartialEq, Eq)]
pub enum Packing {
    /// Of `stsz`.
    Sizes(Sizes),
    /// Of `ctts`.
    Offsets(OffsetRuns),
    /// Of `stco` or `co64`.
    Chunks(ChunkOffsets),
}

impl Column {
    /// An empty `stsz`, whose sizes differ.
    #[must_use]
    pub fn stsz() -> Self {
        Self(Filling::Sizes(Parts::default(), SumsPacker::default()))
    }

    /// An empty `ctts`.
    #[must_use]
    pub fn ctts() -> Self {
        Self(Filling::Offsets(Parts::default(), OffsetPacker::default()))
    }

    /// An empty `stco`.
    #[must_use]
    pub fn stco() -> Self {
        Self(Filling::Chunks(Parts::default(), Packer::default()))
    }

    /// An empty `co64`.
    #[must_use]
    pub fn co64() -> Self {
        Self(Filling::WideChunks(Parts::default(), Packer::default()))
    }

    /// Bytes of one entry.
    #[must_use]
    pub const fn width(&self) -> u64 {
        match self.0 {
            Filling::Sizes(..) | Filling::Chunks(..) => 4,
            Filling::Offsets(..) | Filling::WideChunks(..) => 8,
        }
    }

    /// Takes the next bytes of its entries, any number of them. Fewer than 2³⁰ entries in all.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Filling::Sizes(parts, sizes) => {
                parts.push(bytes, |entries| sizes.push_slice(entries, |entry| narrow(*entry)));
            }
            Filling::Offsets(parts, runs) => {
                parts.push(bytes, |entries| runs.push(entries.iter().copied().map(OffsetRuns::stored)));
            }
            Filling::Chunks(parts, chunks) => {
                parts.push(bytes, |entries| chunks.push_slice(entries, |entry| narrow(*entry), |_| {}));
            }
            Filling::WideChunks(parts, chunks) => {
                parts.push(bytes, |entries| chunks.push_slice(entries, |entry| wide(*entry), |_| {}));
            }
        }
    }

    /// What all of them are; bytes behind the last whole entry are left out.
    #[must_use]
    pub fn finish(self) -> Packing {
        match self.0 {
            Filling::Sizes(parts, mut sizes) => {
                sizes.push_slice(parts.rest(), |entry| narrow(*entry));
                Packing::Sizes(Sizes::Packed(sizes.finish().expect("fewer than 2³⁰ numbers of 32 bits")))
            }
            Filling::Offsets(parts, mut runs) => {
                runs.push(parts.rest().iter().copied().map(OffsetRuns::stored));
                Packing::Offsets(runs.finish())
            }
            Filling::Chunks(parts, mut chunks) => {
                chunks.push_slice(parts.rest(), |entry| narrow(*entry), |_| {});
                Packing::Chunks(ChunkOffsets::Packed(chunks.finish()))
            }
            Filling::WideChunks(parts, mut chunks) => {
                chunks.push_slice(parts.rest(), |entry| wide(*entry), |_| {});
                Packing::Chunks(ChunkOffsets::Packed(chunks.finish()))
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

/// Cuts what comes into whole blocks of entries of `N` bytes, the last aside.
#[derive(Debug, Default)]
struct Parts<const N: usize> {
    /// Less than a block.
    pending: Vec<u8>,
}

impl<const N: usize> Parts<N> {
    const BYTES: usize = BLOCK * N;

    /// Shows `each` the blocks that `bytes` complete.
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

    /// The entries of the block that was not completed.
    fn rest(&self) -> &[[u8; N]] {
        self.pending.as_chunks::<N>().0
    }
}

#[cfg(test)]
#[allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
mod tests {
    use super::{Column, Packing};
    use crate::media::{IndexBuilder, OffsetRuns, Sizes};
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    fn packed(mut column: Column, table: &[u8], parts: &[usize]) -> Packing {
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
            let Packing::Sizes(sizes) = packed(Column::stsz(), &sizes, &parts) else { panic!("sizes") };
            let Packing::Offsets(offsets) = packed(Column::ctts(), &stored, &parts) else { panic!("offsets") };
            let Packing::Chunks(chunks) = packed(Column::co64(), &wide, &parts) else { panic!("chunks") };
            let in_parts = IndexBuilder { sizes, offsets, chunk_offsets: chunks, ..whole.clone() };
            prop_assert_eq!(in_parts.build(1 << 41), whole.clone().build(1 << 41));
            let Packing::Chunks(chunks) = packed(Column::stco(), &narrow, &parts) else { panic!("chunks") };
            let places: Vec<u64> = places.iter().map(|at| at & 0xffff_ffff).collect();
            let (in_parts, whole) = (IndexBuilder { chunk_offsets: chunks, ..whole.clone() }, IndexBuilder { chunk_offsets: places.into(), ..whole });
            prop_assert_eq!(in_parts.build(1 << 41), whole.build(1 << 41));
        }
    }
}
