//! The version of a track: everything that its bytes depend on, as one hash.

use super::ladder::Planned;
use super::timeline::{SHIFT_SECONDS, Timeline};
use crate::media::{ContentId, Version};

/// Counts the changes of what is muxed from the same samples: raised when any muxed byte changes, so that no cache
/// ever mixes two releases' bytes under one URL. A golden test fails when bytes change and this does not.
pub const PACKAGER_REVISION: u32 = 2;

/// Hashes what the bytes of `track` depend on: its own object and the `reference`, its place on the timeline, its cuts, how
/// long its last picture is held.
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
    if track.hold().0 > 0 {
        hash.update(&track.hold().0.to_be_bytes());
    }
    truncated(&hash)
}

/// Hashes what the bytes of a video and an audio track in one transport stream depend on.
pub(super) fn of_pair(video: Version, audio: Version) -> Version {
    let mut hash = blake3::Hasher::new();
    hash.update(b"afflux pair");
    hash.update(video.as_bytes());
    hash.update(audio.as_bytes());
    truncated(&hash)
}

/// Hashes what the manifests of a plan depend on beside its tracks' bytes: names, languages, labels, roles; and, where the
/// plan was kept, the checksum of what it was kept in: what manifests say of segments may not be true.
pub(super) fn of_manifests(tracks: &[Planned], target_duration: u32, kept: &[u8]) -> Version {
    let mut hash = blake3::Hasher::new();
    hash.update(b"afflux plan");
    for track in tracks {
        // Every field is told apart from its neighbours by how it is quoted.
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
