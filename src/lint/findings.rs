//! Searches a plan for the problems that [`Code`] lists.

use super::finding::{Code, Finding, Level};
use crate::media::{Family, Kind, Layout, LeftOut, MediaKind, Moment, SampleIndex, Skipped, Span, Ticks, i64_from_u64};
use crate::plan::{AccessPoint, Alignment, LATE, Plan, Planned};
use crate::verdict::{self, AudioKind, Plays};

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
    findings.extend(players(plan));
    findings
}

/// A finding if some or all players cannot play the asset.
fn players(plan: &Plan) -> Option<Finding> {
    let verdict = verdict::playable(plan);
    let why = verdict.why.join(" ");
    if !verdict.anywhere() {
        return Some(Finding::new(Code::PlaysNowhere, format!("plays nowhere from here: {why}")));
    }
    let level = match verdict.browsers {
        Plays::Yes => return None,
        Plays::Some => Level::Warning,
        Plays::No => Level::Error,
    };
    Some(Finding { code: Code::NotInBrowsers, level, message: why })
}

fn of_file(track: &Planned) -> Vec<Finding> {
    let (file, movie) = (&track.file, track.timeline.movie());
    let mut findings = Vec::new();
    if movie.layout == Layout::MoovLast {
        let text = format!(
            "{file}: the index (moov) stands behind the media; streaming is not affected, but a plain download cannot \
             play before its end: remux with fast start"
        );
        findings.push(Finding::new(Code::MoovAtEnd, text));
    }
    if let Some(at) = movie.cut_at {
        let text = format!(
            "{file}: the file ends inside the fragment at byte {at}: all before it is served; if the recording was \
             longer, copy it again"
        );
        findings.push(Finding::new(Code::RecordingCut, text));
    }
    findings.extend(movie.skipped.iter().map(|track| skipped(file, track)));
    findings
}

/// A finding about a track that is not served. Viewers miss video and sound; they never see timecode, hint and text
/// tracks.
fn skipped(file: &str, track: &Skipped) -> Finding {
    let level = if matches!(&track.handler, b"vide" | b"soun") { Level::Warning } else { Level::Info };
    let handler = track.handler.escape_ascii();
    let message = format!("{file}: track {} ({handler}) is not served: {}", track.track, track.reason);
    Finding { code: Code::TrackSkipped, level, message }
}

fn of_track(plan: &Plan, track: &Planned) -> Vec<Finding> {
    let place = format!("{}: track {}", track.file, track.name.id);
    let found = |code, text: String| Finding::new(code, format!("{place} {text}"));
    let mut findings = Vec::new();
    findings.extend(edit_inside_gop(track).map(|text| found(Code::EditInsideGop, text)));
    findings.extend(left_out(track).into_iter().map(|(code, text)| found(code, text)));
    findings.extend(late(track).map(|(code, text)| found(code, text)));
    findings.extend(totals(track).map(|text| found(Code::TotalsDiffer, text)));
    findings.extend(turned(track).map(|text| found(Code::RotationLostInTs, text)));
    if verdict::audio_kind(&track.track().codec) == AudioKind::AacConfigElement {
        let text = "is AAC that gives its channels in a program config element: browsers refuse it and stop the video \
                    too; encode with a layout that AAC has a number for, such as 5.1";
        findings.push(found(Code::AacProgramConfig, text.into()));
    }
    if track.name.kind == MediaKind::Video {
        findings.extend(video(plan, track).into_iter().map(|(code, text)| found(code, text)));
    }
    findings
}

