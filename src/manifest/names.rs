//! What players call tracks, and which of them belong together.

use crate::media::{Kind, MediaKind, Role};
use crate::mux;
use crate::plan::{Plan, Planned};

/// An audio track as players list it.
#[derive(Debug, Clone)]
pub(super) struct Rendition<'a> {
    pub(super) track: &'a Planned,
    /// Unique in its group, safe between quotes.
    pub(super) name: String,
    /// Whether players start with it: one of each group.
    pub(super) default: bool,
    pub(super) role: Role,
}

/// Audio tracks that can stand in for one another: one codec, one number of channels.
#[derive(Debug, Clone)]
pub(super) struct Group<'a> {
    pub(super) id: String,
    pub(super) renditions: Vec<Rendition<'a>>,
}

/// The audio tracks of a plan in groups, in the order of their first tracks. Rungs that all carry the same sound give
/// one rendition, that of the first.
pub(super) fn audio_groups(plan: &Plan) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for track in plan.of_kind(MediaKind::Audio).filter(|track| !is_repeated(plan, track)) {
        let id = group_id(track);
        let at = groups.iter().position(|group| group.id == id).unwrap_or_else(|| {
            groups.push(Group { id, renditions: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            let name = unique(group, display_name(track));
            let role = track.role.unwrap_or(Role::Alternate);
            group.renditions.push(Rendition { track, name, default: track.default, role });
        }
    }
    groups.iter_mut().for_each(choose_default);
    groups
}

/// The audio tracks that MPEG-TS carries, in one group: what the file's first such group starts with is the default.
pub(super) fn transport_group(plan: &Plan) -> Group<'_> {
    let mut merged = Group { id: "audio".into(), renditions: Vec::new() };
    for mut rendition in audio_groups(plan).into_iter().flat_map(|group| group.renditions) {
        if mux::fit(rendition.track).is_ok() {
            rendition.name = unique(&merged, rendition.name);
            merged.renditions.push(rendition);
        }
    }
    let chosen = merged.renditions.iter().position(|rendition| rendition.default).unwrap_or(0);
    for (at, rendition) in merged.renditions.iter_mut().enumerate() {
        rendition.default = at == chosen;
    }
    merged
}

/// Whether a rung before the one that `track` is from carries sound that players could not tell from it.
fn is_repeated(plan: &Plan, track: &Planned) -> bool {
    let has_video = |file: &str| plan.of_kind(MediaKind::Video).any(|video| video.file == file);
    let alike = |other: &Planned| {
        let said = |track: &Planned| (track.language.clone(), track.label.clone(), track.role);
        group_id(other) == group_id(track) && said(other) == said(track) && has_video(&other.file)
    };
    let mut before = plan.of_kind(MediaKind::Audio).take_while(|other| other.file != track.file);
    has_video(&track.file) && before.any(alike)
}

fn choose_default(group: &mut Group<'_>) {
    let chosen = group.renditions.iter().position(|rendition| rendition.default).unwrap_or(0);
    for (at, rendition) in group.renditions.iter_mut().enumerate() {
        rendition.default = at == chosen;
        if rendition.default && rendition.track.role.is_none() {
            rendition.role = Role::Main;
        }
    }
}

fn group_id(track: &Planned) -> String {
    let codec = track.track().codec.string.split('.').next().unwrap_or_default();
    format!("{codec}-{}", channels(track))
}

/// How many channels an audio track has.
pub(super) fn channels(track: &Planned) -> u16 {
    match track.track().kind {
        Kind::Audio(sound) => sound.channels,
        Kind::Video(_) => 0,
    }
}

/// A label where one was given, else the language, else `Audio`.
fn display_name(track: &Planned) -> String {
    let name = match &track.label {
        Some(label) => label.as_str(),
        None if track.language.is_undetermined() => "Audio",
        None => track.language.as_str(),
    };
    quotable(name)
}

/// RFC 8216 §4.2: no quotes, line feeds or carriage returns between quotes.
fn quotable(text: &str) -> String {
    text.chars().map(|c| if c == '"' { '\'' } else { c }).filter(|c| !c.is_control()).collect()
}

/// RFC 8216 §4.3.4.1.1: names in a group differ.
fn unique(group: &Group<'_>, name: String) -> String {
    let taken = |name: &str| group.renditions.iter().any(|rendition| rendition.name == name);
    if !taken(&name) {
        return name;
    }
    // One of so many names is free.
    let mut numbered = (2..=group.renditions.len() + 2).map(|number| format!("{name} {number}"));
    numbered.find(|name| !taken(name)).unwrap_or_default()
}
