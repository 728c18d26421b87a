//! Prints `Server-Timing` (W3C Server Timing §3): the stages of a request before its response head is sent, in order,
//! in milliseconds. Pure.

use crate::origin::Stages;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt::Write;
use std::time::Duration;

/// Name of the header.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// The stages that a request passed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestTimings {
    /// Stages in the origin.
    pub stages: Stages,
    /// Time to compress the text or to wait for a compression in flight; almost zero on a cache hit. `None`: not
    /// compressed.
    pub pack: Option<Duration>,
}

impl RequestTimings {
    /// Prints `open;dur=0.031, cache;desc="made", make;dur=4.200, pack;dur=1.000, total;dur=5.300`.
    pub(super) fn header(self, total: Duration) -> HeaderValue {
        let Self { stages: Stages { open, cache, make }, pack } = self;
        let mut list = String::with_capacity(96);
        if let Some(open) = open {
            lasting(&mut list, "open", open);
        }
        if let Some(outcome) = cache {
            list.push_str("cache;desc=\"");
            list.push_str(outcome.as_str());
            list.push_str("\", ");
        }
        for (name, stage) in [("make", make), ("pack", pack)] {
            if let Some(stage) = stage {
                lasting(&mut list, name, stage);
            }
        }
        lasting(&mut list, "total", total);
        list.truncate(list.len() - 2);
        HeaderValue::from_maybe_shared(Bytes::from(list)).expect("visible ASCII is a valid header value")
    }
}

/// Appends one stage and the separator before the next.
fn lasting(list: &mut String, name: &str, duration: Duration) {
    let micros = duration.as_micros();
    // Writing to a String cannot fail.
    let _ = write!(list, "{name};dur={}.{:03}, ", micros / 1_000, micros % 1_000);
}

#[cfg(test)]
mod tests {
    use super::RequestTimings;
    use crate::metrics::Outcome;
    use crate::origin::Stages;
    use std::time::Duration;

    #[test]
    fn stages_that_were_passed_are_told_in_milliseconds() {
        let micros = Duration::from_micros;
        let stages = Stages { open: Some(micros(31)), cache: Some(Outcome::Made), make: Some(micros(4_200)) };
        assert_eq!(
            RequestTimings { stages, pack: Some(micros(1_000)) }.header(micros(5_300)),
            "open;dur=0.031, cache;desc=\"made\", make;dur=4.200, pack;dur=1.000, total;dur=5.300"
        );
        assert_eq!(RequestTimings::default().header(Duration::from_secs(61)), "total;dur=61000.000");
    }
}
