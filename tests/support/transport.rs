//! Compares an asset's MPEG-TS, as a player gets it, with its CMAF.

use crate::boxes::Sample;
use crate::check_ts::{self, Start};
use crate::presentation::{self, Presentation, Track};
use crate::undo_ts::{self, Stream};
use crate::{codec, hls};

/// A transport stream: a media playlist and its segments.
#[derive(Debug)]
pub(crate) struct Program {
    /// URI of its playlist, relative to its asset's root.
    pub(crate) uri: String,
    /// Rates claimed by its variant; `None` for a rendition, or if the rates include renditions.
    claims: Option<(u64, u64)>,
    variant: bool,
    playlist: hls::Media,
    /// Segments with their numbers, from 1.
    pub(crate) segments: Vec<(u64, Vec<u8>)>,
}

/// The reason why MPEG-TS cannot carry an asset: pictures but no H.264, or audio but no AAC. `None` if it can.
pub(crate) fn lacks(cmaf: &Presentation) -> Option<&'static str> {
    let has = |video: bool, carried: fn(&str) -> bool| {
        let mut tracks = cmaf.tracks.iter().filter(|track| track.is_video() == video).peekable();
        tracks.peek().is_none() || tracks.any(|track| codec::string(track).is_some_and(|string| carried(&string)))
    };
    let h264 = |string: &str| string.starts_with("avc1.") || string.starts_with("avc3.");
    let aac = |string: &str| ["mp4a.40.2", "mp4a.40.5", "mp4a.40.29"].contains(&string);
    match (has(true, h264), has(false, aac)) {
        (true, true) => None,
        (false, _) => Some("H.264"),
        (true, false) => Some("AAC"),
    }
}

impl Program {
    /// All programs of a multivariant playlist. Fetches their segments from the last to the first, the odd ones at the
    /// end.
    pub(crate) fn load_all(text: &str, get: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Vec<Self>, String> {
        let multivariant = hls::multivariant(text)?;
        let rate = |attributes: &hls::Attributes| {
            Some((hls::integer(attributes, "BANDWIDTH")?, hls::integer(attributes, "AVERAGE-BANDWIDTH")?))
        };
        let alone = multivariant.renditions.iter().all(|rendition| hls::quoted(rendition, "URI").is_none());
        let mut programs = Vec::new();
        for (attributes, uri) in &multivariant.variants {
            let claims = rate(attributes).filter(|_| alone);
            programs.push(Self { claims, variant: true, ..Self::load(uri.clone(), get)? });
        }
        for uri in multivariant.renditions.iter().filter_map(|media| hls::quoted(media, "URI")) {
            programs.push(Self::load(uri.to_owned(), get)?);
        }
        Ok(programs)
    }

    /// Whether it is a variant rather than a rendition.
    pub(crate) fn is_variant(&self) -> bool {
        self.variant
    }

    fn load(uri: String, get: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Self, String> {
        let text = String::from_utf8(get(&uri)?).map_err(|_| "not UTF-8")?;
        let playlist = hls::media(&text)?;
        let numbered: Vec<(u64, &hls::Listed)> = (1..).zip(&playlist.segments).collect();
        let (odd, even): (Vec<_>, Vec<_>) = numbered.into_iter().rev().partition(|(number, _)| number % 2 == 1);
        let mut segments = Vec::new();
        for (number, listed) in even.into_iter().chain(odd) {
            segments.push((number, get(&presentation::resolve(&uri, &listed.uri))?));
        }
        segments.sort_by_key(|(number, _)| *number);
        Ok(Self { uri, claims: None, variant: false, playlist, segments })
    }

    /// The CMAF tracks that it carries, according to its URL.
    pub(crate) fn tracks<'a>(&self, cmaf: &'a Presentation) -> Result<Vec<&'a Track>, String> {
        let parts: Vec<&str> = self.uri.split('/').collect();
        let names = parts.get(1..parts.len() - 1).unwrap_or_default();
        let track = |name: &&str| {
            let found = cmaf.tracks.iter().find(|track| track.uri.rsplit('/').nth(1) == Some(*name));
            found.ok_or_else(|| format!("{name} is no track of CMAF"))
        };
        names.iter().map(track).collect()
    }

    /// All its faults.
    pub(crate) fn faults(&self, cmaf: &Presentation) -> Result<Vec<String>, String> {
        let tracks = self.tracks(cmaf)?;
        let video = tracks.iter().find(|track| track.is_video());
        let pictures = video.map_or(u64::MAX, |video| video.segments.len() as u64);
        let independent = video.is_none_or(|video| video.text.contains("#EXT-X-INDEPENDENT-SEGMENTS"));
        let start = |number: u64| match (number > pictures, independent) {
            (true, _) => Start::Empty,
            (false, true) => Start::Idr,
            (false, false) => Start::Open,
        };
        let mut faults = check_ts::check(&self.segments, start);
        let streams = undo_ts::undo(&self.segments)?;
        if streams.len() != tracks.len() {
            return Err(format!("{} streams for {} tracks", streams.len(), tracks.len()));
        }
        for (stream, track) in streams.iter().zip(&tracks) {
            faults.extend(same(stream, track).err().map(|fault| format!("{}: {fault}", track.uri)));
        }
        faults.extend(self.listed(&streams));
        Ok(faults)
    }

