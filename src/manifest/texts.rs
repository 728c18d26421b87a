//! All manifests of a plan, made together: the multivariant playlist names the media playlists by what they say.

use super::rates::Rates;
use super::{dash, hls};
use crate::media::{AssetId, TrackName, Version, u64_from_usize};
use crate::plan::{Plan, Planned};
use bytes::Bytes;

/// The manifests of an asset.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// The HLS multivariant playlist.
    pub hls: Text,
    /// The DASH manifest.
    pub dash: Text,
    playlists: Vec<Playlist>,
}

/// A text, named by what it says.
#[derive(Debug, Clone)]
pub struct Text {
    /// A hash of the text.
    pub version: Version,
    /// The text itself, UTF-8.
    pub text: Bytes,
}

impl Text {
    pub(super) fn new(text: Bytes) -> Self {
        let hash = blake3::hash(&text);
        Self { version: Version::new(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes")), text }
    }
}

/// A track's media playlist.
#[derive(Debug, Clone)]
pub(super) struct Playlist {
    pub(super) name: TrackName,
    pub(super) text: Text,
    /// The track's own.
    pub(super) rates: Rates,
}

/// What the entry manifests are printed from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Printer<'a> {
    pub(super) asset: &'a AssetId,
    pub(super) plan: &'a Plan,
    /// One for each track.
    pub(super) playlists: &'a [Playlist],
}

impl Printer<'_> {
    /// The rates of `track`, which the plan has.
    pub(super) fn rates(&self, track: &Planned) -> Rates {
        let known = self.playlists.iter().find(|playlist| playlist.name == track.name);
        known.map_or_else(|| Rates::of(track, self.plan.target_duration()), |playlist| playlist.rates)
    }
}

impl Manifests {
    /// Prints the manifests of `plan`, that of the asset called `asset`.
    #[must_use]
    pub fn new(asset: &AssetId, plan: &Plan) -> Self {
        let playlist = |track: &Planned| Playlist {
            name: track.name.clone(),
            text: Text::new(hls::media(asset, plan, track).into()),
            rates: Rates::of(track, plan.target_duration()),
        };
        let playlists: Vec<Playlist> = plan.tracks().iter().map(playlist).collect();
        let printer = Printer { asset, plan, playlists: &playlists };
        let hls = Text::new(hls::multivariant(printer).into());
        Self { hls, dash: Text::new(dash::manifest(printer).into()), playlists }
    }

    /// The media playlist of the track called `name`, in that version.
    #[must_use]
    pub fn playlist(&self, name: &TrackName, version: Version) -> Option<&Bytes> {
        let found = self.playlists.iter().find(|playlist| playlist.name == *name && playlist.text.version == version);
        found.map(|playlist| &playlist.text.text)
    }

    /// Bytes of all texts.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let playlists = self.playlists.iter().map(|playlist| playlist.text.text.len()).sum::<usize>();
        u64_from_usize(playlists + self.hls.text.len() + self.dash.text.len())
    }
}
