//! Which tracks MPEG-TS carries.

use super::adts::Adts;
use crate::media::{Family, Kind, MediaKind, Turn, u64_from_usize};
use crate::plan::{Plan, Planned};

/// Parameter sets that are repeated before each sync sample, in bytes at most; real ones are below 300.
pub(super) const PARAMETER_SETS_LIMIT: u64 = 4_096;

/// Bytes of a segment at most. A packet is 188 bytes however small the sample in it is: without a bound, millions of
/// samples of a byte each would become gigabytes.
pub(super) const SEGMENT_LIMIT: u64 = 1 << 30;

/// Why a track is not carried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is neither H.264 nor AAC.
    #[error("{file}: track {track} is {codec}; MPEG-TS carries H.264 and AAC")]
    Codec {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// Its RFC 6381 string.
        codec: String,
    },
    /// Its pictures are stored turned.
    #[error(
        "{file}: track {track} is to be turned by {degrees} degrees, which MPEG-TS cannot say: televisions would show it \
         sideways; MPEG-TS carries upright H.264, and AAC"
    )]
    Turned {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// By how much, clockwise.
        degrees: u16,
    },
    /// Its AudioSpecificConfig says what an ADTS header cannot.
    #[error(
        "{file}: track {track} is AAC that an ADTS header cannot describe: 1 to 7 channel configurations, table rates, 1024 samples a frame are allowed"
    )]
    Adts {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
    },
    /// Its parameter sets are too long to be repeated.
    #[error(
        "{file}: track {track} has {bytes} bytes of parameter sets; 1 to {PARAMETER_SETS_LIMIT} are allowed in MPEG-TS"
    )]
    ParameterSets {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// How long they are together.
        bytes: u64,
    },
    /// A segment would be too long.
    #[error("{file}: segment {segment} takes {bytes} bytes as MPEG-TS; at most {SEGMENT_LIMIT} are made")]
    Segment {
        /// The file of its first track.
        file: String,
        /// Its number.
        segment: usize,
        /// How long it would be.
        bytes: u64,
    },
    /// A frame is longer than an ADTS header can say.
    #[error(
        "{file}: track {track} has an AAC frame of {bytes} bytes; {} are allowed in MPEG-TS",
        super::adts::FRAME_LIMIT
    )]
    Frame {
        /// Its file.
        file: String,
        /// Its track_ID.
        track: u32,
        /// How long the frame is.
        bytes: u32,
    },
}

/// Whether MPEG-TS carries `track`, as far as its sample entry tells.
pub fn fit(track: &Planned) -> Result<(), Unfit> {
    let (file, id) = (track.file.clone(), track.name.id);
    let codec = &track.track().codec;
    if let Kind::Video(picture) = track.track().kind
        && picture.turn() != Turn::None
    {
        return Err(Unfit::Turned { file, track: id, degrees: picture.turn().degrees() });
    }
    match &codec.family {
        Family::H264 { parameter_sets, .. } if matches!(&codec.fourcc, b"avc1" | b"avc3") => {
            let bytes = u64_from_usize(parameter_sets.len());
            // `avc3` may have them in its samples only (ISO/IEC 14496-15 §5.4.2.1.1).
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

/// Whether MPEG-TS carries video and audio of `plan`, each where the plan has it; else why its first track of the kind
/// that would be missing is not carried.
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
