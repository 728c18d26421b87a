//! What an answer waited for → `Server-Timing` (W3C Server Timing §3): the stages that were passed before its head is
//! sent, in their order, in milliseconds. Pure.

use crate::origin::Stages;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use std::fmt::Write;
use std::time::Duration;

/// The header.
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// What a request passed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Passed {
    /// In the origin.
    pub stages: Stages,
    /// Compressing its text, or waiting for who did; next to nothing where it is kept so.
    pub pack: Option<Duration>,
}

impl Passed {
    /// `open;dur=0.031, cache;desc="made", make;dur=4.200, pack;dur=1.000, total;dur=5.300`.
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
        HeaderValue::from_maybe_shared(Bytes::from(list)).expect("letters, digits and marks of ASCII only")
    }
}

/// One stage, and what stands before the next.
fn lasting(list: &mut String, name: &str, duration: Duration) {
    let micros = duration.as_micros();
    // A String takes all text: it cannot fail.
    let _ = write!(list, "{name};dur={}.{:03}, ", micros / 1_000, micros % 1_000);
}

#[cfg(test)]
mod tests {
    use super::Passed;
    use crate::metrics::Outcome;
    use crate::origin::Stages;
    use std::time::Duration;

    #[test]
    fn stages_that_were_passed_are_told_in_milliseconds() {
        let micros = Duration::from_micros;
        let stages = Stages { open: Some(micros(31)), cache: Some(Outcome::Made), make: Some(micros(4_200)) };
        assert_eq!(
            Passed { stages, pack: Some(micros(1_000)) }.header(micros(5_300)),
            "open;dur=0.031, cache;desc=\"made\", make;dur=4.200, pack;dur=1.000, total;dur=5.300"
        );
        assert_eq!(Passed::default().header(Duration::from_secs(61)), "total;dur=61000.000");
    }
}
