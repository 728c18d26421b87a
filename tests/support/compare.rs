//! Compares played with stored media (DESIGN: "Time, exactly"): bytes, order, times, flags.

use crate::boxes;
use crate::boxes::{Movie, Sample};
use crate::codec;
use crate::edits;
use crate::ffmpeg::{self, Edits, Listing, Packet};
use crate::hls;
use crate::presentation::{Presentation, Track};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Seconds by which every presentation is shifted.
pub(crate) const SHIFT: i64 = 10;

/// A track that starts later than this is filled, in milliseconds.
const LATE: i64 = 100;

/// A stored file and ffprobe's listings of it.
#[derive(Debug)]
pub(crate) struct Source {
    bytes: Vec<u8>,
    movie: Movie,
    /// Every packet.
    all: Listing,
    /// The packets left by edits, with their presentation times.
    edited: Listing,
    /// Tracks of several edits: their audio may be presented half a frame off, to avoid a hole.
    spliced: BTreeSet<u32>,
}

impl Source {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let bytes = fs::read(file).map_err(|error| error.to_string())?;
        let mut movie = Movie::read(&bytes).map_err(|fault| format!("{}: {fault}", file.display()))?;
        let (scale, fragmented) = (movie.timescale, movie.fragmented);
        let parts = |track: &boxes::Track| track.edits.iter().filter(|edit| edit.media_time >= 0).count();
        let spliced = movie.tracks.iter().filter(|track| parts(track) > 1).map(|track| track.id).collect();
        let mut cut = movie.tracks.iter_mut().filter(|track| !fragmented && !track.samples.is_empty());
        cut.by_ref().for_each(|track| edits::apply(track, scale));
        let path = file.to_string_lossy();
        Ok(Self {
            bytes,
            movie,
            all: ffmpeg::probe(&path, Edits::Ignore)?,
            edited: ffmpeg::probe(&path, Edits::Apply)?,
            spliced,
        })
    }

    fn data(&self, sample: &Sample) -> Option<&[u8]> {
        slice(&self.bytes, sample)
    }
}

fn slice<'a>(bytes: &'a [u8], sample: &Sample) -> Option<&'a [u8]> {
    let start = usize::try_from(sample.at).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(sample.size).ok()?)?)
}

/// Relation of a track's samples to the stored ones.
#[derive(Debug, Clone, Copy)]
struct Alignment {
    /// Stored samples before the start that are not played.
    dropped: usize,
    /// Played samples before the start that are not stored.
    filler: usize,
}

/// Shift of a played track against the stored one, without SHIFT.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offset {
    ticks: i64,
    /// The shift that its own start requires: the time from its first played picture to zero.
    own: i64,
}

/// Compares one track; `joined` is ffprobe's listing of the whole fetched track.
pub(crate) fn track(track: &Track, source: &Source, id: u32, joined: &Listing) -> Result<Offset, String> {
    let stored = source.movie.tracks.iter().find(|stored| stored.id == id).ok_or("no such track is stored")?;
    if stored.timescale != track.timescale() {
        return Err(format!("timescale {} became {}", stored.timescale, track.timescale()));
    }
    same_entry(&source.movie, &stored.entry, &track.header.tracks[0].entry)?;
    let alignment = align(track, source, &stored.samples)?;
    let offset = times(track, source, stored, alignment)?;
    start_rules(track, source, stored, alignment)?;
    packets(track, source, id, joined, alignment)?;
    presented(track, source, stored, joined, (alignment, offset))?;
    Ok(offset)
}

/// The sample entry must equal the stored one; the server rewrites QuickTime's as ISO's, with the same decoder
/// configuration.
fn same_entry(movie: &Movie, stored: &[u8], played: &[u8]) -> Result<(), String> {
    let configuration = |entry: &[u8]| [*b"avcC", *b"esds"].map(|kind| codec::inside(entry, kind).map(<[u8]>::to_vec));
    let quicktime = movie.brands.first().is_none_or(|brand| brand == "qt  ");
    let same = if quicktime { configuration(stored) == configuration(played) } else { stored == played };
    if same { Ok(()) } else { Err("the sample entry is another".into()) }
}