fn video(plan: &Plan, track: &Planned) -> Vec<(Code, String)> {
    let mut findings = Vec::new();
    if track.alignment == Alignment::Own {
        let text = "lacks keyframes where the reference is cut, and is cut at its own: players cannot switch to or from \
                    it without a seam; encode all renditions with the same keyframe interval";
        findings.push((Code::UnalignedKeyframes, text.into()));
    }
    let target = i64::from(plan.settings().target_millis);
    let held = track.timeline.extension();
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
        findings.push((Code::LongGop, text));
    }
    if track.segments.iter().any(|segment| segment.opening == AccessPoint::Open) {
        let text = "has open GOPs: segments begin with frames that need the segment before. Chromium stops with an error \
                    when a viewer seeks there, other players may show damaged frames; encode with closed GOPs";
        findings.push((Code::OpenGop, text.into()));
    }
    findings.extend(held_frame(track).map(|text| (Code::HeldFrame, text)));
    if track.segments.iter().any(|segment| segment.opening == AccessPoint::None) {
        let text = "does not begin with a keyframe: players show nothing before the first one";
        findings.push((Code::NoKeyframe, text.into()));
    }
    let index = &track.track().index;
    let intra = matches!(track.track().codec.family, Family::H264 { .. } | Family::H265 { .. }) && index.len() > 1;
    if intra && index.sync_count() == index.len() && !is_repeated(index) {
        let text = "says that every frame is a keyframe (no stss): true of intra-only video; otherwise seeks will show \
                    damaged frames, and the file should be remuxed";
        findings.push((Code::NoSyncTable, text.into()));
    }
    findings
}

/// Text of the finding about a last picture that is held while the sound continues.
fn held_frame(track: &Planned) -> Option<String> {
    if is_repeated(&track.track().index) {
        return Some("is one picture: it is shown up to the end of the sound".into());
    }
    let held = Some(track.timeline.extension()).filter(|held| held.0 > 0)?;
    let millis = held.at(track.timeline.timescale()).micros() / 1_000;
    Some(format!("ends {millis} ms before the sound: its last frame is shown up to the end"))
}

/// Whether all samples are the same stored bytes, as when one picture is repeated under sound. Compares the first two.
fn is_repeated(index: &SampleIndex) -> bool {
    let mut positions = index.samples(0..2).map(|sample| sample.position);
    positions.next().is_some_and(|first| positions.next() == Some(first))
}

fn turned(track: &Planned) -> Option<String> {
    let Kind::Video(picture) = track.track().kind else { return None };
    let degrees = Some(picture.turn().degrees()).filter(|degrees| *degrees > 0)?;
    Some(format!(
        "is stored turned by {degrees} degrees: MPEG-TS cannot say so and is not offered; HLS and DASH show it upright"
    ))
}

/// Text of the finding about video that starts at a keyframe before the edit: how much earlier.
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

/// Findings about samples that are left out, because of the edit list or because they have no bytes.
fn left_out(track: &Planned) -> Vec<(Code, String)> {
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
        findings.push((Code::EditEnd, text + &early));
    }
    if between > 0 {
        let text = format!("is cut by its edit list: {between} samples between edits are not served");
        findings.push((Code::EditCut, text));
    }
    if leading > 0 {
        let text = format!(
            "begins with an open GOP: {leading} frames that are shown before its first keyframe need frames that are \
             not served, and are left out"
        );
        findings.push((Code::LeadingFrames, text));
    }
    if empty > 0 {
        let text =
            format!("has {empty} samples without bytes: each is a frame that was dropped, and the one before is held");
        findings.push((Code::EmptySamples, text));
    }
    findings
}

fn late(track: &Planned) -> Option<(Code, String)> {
    let (timeline, scale) = (&track.timeline, track.timeline.timescale());
    let millis = |ticks: Ticks| ticks.at(scale).micros() / 1_000;
    if timeline.reach().0 > 0 {
        let late = millis(Ticks(i64_from_u64(timeline.reach().0)));
        return Some((Code::LateTrack, format!("starts {late} ms late: its first frame is shown from the start")));
    }
    if let frames @ 1.. = timeline.silent_frames() {
        let late = millis(timeline.presented(frames));
        return Some((Code::LateTrack, format!("starts {late} ms late: {frames} silent frames fill the start")));
    }
    let start = track.segments.first()?.start;
    (start.at(scale) > LATE).then(|| {
        let text = format!("starts {} ms late and is not filled: players may lose sync", millis(start));
        (Code::LateTrackUnfilled, text)
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