    /// Checks its playlists: durations, the target, rates.
    fn listed(&self, streams: &[Stream]) -> Vec<String> {
        let mut faults = Vec::new();
        let target = self.playlist.target.unwrap_or(0);
        let first = |number: u64, stream: &Stream| {
            stream.samples.iter().filter(|sample| sample.segment == number).map(|sample| sample.pts).min()
        };
        let leading = |number: u64| streams.iter().find_map(|stream| first(number, stream));
        let origin = leading(1).unwrap_or(0);
        for ((number, segment), listed) in (1..).zip(&self.playlist.segments).zip(self.playlist.starts()) {
            let begins = leading(number).map_or(0.0, |pts| (pts - origin) as f64 / 90_000.0);
            if (begins - listed).abs() > 0.000_03 * number as f64 {
                faults.push(format!("segment {number} begins at {begins} s and is listed at {listed} s"));
            }
            if segment.seconds.round() > f64::from(target) {
                faults.push(format!("segment {number} lasts {} s, the target is {target} s", segment.seconds));
            }
        }
        faults.extend(self.claims.into_iter().flat_map(|claims| self.rates(claims, target)));
        faults
    }

    /// RFC 8216 §4.3.4.2: the peak over runs of 0.5 to 1.5 targets, and the average, within 1 %.
    fn rates(&self, (bandwidth, average): (u64, u64), target: u32) -> Vec<String> {
        let parts: Vec<(f64, f64)> = self
            .segments
            .iter()
            .zip(&self.playlist.segments)
            .map(|((_, bytes), listed)| (bytes.len() as f64 * 8.0, listed.seconds))
            .collect();
        let sum = |parts: &[(f64, f64)]| parts.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let (bits, seconds) = sum(&parts);
        let target = f64::from(target);
        let runs = (0..parts.len()).flat_map(|from| (from + 1..=parts.len()).map(move |to| (from, to)));
        let within =
            runs.map(|(from, to)| sum(&parts[from..to])).filter(|(_, span)| (0.5..=1.5).contains(&(span / target)));
        let peak = within.map(|(bits, span)| bits / span).fold(bits / seconds, f64::max);
        let near = |claim: u64, truth: f64| (claim as f64 / truth - 1.0).abs() < 0.01;
        let mut faults = Vec::new();
        if !near(bandwidth, peak) {
            faults.push(format!("BANDWIDTH is {bandwidth}, the peak {peak}"));
        }
        if !near(average, bits / seconds) {
            faults.push(format!("AVERAGE-BANDWIDTH is {average}, the truth {}", bits / seconds));
        }
        faults
    }
}

/// Checks that a stream's samples equal the track's: bytes, order, and times within a tick (two if they are computed
/// from a frame count).
fn same(stream: &Stream, track: &Track) -> Result<(), String> {
    if stream.samples.len() != track.samples.len() {
        return Err(format!("{} samples of {}", stream.samples.len(), track.samples.len()));
    }
    let (joined, entry) = (track.joined(), &track.header.tracks[0].entry);
    let sets = codec::inside(entry, *b"avcC").map(undo_ts::avcc).transpose()?;
    if let (Some(header), Some(config)) = (stream.adts, codec::inside(entry, *b"esds").and_then(codec::audio_config)) {
        undo_ts::same_config(header, config)?;
    }
    let scale = i128::from(track.timescale());
    for (at, ((played, stored), presented)) in
        stream.samples.iter().zip(&track.samples).zip(track.presented()).enumerate()
    {
        let bytes = slice(&joined, stored).ok_or("a sample outside of its segments")?;
        match &sets {
            Some(sets) => undo_ts::same_video(&played.parts, bytes, sets),
            None => undo_ts::same_audio(&played.parts, bytes),
        }
        .map_err(|fault| format!("sample {at}: {fault}"))?;
        let decoded = presented - stored.offset;
        let apart = |ticks: i64, at: i64| (i128::from(ticks) * 90_000 - i128::from(at) * scale).abs();
        let allowed = if played.timed { 1 } else { 2 };
        for (word, ticks, written) in [("presented", presented, played.pts), ("decoded", decoded, played.dts)] {
            if apart(ticks, written) > allowed * scale {
                return Err(format!("sample {at} is {word} at {written} of 90 kHz, should be {ticks} of {scale}"));
            }
        }
        if track.is_video() && played.random_access != stored.sync {
            return Err(format!("sample {at}: random access is {}, stored as {}", played.random_access, stored.sync));
        }
    }
    Ok(())
}

fn slice<'a>(bytes: &'a [u8], sample: &Sample) -> Option<&'a [u8]> {
    let start = usize::try_from(sample.at).ok()?;
    bytes.get(start..start.checked_add(usize::try_from(sample.size).ok()?)?)
}
