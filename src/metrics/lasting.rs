//! Guards that count something in a gauge until they are dropped.

use prometheus_client::metrics::gauge::Gauge;

/// A guard that adds one to a gauge until it is dropped.
#[derive(Debug)]
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A guard for a body being built: counts the body and its expected bytes until it is dropped.
#[derive(Debug)]
pub struct BuildGauge {
    _body: GaugeGuard,
    gauge: Gauge,
    bytes: i64,
}

impl BuildGauge {
    pub(super) fn new(bodies: &Gauge, gauge: &Gauge, bytes: i64) -> Self {
        gauge.inc_by(bytes);
        Self { _body: GaugeGuard::new(bodies), gauge: gauge.clone(), bytes }
    }
}

impl Drop for BuildGauge {
    fn drop(&mut self) {
        self.gauge.dec_by(self.bytes);
    }
}
