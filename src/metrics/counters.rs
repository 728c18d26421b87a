//! All counters, by name. All handles are resolved when the registry is made, so that counting is atomic additions.

use super::lasting::{Lasting, Making};
use super::per::{PerAsked, PerClass, PerKept, PerOutcome, PerStage, PerTier};
use super::service::{Fate, Queue, Service};
use super::times::Times;
use super::words::{Asked, Kept, Outcome, Packing, Stage, Tier};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry, Unit};
use std::time::Duration;

/// What [`Metrics::text`] is, as OpenMetrics names it.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    answers: Answers,
    caches: Caches,
    making: Work,
    service: Service,
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
    /// All counters at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("afflux");
        let answers = Answers::new(&mut registry);
        let caches = Caches::new(&mut registry);
        let making = Work::new(&mut registry);
        let service = Service::new(&mut registry);
        let sent = bytes(&mut registry, "sent", "Sent on the public listener, heads included");
        let uncopied = bytes(&mut registry, "sent_uncopied", "Sent of that from the page cache, without being copied");
        let connections = plain(&mut registry, "connections", "Open connections on the public listener");
        let tasks = plain(&mut registry, "tasks", "Tasks of the runtime: connections, makers and what they wait for");
        let packed: Labelled<1, Counter> =
            plain(&mut registry, "compressions", "Texts compressed, each kept for later requests");
        let packed = |packing: Packing| packed.get_or_create_owned(&[("coding", packing.as_str())]);
        let (gzipped, brotlied) = (packed(Packing::Gzip), packed(Packing::Brotli));
        Self { registry, answers, caches, making, service, sent, uncopied, connections, tasks, gzipped, brotlied }
    }

    /// A cache of `kept` answered so.
    pub fn count(&self, kept: Kept, outcome: Outcome) {
        self.caches.lookups.get(kept).get(outcome).inc();
    }

    /// A cache of `kept` now holds so many bytes.
    pub fn cached(&self, kept: Kept, bytes: u64) {
        self.caches.size.get(kept).set(level(bytes));
    }

    /// A tier of the cache of bodies now holds so much.
    pub fn tier(&self, tier: Tier, bytes: u64, entries: u64) {
        let of = self.caches.tiers.get(tier);
        of.bytes.set(level(bytes));
        of.entries.set(level(entries));
    }

    /// A body entered `tier`, new or from the other tier.
    pub fn admitted(&self, tier: Tier) {
        self.caches.tiers.get(tier).admitted.inc();
    }

    /// A body left the cache from `tier`.
    pub fn evicted(&self, tier: Tier) {
        self.caches.tiers.get(tier).evicted.inc();
    }

    /// A request was answered with `status`, 100 to 599; `outcome` is of the cache that had what was asked for, where one
    /// was asked.
    pub fn requested(&self, asked: Asked, status: u16, outcome: Option<Outcome>) {
        self.answers.requests.get(asked).get(status).inc();
        if let Some(outcome) = outcome {
            self.answers.outcomes.get(asked).get(outcome).inc();
        }
    }

    /// So long after a request was read, the head of its answer was ready.
    pub fn answered(&self, asked: Asked, time: Duration) {
        self.answers.times.get(asked).count(time);
    }

    /// A stage of the work took so long.
    pub fn took(&self, stage: Stage, time: Duration) {
        self.making.stages.get(stage).count(time);
    }

    /// So many bytes were read from the store at once.
    pub fn source_read(&self, bytes: u64) {
        self.making.reads.inc();
        self.making.read_bytes.inc_by(bytes);
    }

    /// A request to an object store failed and is asked again.
    pub fn source_retried(&self) {
        self.making.retries.inc();
    }

    /// So many bytes of a body were made for one reader, and not kept: a range of what is not being made, or chunks that
    /// left the cache while they were read.
    pub fn window(&self, bytes: u64) {
        self.making.windows.inc();
        self.making.window_bytes.inc_by(bytes);
    }

    /// So many bytes of an upload were taken.
    pub fn uploaded(&self, bytes: u64) {
        self.service.taken.inc_by(bytes);
    }

    /// An upload ended.
    pub fn upload_ended(&self, fate: Fate) {
        self.service.ended(fate);
    }

    /// So many jobs are there.
    pub fn queue(&self, queue: Queue) {
        self.service.queue(queue);
    }

    /// So many bytes were taken by a client's connection.
    pub fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// So many bytes of a file were sent as they stand in the page cache.
    pub fn uncopied(&self, bytes: u64) {
        self.uncopied.inc_by(bytes);
    }

    /// A movie header was read from the store.
    pub fn moov_read(&self) {
        self.making.moov_reads.inc();
    }

    /// A text was compressed.
    pub fn packed(&self, packing: Packing) {
        match packing {
            Packing::Gzip => self.gzipped.inc(),
            Packing::Brotli => self.brotlied.inc(),
        };
    }

    /// A connection is open as long as what is returned lives.
    #[must_use]
    pub fn connection(&self) -> Lasting {
        Lasting::new(&self.connections)
    }

    /// So many tasks are there.
    pub fn tasks(&self, count: u64) {
        self.tasks.set(level(count));
    }

    /// A body of so many bytes is being made as long as what is returned lives; 0 where its length is not known yet.
    #[must_use]
    pub fn making(&self, bytes: u64) -> Making {
        Making::new(&self.making.bodies, &self.making.body_bytes, level(bytes))
    }

    /// All counters as OpenMetrics text, which Prometheus reads: [`MEDIA_TYPE`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A String takes all text: it cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

