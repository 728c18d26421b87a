//! All manifests of a plan, made together: the multivariant playlist names the media playlists by what they say.

use super::{dash, hls};
use crate::media::{AssetId, TrackName, Version, u64_from_usize};
use crate::plan::Plan;
use bytes::Bytes;

/// The manifests of an asset.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// The HLS multivariant playlist.
    pub hls: Bytes,
    /// The DASH manifest.
    pub dash: Bytes,
    playlists: Vec<Playlist>,
}

/// A media playlist, named by what it says.
#[derive(Debug, Clone)]
pub(super) struct Playlist {
    pub(super) name: TrackName,
    pub(super) version: Version,
    text: Bytes,
}

impl Manifests {
    /// Prints the manifests of `plan`, that of the asset called `asset`.
    #[must_use]
    pub fn new(asset: &AssetId, plan: &Plan) -> Self {
        let playlists: Vec<Playlist> = plan
            .tracks()
            .iter()
            .map(|track| {
                let text = Bytes::from(hls::media(asset, plan, track));
                let hash = blake3::hash(&text);
                let version = Version::new(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"));
                Playlist { name: track.name.clone(), version, text }
            })
            .collect();
        let hls = Bytes::from(hls::multivariant(asset, plan, &playlists));
        Self { hls, dash: Bytes::from(dash::manifest(asset, plan)), playlists }
    }

    /// The media playlist of the track called `name`, in that version.
    #[must_use]
    pub fn playlist(&self, name: &TrackName, version: Version) -> Option<&Bytes> {
        let found = self.playlists.iter().find(|playlist| playlist.name == *name && playlist.version == version);
        found.map(|playlist| &playlist.text)
    }

    /// Bytes of all texts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let playlists = self.playlists.iter().map(|playlist| playlist.text.len()).sum::<usize>();
        u64_from_usize(playlists + self.hls.len() + self.dash.len())
    }
}
