//! `[limits]`: how much may be made of one asset.

use super::Size;
use serde::{Deserialize, Deserializer, de};
use std::ops::RangeInclusive;

/// `[limits]`: how much may be made of one asset. What exceeds it is refused by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Segments of one track; 1 to 1000000.
    #[serde(deserialize_with = "segments")]
    pub segments: u32,
    /// Tracks of all files of an asset; 1 to 1024.
    #[serde(deserialize_with = "tracks")]
    pub tracks: u32,
    /// Variants of an HLS multivariant playlist; 1 to 10000.
    #[serde(deserialize_with = "variants")]
    pub variants: u32,
    /// Bytes of one manifest or playlist; 64KiB to 256MiB.
    #[serde(deserialize_with = "manifest_bytes")]
    pub manifest_bytes: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self { segments: 100_000, tracks: 128, variants: 1_000, manifest_bytes: Size(8 << 20) }
    }
}

fn segments<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number_within(deserializer, 1..=1_000_000)
}

fn tracks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number_within(deserializer, 1..=1_024)
}

fn variants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    number_within(deserializer, 1..=10_000)
}

fn number_within<'de, D: Deserializer<'de>>(deserializer: D, allowed: RangeInclusive<u32>) -> Result<u32, D::Error> {
    let number = u32::deserialize(deserializer)?;
    if allowed.contains(&number) {
        return Ok(number);
    }
    Err(de::Error::custom(format_args!("{} to {} is allowed", allowed.start(), allowed.end())))
}

fn manifest_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
    let size = Size::deserialize(deserializer)?;
    let inside = (Size(64 << 10)..=Size(256 << 20)).contains(&size);
    if inside { Ok(size) } else { Err(de::Error::custom("64KiB to 256MiB is allowed")) }
}
