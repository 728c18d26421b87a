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
