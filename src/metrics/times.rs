//! A histogram of durations. Counting takes two atomic additions; the histogram of `prometheus-client` takes a lock.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper limits of the buckets, in microseconds and in seconds as printed. One more bucket counts longer durations.
const LIMITS: [(u64, f64); 17] = [
    (50, 0.000_05),
    (100, 0.000_1),
    (250, 0.000_25),
    (500, 0.000_5),
    (1_000, 0.001),
    (2_500, 0.002_5),
    (5_000, 0.005),
    (10_000, 0.01),
    (25_000, 0.025),
    (50_000, 0.05),
    (100_000, 0.1),
    (250_000, 0.25),
    (500_000, 0.5),
    (1_000_000, 1.0),
    (2_500_000, 2.5),
    (5_000_000, 5.0),
    (10_000_000, 10.0),
];

#[derive(Debug, Default)]
struct Counts {
    within: [AtomicU64; LIMITS.len()],
    longer: AtomicU64,
    /// Sum of all durations, in nanoseconds.
    sum: AtomicU64,
}

/// Counts durations by length. Clones share the same counts.
#[derive(Debug, Clone, Default)]
pub(super) struct DurationHistogram(Arc<Counts>);

impl DurationHistogram {
    pub(super) fn count(&self, time: Duration) {
        let nearest = LIMITS.iter().zip(&self.0.within).find(|((micros, _), _)| time <= Duration::from_micros(*micros));
        nearest.map_or(&self.0.longer, |(_, count)| count).fetch_add(1, Ordering::Relaxed);
        self.0.sum.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl TypedMetric for DurationHistogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for DurationHistogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let counts = self.0.within.iter().chain([&self.0.longer]).map(|count| count.load(Ordering::Relaxed));
        let limits = LIMITS.iter().map(|(_, seconds)| *seconds).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = limits.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = Duration::from_nanos(self.0.sum.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::DurationHistogram;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::time::Duration;

    #[test]
    fn times_fall_into_the_first_bucket_that_holds_them() {
        let (mut registry, times) = (Registry::default(), DurationHistogram::default());
        registry.register("took", "How long", times.clone());
        for micros in [0, 50, 51, 400_000, 10_000_001] {
            times.count(Duration::from_micros(micros));
        }
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let expected = r#"# HELP took How long.
# TYPE took histogram
took_sum 10.400102
took_count 5
took_bucket{le="0.00005"} 2
took_bucket{le="0.0001"} 3
took_bucket{le="0.00025"} 3
took_bucket{le="0.0005"} 3
took_bucket{le="0.001"} 3
took_bucket{le="0.0025"} 3
took_bucket{le="0.005"} 3
took_bucket{le="0.01"} 3
took_bucket{le="0.025"} 3
took_bucket{le="0.05"} 3
took_bucket{le="0.1"} 3
took_bucket{le="0.25"} 3
took_bucket{le="0.5"} 4
took_bucket{le="1.0"} 4
took_bucket{le="2.5"} 4
took_bucket{le="5.0"} 4
took_bucket{le="10.0"} 4
took_bucket{le="+Inf"} 5
# EOF
"#;
        assert_eq!(text, expected);
    }
}
