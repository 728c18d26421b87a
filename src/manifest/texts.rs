//! Prints the manifests of a plan on request. The multivariant playlist refers to media playlists by hashes of their
//! text, so their versions must be known first.

use super::rates::Rates;
use super::{dash, hls};
use crate::media::{AssetId, TrackName, Version};
use crate::plan::{Plan, Planned};
use bytes::Bytes;

/// A text with a version computed from its content.
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

    /// The HLS media playlist of `track`, one of the tracks of `plan`. `asset` is the name of the asset.
    #[must_use]
    pub fn media_playlist(asset: &AssetId, plan: &Plan, track: &Planned) -> Self {
        Self::new(hls::media(asset, plan, track).into())
    }

    /// The HLS multivariant playlist of `plan`. `versions` are those of the tracks' media playlists, in order.
    #[must_use]
    pub fn multivariant_playlist(asset: &AssetId, plan: &Plan, versions: &[Version]) -> Self {
        Self::new(hls::multivariant(&Printer::new(asset, plan, versions)).into())
    }

    /// The DASH manifest of `plan`.
    #[must_use]
    pub fn dash_manifest(asset: &AssetId, plan: &Plan) -> Self {
        Self::new(dash::manifest(&Printer::new(asset, plan, &[])).into())
    }
}

/// The data that entry manifests are printed from.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub(super) asset: &'a AssetId,
    pub(super) plan: &'a Plan,
    /// Version of each track's media playlist; empty if the manifest does not refer to them.
    versions: &'a [Version],
    /// Rates of each track.
    rates: Vec<Rates>,
}

impl<'a> Printer<'a> {
    fn new(asset: &'a AssetId, plan: &'a Plan, versions: &'a [Version]) -> Self {
        let rates = plan.tracks().iter().map(|track| Rates::of(track, plan.target_duration())).collect();
        Self { asset, plan, versions, rates }
    }

    /// The rates of `track`, one of the plan's tracks.
    pub(super) fn rates(&self, track: &Planned) -> Rates {
        let known = self.place(track).and_then(|at| self.rates.get(at));
        known.copied().unwrap_or_else(|| Rates::of(track, self.plan.target_duration()))
    }

    /// The version of the media playlist of `track`.
    pub(super) fn version(&self, track: &Planned) -> Version {
        let known = self.place(track).and_then(|at| self.versions.get(at));
        known.copied().unwrap_or(track.version)
    }

    fn place(&self, track: &Planned) -> Option<usize> {
        self.plan.tracks().iter().position(|each| each.name == track.name)
    }
}

/// All manifests of an asset.
#[derive(Debug, Clone)]
pub struct Manifests {
    /// The HLS multivariant playlist.
    pub hls: Text,
    /// The DASH manifest.
    pub dash: Text,
    playlists: Vec<(TrackName, Text)>,
}

impl Manifests {
    /// Prints the manifests of `plan`. `asset` is the name of the asset.
    #[must_use]
    pub fn new(asset: &AssetId, plan: &Plan) -> Self {
        let playlist = |track: &Planned| (track.name.clone(), Text::media_playlist(asset, plan, track));
        let playlists: Vec<(TrackName, Text)> = plan.tracks().iter().map(playlist).collect();
        let versions: Vec<Version> = playlists.iter().map(|(_, text)| text.version).collect();
        let hls = Text::multivariant_playlist(asset, plan, &versions);
        Self { hls, dash: Text::dash_manifest(asset, plan), playlists }
    }

    /// The media playlist of the track called `name`; `None` if it has another version.
    #[must_use]
    pub fn playlist(&self, name: &TrackName, version: Version) -> Option<&Bytes> {
        let mut playlists = self.playlists.iter();
        let found = playlists.find(|(known, text)| known == name && text.version == version);
        found.map(|(_, text)| &text.text)
    }
}
