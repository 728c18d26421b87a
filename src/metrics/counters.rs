//! All metrics of the program. Their handles are resolved when the registry is created, so that counting takes only
//! atomic additions.

use super::lasting::{BuildGauge, GaugeGuard};
use super::per::{PerCacheKind, PerClass, PerOutcome, PerRequestKind, PerStage, PerTier};
use super::service::{JobQueue, ServiceCounters, UploadOutcome};
use super::times::DurationHistogram;
use super::words::{CacheKind, Compression, Outcome, RequestKind, Stage, Tier};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::time::Duration;

/// Media type of [`Metrics::text`], as defined by OpenMetrics.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    answers: AnswerCounters,
    caches: CacheCounters,
    making: BuildCounters,
    service: ServiceCounters,
    sent: Counter,
    uncopied: Counter,
    connections: Gauge,
    tasks: Gauge,
    gzipped: Counter,
    brotlied: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("afflux");
        let answers = AnswerCounters::new(&mut registry);
        let caches = CacheCounters::new(&mut registry);
        let making = BuildCounters::new(&mut registry);
        let service = ServiceCounters::new(&mut registry);
        let sent = bytes(&mut registry, "sent", "Bytes sent on the public listener, response heads included");
        let uncopied = bytes(&mut registry, "sent_uncopied", "Bytes sent from the page cache without being copied");
        let connections = plain(&mut registry, "connections", "Open connections on the public listener");
        let tasks = plain(&mut registry, "tasks", "Tasks of the async runtime, such as connections and builders");
        let packed: LabelledFamily<1, Counter> =
            plain(&mut registry, "compressions", "Texts compressed and cached for later requests");
        let packed = |packing: Compression| packed.get_or_create_owned(&[("coding", packing.as_str())]);
        let (gzipped, brotlied) = (packed(Compression::Gzip), packed(Compression::Brotli));
        Self { registry, answers, caches, making, service, sent, uncopied, connections, tasks, gzipped, brotlied }
    }

    /// Counts a lookup in the cache of `kept`, with its outcome.
    pub fn count(&self, kept: CacheKind, outcome: Outcome) {
        self.caches.lookups.get(kept).get(outcome).inc();
    }

    /// Sets the size of the cache of `kept`, in bytes.
    pub fn cached(&self, kept: CacheKind, bytes: u64) {
        self.caches.size.get(kept).set(level(bytes));
    }

    /// Sets the size of a tier of the segment cache.
    pub fn tier(&self, tier: Tier, bytes: u64, entries: u64) {
        let of = self.caches.tiers.get(tier);
        of.bytes.set(level(bytes));
        of.entries.set(level(entries));
    }

    /// Counts a body that entered `tier`, as a new entry or from the other tier.
    pub fn admitted(&self, tier: Tier) {
        self.caches.tiers.get(tier).admitted.inc();
    }

    /// Counts a body that left `tier`, evicted or replaced.
    pub fn evicted(&self, tier: Tier) {
        self.caches.tiers.get(tier).evicted.inc();
    }

    /// Counts a request that was answered with `status`, 100 to 599. `outcome` is that of the cache lookup for the
    /// resource; `None` if there was none.
    pub fn requested(&self, asked: RequestKind, status: u16, outcome: Option<Outcome>) {
        self.answers.requests.get(asked).get(status).inc();
        if let Some(outcome) = outcome {
            self.answers.outcomes.get(asked).get(outcome).inc();
        }
    }

    /// Counts the time from reading a request to having the head of its response.
    pub fn answered(&self, asked: RequestKind, time: Duration) {
        self.answers.times.get(asked).count(time);
    }

    /// Counts the time that a stage took.
    pub fn took(&self, stage: Stage, time: Duration) {
        self.making.stages.get(stage).count(time);
    }

    /// Counts a read of `bytes` bytes from the store.
    pub fn source_read(&self, bytes: u64) {
        self.making.reads.inc();
        self.making.read_bytes.inc_by(bytes);
    }

    /// Counts the retry of a failed request to an object store.
    pub fn source_retried(&self) {
        self.making.retries.inc();
    }

    /// Counts `bytes` bytes of a segment that were built for one reader and not cached: a range of a segment that is
    /// not being built, or chunks that were evicted while a response read them.
    pub fn window(&self, bytes: u64) {
        self.making.windows.inc();
        self.making.window_bytes.inc_by(bytes);
    }

    /// Counts received bytes of an upload.
    pub fn uploaded(&self, bytes: u64) {
        self.service.taken.inc_by(bytes);
    }

    /// Counts an upload that ended.
    pub fn upload_ended(&self, fate: UploadOutcome) {
        self.service.ended(fate);
    }

    /// Sets the job counts.
    pub fn queue(&self, queue: JobQueue) {
        self.service.queue(queue);
    }

    /// Counts bytes sent on a client's connection.
    pub fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// Counts bytes of a file that were sent from the page cache without being copied.
    pub fn uncopied(&self, bytes: u64) {
        self.uncopied.inc_by(bytes);
    }

    /// Counts a movie header read from the store.
    pub fn moov_read(&self) {
        self.making.moov_reads.inc();
    }

    /// Counts a compressed text.
    pub fn packed(&self, packing: Compression) {
        match packing {
            Compression::Gzip => self.gzipped.inc(),
            Compression::Brotli => self.brotlied.inc(),
        };
    }

    /// Counts an open connection until the returned guard is dropped.
    #[must_use]
    pub fn connection(&self) -> GaugeGuard {
        GaugeGuard::new(&self.connections)
    }

    /// Sets the number of tasks.
    pub fn tasks(&self, count: u64) {
        self.tasks.set(level(count));
    }

    /// Counts a body being built, with its expected `bytes`, until the returned guard is dropped.
    #[must_use]
    pub fn making(&self, bytes: u64) -> BuildGauge {
        BuildGauge::new(&self.making.bodies, &self.making.body_bytes, level(bytes))
    }

    /// All metrics as OpenMetrics text of type [`MEDIA_TYPE`], which Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

