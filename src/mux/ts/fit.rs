//! Decides which tracks MPEG-TS can carry.

use super::adts::Adts;
use crate::media::{Family, Kind, MediaKind, Rotation, u64_from_usize};
use crate::plan::{Plan, Planned};

/// Largest parameter sets, in bytes, that are repeated before each sync sample; real ones are below 300.
pub(super) const PARAMETER_SETS_LIMIT: u64 = 4_096;

/// Largest segment in bytes. A packet has 188 bytes however small its sample is: without a limit, millions of samples
/// of one byte each would become gigabytes.
pub(super) const SEGMENT_LIMIT: u64 = 1 << 30;

/// The reason why MPEG-TS cannot carry a track.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is neither H.264 nor AAC.
    #[error("{file}: track {track} is {codec}; MPEG-TS carries H.264 and AAC")]
    Codec {
        /// File name of the track.
        file: String,
        /// The track_ID.
        track: u32,
        /// RFC 6381 string of the codec.
        codec: String,
    },
    /// Its pictures are stored rotated.
    #[error(
        "{file}: track {track} is to be turned by {degrees} degrees, which MPEG-TS cannot say: televisions would show it \
         sideways; MPEG-TS carries upright H.264, and AAC"
    )]
    Turned {
        /// File name of the track.
        file: String,
        /// The track_ID.
        track: u32,
        /// Clockwise rotation in degrees.
        degrees: u16,
    },
    /// An ADTS header cannot express its AudioSpecificConfig.
    #[error(
        "{file}: track {track} is AAC that an ADTS header cannot describe: 1 to 7 channel configurations, table rates, 1024 samples a frame are allowed"
    )]
    Adts {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
    },
    /// Its parameter sets are too long to be repeated, or missing.
    #[error(
        "{file}: track {track} has {bytes} bytes of parameter sets; 1 to {PARAMETER_SETS_LIMIT} are allowed in MPEG-TS"
    )]
    ParameterSets {
        /// File name of the track.
        file: String,
        /// The track_ID.
        track: u32,
        /// Length of all parameter sets.
        bytes: u64,
    },
    /// A segment would be too long.
    #[error("{file}: segment {segment} takes {bytes} bytes as MPEG-TS; at most {SEGMENT_LIMIT} are made")]
    Segment {
        /// File name of the first track.
        file: String,
        /// Number of the segment, from 1.
        segment: usize,
        /// Length of the segment.
        bytes: u64,
    },
    /// A frame is too long for an ADTS header.
    #[error(
        "{file}: track {track} has an AAC frame of {bytes} bytes; {} are allowed in MPEG-TS",
        super::adts::FRAME_LIMIT
    )]
    Frame {
        /// File name of the track.
        file: String,
        /// The track_ID.
        track: u32,
        /// Length of the frame.
        bytes: u32,
    },
}

/// Checks whether MPEG-TS can carry `track`, judging by its sample entry.
pub fn fit(track: &Planned) -> Result<(), Unfit> {
    let (file, id) = (track.file.clone(), track.name.id);
    let codec = &track.track().codec;
    if let Kind::Video(picture) = track.track().kind
        && picture.turn() != Rotation::None
    {
        return Err(Unfit::Turned { file, track: id, degrees: picture.turn().degrees() });
    }
    match &codec.family {
        Family::H264 { parameter_sets, .. } if matches!(&codec.fourcc, b"avc1" | b"avc3") => {
            let bytes = u64_from_usize(parameter_sets.len());
            // `avc3` may have parameter sets in its samples only (ISO/IEC 14496-15 §5.4.2.1.1).
            let least = u64::from(codec.fourcc == *b"avc1");
            let fits = (least..=PARAMETER_SETS_LIMIT).contains(&bytes);
            if fits { Ok(()) } else { Err(Unfit::ParameterSets { file, track: id, bytes }) }
        }
        Family::Aac(aac) => Adts::new(*aac).map(|_| ()).ok_or(Unfit::Adts { file, track: id }),
        Family::H264 { .. } | Family::H265 { .. } | Family::Other => {
            Err(Unfit::Codec { file, track: id, codec: codec.string.clone() })
        }
    }
}

/// Checks whether MPEG-TS can carry a video and an audio track of `plan`, as far as the plan has these. The error is
/// about the first track of the missing kind.
pub fn carries(plan: &Plan) -> Result<(), Unfit> {
    for kind in [MediaKind::Video, MediaKind::Audio] {
        let mut fits = plan.of_kind(kind).map(fit);
        let Some(first) = fits.next() else { continue };
        if first.is_err() && !fits.any(|fit| fit.is_ok()) {
            return first;
        }
    }
    Ok(())
}