/// Compares bytes, counted from the end: nothing may be missing there.
fn align(track: &Track, source: &Source, stored: &[Sample]) -> Result<Alignment, String> {
    let joined = track.joined();
    let equal = |(played, stored): &(&Sample, &Sample)| {
        let data = source.data(stored);
        data.is_some() && slice(&joined, played) == data
    };
    let matched = track.samples.iter().rev().zip(stored.iter().rev()).take_while(equal).count();
    let (dropped, filler) = (stored.len() - matched, track.samples.len() - matched);
    if dropped > 0 && filler > 0 || matched == 0 {
        let at = stored.len() - matched;
        return Err(format!(
            "{} samples are stored, {} played; the last {matched} are equal, stored number {at} is not played as it is",
            stored.len(),
            track.samples.len()
        ));
    }
    Ok(Alignment { dropped, filler })
}

/// Compares times, durations and sync marks of our own reader, to the tick.
fn times(track: &Track, source: &Source, stored: &boxes::Track, alignment: Alignment) -> Result<Offset, String> {
    let shift = source.movie.shift(stored).ok_or("its edits are not one shift, and yet it plays")?;
    let scale = i64::from(track.timescale());
    let played = &track.samples[alignment.filler..];
    let presented = &track.presented()[alignment.filler..];
    let kept = &stored.samples[alignment.dropped..];
    let composed = |sample: &Sample| sample.dts + sample.offset + shift;
    let later = |at: usize| presented[at] - SHIFT * scale - composed(&kept[at]);
    let last = kept.len() - 1;
    for at in 0..kept.len() {
        let stretched = at == 0 && track.is_video() && later(0) < later(last);
        if later(at) != later(last) && !stretched {
            return Err(format!("sample {at} is {} ticks off the last one's clock", later(at) - later(last)));
        }
        // A last picture may be held while the audio continues for more than a second.
        let held =
            at == last && track.is_video() && i64::from(played[at].duration) > i64::from(kept[at].duration) + scale;
        let span = played[at].duration != kept[at].duration && !stretched && !held;
        // At the end of a run of fragments the file states the duration; before that, the next time defines it.
        if span && (at == last || played[at + 1].dts - played[at].dts != kept[at + 1].dts - kept[at].dts) {
            return Err(format!("sample {at} lasts {} ticks, not {}", played[at].duration, kept[at].duration));
        }
        if played[at].sync != kept[at].sync && track.is_video() {
            return Err(format!("sample {at}: sync is {}, stored as {}", played[at].sync, kept[at].sync));
        }
    }
    let own = if track.is_video() { (-composed(&kept[0])).max(0) } else { 0 };
    Ok(Offset { ticks: later(last), own })
}

/// Checks which samples are dropped at the start and which are filled.
fn start_rules(track: &Track, source: &Source, stored: &boxes::Track, alignment: Alignment) -> Result<(), String> {
    let scale = i64::from(track.timescale());
    let shift = source.movie.shift(stored).unwrap_or(0);
    let presented = track.presented();
    let first = presented.iter().min().copied().unwrap_or(0) - SHIFT * scale;
    if first * 1_000 > LATE * scale {
        return Err(format!("it starts {first} ticks late, unfilled"));
    }
    if alignment.filler > 0 && track.is_video() {
        return Err(format!("{} pictures that are not stored", alignment.filler));
    }
    let late = stored.samples[0].dts + stored.samples[0].offset + shift;
    if alignment.filler > 0 && late * 1_000 <= LATE * scale {
        return Err(format!("{} frames of filler for a start {late} ticks late", alignment.filler));
    }
    if alignment.dropped > 0 {
        let kept = &stored.samples[alignment.dropped];
        let (at, zero) = (kept.dts + kept.offset + shift, presented[0] - SHIFT * scale);
        if !kept.sync || at > 0 || zero > 0 {
            return Err(format!("{} samples are not played, and the first that is starts at {at}", alignment.dropped));
        }
        let key_after = stored.samples[alignment.dropped + 1..].iter().any(|s| s.sync && s.dts + s.offset + shift <= 0);
        if track.is_video() && key_after {
            return Err("it starts before the last keyframe before the edit".into());
        }
    } else if track.is_video() && stored.samples.iter().skip(1).any(|s| s.sync && s.dts + s.offset + shift <= 0) {
        return Err("whole GOPs before the edit are played".into());
    }
    Ok(())
}

