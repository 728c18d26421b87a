//! Data types of the crate: time, ranges, codecs, tracks, assets and the sample index. They depend on no other module.

mod asset;
mod codec;
mod columns;
mod details;
mod frozen;
mod id;
mod index;
mod num;
mod offsets;
mod packed;
mod packer;
mod picture;
mod range;
mod section;
mod stream;
mod sync;
mod tables;
mod time;
mod title;
mod track;
mod whole;
mod words;

pub use asset::{
    AssetId, DESCRIPTOR, Descriptor, DescriptorError, DescriptorTrack, MediaKind, Rendition, Role, SCHEMA_VERSION,
};
pub use codec::{AAC_RATES, Aac, Arrangement, Codec, Family, Sound, Supplemental};
pub use columns::{Column, PackedTable};
pub use details::{Details, DetailsError, TITLE_LIMIT, check_title};
pub use frozen::{Damage, FrozenFormat, Missing, REVISION, Reader, ThawedMovie};
pub use id::{ContentId, Version, VersionError};
pub use index::{Sample, SampleIndex};
pub use num::{
    i64_from_u64, near_partition_point, partition_point, u32_from_usize, u64_from_usize, usize_from_u32, usize_from_u64,
};
pub use offsets::PackedOffsets;
pub use packed::{Packed, PrefixSums, Values};
pub use picture::{Colour, Extent, Picture, Rotation, UprightPicture, VideoRange};
pub use range::{ByteRange, RangeSpec};
pub use stream::{Packaging, StreamName};
pub use tables::{ChunkOffsets, IndexBuilder, OffsetRuns, SAMPLE_LIMIT, Sizes, TableError, Totals};
pub use time::{Moment, Span, Ticks, Timescale};
pub use title::Title;
pub use track::{Edit, Kind, Language, Layout, LeftOut, Movie, Skipped, Track, TrackName};
