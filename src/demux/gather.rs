//! Builds new sample tables from some of the samples of an index, moved in time.

use crate::media::{IndexBuilder, Sample, SampleIndex, Sizes, TableError, Ticks};
use std::ops::Range;

/// Consecutive samples to copy, and the ticks by which they are presented later.
#[derive(Debug, Clone)]
pub(super) struct SampleRun {
    pub(super) samples: Range<u32>,
    pub(super) shift: i64,
}

/// Composition time at which the last sample ends, with a tolerance of `slack` ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) at: Ticks,
    pub(super) slack: i64,
}

/// Treatment of samples without bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum EmptySamples {
    /// Drop them, and add their durations to the sample before.
    LeftOut,
    Kept,
}

/// Builds tables of the `kept` samples of `index`; also returns the number of samples left out because they are empty.
/// The last sample lasts until `end`, if that is given.
pub(super) fn gather(
    index: &SampleIndex,
    kept: &[SampleRun],
    end: Option<End>,
    empty: EmptySamples,
) -> Result<(IndexBuilder, u32), TableError> {
    let all_sync = index.sync_count() == index.len();
    let mut gathered = TableCollector { sync: (!all_sync).then(Vec::new), ..TableCollector::default() };
    for SampleRun { samples, shift } in kept {
        for sample in index.samples(samples.clone()) {
            match empty {
                EmptySamples::LeftOut if sample.size == 0 => gathered.leave_out(&sample),
                EmptySamples::LeftOut | EmptySamples::Kept => gathered.push(&sample, *shift)?,
            }
        }
    }
    let left_out = gathered.left_out;
    Ok((gathered.finish(end)?, left_out))
}

/// The new tables so far.
#[derive(Debug, Default)]
struct TableCollector {
    builder: IndexBuilder,
    sizes: Sizes,
    /// Numbers of the sync samples, from 1; `None` if all samples are sync samples.
    sync: Option<Vec<u32>>,
    count: u32,
    /// The current chunk: samples with adjacent bytes.
    chunk: Option<OpenChunk>,
    last: Option<PreviousSample>,
    /// Latest end of a sample, as composition time.
    end: i64,
    /// Number of samples left out because they are empty.
    left_out: u32,
}

#[derive(Debug, Clone, Copy)]
struct OpenChunk {
    start: u64,
    end: u64,
    samples: u32,
}

/// The times of the last sample in the new tables.
#[derive(Debug, Clone, Copy)]
struct PreviousSample {
    /// Decode time in the old tables plus the shift.
    stored: i64,
    /// Decode time in the new tables.
    decoded: i64,
    composed: i64,
    duration: u32,
}

impl TableCollector {
    fn push(&mut self, sample: &Sample, shift: i64) -> Result<(), TableError> {
        let stored = sample.decode_time.0.checked_add(shift).ok_or(TableError::Time)?;
        let composed = sample.composition_time().0.checked_add(shift).ok_or(TableError::Time)?;
        let decoded = match self.last {
            // Where parts meet, decode times may overlap: this sample then is decoded one tick after the last.
            Some(last) if stored <= last.decoded && stored != last.stored => last.decoded.saturating_add(1),
            Some(last) => stored.max(last.decoded),
            None => stored,
        };
        match self.last {
            Some(last) => {
                self.builder
                    .push_duration(u32::try_from(decoded.saturating_sub(last.decoded)).map_err(|_| TableError::Time)?);
            }
            None => self.builder.first_decode_time = u64::try_from(decoded).map_err(|_| TableError::Time)?,
        }
        self.builder.push_offset(
            composed.checked_sub(decoded).and_then(|offset| i32::try_from(offset).ok()).ok_or(TableError::Time)?,
        );
        self.place(sample);
        self.end = self.end.max(composed.saturating_add(i64::from(sample.duration)));
        self.last = Some(PreviousSample { stored, decoded, composed, duration: sample.duration });
        Ok(())
    }

    /// Leaves out `sample`, and adds its duration to the last sample.
    fn leave_out(&mut self, sample: &Sample) {
        self.left_out += 1;
        if let Some(last) = &mut self.last {
            last.duration = last.duration.saturating_add(sample.duration);
            self.end = self.end.max(last.composed.saturating_add(i64::from(last.duration)));
        }
    }

    /// Adds the sync flag, size and position of a sample.
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
                let done = open.replace(OpenChunk { start: sample.position, end, samples: 1 });
                if let Some(chunk) = done {
                    self.builder.push_chunk(chunk.start, chunk.samples);
                }
            }
        }
    }

    /// Sets the duration of the last sample, and returns the tables.
    fn finish(mut self, end: Option<End>) -> Result<IndexBuilder, TableError> {
        let Some(last) = self.last else { return Err(TableError::Empty) };
        let own_end = last.composed.saturating_add(i64::from(last.duration));
        let ends = match end {
            // Hold the last picture up to `at`, or shorten it if no other picture ends later.
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
