//! Audio tracks in groups, and which of them players start with.
//!
//! A group holds what one player can play. Where one group lacks a choice (a language, a commentary) that another has, the
//! players of tests/players were tried on every way to list it; this one works in all of them:
//!
//! ```text
//! aac-2       en AAC*                    what every browser plays: listed first
//! aac-opus    en AAC*, de Opus           hls.js and Chromium list the languages of one group alone
//! ac-3-6      en AC-3                    no default: who lacks AC-3 skips it, and nobody begins where a language is missing
//! ```
//! Shaka takes one codec for all of a group, the rarer one, so it begins with `aac-2` and takes `de` alone from the other.

use super::names::{display_name, quotable, unique};
use crate::media::{Kind, Language, MediaKind, Role};
use crate::plan::{Plan, Planned};
use crate::verdict::{AudioKind, Plays, audio_kind};

/// An audio track as players list it.
#[derive(Debug, Clone)]
pub(super) struct Rendition<'a> {
    pub(super) track: &'a Planned,
    /// Unique in its group, safe between quotes.
    pub(super) name: String,
    /// Whether players start with it: at most one of a group.
    pub(super) default: bool,
    pub(super) role: Role,
}

/// Audio tracks that a viewer chooses from.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) id: String,
    pub(super) renditions: Vec<Rendition<'a>>,
    pub(super) mix: Mix,
    /// The codec that decides who plays the group.
    kind: AudioKind,
}

/// How a group stands among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mix {
    /// Its rates are its own: browsers do not choose between it and a mix.
    Alone,
    /// One codec that every browser plays; a mixed group repeats it.
    Base,
    /// The renditions of the base, and those of another codec that every browser plays.
    Mixed,
}

/// What a viewer chooses by.
type Choice<'a> = (&'a Language, Option<&'a str>, Option<Role>);

fn choice(track: &Planned) -> Choice<'_> {
    (&track.language, track.label.as_deref(), track.role)
}

/// Each audio track once: grouped by the kind of its codec and its channels, in the order of their first tracks. Rungs
/// that all carry the same sound give one rendition, that of the first.
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
    // A codec string does not tell them from other AAC, so no group of their own keeps a player from beginning with them.
    for track in refused {
        let beside = groups.iter().find(|group| group.kind == AudioKind::Aac).map(|group| group.id.clone());
        join(plan, &mut groups, beside.unwrap_or_else(|| format!("aac-{}", channels(track))), track);
    }
    groups.iter_mut().for_each(choose_default);
    // Groups of tracks that the file disables come last.
    groups.sort_by_key(|group| !group.renditions.iter().any(|rendition| rendition.default));
    groups
}

/// Each audio track once, with one default and one main choice among all of them.
pub(super) fn once_each(plan: &Plan) -> Vec<Rendition<'_>> {
    let groups = audio_groups(plan);
    let is_default = |rendition: &&Rendition<'_>| rendition.default;
    let leading = groups.first().and_then(|group| group.renditions.iter().find(is_default)).map(|found| found.track);
    let mut renditions: Vec<Rendition<'_>> = groups.into_iter().flat_map(|group| group.renditions).collect();
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
        let lacking: Vec<&Rendition<'_>> = kin.flat_map(|other| &other.renditions).collect();
        for rendition in lacking {
            if group.renditions.iter().all(|own| choice(own.track) != choice(rendition.track)) {
                add(group, rendition);
            }
        }
    }
    let mut groups = mixed(groups);
    let leading: Vec<Choice<'_>> =
        groups.first().into_iter().flat_map(|group| &group.renditions).map(|each| choice(each.track)).collect();
    for group in groups.iter_mut().skip(1) {
        let complete = leading.iter().all(|wanted| group.renditions.iter().any(|own| choice(own.track) == *wanted));
        group.renditions.iter_mut().for_each(|rendition| rendition.default &= complete);
    }
    groups
}

/// Puts first what every browser plays, and behind it one mix of its first group with each other codec that they play; with
/// MP3, too: Chromium's own HLS takes a variant of MP3, and stops unless its default is AAC.
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
        let mix = if in_browsers(&&group) { Mix::Mixed } else { Mix::Alone };
        let id = quotable(&format!("{}-{}", base.kind.name(), group.kind.name()));
        if mixes.iter().all(|mix| mix.id != id) {
            mixes.push(Group { id: id.clone(), mix, kind: group.kind.clone(), ..base.clone() });
        }
        if let Some(mix) = mixes.iter_mut().find(|mix| mix.id == id) {
            group.renditions.iter().for_each(|rendition| add(mix, rendition));
        }
    }
    let mix = if mixes.iter().any(|mix| mix.mix == Mix::Mixed) { Mix::Base } else { Mix::Alone };
    for group in &mut own {
        group.mix = mix;
    }
    own.into_iter().chain(mixes).chain(rest).collect()
}

/// Adds a rendition that is not the default of the group.
fn add<'a>(group: &mut Group<'a>, rendition: &Rendition<'a>) {
    let name = if group.renditions.iter().any(|other| other.name == rendition.name) {
        unique(group, format!("{} ({})", rendition.name, kind(rendition.track).name()))
    } else {
        rendition.name.clone()
    };
    group.renditions.push(Rendition { name, default: false, ..rendition.clone() });
}

fn join<'a>(plan: &Plan, groups: &mut Vec<Group<'a>>, id: String, track: &'a Planned) {
    let name = display_name(plan, track);
    let at = groups.iter().position(|group| group.id == id).unwrap_or_else(|| {
        groups.push(Group { id, renditions: Vec::new(), mix: Mix::Alone, kind: kind(track) });
        groups.len() - 1
    });
    if let Some(group) = groups.get_mut(at) {
        let name = unique(group, name);
        let role = track.role.unwrap_or(Role::Alternate);
        group.renditions.push(Rendition { track, name, default: track.default, role });
    }
}

/// Whether a rung before the one that `track` is from carries sound that players could not tell from it.
fn is_repeated(plan: &Plan, track: &Planned) -> bool {
    let has_video = |file: &str| plan.of_kind(MediaKind::Video).any(|video| video.file == file);
    let alike = |other: &Planned| {
        let same = kind(other) == kind(track) && channels(other) == channels(track);
        same && choice(other) == choice(track) && has_video(&other.file)
    };
    let mut before = plan.of_kind(MediaKind::Audio).take_while(|other| other.file != track.file);
    has_video(&track.file) && before.any(alike)
}

/// The rendition that `asset.json` wants, else the first enabled one that browsers play, else the first enabled one: none
/// of tracks that the file disables.
fn choose_default(group: &mut Group<'_>) {
    let position = |fits: fn(&Rendition<'_>) -> bool| group.renditions.iter().position(fits);
    let enabled = |rendition: &Rendition<'_>| rendition.track.track().enabled;
    let plays =
        |rendition: &Rendition<'_>| rendition.track.track().enabled && kind(rendition.track).browsers() > Plays::No;
    let chosen = position(|rendition| rendition.default).or_else(|| position(plays)).or_else(|| position(enabled));
    for (at, rendition) in group.renditions.iter_mut().enumerate() {
        rendition.default = Some(at) == chosen;
        if rendition.default && rendition.track.role.is_none() {
            rendition.role = Role::Main;
        }
    }
}

impl<'a> Group<'a> {
    /// A group of these, of one codec.
    pub(super) fn of(id: String, renditions: Vec<Rendition<'a>>) -> Self {
        Self { id, renditions, mix: Mix::Alone, kind: AudioKind::Aac }
    }

    /// Its tracks, those of the codec that decides who plays it first: players read CODECS from the left.
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
