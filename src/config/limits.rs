//! The section `[limits]` of the configuration: limits on one asset.

use super::units::{ByteSize, Range, count_within, size_within};
use serde::{Deserialize, Deserializer};

/// `[limits]`: limits on one asset. An asset that exceeds one is refused with an error that names the limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most segments of one track; 1 to 1000000.
    #[serde(deserialize_with = "segments")]
    pub segments: usize,
    /// Most tracks of all files of an asset together; 1 to 1024.
    #[serde(deserialize_with = "tracks")]
    pub tracks: usize,
    /// Most variants of an HLS multivariant playlist; 1 to 10000.
    #[serde(deserialize_with = "variants")]
    pub variants: usize,
    /// Most bytes of one manifest or playlist; 64KiB to 256MiB.
    #[serde(deserialize_with = "manifest_bytes")]
    pub manifest_bytes: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segments: 100_000, tracks: 128, variants: 1_000, manifest_bytes: ByteSize(8 << 20) }
    }
}

fn segments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 1, most: 1_000_000, allowed: "1 to 1000000" })
}

fn tracks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 1, most: 1_024, allowed: "1 to 1024" })
}

fn variants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    count_within(deserializer, Range { least: 1, most: 10_000, allowed: "1 to 10000" })
}

fn manifest_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let range = Range { least: ByteSize(64 << 10), most: ByteSize(256 << 20), allowed: "64KiB to 256MiB" };
    size_within(deserializer, range)
}
