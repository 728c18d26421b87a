//! Names of audio tracks that players show to viewers.

use super::groups::{AudioRendition, Group, audio_groups};
use crate::media::Title;
use crate::mux;
use crate::plan::{Plan, Planned};

/// The audio tracks that MPEG-TS can carry, merged into one group. The default of the first merged group that has one
/// is the default.
pub(super) fn transport_group(plan: &Plan) -> Group<'_> {
    let mut merged = Group::of("audio".into(), Vec::new());
    for mut rendition in audio_groups(plan).into_iter().flat_map(|group| group.renditions) {
        if mux::fit(rendition.track).is_ok() {
            rendition.name = unique(&merged, rendition.name);
            merged.renditions.push(rendition);
        }
    }
    let is_default = |rendition: &AudioRendition<'_>| rendition.default;
    let chosen = merged.renditions.iter().position(is_default).unwrap_or(0);
    for (at, rendition) in merged.renditions.iter_mut().enumerate() {
        rendition.default = at == chosen;
    }
    merged
}

/// The name of a track: its label if it has one, else its title unless a track of another language has the same, else
/// its language, else `Audio`.
pub(super) fn display_name(plan: &Plan, track: &Planned) -> String {
    let title = |track: &Planned| track.track().title.clone();
    let shared = |title: &Title| {
        let others = plan.of_kind(track.name.kind).filter(|other| other.language != track.language);
        others.into_iter().any(|other| other.track().title.as_ref() == Some(title))
    };
    let own = title(track).filter(|title| !shared(title));
    let name = match (&track.label, &own) {
        (Some(label), _) => label.as_str(),
        (None, Some(title)) => title.as_str(),
        (None, None) if track.language.is_undetermined() => "Audio",
        (None, None) => track.language.as_str(),
    };
    quotable(name)
}

/// Makes `text` safe for a quoted string, which must not contain quotes, line feeds or carriage returns (RFC 8216
/// §4.2).
pub(super) fn quotable(text: &str) -> String {
    text.chars().map(|c| if c == '"' { '\'' } else { c }).filter(|c| !c.is_control()).collect()
}

/// Makes `name` unique in `group` by appending a number: names in a group must differ (RFC 8216 §4.3.4.1.1).
pub(super) fn unique(group: &Group<'_>, name: String) -> String {
    let taken = |name: &str| group.renditions.iter().any(|rendition| rendition.name == name);
    if !taken(&name) {
        return name;
    }
    // There are more numbered names than renditions, so one is free.
    let mut numbered = (2..=group.renditions.len() + 2).map(|number| format!("{name} {number}"));
    numbered.find(|name| !taken(name)).unwrap_or_default()
}
