//! Computes versions: hashes of everything that the bytes of a track, of a transport stream or of manifests depend on.

use super::ladder::Planned;
use super::timeline::{SHIFT_SECONDS, Timeline};
use crate::media::{ContentId, Version};

/// Revision of the muxed bytes. Raise it when the same samples give different bytes, so that no cache ever mixes the
/// bytes of two releases under one URL. A golden test fails if the bytes change and this does not.
pub const PACKAGER_REVISION: u32 = 2;

/// Hashes everything that the bytes of `track` depend on: its own object and the `reference`, its place on the
/// timeline, its cuts, and how long its last picture is held.
pub(super) fn of_track(track: &Timeline, reference: ContentId, cuts: &[u32]) -> Version {
    let mut hash = blake3::Hasher::new();
    hash.update(b"afflux track");
    hash.update(&PACKAGER_REVISION.to_be_bytes());
    hash.update(&SHIFT_SECONDS.to_be_bytes());
    hash.update(track.movie().content.as_bytes());
    hash.update(reference.as_bytes());
    hash.update(&track.track().id.to_be_bytes());
    hash.update(&track.written(0).0.to_be_bytes());
    let cuts: Vec<u8> = cuts.iter().flat_map(|cut| cut.to_be_bytes()).collect();
    hash.update(&cuts);
    if track.extension().0 > 0 {
        hash.update(&track.extension().0.to_be_bytes());
    }
    truncated(&hash)
}

/// Hashes everything that the bytes of a video and an audio track in one transport stream depend on.
pub(super) fn of_pair(video: Version, audio: Version) -> Version {
    let mut hash = blake3::Hasher::new();
    hash.update(b"afflux pair");
    hash.update(video.as_bytes());
    hash.update(audio.as_bytes());
    truncated(&hash)
}

/// Hashes everything that the manifests of a plan depend on: the tracks' versions, names, languages, labels and roles.
/// For a thawed plan, `kept` is the checksum of its frozen bytes: its segments may not match the samples.
pub(super) fn of_manifests(tracks: &[Planned], target_duration: u32, kept: &[u8]) -> Version {
    let mut hash = blake3::Hasher::new();
    hash.update(b"afflux plan");
    for track in tracks {
        // Debug output quotes each field, so that no two lists of fields give the same text.
        let said = (&track.name, track.version, &track.language, &track.label, track.role, track.default);
        hash.update(format!("{said:?}").as_bytes());
    }
    hash.update(&target_duration.to_be_bytes());
    hash.update(kept);
    truncated(&hash)
}

fn truncated(hash: &blake3::Hasher) -> Version {
    let bytes = hash.finalize();
    Version::new(*bytes.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}
