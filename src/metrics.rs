//! Counters and their words. A leaf: everyone counts, nobody is asked.
//!
//! The words are enums, and the same words are the labels. All handles are resolved when the registry is made, so that
//! counting is one atomic addition.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What [`Metrics::text`] is, as OpenMetrics names it.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a cache answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was kept.
    Hit,
    /// It was made for this request.
    Made,
    /// It was being made for another request, which this one joined.
    Joined,
    /// It was made, and is too large to be kept.
    TooLarge,
    /// Too much was being made already.
    Shed,
}

impl Outcome {
    /// The word for it, in metrics and in `Server-Timing`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Made => "made",
            Self::Joined => "joined",
            Self::TooLarge => "too_large",
            Self::Shed => "shed",
        }
    }
}

/// What a cache keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Media segments.
    Segment,
    /// Manifests and init segments.
    Manifest,
    /// Indexes of stored files.
    Index,
    /// Layouts of transport streams.
    Transport,
}

/// How a text is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Packing {
    /// RFC 1952.
    Gzip,
    /// RFC 7932.
    Brotli,
}

impl Packing {
    /// The word for it in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
        }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// An HLS multivariant playlist.
    Hls,
    /// A DASH manifest.
    Dash,
    /// A stored file.
    File,
    /// An HLS media playlist.
    Playlist,
    /// An init segment.
    Init,
    /// A media segment.
    Segment,
    /// An HLS multivariant playlist of MPEG-TS.
    Ts,
    /// An HLS media playlist of MPEG-TS.
    TsPlaylist,
    /// An MPEG-TS segment.
    TsSegment,
    /// A page of the gallery, or what belongs to it.
    Gallery,
    /// What may be asked from other sites (OPTIONS).
    Preflight,
    /// Nothing that is there.
    Other,
}

/// All counters.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    lookups: PerKept<PerOutcome>,
    cached: PerKept<Gauge>,
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
        self.cached.get(kept).set(i64::try_from(bytes).unwrap_or(i64::MAX));
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

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
pub struct Lasting(Gauge);

impl Lasting {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

type Labelled<const N: usize, M> = Family<[(&'static str, &'static str); N], M>;

/// One `T` for each [`Kept`].
#[derive(Debug)]
struct PerKept<T> {
    segment: T,
    manifest: T,
    index: T,
    transport: T,
}

impl<T> PerKept<T> {
    fn new(make: impl Fn(&'static str) -> T) -> Self {
        let [segment, manifest] = [make("segment"), make("manifest")];
        Self { segment, manifest, index: make("index"), transport: make("transport") }
    }

    const fn get(&self, kept: Kept) -> &T {
        match kept {
            Kept::Segment => &self.segment,
            Kept::Manifest => &self.manifest,
            Kept::Index => &self.index,
            Kept::Transport => &self.transport,
        }
    }
}

/// One counter for each [`Outcome`].
#[derive(Debug)]
struct PerOutcome {
    hit: Counter,
    made: Counter,
    joined: Counter,
    too_large: Counter,
    shed: Counter,
}

impl PerOutcome {
    fn new(counter: impl Fn(&'static str) -> Counter) -> Self {
        let counter = |outcome: Outcome| counter(outcome.as_str());
        Self {
            hit: counter(Outcome::Hit),
            made: counter(Outcome::Made),
            joined: counter(Outcome::Joined),
            too_large: counter(Outcome::TooLarge),
            shed: counter(Outcome::Shed),
        }
    }

    const fn get(&self, outcome: Outcome) -> &Counter {
        match outcome {
            Outcome::Hit => &self.hit,
            Outcome::Made => &self.made,
            Outcome::Joined => &self.joined,
            Outcome::TooLarge => &self.too_large,
            Outcome::Shed => &self.shed,
        }
    }
}

/// One `T` for each [`Asked`].
#[derive(Debug)]
struct PerAsked<T> {
    hls: T,
    dash: T,
    file: T,
    playlist: T,
    init: T,
    segment: T,
    ts: T,
    ts_playlist: T,
    ts_segment: T,
    gallery: T,
    preflight: T,
    other: T,
}

impl<T> PerAsked<T> {
    fn new(make: impl Fn(&'static str) -> T) -> Self {
        Self {
            hls: make("hls"),
            dash: make("dash"),
            file: make("file"),
            playlist: make("playlist"),
            init: make("init"),
            segment: make("segment"),
            ts: make("ts"),
            ts_playlist: make("ts_playlist"),
            ts_segment: make("ts_segment"),
            gallery: make("gallery"),
            preflight: make("preflight"),
            other: make("other"),
        }
    }

    const fn get(&self, asked: Asked) -> &T {
        match asked {
            Asked::Hls => &self.hls,
            Asked::Dash => &self.dash,
            Asked::File => &self.file,
            Asked::Playlist => &self.playlist,
            Asked::Init => &self.init,
            Asked::Segment => &self.segment,
            Asked::Ts => &self.ts,
            Asked::TsPlaylist => &self.ts_playlist,
            Asked::TsSegment => &self.ts_segment,
            Asked::Gallery => &self.gallery,
            Asked::Preflight => &self.preflight,
            Asked::Other => &self.other,
        }
    }
}

/// One counter for each class of status codes.
#[derive(Debug)]
struct PerClass {
    succeeded: Counter,
    redirected: Counter,
    refused: Counter,
    failed: Counter,
}

impl PerClass {
    fn new(make: impl Fn(&'static str) -> Counter) -> Self {
        Self { succeeded: make("2xx"), redirected: make("3xx"), refused: make("4xx"), failed: make("5xx") }
    }

    /// Informational answers are not counted apart: there are none.
    const fn get(&self, status: u16) -> &Counter {
        match status {
            0..=299 => &self.succeeded,
            300..=399 => &self.redirected,
            400..=499 => &self.refused,
            500.. => &self.failed,
        }
    }
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