pub(super) type LabelledFamily<const N: usize, M> = Family<[(&'static str, &'static str); N], M>;

/// Metrics of requests and their responses.
#[derive(Debug)]
struct AnswerCounters {
    requests: PerRequestKind<PerClass>,
    outcomes: PerRequestKind<PerOutcome>,
    times: PerRequestKind<DurationHistogram>,
}

impl AnswerCounters {
    fn new(registry: &mut Registry) -> Self {
        let requests: LabelledFamily<2, Counter> =
            plain(registry, "requests", "Requests answered on the public listener");
        let outcomes: LabelledFamily<2, Counter> =
            plain(registry, "answers", "Responses, by outcome of the cache lookup for their content");
        let times: LabelledFamily<1, DurationHistogram> =
            seconds(registry, "answer_duration", "Time until a response head was ready");
        Self {
            requests: PerRequestKind::new(|asked| {
                PerClass::new(|class| requests.get_or_create_owned(&[("route", asked), ("status", class)]))
            }),
            outcomes: PerRequestKind::new(|asked| {
                PerOutcome::new(|outcome| outcomes.get_or_create_owned(&[("route", asked), ("outcome", outcome)]))
            }),
            times: PerRequestKind::new(|asked| times.get_or_create_owned(&[("route", asked)])),
        }
    }
}

/// Metrics of caches.
#[derive(Debug)]
struct CacheCounters {
    lookups: PerCacheKind<PerOutcome>,
    size: PerCacheKind<Gauge>,
    tiers: PerTier<TierCounters>,
}

/// Metrics of one tier of the segment cache.
#[derive(Debug)]
struct TierCounters {
    bytes: Gauge,
    entries: Gauge,
    admitted: Counter,
    evicted: Counter,
}

impl CacheCounters {
    fn new(registry: &mut Registry) -> Self {
        let lookups: LabelledFamily<2, Counter> = plain(registry, "cache_lookups", "Cache lookups, by outcome");
        let size: LabelledFamily<1, Gauge> = bytes(registry, "cache_size", "Bytes held by caches");
        let held: LabelledFamily<1, Gauge> =
            bytes(registry, "cache_tier_size", "Bytes held by a tier of the segment cache");
        let entries: LabelledFamily<1, Gauge> =
            plain(registry, "cache_tier_entries", "Bodies held by a tier of the segment cache");
        let admitted: LabelledFamily<1, Counter> =
            plain(registry, "cache_admissions", "Bodies that entered a tier of the segment cache");
        let evicted: LabelledFamily<1, Counter> =
            plain(registry, "cache_evictions", "Bodies that left the segment cache, by tier");
        Self {
            lookups: PerCacheKind::new(|kept| {
                PerOutcome::new(|outcome| lookups.get_or_create_owned(&[("kind", kept), ("outcome", outcome)]))
            }),
            size: PerCacheKind::new(|kept| size.get_or_create_owned(&[("kind", kept)])),
            tiers: PerTier::new(|tier| TierCounters {
                bytes: held.get_or_create_owned(&[("tier", tier)]),
                entries: entries.get_or_create_owned(&[("tier", tier)]),
                admitted: admitted.get_or_create_owned(&[("tier", tier)]),
                evicted: evicted.get_or_create_owned(&[("tier", tier)]),
            }),
        }
    }
}

/// Metrics of building: stages, bodies and reads.
#[derive(Debug)]
struct BuildCounters {
    stages: PerStage<DurationHistogram>,
    bodies: Gauge,
    body_bytes: Gauge,
    moov_reads: Counter,
    retries: Counter,
    reads: Counter,
    read_bytes: Counter,
    windows: Counter,
    window_bytes: Counter,
}

impl BuildCounters {
    fn new(registry: &mut Registry) -> Self {
        let stages: LabelledFamily<1, DurationHistogram> =
            seconds(registry, "stage_duration", "Time that a stage took");
        Self {
            stages: PerStage::new(|stage| stages.get_or_create_owned(&[("stage", stage)])),
            bodies: plain(registry, "bodies_making", "Bodies being built"),
            body_bytes: bytes(registry, "bodies_making", "Expected bytes of the bodies being built"),
            moov_reads: plain(registry, "moov_reads", "Movie headers read from the store"),
            reads: plain(registry, "source_reads", "Reads from the store"),
            read_bytes: bytes(registry, "source_read", "Bytes read from the store"),
            retries: plain(registry, "source_retries", "Retried requests to object stores"),
            windows: plain(registry, "windows", "Parts of segments built for one reader and not cached"),
            window_bytes: bytes(registry, "windows", "Bytes built for one reader and not cached"),
        }
    }
}