/// Compares count, size, order and hash: ffprobe's listing of the played track with that of the stored one.
fn packets(track: &Track, source: &Source, id: u32, joined: &Listing, alignment: Alignment) -> Result<(), String> {
    let stream = source.all.streams.iter().find(|stream| stream.id == Some(id)).ok_or("ffprobe does not see it")?;
    let word = |packet: &Packet| (packet.size, packet.hash.clone());
    let track_of = source.movie.tracks.iter().find(|track| track.id == id).ok_or("no such track is stored")?;
    let kept: BTreeSet<u64> = track_of.samples.iter().map(|sample| sample.at).collect();
    let there = |packet: &&Packet| packet.at.is_none_or(|at| kept.contains(&at));
    let stored: Vec<_> = source.all.of(stream.index).filter(there).skip(alignment.dropped).map(word).collect();
    let played: Vec<_> = joined.packets.iter().skip(alignment.filler).map(word).collect();
    if joined.packets.len() != track.samples.len() {
        return Err(format!("ffprobe sees {} packets of {}", joined.packets.len(), track.samples.len()));
    }
    match played.iter().zip(&stored).position(|(played, stored)| played != stored) {
        Some(at) => Err(format!("ffprobe sees another packet {at}")),
        None if played.len() != stored.len() => {
            Err(format!("ffprobe sees {} packets played, {} stored", played.len(), stored.len()))
        }
        None => Ok(()),
    }
}

/// Compares presentation times: ffprobe's of the played track with our reader's, and with ffprobe's of the stored track
/// if listed.
fn presented(
    track: &Track,
    source: &Source,
    stored: &boxes::Track,
    joined: &Listing,
    (alignment, offset): (Alignment, Offset),
) -> Result<(), String> {
    let ours = track.presented();
    if let Some((at, (packet, ours))) =
        joined.packets.iter().zip(&ours).enumerate().find(|(_, (packet, ours))| packet.pts != Some(**ours))
    {
        return Err(format!("ffprobe presents packet {at} at {:?}, its boxes say {ours}", packet.pts));
    }
    let stream = source.edited.streams.iter().find(|stream| stream.id == Some(stored.id)).ok_or("ffprobe lost it")?;
    let places: BTreeMap<u64, usize> = (0..).zip(&stored.samples).map(|(at, sample)| (sample.at, at)).collect();
    let constant = SHIFT * i64::from(track.timescale()) + offset.ticks;
    let (mut faults, readings) = (Vec::new(), readings(source, stored));
    let spliced = source.spliced.contains(&stored.id) && !track.is_video();
    let slack = if spliced { i64::from(stored.samples[0].duration) / 2 + 1 } else { 1 };
    for reading in readings {
        let off = |packet: &Packet| {
            let at = packet.at.and_then(|at| places.get(&at)).and_then(|at| at.checked_sub(alignment.dropped))?;
            let off = ours[at + alignment.filler] - constant - (packet.pts? - reading);
            let stretched = at == 0 && track.is_video() && off < 0;
            (off.abs() > slack && !stretched).then_some((at, off))
        };
        match source.edited.of(stream.index).find_map(off) {
            None => return Ok(()),
            Some((at, off)) => faults.push(format!("sample {at} is presented {off} ticks off")),
        }
    }
    Err(format!("{} what ffprobe says of the stored file", faults.first().map_or("", String::as_str)))
}

/// Shifts with which FFmpeg may present a whole stored track: none; later by the amount that lifts composition offsets
/// above zero; or earlier, when an edit cuts a picture in two: it shows the next one at the edit's start.
fn readings(source: &Source, stored: &boxes::Track) -> [i64; 3] {
    let shift = source.movie.shift(stored).unwrap_or(0);
    let lifted = stored.samples.iter().map(|sample| -sample.offset).max().unwrap_or(0).max(0);
    let presented = stored.samples.iter().map(|sample| sample.dts + sample.offset + shift);
    let next = presented.filter(|&at| at >= 0).min().unwrap_or(0);
    let cut = stored.samples.iter().any(|sample| sample.dts + sample.offset + shift < 0);
    [0, lifted, if cut { -next } else { 0 }]
}

/// All tracks of an asset must share one clock, which starts where its pictures start.
pub(crate) fn one_clock(offsets: &[(&Track, Offset)]) -> Vec<String> {
    let video = offsets.iter().find(|(track, _)| track.is_video());
    let (own, own_scale) = video.map_or((0, 1), |(track, offset)| (offset.own, i64::from(track.timescale())));
    let mut faults = Vec::new();
    for (track, offset) in offsets {
        let scale = i64::from(track.timescale());
        // |ticks/scale − own/own_scale| ≤ 1/scale, without fractions.
        if (offset.ticks * own_scale - own * scale).abs() > own_scale {
            faults.push(format!(
                "{}: played {}/{scale} s late, the pictures ask for {own}/{own_scale} s",
                track.uri, offset.ticks
            ));
        }
    }
    faults
}

