//! Manifests of a plan, each printed when it is asked for. The multivariant playlist names the media playlists by what
//! they say, so their versions have to be known before.

use super::rates::Rates;
use super::{dash, hls};
use crate::media::{AssetId, TrackName, Version};
use crate::plan::{Plan, Planned};
use bytes::Bytes;

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

    /// The HLS media playlist of `track`, which is one of `plan`, that of the asset called `asset`.
    #[must_use]
    pub fn media_playlist(asset: &AssetId, plan: &Plan, track: &Planned) -> Self {
        Self::new(hls::media(asset, plan, track).into())
    }

    /// The HLS multivariant playlist of `plan`, whose tracks' media playlists have these `versions`.
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

/// What the entry manifests are printed from.
#[derive(Debug)]
pub(super) struct Printer<'a> {
    pub(super) asset: &'a AssetId,
    pub(super) plan: &'a Plan,
    /// Of each track's media playlist, where they are named.
    versions: &'a [Version],
    /// Of each track.
    rates: Vec<Rates>,
}

impl<'a> Printer<'a> {
    fn new(asset: &'a AssetId, plan: &'a Plan, versions: &'a [Version]) -> Self {
        let rates = plan.tracks().iter().map(|track| Rates::of(track, plan.target_duration())).collect();
        Self { asset, plan, versions, rates }
    }

    /// The rates of `track`, which the plan has.
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
    /// Prints the manifests of `plan`, that of the asset called `asset`.
    #[must_use]
    pub fn new(asset: &AssetId, plan: &Plan) -> Self {
        let playlist = |track: &Planned| (track.name.clone(), Text::media_playlist(asset, plan, track));
        let playlists: Vec<(TrackName, Text)> = plan.tracks().iter().map(playlist).collect();
        let versions: Vec<Version> = playlists.iter().map(|(_, text)| text.version).collect();
        let hls = Text::multivariant_playlist(asset, plan, &versions);
        Self { hls, dash: Text::dash_manifest(asset, plan), playlists }
    }

    /// The media playlist of the track called `name`, in that version.
    #[must_use]
    pub fn playlist(&self, name: &TrackName, version: Version) -> Option<&Bytes> {
        let mut playlists = self.playlists.iter();
        let found = playlists.find(|(known, text)| known == name && text.version == version);
        found.map(|(_, text)| &text.text)
    }
}
