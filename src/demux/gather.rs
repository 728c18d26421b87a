//! Samples of an index, some left out and others moved, as sample tables again.

use crate::media::{Flaw, IndexBuilder, Sample, SampleIndex, Sizes, Ticks};
use std::ops::Range;

/// Samples in a row that are kept, and by how much they are presented later.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) samples: Range<u32>,
    pub(super) shift: i64,
}

/// When the last sample that is kept ends, give or take `slack` ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) at: Ticks,
    pub(super) slack: i64,
}

/// What becomes of samples without bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Empty {
    /// The one before lasts as much longer.
    LeftOut,
    Kept,
}

/// The tables of what is `kept` of `index`, and how many of it were left out because they are empty; the last sample lasts until
/// `end` where that is said.
pub(super) fn gather(
    index: &SampleIndex,
    kept: &[Kept],
    end: Option<End>,
    empty: Empty,
) -> Result<(IndexBuilder, u32), Flaw> {
    let all_sync = index.sync_count() == index.len();
    let mut gathered = Gathered { sync: (!all_sync).then(Vec::new), ..Gathered::default() };
    for Kept { samples, shift } in kept {
        for sample in index.samples(samples.clone()) {
            match empty {
                Empty::LeftOut if sample.size == 0 => gathered.leave_out(&sample),
                Empty::LeftOut | Empty::Kept => gathered.push(&sample, *shift)?,
            }
        }
    }
    let left_out = gathered.left_out;
    Ok((gathered.finish(end)?, left_out))
}

/// Tables so far.
#[derive(Debug, Default)]
struct Gathered {
    builder: IndexBuilder,
    sizes: Sizes,
    /// `None` where all are sync samples.
    sync: Option<Vec<u32>>,
    count: u32,
    /// Samples whose bytes touch: where they begin and end, and how many.
    chunk: Option<Chunk>,
    last: Option<Last>,
    /// When the sample that ends last ends.
    end: i64,
    /// Samples without bytes that were left out.
    left_out: u32,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    start: u64,
    end: u64,
    samples: u32,
}

/// The sample before the next one.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// When it is decoded: where it is stored, but for the shift, and as it is kept.
    stored: i64,
    decoded: i64,
    composed: i64,
    duration: u32,
}

impl Gathered {
    fn push(&mut self, sample: &Sample, shift: i64) -> Result<(), Flaw> {
        let stored = sample.decode_time.0.checked_add(shift).ok_or(Flaw::Time)?;
        let composed = sample.composition_time().0.checked_add(shift).ok_or(Flaw::Time)?;
        let decoded = match self.last {
            // Where parts meet, a sample may have to be decoded later than it would be, to be decoded behind the last.
            Some(last) if stored <= last.decoded && stored != last.stored => last.decoded.saturating_add(1),
            Some(last) => stored.max(last.decoded),
            None => stored,
        };
        match self.last {
            Some(last) => {
                self.builder
                    .push_duration(u32::try_from(decoded.saturating_sub(last.decoded)).map_err(|_| Flaw::Time)?);
            }
            None => self.builder.first_decode_time = u64::try_from(decoded).map_err(|_| Flaw::Time)?,
        }
        self.builder.push_offset(
            composed.checked_sub(decoded).and_then(|offset| i32::try_from(offset).ok()).ok_or(Flaw::Time)?,
        );
        self.place(sample);
        self.end = self.end.max(composed.saturating_add(i64::from(sample.duration)));
        self.last = Some(Last { stored, decoded, composed, duration: sample.duration });
        Ok(())
    }

    /// The last sample lasts as long as this one, too.
    fn leave_out(&mut self, sample: &Sample) {
        self.left_out += 1;
        if let Some(last) = &mut self.last {
            last.duration = last.duration.saturating_add(sample.duration);
            self.end = self.end.max(last.composed.saturating_add(i64::from(last.duration)));
        }
    }

    /// Adds what a sample is but its time.
    fn place(&mut self, sample: &Sample) {
        self.count += 1;
        if let Some(sync) = self.sync.as_mut().filter(|_| sample.sync) {
            sync.push(self.count);
        }
        match &mut self.sizes {
            Sizes::Each(sizes) if sizes.is_empty() => self.sizes = Sizes::Same { size: sample.size, count: 1 },
            Sizes::Same { size, count } if *size == sample.size => *count += 1,
            Sizes::Same { size, count } => {
                let mut sizes = vec![*size; crate::media::usize_from_u32(*count)];
                sizes.push(sample.size);
                self.sizes = Sizes::Each(sizes);
            }
            Sizes::Each(sizes) => sizes.push(sample.size),
            Sizes::Stored(_) | Sizes::Packed(_) => {}
        }
        let end = sample.position.saturating_add(u64::from(sample.size));
        match &mut self.chunk {
            Some(chunk) if chunk.end == sample.position => (chunk.end, chunk.samples) = (end, chunk.samples + 1),
            open => {
                let done = open.replace(Chunk { start: sample.position, end, samples: 1 });
                if let Some(chunk) = done {
                    self.builder.push_chunk(chunk.start, chunk.samples);
                }
            }
        }
    }

    /// The tables, once the last sample lasts as long as it shall.
    fn finish(mut self, end: Option<End>) -> Result<IndexBuilder, Flaw> {
        let Some(last) = self.last else { return Err(Flaw::Empty) };
        let own_end = last.composed.saturating_add(i64::from(last.duration));
        let ends = match end {
            // Held up to the end, or shortened where it is the last one that is shown.
            Some(End { at, slack }) if at.0 > self.end + slack || (own_end == self.end && at.0 < own_end - slack) => {
                at.0
            }
            Some(_) | None => own_end,
        };
        let duration = ends.saturating_sub(last.composed).clamp(1, i64::from(u32::MAX));
        let natural = ends == own_end;
        self.builder.push_duration(if natural { last.duration } else { u32::try_from(duration).unwrap_or(u32::MAX) });
        if let Some(chunk) = self.chunk.take() {
            self.builder.push_chunk(chunk.start, chunk.samples);
        }
        self.builder.sizes = self.sizes;
        self.builder.sync = self.sync;
        Ok(self.builder)
    }
}
