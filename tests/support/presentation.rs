//! A whole asset as a player gets it: both manifests, every playlist, every byte.

use crate::boxes::{Fragment, Movie, Sample, boxes};
use crate::{hls, mpd};
use std::ops::Range;

/// One parsed segment.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    /// Relative to its asset's root: `~version/v1/1.m4s`.
    pub(crate) uri: String,
    pub(crate) bytes: Vec<u8>,
}

/// One track, as HLS lists it.
#[derive(Debug, Clone)]
pub(crate) struct Track {
    /// URI of its playlist, relative to its asset's root.
    pub(crate) uri: String,
    pub(crate) text: String,
    pub(crate) playlist: hls::Media,
    pub(crate) init_uri: String,
    pub(crate) init: Vec<u8>,
    pub(crate) segments: Vec<Segment>,
    pub(crate) header: Movie,
    /// All samples; times are those of `tfdt` and `trun`, offsets count from the start of the concatenation.
    pub(crate) samples: Vec<Sample>,
    /// Range of samples in each segment.
    pub(crate) spans: Vec<Range<usize>>,
}

impl Track {
    /// Ticks per second.
    pub(crate) fn timescale(&self) -> u32 {
        self.header.tracks[0].timescale
    }

    pub(crate) fn is_video(&self) -> bool {
        &self.header.tracks[0].handler == b"vide"
    }

    /// Shift that a reader which honours the edit list adds to composition times.
    pub(crate) fn shift(&self) -> i64 {
        self.header.shift(&self.header.tracks[0]).unwrap_or(0)
    }

    /// Presentation times in ticks, including SHIFT, in decoding order.
    pub(crate) fn presented(&self) -> Vec<i64> {
        let shift = self.shift();
        self.samples.iter().map(|sample| sample.dts + sample.offset + shift).collect()
    }

    /// Earliest presentation time of each segment, and at last the end of the track.
    pub(crate) fn starts(&self) -> Vec<i64> {
        let presented = self.presented();
        let least = |span: &Range<usize>| presented[span.clone()].iter().min().copied();
        let end = presented.iter().zip(&self.samples).map(|(at, sample)| at + i64::from(sample.duration)).max();
        self.spans.iter().filter_map(least).chain(end).collect()
    }

    /// Init segment and all media segments, joined.
    pub(crate) fn joined(&self) -> Vec<u8> {
        self.segments.iter().fold(self.init.clone(), |mut joined, segment| {
            joined.extend_from_slice(&segment.bytes);
            joined
        })
    }

    /// The parts of the track name in its URL: kind and number, and its file if the asset is a folder.
    pub(crate) fn name(&self) -> Option<(char, u32, Option<String>)> {
        let name = self.uri.rsplit('/').nth(1)?;
        let (head, file) = name.split_once('-').map_or((name, None), |(head, file)| (head, Some(file)));
        let kind = head.chars().next()?;
        Some((kind, head[kind.len_utf8()..].parse().ok()?, file.map(unescape)))
    }
}

/// Undoes percent-encoding.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%').then(|| text_of(after.get(..2)?)).flatten();
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(hex: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// Everything of one asset.
#[derive(Debug, Clone)]
pub(crate) struct Presentation {
    pub(crate) multivariant_text: String,
    pub(crate) multivariant: hls::Multivariant,
    pub(crate) mpd_text: String,
    pub(crate) mpd: mpd::Element,
    pub(crate) representations: Vec<mpd::Representation>,
    pub(crate) tracks: Vec<Track>,
}

impl Presentation {
    /// Fetches a whole asset; `get` takes a reference relative to the asset's root.
    pub(crate) fn load(get: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Self, String> {
        let text =
            |uri: &str| get(uri).and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{uri}: not UTF-8")));
        let multivariant_text = text("index.m3u8")?;
        let multivariant = hls::multivariant(&multivariant_text).map_err(|fault| format!("index.m3u8: {fault}"))?;
        let mut uris: Vec<String> = multivariant.variants.iter().map(|(_, uri)| uri.clone()).collect();
        uris.extend(multivariant.renditions.iter().filter_map(|media| hls::quoted(media, "URI").map(String::from)));
        let mut tracks: Vec<Track> = Vec::new();
        for uri in uris {
            if !tracks.iter().any(|track| track.uri == uri) {
                tracks.push(load_track(&uri, get).map_err(|fault| format!("{uri}: {fault}"))?);
            }
        }
        let mpd_text = text("index.mpd")?;
        let mpd = mpd::parse(&mpd_text).map_err(|fault| format!("index.mpd: {fault}"))?;
        let representations = mpd::representations(&mpd).map_err(|fault| format!("index.mpd: {fault}"))?;
        Ok(Self { multivariant_text, multivariant, mpd_text, mpd, representations, tracks })
    }

    /// The track whose init segment is at `uri`.
    pub(crate) fn track(&self, init_uri: &str) -> Option<&Track> {
        self.tracks.iter().find(|track| track.init_uri == init_uri)
    }
}

fn load_track(uri: &str, get: &dyn Fn(&str) -> Result<Vec<u8>, String>) -> Result<Track, String> {
    let text = String::from_utf8(get(uri)?).map_err(|_| "not UTF-8")?;
    let playlist = hls::media(&text)?;
    let init_uri = resolve(uri, playlist.map.as_deref().ok_or("no EXT-X-MAP with a URI")?);
    let init = get(&init_uri)?;
    let header = Movie::read(&init).map_err(|fault| format!("{init_uri}: {fault}"))?;
    if header.tracks.len() != 1 {
        return Err(format!("{init_uri} has {} tracks", header.tracks.len()));
    }
    let (mut segments, mut samples, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    let mut base = init.len() as u64;
    for listed in &playlist.segments {
        let uri = resolve(uri, &listed.uri);
        let bytes = get(&uri)?;
        let first = samples.len();
        append(&bytes, base, &header, &mut samples).map_err(|fault| format!("{uri}: {fault}"))?;
        spans.push(first..samples.len());
        base += bytes.len() as u64;
        segments.push(Segment { uri, bytes });
    }
    Ok(Track { uri: uri.into(), text, playlist, init_uri, init, segments, header, samples, spans })
}

fn append(bytes: &[u8], base: u64, header: &Movie, samples: &mut Vec<Sample>) -> Result<(), String> {
    for moof in boxes(bytes)?.iter().filter(|cell| &cell.kind == b"moof") {
        for run in Fragment::read(moof, &header.tracks)?.runs {
            let start = run.tfdt.and_then(|tfdt| i64::try_from(tfdt).ok()).ok_or("no usable tfdt")?;
            samples.extend(run.samples.iter().map(|s| Sample { at: s.at + base, dts: s.dts + start, ..*s }));
        }
    }
    Ok(())
}

/// Resolves `reference` against `base`, both relative to the asset's root (RFC 3986 §5.2, for relative paths).
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in reference.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
