//! The section `[package]` of the configuration: how media are cut into segments.

use super::units::{Range, time_within};
use serde::{Deserialize, Deserializer};
use std::time::Duration;

/// `[package]`: how media are cut into segments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Package {
    /// Target duration of segments; 1s to 60s.
    #[serde(deserialize_with = "segment_target")]
    pub segment_target: Duration,
}

impl Default for Package {
    fn default() -> Self {
        Self { segment_target: Duration::from_secs(6) }
    }
}

fn segment_target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let (least, most) = (Duration::from_secs(1), Duration::from_mins(1));
    time_within(deserializer, Range { least, most, allowed: "1s to 60s" })
}