/// Every stored H.264 and AAC track must be played.
pub(crate) fn all_there(presentation: &Presentation, sources: &BTreeMap<PathBuf, Source>) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, source) in sources {
        for stored in &source.movie.tracks {
            let codec = source.all.streams.iter().find(|s| s.id == Some(stored.id)).map(|s| s.codec.as_str());
            let ours = matches!(codec, Some("h264" | "aac")) && !stored.samples.is_empty();
            let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            let plays = presentation
                .tracks
                .iter()
                .filter_map(Track::name)
                .any(|(_, id, file)| id == stored.id && (file.is_none() || file == stem));
            if ours && !plays {
                faults.push(format!("track {} of {} is not played", stored.id, file.display()));
            }
        }
    }
    faults
}

/// HLS and DASH must list the same segments at the same times.
pub(crate) fn listings_agree(presentation: &Presentation) -> Vec<String> {
    let mut faults = Vec::new();
    for track in &presentation.tracks {
        let Some(dash) = presentation.representations.iter().find(|dash| dash.init == track.init_uri) else {
            faults.push(format!("{} is not in the MPD", track.init_uri));
            continue;
        };
        let hls: Vec<&str> = track.segments.iter().map(|segment| segment.uri.as_str()).collect();
        let mpd: Vec<&str> = dash.segments.iter().map(|segment| segment.uri.as_str()).collect();
        if hls != mpd {
            faults.push(format!("{}: {} segments in HLS, {} in DASH, or others", track.uri, hls.len(), mpd.len()));
        }
        faults.extend(times_agree(&track.playlist, dash).map(|fault| format!("{}: {fault}", track.uri)));
    }
    if presentation.representations.len() != presentation.tracks.len() {
        faults.push(format!(
            "{} tracks in HLS, {} representations in DASH",
            presentation.tracks.len(),
            presentation.representations.len()
        ));
    }
    faults
}

/// EXTINF are decimal fractions: each may be off by half a microsecond, and their sum by that times their count.
fn times_agree(playlist: &hls::Media, dash: &crate::mpd::Representation) -> Option<String> {
    let scale = dash.timescale as f64;
    let origin = dash.segments.first()?.start;
    for ((number, segment), listed) in (1..).zip(&dash.segments).zip(playlist.starts()) {
        let seconds = (segment.start - origin) as f64 / scale;
        if (seconds - listed).abs() > 0.000_01 * f64::from(number) {
            return Some(format!("segment {number} starts at {listed} s in HLS, {seconds} s in DASH"));
        }
    }
    None
}

/// Each stream in ffprobe's own HLS or DASH reader must be one track, whole, on one clock.
pub(crate) fn same_streams(listing: &Listing, joined: &[(&Track, Listing)]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut found = vec![false; joined.len()];
    for stream in &listing.streams {
        let read: Vec<&Packet> = listing.of(stream.index).collect();
        let is_it = |(_, other): &(&Track, Listing)| {
            other.packets.len() == read.len()
                && other.packets.iter().zip(&read).all(|(a, b)| (a.size, &a.hash) == (b.size, &b.hash))
        };
        let Some(at) = joined.iter().position(is_it) else {
            let counts: Vec<usize> = joined.iter().map(|(_, other)| other.packets.len()).collect();
            faults.push(format!("stream {} ({} packets) is no track ({counts:?} packets)", stream.index, read.len()));
            continue;
        };
        found[at] = true;
        let (track, packets) = (joined[at].0, &joined[at].1.packets);
        faults.extend(
            one_constant(track, packets, &read, stream.timescale).map(|fault| format!("{}: {fault}", track.uri)),
        );
    }
    for ((track, _), found) in joined.iter().zip(found) {
        if !found {
            faults.push(format!("{} is not read", track.uri));
        }
    }
    faults
}

/// Times read over HTTP must differ from the joined ones by one constant, within a tick.
fn one_constant(track: &Track, joined: &[Packet], read: &[&Packet], scale: u32) -> Option<String> {
    let (ours, theirs) = (i128::from(track.timescale()), i128::from(scale));
    let apart = |at: usize| {
        let (a, b) = (i128::from(joined[at].pts?), i128::from(read[at].pts?));
        Some(a * theirs - b * ours)
    };
    let first = apart(0)?;
    let off = (0..read.len()).find(|&at| apart(at).is_some_and(|apart| (apart - first).abs() > ours + theirs))?;
    Some(format!("packet {off} is read at {:?}, joined it is {:?}", read[off].pts, joined[off].pts))
}
