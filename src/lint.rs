//! Plan → findings: what about an asset will trouble players, with a stable code, in words, and what to do about it.

use crate::media::{Family, Kind, Layout, LeftOut, MediaKind, Moment, Span, Ticks, i64_from_u64};
use crate::plan::{Alignment, LATE, Opening, Plan, Planned};

/// Something about an asset that its owner may want to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A stable code, in lower case with hyphens.
    pub code: &'static str,
    /// The file, the track, what was seen and what it means.
    pub message: String,
}

/// All findings about `plan`, in the order of its tracks.
#[must_use]
pub fn findings(plan: &Plan) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for track in plan.tracks() {
        if !seen.contains(&track.file.as_str()) {
            seen.push(&track.file);
            findings.extend(of_file(track));
        }
        findings.extend(of_track(plan, track));
    }
    findings
}

fn of_file(track: &Planned) -> Vec<Finding> {
    let (file, movie) = (&track.file, track.timeline.movie());
    let mut findings = Vec::new();
    if movie.layout == Layout::MoovLast {
        findings.push(Finding {
            code: "moov-at-end",
            message: format!(
                "{file}: the index (moov) stands behind the media; streaming is not affected, but a plain download \
                 cannot play before its end: remux with fast start"
            ),
        });
    }
    if let Some(at) = movie.cut_at {
        findings.push(Finding {
            code: "recording-cut",
            message: format!(
                "{file}: the file ends inside the fragment at byte {at}: all before it is served; if the recording was \
                 longer, copy it again"
            ),
        });
    }
    for skipped in &movie.skipped {
        findings.push(Finding {
            code: "track-skipped",
            message: format!(
                "{file}: track {} ({}) is not served: {}",
                skipped.track,
                skipped.handler.escape_ascii(),
                skipped.reason
            ),
        });
    }
    findings
}

fn of_track(plan: &Plan, track: &Planned) -> Vec<Finding> {
    let place = format!("{}: track {}", track.file, track.name.id);
    let found = |code, text: String| Finding { code, message: format!("{place} {text}") };
    let mut findings = Vec::new();
    findings.extend(edit_inside_gop(track).map(|text| found("edit-inside-gop", text)));
    findings.extend(left_out(track).into_iter().map(|(code, text)| found(code, text)));
    findings.extend(late(track).map(|(code, text)| found(code, text)));
    findings.extend(totals(track).map(|text| found("totals-differ", text)));
    if track.name.kind == MediaKind::Video {
        findings.extend(video(plan, track).into_iter().map(|(code, text)| found(code, text)));
    }
    findings
}

fn video(plan: &Plan, track: &Planned) -> Vec<(&'static str, String)> {
    let mut findings = Vec::new();
    if track.alignment == Alignment::Own {
        let text = "lacks keyframes where the reference is cut, and is cut at its own: players cannot switch to or from \
                    it without a seam; encode all renditions with the same keyframe interval";
        findings.push(("unaligned-keyframes", text.into()));
    }
    let target = i64::from(plan.settings().target_millis);
    let held = track.timeline.hold();
    let spans = track.segments.iter().map(|segment| {
        let held = if segment.samples.end == track.timeline.len() { held.0 } else { 0 };
        Span(segment.span.0.saturating_sub(held))
    });
    let long = spans.max().unwrap_or_default();
    if long.at(track.timeline.timescale()) > Moment::from_millis(target * 3 / 2) {
        let seconds = long.at(track.timeline.timescale()).micros() / 1_000_000;
        let text = format!(
            "has no keyframe for {seconds} s, the segment target is {} s: seeking and switching are coarse; encode with \
             a keyframe every 2 s",
            target / 1_000
        );
        findings.push(("long-gop", text));
    }
    if track.segments.iter().any(|segment| segment.opening == Opening::Open) {
        let text = "has open GOPs: segments begin with frames that need the segment before. Chromium stops with an error \
                    when a viewer seeks there, other players may show damaged frames; encode with closed GOPs";
        findings.push(("open-gop", text.into()));
    }
    if held.0 > 0 {
        let millis = held.at(track.timeline.timescale()).micros() / 1_000;
        let text = format!("ends {millis} ms before the sound: its last frame is shown up to the end");
        findings.push(("held-frame", text));
    }
    if track.segments.iter().any(|segment| segment.opening == Opening::None) {
        let text = "does not begin with a keyframe: players show nothing before the first one";
        findings.push(("no-keyframe", text.into()));
    }
    let index = &track.track().index;
    let intra = matches!(track.track().codec.family, Family::H264 { .. } | Family::H265 { .. }) && index.len() > 1;
    if intra && index.sync_count() == index.len() {
        let text = "says that every frame is a keyframe (no stss): true of intra-only video; otherwise seeks will show \
                    damaged frames, and the file should be remuxed";
        findings.push(("no-sync-table", text.into()));
    }
    findings
}

