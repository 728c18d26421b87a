//! Sorts audio tracks into groups, and chooses the default of each group.
//!
//! A player that can play one track of a group can play all of them. If a group lacks a choice (a language, a
//! commentary) that another group has, this listing works in all players of tests/players; every other way was tried
//! too:
//!
//! ```text
//! aac-2       en AAC*                    every browser plays it: listed first
//! aac-opus    en AAC*, de Opus           hls.js and Chromium list the languages of one group only
//! ac-3-6      en AC-3                    no default: players without AC-3 skip it, and none begins without a language
//! ```
//! Shaka assumes one codec for a whole group, the rarer one, so it begins with `aac-2` and takes only `de` from the
//! other.

use super::names::{display_name, quotable, unique};
use crate::media::{Kind, Language, MediaKind, Role};
use crate::plan::{Plan, Planned};
use crate::verdict::{AudioKind, Plays, audio_kind};

/// An audio track in the form that manifests list.
#[derive(Debug, Clone)]
pub(super) struct AudioRendition<'a> {
    pub(super) track: &'a Planned,
    /// Unique in its group, safe between quotes.
    pub(super) name: String,
    /// Whether players start with it; at most one of a group.
    pub(super) default: bool,
    pub(super) role: Role,
}

/// Audio tracks that a viewer chooses from.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) id: String,
    pub(super) renditions: Vec<AudioRendition<'a>>,
    pub(super) mix: GroupMix,
    /// The codec that decides who plays the group.
    kind: AudioKind,
}

/// How browsers choose between a group and the other groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GroupMix {
    /// Browsers do not choose between it and a mixed group, so it lists its own rates.
    Alone,
    /// A group of one codec that every browser plays; mixed groups repeat its renditions.
    Base,
    /// The renditions of the base, and those of another codec that every browser plays.
    Mixed,
}

/// The properties by which a viewer chooses a track.
type AudioChoice<'a> = (&'a Language, Option<&'a str>, Option<Role>);

fn choice(track: &Planned) -> AudioChoice<'_> {
    (&track.language, track.label.as_deref(), track.role)
}

/// Each audio track once, grouped by the kind of its codec and its number of channels, in the order of their first
/// tracks. If several video files carry the same sound, only the first one's is listed.
pub(super) fn audio_groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let (refused, playable): (Vec<&Planned>, Vec<&Planned>) = plan
        .of_kind(MediaKind::Audio)
        .filter(|track| !is_repeated(plan, track))
        .partition(|track| kind(track) == AudioKind::AacConfigElement);
    for track in playable {
        let id = quotable(&format!("{}-{}", kind(track).name(), channels(track)));
        join(plan, &mut groups, id, track);
    }
    // Their codec string equals that of other AAC, so a separate group would not keep players from starting with them.
    for track in refused {
        let beside = groups.iter().find(|group| group.kind == AudioKind::Aac).map(|group| group.id.clone());
        join(plan, &mut groups, beside.unwrap_or_else(|| format!("aac-{}", channels(track))), track);
    }
    groups.iter_mut().for_each(choose_default);
    // Groups of tracks that the file disables come last.
    groups.sort_by_key(|group| !group.renditions.iter().any(|rendition| rendition.default));
    groups
}

/// Each audio track once, with one default and one main choice among all tracks.
pub(super) fn once_each(plan: &Plan) -> Vec<AudioRendition<'_>> {
    let groups = audio_groups(plan);
    let is_default = |rendition: &&AudioRendition<'_>| rendition.default;
    let leading = groups.first().and_then(|group| group.renditions.iter().find(is_default)).map(|found| found.track);
    let mut renditions: Vec<AudioRendition<'_>> = groups.into_iter().flat_map(|group| group.renditions).collect();
    for rendition in &mut renditions {
        rendition.default = leading.is_some_and(|leading| leading.name == rendition.track.name);
        if rendition.track.role.is_none() && leading.is_some_and(|leading| choice(leading) != choice(rendition.track)) {
            rendition.role = Role::Alternate;
        }
    }
    renditions
}

/// The groups of the HLS multivariant playlist. A track may be in several.
pub(super) fn hls_groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups = audio_groups(plan);
    let alone = groups.clone();
    for group in &mut groups {
        let kin = alone.iter().filter(|other| other.kind == group.kind && other.id != group.id);
        let lacking: Vec<&AudioRendition<'_>> = kin.flat_map(|other| &other.renditions).collect();
        for rendition in lacking {
            if group.renditions.iter().all(|own| choice(own.track) != choice(rendition.track)) {
                add(group, rendition);
            }
        }
    }
    let mut groups = mixed(groups);
    let leading: Vec<AudioChoice<'_>> =
        groups.first().into_iter().flat_map(|group| &group.renditions).map(|each| choice(each.track)).collect();
    for group in groups.iter_mut().skip(1) {
        let complete = leading.iter().all(|wanted| group.renditions.iter().any(|own| choice(own.track) == *wanted));
        group.renditions.iter_mut().for_each(|rendition| rendition.default &= complete);
    }
    groups
}