pub(super) type Labelled<const N: usize, M> = Family<[(&'static str, &'static str); N], M>;

/// What requests got.
#[derive(Debug)]
struct Answers {
    requests: PerAsked<PerClass>,
    outcomes: PerAsked<PerOutcome>,
    times: PerAsked<Times>,
}

impl Answers {
    fn new(registry: &mut Registry) -> Self {
        let requests: Labelled<2, Counter> = plain(registry, "requests", "Requests answered on the public listener");
        let outcomes: Labelled<2, Counter> =
            plain(registry, "answers", "Answers by how the cache answered that had what was asked for");
        let times: Labelled<1, Times> = seconds(registry, "answer_duration", "Time to the head of an answer");
        Self {
            requests: PerAsked::new(|asked| {
                PerClass::new(|class| requests.get_or_create_owned(&[("route", asked), ("status", class)]))
            }),
            outcomes: PerAsked::new(|asked| {
                PerOutcome::new(|outcome| outcomes.get_or_create_owned(&[("route", asked), ("outcome", outcome)]))
            }),
            times: PerAsked::new(|asked| times.get_or_create_owned(&[("route", asked)])),
        }
    }
}

/// What is kept.
#[derive(Debug)]
struct Caches {
    lookups: PerKept<PerOutcome>,
    size: PerKept<Gauge>,
    tiers: PerTier<OfTier>,
}

/// What is counted of one tier.
#[derive(Debug)]
struct OfTier {
    bytes: Gauge,
    entries: Gauge,
    admitted: Counter,
    evicted: Counter,
}

impl Caches {
    fn new(registry: &mut Registry) -> Self {
        let lookups: Labelled<2, Counter> = plain(registry, "cache_lookups", "How caches answered");
        let size: Labelled<1, Gauge> = bytes(registry, "cache_size", "What caches hold");
        let held: Labelled<1, Gauge> = bytes(registry, "cache_tier_size", "What a tier of the cache of bodies holds");
        let entries: Labelled<1, Gauge> =
            plain(registry, "cache_tier_entries", "Bodies that a tier of their cache holds");
        let admitted: Labelled<1, Counter> =
            plain(registry, "cache_admissions", "Bodies that entered a tier of their cache");
        let evicted: Labelled<1, Counter> =
            plain(registry, "cache_evictions", "Bodies that left their cache, by the tier they left");
        Self {
            lookups: PerKept::new(|kept| {
                PerOutcome::new(|outcome| lookups.get_or_create_owned(&[("kind", kept), ("outcome", outcome)]))
            }),
            size: PerKept::new(|kept| size.get_or_create_owned(&[("kind", kept)])),
            tiers: PerTier::new(|tier| OfTier {
                bytes: held.get_or_create_owned(&[("tier", tier)]),
                entries: entries.get_or_create_owned(&[("tier", tier)]),
                admitted: admitted.get_or_create_owned(&[("tier", tier)]),
                evicted: evicted.get_or_create_owned(&[("tier", tier)]),
            }),
        }
    }
}

/// What making costs.
#[derive(Debug)]
struct Work {
    stages: PerStage<Times>,
    bodies: Gauge,
    body_bytes: Gauge,
    moov_reads: Counter,
    retries: Counter,
    reads: Counter,
    read_bytes: Counter,
    windows: Counter,
    window_bytes: Counter,
}

impl Work {
    fn new(registry: &mut Registry) -> Self {
        let stages: Labelled<1, Times> = seconds(registry, "stage_duration", "Time that a stage of the work took");
        Self {
            stages: PerStage::new(|stage| stages.get_or_create_owned(&[("stage", stage)])),
            bodies: plain(registry, "bodies_making", "Bodies being made"),
            body_bytes: bytes(registry, "bodies_making", "What the bodies being made will have"),
            moov_reads: plain(registry, "moov_reads", "Movie headers read from the store"),
            reads: plain(registry, "source_reads", "Reads from the store"),
            read_bytes: bytes(registry, "source_read", "Read from the store"),
            retries: plain(registry, "source_retries", "Requests to object stores that were asked again"),
            windows: plain(registry, "windows", "Parts of bodies made for one reader and not kept"),
            window_bytes: bytes(registry, "windows", "Made for one reader and not kept"),
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

/// What a gauge takes.
pub(super) fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Asked, Duration, Kept, Metrics, Outcome, Packing, Stage, Tier};

    fn line(metrics: &Metrics, name: &str) -> String {
        let text = metrics.text();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("absent").trim().to_owned()
    }

    #[test]
    fn what_is_counted_is_printed() {
        let metrics = Metrics::new();
        metrics.count(Kept::Segment, Outcome::TooLarge);
        metrics.requested(Asked::Playlist, 206, Some(Outcome::Joined));
        metrics.requested(Asked::Playlist, 200, None);
        metrics.cached(Kept::Index, 7);
        metrics.sent(1_000);
        metrics.moov_read();
        metrics.packed(Packing::Brotli);
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
        metrics.answered(Asked::Segment, Duration::from_mins(1));
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
        // Another name may begin as one does.
        let read = || lasting.map(|name| line(&metrics, &format!("{name} ")));
        let (one, two, three) = (metrics.making(500), metrics.making(0), metrics.connection());
        assert_eq!(read(), ["2", "500", "1"]);
        drop(one);
        assert_eq!(read(), ["1", "0", "1"]);
        drop((two, three));
        assert_eq!(read(), ["0", "0", "0"]);
    }
}
