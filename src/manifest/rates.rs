//! Computes bit rates and frame rates for manifests, from the index: bit rates are those of the actual segments.

use crate::media::{Span, Ticks, Timescale};
use crate::mux::{self, Transport};
use crate::plan::{Cadence, Planned};

/// The bit rates of a track, in bits per second, `styp`, `moof` and `mdat` headers included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// The greatest rate of any contiguous segments that last 0.5 to 1.5 target durations (RFC 8216 §4.3.4.2).
    pub peak: u64,
    /// The rate of all segments together.
    pub average: u64,
}

impl Rates {
    /// The rates of no track.
    pub(super) const NONE: Self = Self { peak: 0, average: 0 };

    /// The rates of `track`. `target_duration` is that of its asset, in seconds.
    #[must_use]
    pub fn of(track: &Planned, target_duration: u32) -> Self {
        let lengths = track.segments.iter().map(|segment| (mux::segment_length(track, segment), segment.span.0));
        Self::over(&lengths.collect::<Vec<_>>(), track.timeline.timescale(), target_duration)
    }

    /// The rates of a transport stream. `target_duration` is in seconds.
    #[must_use]
    pub fn of_transport(transport: &Transport, target_duration: u32) -> Self {
        let borders = transport.program().borders().map(|at| at.nearest_to(Timescale::MPEG_TS).unwrap_or_default());
        let borders: Vec<Ticks> = borders.collect();
        let spans = borders.windows(2).map(|pair| match pair {
            [from, to] => to.since(*from).unwrap_or_default().0,
            _ => 0,
        });
        Self::over(&transport.lengths().zip(spans).collect::<Vec<_>>(), Timescale::MPEG_TS, target_duration)
    }

    /// The rates of segments, given as bytes and ticks.
    fn over(segments: &[(u64, u64)], timescale: Timescale, target_duration: u32) -> Self {
        let scale = timescale.get();
        let (bytes, span) = segments.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let average = rate(bytes, Span(span), scale);
        let target = u64::from(target_duration) * u64::from(scale);
        let peak = (0..segments.len()).filter_map(|from| peak_from(segments.get(from..)?, target, scale)).max();
        Self { peak: peak.unwrap_or(average).max(average), average }
    }
}

/// The greatest rate of the runs that begin with the first of `segments` and last 0.5 to 1.5 times `target`.
fn peak_from(segments: &[(u64, u64)], target: u64, scale: u32) -> Option<u64> {
    let running = segments.iter().scan((0_u64, 0_u64), |sum, part| {
        *sum = (sum.0 + part.0, sum.1 + part.1);
        Some(*sum)
    });
    let within = running.take_while(|(_, span)| 2 * span <= 3 * target).filter(|(_, span)| 2 * span >= target);
    within.map(|(bytes, span)| rate(bytes, Span(span), scale)).max()
}

/// Bits per second, rounded up; a span of zero counts as one tick.
fn rate(bytes: u64, span: Span, scale: u32) -> u64 {
    // 64 bits suffice for one segment, and dividing 128 bits takes four times as long.
    if let Some(bits) = bytes.checked_mul(8 * u64::from(scale)) {
        return bits.div_ceil(span.0.max(1));
    }
    let bits = u128::from(bytes) * 8 * u128::from(scale);
    u64::try_from(bits.div_ceil(u128::from(span.0.max(1)))).unwrap_or(u64::MAX)
}

/// Frames per second, as a fraction in lowest terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRate {
    frames: u64,
    seconds: u64,
}

impl FrameRate {
    /// The nominal frame rate of a video track (RFC 8216 §4.3.4.2 requires the maximum rate); 0 for audio.
    #[must_use]
    pub fn of(track: &Planned) -> Self {
        let Some(Cadence { frames, ticks }) = track.cadence else { return Self { frames: 0, seconds: 1 } };
        let frames = frames.saturating_mul(track.timeline.timescale().get().into());
        let divisor = gcd(frames, ticks);
        Self { frames: frames / divisor, seconds: ticks / divisor }
    }

    /// Thousandths of a frame per second, rounded half up.
    #[must_use]
    pub fn millis(self) -> u64 {
        (self.frames.saturating_mul(2_000).saturating_add(self.seconds)) / (2 * self.seconds)
    }

    /// In the format of DASH: `30` or `30000/1001`; if the denominator is above 1001, thousandths over 1000.
    #[must_use]
    pub fn as_fraction(self) -> String {
        match (self.frames, self.seconds) {
            (frames, 1) => frames.to_string(),
            (frames, seconds) if seconds <= 1_001 => format!("{frames}/{seconds}"),
            _ => format!("{}/1000", self.millis()),
        }
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::peak_from;

    #[test]
    fn a_peak_is_over_half_to_one_and_a_half_targets() {
        // Target 6 s at 1 tick a second: 2 s alone is too short to count, 2 + 6 counts, 2 + 6 + 6 is too long.
        let segments = [(1_000, 2), (600, 6), (9_000, 6)];
        assert_eq!(peak_from(&segments, 6, 1), Some(1_600));
        assert_eq!(peak_from(&segments[2..], 6, 1), Some(12_000));
        assert_eq!(peak_from(&segments[..1], 6, 1), None);
    }
}
