//! What is counted as long as it lasts.

use prometheus_client::metrics::gauge::Gauge;

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
pub struct Lasting(Gauge);

impl Lasting {
    pub(super) fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A body that is being made, until it is dropped: one more of them, and the bytes it will have.
#[derive(Debug)]
pub struct Making {
    _body: Lasting,
    gauge: Gauge,
    bytes: i64,
}

impl Making {
    pub(super) fn new(bodies: &Gauge, gauge: &Gauge, bytes: i64) -> Self {
        gauge.inc_by(bytes);
        Self { _body: Lasting::new(bodies), gauge: gauge.clone(), bytes }
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        self.gauge.dec_by(self.bytes);
    }
}
