//! The section `[cache]` of the configuration: sizes of caches.

use super::units::{ByteSize, Range, memory, size_within, time_within};
use serde::{Deserialize, Deserializer};
use std::path::PathBuf;
use std::time::Duration;

/// `[cache]`: sizes of caches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// Media segments; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub segments: ByteSize,
    /// Manifests; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub manifests: ByteSize,
    /// Indexes of opened files; 0B to 1024GiB.
    #[serde(deserialize_with = "memory")]
    pub indexes: ByteSize,
    /// Blocks of objects in object stores; part of `segments`, at most half of it; 1MiB to 1024GiB.
    #[serde(deserialize_with = "making")]
    pub blocks: ByteSize,
    /// Folder of index files, which outlast the program; empty for none.
    pub index_folder: PathBuf,
    /// Total size of the files in it; 0B to 1048576GiB.
    pub index_files: ByteSize,
    /// Whether index files are stored in object stores too, in `.afflux/` next to their objects.
    pub index_beside: bool,
    /// Segments that are being built; 1MiB to 1024GiB.
    #[serde(deserialize_with = "making")]
    pub making: ByteSize,
    /// How long a segment may wait until there is room to build it; 0s to 1min.
    #[serde(deserialize_with = "making_wait")]
    pub making_wait: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            segments: ByteSize(512 << 20),
            manifests: ByteSize(32 << 20),
            indexes: ByteSize(256 << 20),
            blocks: ByteSize(64 << 20),
            index_folder: PathBuf::new(),
            index_files: ByteSize(1 << 30),
            index_beside: false,
            making: ByteSize(64 << 20),
            making_wait: Duration::from_secs(5),
        }
    }
}

fn making<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(1 << 20), most: ByteSize(1 << 40), allowed: "1MiB to 1024GiB" })
}

fn making_wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    time_within(deserializer, Range { least: Duration::ZERO, most: Duration::from_mins(1), allowed: "0s to 1min" })
}
