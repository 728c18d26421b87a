//! All counters, by name. All handles are resolved when the registry is made, so that counting is atomic additions.

use super::lasting::Lasting;
use super::per::{PerAsked, PerClass, PerKept, PerOutcome, PerTier};
use super::words::{Asked, Kept, Outcome, Packing, Tier};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What [`Metrics::text`] is, as OpenMetrics names it.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    lookups: PerKept<PerOutcome>,
    cached: PerKept<Gauge>,
    tiers: PerTier<OfTier>,
    requests: PerAsked<PerClass>,
    sent: Counter,
    connections: Gauge,
    making: Gauge,
    moov_reads: Counter,
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
        let lookups = Labelled::<2, Counter>::default();
        registry.register("cache_lookups", "How caches answered", lookups.clone());
        let cached = Labelled::<1, Gauge>::default();
        registry.register_with_unit("cache_size", "What caches hold", Unit::Bytes, cached.clone());
        let tiers = tiers(&mut registry);
        let requests = Labelled::<2, Counter>::default();
        registry.register("requests", "Requests answered on the public listener", requests.clone());
        let [sent, moov_reads] = [Counter::default(), Counter::default()];
        registry.register_with_unit("sent", "Sent on the public listener, heads included", Unit::Bytes, sent.clone());
        registry.register("moov_reads", "Movie headers read from the store", moov_reads.clone());
        let packed = Labelled::<1, Counter>::default();
        registry.register("compressions", "Texts compressed, each kept for later requests", packed.clone());
        let [connections, making] = [Gauge::default(), Gauge::default()];
        registry.register("connections", "Open connections on the public listener", connections.clone());
        registry.register("bodies_making", "Bodies being made", making.clone());
        Self {
            lookups: PerKept::new(|kept| {
                PerOutcome::new(|outcome| lookups.get_or_create_owned(&[("kind", kept), ("outcome", outcome)]))
            }),
            cached: PerKept::new(|kept| cached.get_or_create_owned(&[("kind", kept)])),
            requests: PerAsked::new(|asked| {
                PerClass::new(|class| requests.get_or_create_owned(&[("route", asked), ("status", class)]))
            }),
            tiers,
            registry,
            sent,
            connections,
            making,
            moov_reads,
            gzipped: packed.get_or_create_owned(&[("coding", Packing::Gzip.as_str())]),
            brotlied: packed.get_or_create_owned(&[("coding", Packing::Brotli.as_str())]),
        }
    }

    /// A cache of `kept` answered so.
    pub fn count(&self, kept: Kept, outcome: Outcome) {
        self.lookups.get(kept).get(outcome).inc();
    }

    /// A cache of `kept` now holds so many bytes.
    pub fn cached(&self, kept: Kept, bytes: u64) {
        self.cached.get(kept).set(level(bytes));
    }

    /// A tier of the cache of bodies now holds so much.
    pub fn tier(&self, tier: Tier, bytes: u64, entries: u64) {
        let of = self.tiers.get(tier);
        of.bytes.set(level(bytes));
        of.entries.set(level(entries));
    }

    /// A body entered `tier`, new or from the other tier.
    pub fn admitted(&self, tier: Tier) {
        self.tiers.get(tier).admitted.inc();
    }

    /// A body left the cache from `tier`.
    pub fn evicted(&self, tier: Tier) {
        self.tiers.get(tier).evicted.inc();
    }

    /// A request was answered with `status`, 100 to 599.
    pub fn requested(&self, asked: Asked, status: u16) {
        self.requests.get(asked).get(status).inc();
    }

    /// So many bytes were taken by a client's connection.
    pub fn sent(&self, bytes: u64) {
        self.sent.inc_by(bytes);
    }

    /// A movie header was read from the store.
    pub fn moov_read(&self) {
        self.moov_reads.inc();
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

    /// A body is being made as long as what is returned lives.
    #[must_use]
    pub fn making(&self) -> Lasting {
        Lasting::new(&self.making)
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

type Labelled<const N: usize, M> = Family<[(&'static str, &'static str); N], M>;

/// What is counted of one tier.
#[derive(Debug)]
struct OfTier {
    bytes: Gauge,
    entries: Gauge,
    admitted: Counter,
    evicted: Counter,
}

fn tiers(registry: &mut Registry) -> PerTier<OfTier> {
    let [bytes, entries] = [Labelled::<1, Gauge>::default(), Labelled::default()];
    registry.register_with_unit(
        "cache_tier_size",
        "What a tier of the cache of bodies holds",
        Unit::Bytes,
        bytes.clone(),
    );
    registry.register("cache_tier_entries", "Bodies that a tier of their cache holds", entries.clone());
    let [admitted, evicted] = [Labelled::<1, Counter>::default(), Labelled::default()];
    registry.register("cache_admissions", "Bodies that entered a tier of their cache", admitted.clone());
    registry.register("cache_evictions", "Bodies that left their cache, by the tier they left", evicted.clone());
    PerTier::new(|tier| OfTier {
        bytes: bytes.get_or_create_owned(&[("tier", tier)]),
        entries: entries.get_or_create_owned(&[("tier", tier)]),
        admitted: admitted.get_or_create_owned(&[("tier", tier)]),
        evicted: evicted.get_or_create_owned(&[("tier", tier)]),
    })
}

/// What a gauge takes.
fn level(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Asked, Kept, Metrics, Outcome, Packing};

    fn line(metrics: &Metrics, name: &str) -> String {
        let text = metrics.text();
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("absent").trim().to_owned()
    }

    #[test]
    fn what_is_counted_is_printed() {
        let metrics = Metrics::new();
        metrics.count(Kept::Segment, Outcome::TooLarge);
        metrics.requested(Asked::Playlist, 206);
        metrics.requested(Asked::Playlist, 200);
        metrics.cached(Kept::Index, 7);
        metrics.sent(1_000);
        metrics.moov_read();
        metrics.packed(Packing::Brotli);
        assert_eq!(line(&metrics, "afflux_cache_lookups_total{kind=\"segment\",outcome=\"too_large\"}"), "1");
        assert_eq!(line(&metrics, "afflux_requests_total{route=\"playlist\",status=\"2xx\"}"), "2");
        assert_eq!(line(&metrics, "afflux_requests_total{route=\"other\",status=\"4xx\"}"), "0");
        assert_eq!(line(&metrics, "afflux_cache_size_bytes{kind=\"index\"}"), "7");
        assert_eq!(line(&metrics, "afflux_sent_bytes_total"), "1000");
        assert_eq!(line(&metrics, "afflux_moov_reads_total"), "1");
        assert_eq!(line(&metrics, "afflux_compressions_total{coding=\"br\"}"), "1");
        assert_eq!(line(&metrics, "afflux_compressions_total{coding=\"gzip\"}"), "0");
    }

    #[test]
    fn a_gauge_falls_when_its_thing_ends() {
        let metrics = Metrics::new();
        let (one, two) = (metrics.making(), metrics.connection());
        assert_eq!(
            (line(&metrics, "afflux_bodies_making"), line(&metrics, "afflux_connections")),
            ("1".into(), "1".into())
        );
        drop((one, two));
        assert_eq!(
            (line(&metrics, "afflux_bodies_making"), line(&metrics, "afflux_connections")),
            ("0".into(), "0".into())
        );
    }
}
