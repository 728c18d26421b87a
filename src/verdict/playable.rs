//! The verdict on an asset: which kinds of players can play it, with the reasons as sentences.

use super::kind::{AudioKind, audio_kind};
use crate::media::{Codec, Kind, MediaKind};
use crate::mux;
use crate::plan::{Plan, Planned};
use serde::Serialize;

/// The players that can play an asset. A player can if it plays at least one of the videos, and one of the audio tracks
/// if there are any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Playable {
    /// Browsers, by `index.m3u8` and `index.mpd`.
    pub browsers: Plays,
    /// Apple's players, by `index.m3u8`.
    pub apple: Plays,
    /// Televisions and set-top boxes, by `ts.m3u8`, which exists only if this is `yes`.
    pub ts: Plays,
    /// Reasons against: one sentence for each track and kind of players that cannot all play it.
    pub why: Vec<String>,
}

/// How many players of a kind can play something, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plays {
    /// None.
    No,
    /// Some: it depends on the browser, the device or the version.
    Some,
    /// All.
    Yes,
}

impl Plays {
    /// The word for it, in JSON and in text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Some => "some",
            Self::Yes => "yes",
        }
    }
}

impl Playable {
    /// Whether at least some players can play it.
    #[must_use]
    pub fn anywhere(&self) -> bool {
        [self.browsers, self.apple, self.ts].into_iter().any(|plays| plays > Plays::No)
    }
}

/// The verdict on `plan`.
#[must_use]
pub fn playable(plan: &Plan) -> Playable {
    let mut why: Vec<String> = Vec::new();
    let mut of_players = |players: &str, of_track: fn(&Planned) -> Plays| {
        let verdict = of_asset(plan, of_track);
        if verdict < Plays::Yes {
            why.extend(plan.tracks().iter().filter_map(|track| sentence(players, track, of_track(track))));
        }
        verdict
    };
    let (browsers, apple) = (of_players("Browsers", browsers), of_players("Apple's players", apple));
    let transport = mux::carries(plan);
    why.extend(transport.as_ref().err().map(|unfit| format!("MPEG-TS: {unfit}.")));
    let ts = if transport.is_ok() { Plays::Yes } else { Plays::No };
    Playable { browsers, apple, ts, why }
}

/// The best verdict on a video and the best verdict on an audio track, as far as the asset has these; the worse of
/// both.
fn of_asset(plan: &Plan, of_track: fn(&Planned) -> Plays) -> Plays {
    let best = |kind| plan.of_kind(kind).map(of_track).max();
    [MediaKind::Video, MediaKind::Audio].into_iter().filter_map(best).min().unwrap_or(Plays::No)
}

fn browsers(track: &Planned) -> Plays {
    let codec = &track.track().codec;
    match track.track().kind {
        Kind::Video(_) => browser_video(codec),
        Kind::Audio(_) => audio_kind(codec).browsers(),
    }
}

fn apple(track: &Planned) -> Plays {
    let codec = &track.track().codec;
    match track.track().kind {
        Kind::Video(_) => apple_video(codec),
        Kind::Audio(_) => audio_kind(codec).apple(),
    }
}

/// All browsers decode H.264 of 8 bits at 4:2:0. Only Chromium decodes the studio profiles (Rec. ITU-T H.264 annex A:
/// 10 bits, 4:2:2 and 4:4:4), without hardware; no browser decodes CAVLC 4:4:4 Intra.
fn browser_h264(codec: &Codec) -> Plays {
    match h264_profile(codec) {
        "2c" => Plays::No,
        "6e" | "7a" | "f4" => Plays::Some,
        _ => Plays::Yes,
    }
}

/// The profile_idc in an RFC 6381 string: `64` of `avc1.64001f`.
fn h264_profile(codec: &Codec) -> &str {
    codec.string.get(5..7).unwrap_or_default()
}

fn browser_video(codec: &Codec) -> Plays {
    match &codec.fourcc {
        b"avc1" | b"avc3" => browser_h264(codec),
        b"av01" | b"vp09" | b"vp08" => Plays::Yes,
        b"hvc1" | b"hev1" => Plays::Some,
        _ => Plays::No,
    }
}

fn apple_video(codec: &Codec) -> Plays {
    match &codec.fourcc {
        b"avc1" if browser_h264(codec) < Plays::Yes => Plays::No,
        b"avc1" | b"hvc1" => Plays::Yes,
        // HLS Authoring Specification 1.10: parameter sets must be in the sample entry only.
        b"avc3" | b"hev1" | b"av01" | b"dvh1" => Plays::Some,
        _ => Plays::No,
    }
}

fn sentence(players: &str, track: &Planned, plays: Plays) -> Option<String> {
    let (file, id, codec) = (&track.file, track.name.id, &track.track().codec);
    let detail = match (track.name.kind, audio_kind(codec)) {
        (MediaKind::Audio, AudioKind::AacConfigElement) => ", AAC with its channels in a program config element",
        (MediaKind::Audio | MediaKind::Video, _) => "",
    };
    let verb = match plays {
        Plays::Yes => return None,
        Plays::Some => "do not all play",
        Plays::No => "do not play",
    };
    Some(format!("{players} {verb} track {id} of {file} ({}{detail}).", codec.string))
}
