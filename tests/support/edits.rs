//! Applies an edit list to a stored track (DESIGN: "Time, exactly"), sample by sample: a second implementation to
//! compare with.

use crate::boxes::{Edit, Sample, Track};

/// A presented stretch of the media, and its shift.
#[derive(Debug, Clone, Copy)]
struct Part {
    from: i64,
    to: i64,
    shift: i64,
}

/// Removes the samples of `track` that no edit presents, and replaces its edits by one. Fragmented recordings stay
/// whole.
pub(crate) fn apply(track: &mut Track, movie_scale: u32) {
    let parts = parts(track, movie_scale);
    let tick = i64::from(track.timescale.div_ceil(movie_scale.max(1)));
    let (Some(last), Some(end)) = (parts.last().copied(), track.samples.iter().map(ends).max()) else { return };
    let video = &track.handler == b"vide";
    let mut kept: Vec<Sample> = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let heard = kept.last().map(|last| composed(last) + i64::from(last.duration));
        let (first, shift) = match heard {
            None => (first(track, *part, video), part.shift),
            Some(_) if video => (first(track, *part, true), part.shift),
            Some(heard) => {
                let near = |at: &usize| (composed(&track.samples[*at]) + part.shift - heard).abs();
                let first = (0..track.samples.len()).min_by_key(near).unwrap();
                (first, heard - composed(&track.samples[first]))
            }
        };
        let before = if number == 0 { 0 } else { first };
        let tail = &track.samples[first + 1..];
        let starts = if number == 0 { delayed(track, movie_scale, *part) } else { i64::MAX };
        let key = composed(&track.samples[first]);
        let leading = tail.iter().take_while(|s| video && composed(s) < key.min(starts)).count();
        let slack = tick.min(i64::from(track.samples[first].duration) / 2);
        let whole = number + 1 == parts.len() && end <= part.to + tick;
        let shown = tail[leading..].iter().take_while(|s| whole || composed(s) < part.to - slack);
        let all = track.samples[before..=first].iter().chain(shown);
        kept.extend(all.map(|sample| Sample { dts: sample.dts + shift, ..*sample }));
    }
    let cut = track.samples.last().map(|sample| sample.at) != kept.last().map(|sample| sample.at);
    for at in 1..kept.len() {
        kept[at - 1].duration = u32::try_from(kept[at].dts - kept[at - 1].dts).unwrap();
    }
    let latest = kept.iter().map(ends).max().unwrap();
    let over = last.to + last.shift;
    if let Some(last) =
        kept.last_mut().filter(|last| cut && video && (latest + tick < over || ends(last) > over + tick))
    {
        last.duration = u32::try_from(over - composed(last)).unwrap();
    }
    track.samples = kept;
    let empty = track.edits.iter().take_while(|edit| edit.media_time == -1).copied().collect::<Vec<Edit>>();
    track.edits = empty.into_iter().chain([Edit { duration: 0, media_time: parts[0].from }]).collect();
}

fn composed(sample: &Sample) -> i64 {
    sample.dts + sample.offset
}

fn ends(sample: &Sample) -> i64 {
    composed(sample) + i64::from(sample.duration)
}

/// Number of the sample that a part begins with: for video the keyframe at or before it, for audio the first sample.
fn first(track: &Track, part: Part, video: bool) -> usize {
    let near = |at: &usize| track.samples[*at].sync && composed(&track.samples[*at]) <= part.from + 1;
    (0..track.samples.len()).rev().find(near).filter(|_| video).unwrap_or(0)
}

/// The composition time that is presented at 0.
fn delayed(track: &Track, movie_scale: u32, part: Part) -> i64 {
    let delay: u64 = track.edits.iter().take_while(|edit| edit.media_time == -1).map(|edit| edit.duration).sum();
    part.from - scaled(track, movie_scale, delay)
}

fn scaled(track: &Track, movie_scale: u32, ticks: u64) -> i64 {
    let movie = i128::from(movie_scale.max(1));
    i64::try_from((i128::from(ticks) * i128::from(track.timescale) + movie / 2).div_euclid(movie)).unwrap()
}

fn parts(track: &Track, movie_scale: u32) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut elapsed = 0;
    let played = track.edits.iter().skip_while(|edit| edit.media_time == -1);
    for edit in played {
        let from = edit.media_time;
        if from >= 0 && edit.duration == 0 {
            return Vec::new();
        }
        let begin = parts.first().map_or(from, |first| first.from);
        let (at, next) = (scaled(track, movie_scale, elapsed), scaled(track, movie_scale, elapsed + edit.duration));
        elapsed += edit.duration;
        if from >= 0 {
            parts.push(Part { from, to: from + next - at, shift: begin + at - from });
        }
    }
    parts
}