/// The presentation starts at a keyframe before the edit: by how much.
fn edit_inside_gop(track: &Planned) -> Option<String> {
    let stored = track.track();
    let Kind::Video(_) = stored.kind else { return None };
    let first = stored.index.composition_time(track.timeline.skipped());
    let early = stored.edit.media_time.since(first).filter(|early| early.0 > 0)?;
    let millis = early.at(stored.timescale).micros() / 1_000;
    Some(format!(
        "is edited to start {millis} ms behind a keyframe: the presentation starts at that keyframe, that much earlier"
    ))
}

/// Samples that the edit list does not present.
fn left_out(track: &Planned) -> Vec<(&'static str, String)> {
    let LeftOut { leading, between, behind, undecodable, empty } = track.track().left_out;
    let mut findings = Vec::new();
    if behind > 0 {
        let text = format!("ends with its edit list: {behind} samples behind that are not served");
        let early = match undecodable {
            0 => String::new(),
            count => format!(
                "; the last {count} before the end are left out too, because they need samples behind it: the picture \
                 before them is held"
            ),
        };
        findings.push(("edit-end", text + &early));
    }
    if between > 0 {
        let text = format!("is cut by its edit list: {between} samples between edits are not served");
        findings.push(("edit-cut", text));
    }
    if leading > 0 {
        let text = format!(
            "begins with an open GOP: {leading} frames that are shown before its first keyframe need frames that are \
             not served, and are left out"
        );
        findings.push(("leading-frames", text));
    }
    if empty > 0 {
        let text =
            format!("has {empty} samples without bytes: each is a frame that was dropped, and the one before is held");
        findings.push(("empty-samples", text));
    }
    findings
}

fn late(track: &Planned) -> Option<(&'static str, String)> {
    let (timeline, scale) = (&track.timeline, track.timeline.timescale());
    let millis = |ticks: Ticks| ticks.at(scale).micros() / 1_000;
    if timeline.reach().0 > 0 {
        let late = millis(Ticks(i64_from_u64(timeline.reach().0)));
        return Some(("late-track", format!("starts {late} ms late: its first frame is shown from the start")));
    }
    if let frames @ 1.. = timeline.silent_frames() {
        let late = millis(timeline.presented(frames));
        return Some(("late-track", format!("starts {late} ms late: {frames} silent frames fill the start")));
    }
    let start = track.segments.first()?.start;
    (start.at(scale) > LATE).then(|| {
        let text = format!("starts {} ms late and is not filled: players may lose sync", millis(start));
        ("late-track-unfilled", text)
    })
}

fn totals(track: &Planned) -> Option<String> {
    let totals = track.track().index.totals();
    let (sized, timed) = (totals.sized, totals.timed);
    if timed != sized {
        return Some(format!("has {sized} sizes (stsz) but {timed} durations (stts)"));
    }
    let composed = totals.composed.filter(|composed| *composed != sized);
    if let Some(composed) = composed {
        return Some(format!("has {sized} sizes (stsz) but {composed} composition offsets (ctts)"));
    }
    (totals.placed != sized)
        .then(|| format!("has {sized} sizes (stsz) but chunks hold {} samples (stsc)", totals.placed))
}
