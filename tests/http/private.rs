//! The private listener.

use crate::site::{assert_problem, shared};
use crate::support::{Server, fixtures};
use std::time::{Duration, Instant};

#[test]
fn health_readiness_and_metrics_are_private() {
    let server = shared();
    assert_eq!((server.private("/healthz").status, server.private("/readyz").status), (200, 200));
    assert_eq!(server.private("/").status, 404);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_problem(&server.get(path, ""), 404);
    }
    let metrics = server.private("/metrics");
    assert_eq!(metrics.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    for line in [
        "# TYPE afflux_requests counter",
        "# TYPE afflux_sent_bytes counter",
        "# TYPE afflux_connections gauge",
        "# TYPE afflux_cache_lookups counter",
        "# TYPE afflux_cache_size_bytes gauge",
        "# TYPE afflux_bodies_making gauge",
        "# TYPE afflux_moov_reads counter",
        "# TYPE afflux_compressions counter",
    ] {
        assert!(metrics.text().lines().any(|each| each == line), "{line}");
    }
}

#[test]
fn requests_and_bytes_are_counted() {
    let server = Server::start(&fixtures(), &[]);
    let count = |name: &str| server.metric(name);
    let body = server.get("/~gallery/app.js", "").body.len();
    let _ = server.get("/vod/missing/index.m3u8", "");
    assert_eq!(count("afflux_requests_total{route=\"gallery\",status=\"2xx\"}"), 1);
    assert_eq!(count("afflux_requests_total{route=\"hls\",status=\"4xx\"}"), 1);
    // The counter grows once the kernel has the bytes: the client may be faster.
    let (body, until) = (u64::try_from(body).unwrap(), Instant::now() + Duration::from_secs(5));
    while count("afflux_sent_bytes_total") <= body && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(count("afflux_sent_bytes_total") > body);
}