/// Puts first the groups of a codec that every browser plays, then one mix of the first of these with each other codec
/// that every browser plays. Mixes AAC with MP3 too: Chromium's own HLS player chooses a variant of MP3, and stops
/// unless its default is AAC.
fn mixed(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let in_browsers = |group: &&Group<'_>| group.kind.browsers() == Plays::Yes;
    let aac =
        groups.iter().find(|group| group.kind == AudioKind::Aac && group.renditions.iter().any(|each| each.default));
    let Some(base) = aac.or_else(|| groups.iter().find(in_browsers)).cloned() else { return groups };
    let (mut own, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.kind == base.kind);
    let joins =
        |group: &Group<'_>| in_browsers(&group) || (base.kind == AudioKind::Aac && group.kind == AudioKind::Mp3);
    let (joining, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(joins);
    let mut mixes: Vec<Group<'_>> = Vec::new();
    for group in joining {
        let mix = if in_browsers(&&group) { GroupMix::Mixed } else { GroupMix::Alone };
        let id = quotable(&format!("{}-{}", base.kind.name(), group.kind.name()));
        if mixes.iter().all(|mix| mix.id != id) {
            mixes.push(Group { id: id.clone(), mix, kind: group.kind.clone(), ..base.clone() });
        }
        if let Some(mix) = mixes.iter_mut().find(|mix| mix.id == id) {
            group.renditions.iter().for_each(|rendition| add(mix, rendition));
        }
    }
    let mix = if mixes.iter().any(|mix| mix.mix == GroupMix::Mixed) { GroupMix::Base } else { GroupMix::Alone };
    for group in &mut own {
        group.mix = mix;
    }
    own.into_iter().chain(mixes).chain(rest).collect()
}

/// Adds a rendition to a group, not as its default.
fn add<'a>(group: &mut Group<'a>, rendition: &AudioRendition<'a>) {
    let name = if group.renditions.iter().any(|other| other.name == rendition.name) {
        unique(group, format!("{} ({})", rendition.name, kind(rendition.track).name()))
    } else {
        rendition.name.clone()
    };
    group.renditions.push(AudioRendition { name, default: false, ..rendition.clone() });
}

fn join<'a>(plan: &Plan, groups: &mut Vec<Group<'a>>, id: String, track: &'a Planned) {
    let name = display_name(plan, track);
    let at = groups.iter().position(|group| group.id == id).unwrap_or_else(|| {
        groups.push(Group { id, renditions: Vec::new(), mix: GroupMix::Alone, kind: kind(track) });
        groups.len() - 1
    });
    if let Some(group) = groups.get_mut(at) {
        let name = unique(group, name);
        let role = track.role.unwrap_or(Role::Alternate);
        group.renditions.push(AudioRendition { track, name, default: track.default, role });
    }
}

/// Whether a video file before that of `track` carries sound that players could not distinguish from it.
fn is_repeated(plan: &Plan, track: &Planned) -> bool {
    let has_video = |file: &str| plan.of_kind(MediaKind::Video).any(|video| video.file == file);
    let alike = |other: &Planned| {
        let same = kind(other) == kind(track) && channels(other) == channels(track);
        same && choice(other) == choice(track) && has_video(&other.file)
    };
    let mut before = plan.of_kind(MediaKind::Audio).take_while(|other| other.file != track.file);
    has_video(&track.file) && before.any(alike)
}

/// Makes one rendition the default: the one that `asset.json` chooses, else the first enabled one that browsers play,
/// else the first enabled one. Tracks that the file disables become the default only if `asset.json` chooses them.
fn choose_default(group: &mut Group<'_>) {
    let position = |fits: fn(&AudioRendition<'_>) -> bool| group.renditions.iter().position(fits);
    let enabled = |rendition: &AudioRendition<'_>| rendition.track.track().enabled;
    let plays = |rendition: &AudioRendition<'_>| {
        rendition.track.track().enabled && kind(rendition.track).browsers() > Plays::No
    };
    let chosen = position(|rendition| rendition.default).or_else(|| position(plays)).or_else(|| position(enabled));
    for (at, rendition) in group.renditions.iter_mut().enumerate() {
        rendition.default = Some(at) == chosen;
        if rendition.default && rendition.track.role.is_none() {
            rendition.role = Role::Main;
        }
    }
}

impl<'a> Group<'a> {
    /// A group of `renditions`, all of them AAC.
    pub(super) fn of(id: String, renditions: Vec<AudioRendition<'a>>) -> Self {
        Self { id, renditions, mix: GroupMix::Alone, kind: AudioKind::Aac }
    }

    /// Its tracks, first those of the codec that decides who plays the group: players read CODECS from the left.
    pub(super) fn tracks(&self) -> impl Iterator<Item = &'a Planned> {
        let tracks = || self.renditions.iter().map(|rendition| rendition.track);
        let decides = |track: &&Planned| kind(track) == self.kind;
        tracks().filter(decides).chain(tracks().filter(move |track| !decides(track)))
    }
}

fn kind(track: &Planned) -> AudioKind {
    audio_kind(&track.track().codec)
}

/// How many channels an audio track has.
pub(super) fn channels(track: &Planned) -> u16 {
    match track.track().kind {
        Kind::Audio(sound) => sound.channels,
        Kind::Video(_) => 0,
    }
}