pub(super) fn plain<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

pub(super) fn bytes<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, Unit::Bytes, metric.clone());
    metric
}

pub(super) fn seconds<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

/// `count` as the value of a gauge, clamped to its range.
pub(super) fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{CacheKind, Compression, Duration, Metrics, Outcome, RequestKind, Stage, Tier};

    fn line(metrics: &Metrics, name: &str) -> String {
        let text = metrics.text();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("absent").trim().to_owned()
    }

    #[test]
    fn what_is_counted_is_printed() {
        let metrics = Metrics::new();
        metrics.count(CacheKind::Segment, Outcome::TooLarge);
        metrics.requested(RequestKind::Playlist, 206, Some(Outcome::Joined));
        metrics.requested(RequestKind::Playlist, 200, None);
        metrics.cached(CacheKind::Index, 7);
        metrics.sent(1_000);
        metrics.moov_read();
        metrics.packed(Compression::Brotli);
        assert_eq!(line(&metrics, "afflux_cache_lookups_total{kind=\"segment\",outcome=\"too_large\"}"), "1");
        assert_eq!(line(&metrics, "afflux_requests_total{route=\"playlist\",status=\"2xx\"}"), "2");
        assert_eq!(line(&metrics, "afflux_requests_total{route=\"other\",status=\"4xx\"}"), "0");
        assert_eq!(line(&metrics, "afflux_answers_total{route=\"playlist\",outcome=\"joined\"}"), "1");
        assert_eq!(line(&metrics, "afflux_answers_total{route=\"playlist\",outcome=\"hit\"}"), "0");
        assert_eq!(line(&metrics, "afflux_cache_size_bytes{kind=\"index\"}"), "7");
        assert_eq!(line(&metrics, "afflux_sent_bytes_total"), "1000");
        assert_eq!(line(&metrics, "afflux_moov_reads_total"), "1");
        assert_eq!(line(&metrics, "afflux_compressions_total{coding=\"br\"}"), "1");
        assert_eq!(line(&metrics, "afflux_compressions_total{coding=\"gzip\"}"), "0");
    }

    #[test]
    fn tiers_and_the_work_of_making_are_printed() {
        let metrics = Metrics::new();
        metrics.tier(Tier::Nursery, 70, 3);
        metrics.tier(Tier::Main, 900, 4);
        metrics.admitted(Tier::Main);
        metrics.evicted(Tier::Nursery);
        metrics.source_read(100);
        metrics.source_read(11);
        metrics.window(64);
        metrics.took(Stage::Mux, Duration::from_millis(2));
        metrics.answered(RequestKind::Segment, Duration::from_mins(1));
        let expected = [
            ("afflux_cache_tier_size_bytes{tier=\"nursery\"}", "70"),
            ("afflux_cache_tier_size_bytes{tier=\"main\"}", "900"),
            ("afflux_cache_tier_entries{tier=\"nursery\"}", "3"),
            ("afflux_cache_admissions_total{tier=\"main\"}", "1"),
            ("afflux_cache_admissions_total{tier=\"nursery\"}", "0"),
            ("afflux_cache_evictions_total{tier=\"nursery\"}", "1"),
            ("afflux_source_reads_total", "2"),
            ("afflux_source_read_bytes_total", "111"),
            ("afflux_windows_total", "1"),
            ("afflux_windows_bytes_total", "64"),
            ("afflux_stage_duration_seconds_sum{stage=\"mux\"}", "0.002"),
            ("afflux_stage_duration_seconds_bucket{le=\"0.0025\",stage=\"mux\"}", "1"),
            ("afflux_stage_duration_seconds_count{stage=\"wait\"}", "0"),
            ("afflux_answer_duration_seconds_bucket{le=\"10.0\",route=\"segment\"}", "0"),
            ("afflux_answer_duration_seconds_count{route=\"segment\"}", "1"),
        ];
        assert_eq!(expected.map(|(name, _)| (name, line(&metrics, name))), expected.map(|(name, n)| (name, n.into())));
    }

    #[test]
    fn a_gauge_falls_when_its_thing_ends() {
        let metrics = Metrics::new();
        let lasting = ["afflux_bodies_making", "afflux_bodies_making_bytes", "afflux_connections"];
        // Names of other metrics may have the same beginning.
        let read = || lasting.map(|name| line(&metrics, &format!("{name} ")));
        let (one, two, three) = (metrics.making(500), metrics.making(0), metrics.connection());
        assert_eq!(read(), ["2", "500", "1"]);
        drop(one);
        assert_eq!(read(), ["1", "0", "1"]);
        drop((two, three));
        assert_eq!(read(), ["0", "0", "0"]);
    }
}
