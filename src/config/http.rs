//! The section `[http]` of the configuration: limits on clients and connections.

use super::units::{ByteSize, HOUR, Range, UP_TO_AN_HOUR, count_within, memory, size_within, time_within};
use serde::{Deserialize, Deserializer, de};
use std::time::Duration;

/// `[http]`: limits on clients and connections.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Most public connections at once; more wait to be accepted. 1 to 1000000.
    #[serde(deserialize_with = "connections")]
    pub connections: usize,
    /// How long a client may take to send the head of a request, including idle time before it; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub header_timeout: Duration,
    /// How long a client may read nothing of a response; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub write_stall: Duration,
    /// How long a client may send nothing of a request body; 100ms to 1h.
    #[serde(deserialize_with = "timeout")]
    pub read_stall: Duration,
    /// How long running requests may take after SIGTERM; 0s to 1h.
    #[serde(deserialize_with = "drain")]
    pub drain: Duration,
    /// How long clients may cache entry manifests and stored files before they revalidate them; 0s to 1h, whole
    /// seconds.
    #[serde(deserialize_with = "max_age")]
    pub manifest_max_age: Duration,
    /// Unsent bytes that the kernel holds for each connection (`TCP_NOTSENT_LOWAT`); 16KiB to 1GiB.
    #[serde(deserialize_with = "unsent")]
    pub unsent: ByteSize,
    /// Bytes that all connections together may hold to send next, in addition to 32 KiB for each connection; 0B to
    /// 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub frames: ByteSize,
    /// Bytes a second that a client must receive of a response, or send of a request body, after it has kept the server
    /// waiting for 20 s; 0B to 1GiB, 0B for no minimum.
    #[serde(deserialize_with = "rate")]
    pub minimum_rate: ByteSize,
    /// Whether responses have a `Server-Timing` header with the times that they waited, in milliseconds.
    pub server_timing: bool,
    /// Requests for unknown names that a client may send each second, where each costs requests to an object store; 0
    /// for no limit.
    pub misses_per_client: u32,
    /// Requests for unknown names that all clients together may send each second; 0 for no limit.
    pub misses: u32,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(20),
            read_stall: Duration::from_secs(20),
            drain: Duration::from_secs(10),
            manifest_max_age: Duration::from_secs(2),
            unsent: ByteSize(512 << 10),
            frames: ByteSize(12 << 20),
            minimum_rate: ByteSize(1 << 10),
            server_timing: true,
            misses_per_client: 10,
            misses: 100,
        }
    }
}

fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, Range { least: Duration::from_millis(100), most: HOUR, allowed: "100ms to 1h" })
}

fn drain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, UP_TO_AN_HOUR)
}

fn max_age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let age = time_within(deserializer, UP_TO_AN_HOUR)?;
    if age.subsec_nanos() == 0 { Ok(age) } else { Err(de::Error::custom("whole seconds are allowed")) }
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 1, most: 1_000_000, allowed: "1 to 1000000" })
}

fn unsent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(16 << 10), most: ByteSize(1 << 30), allowed: "16KiB to 1GiB" })
}

fn rate<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(0), most: ByteSize(1 << 30), allowed: "0B to 1GiB" })
}
