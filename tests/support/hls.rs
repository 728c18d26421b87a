//! A strict reader of HLS playlists (RFC 8216): text in, tags and attributes out; any deviation is an error.

use std::collections::BTreeMap;

/// An attribute list; quoted values keep their quotes for the checker.
pub(crate) type Attributes = BTreeMap<String, String>;

/// A significant line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// `#EXT…`: the name, and the text after its colon.
    Tag(String, String),
    Uri(String),
}

/// A multivariant playlist.
#[derive(Debug, Clone, Default)]
pub(crate) struct Multivariant {
    pub(crate) lines: Vec<Line>,
    /// Attributes and URI of each variant.
    pub(crate) variants: Vec<(Attributes, String)>,
    pub(crate) renditions: Vec<Attributes>,
}

/// A media segment, as listed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Listed {
    pub(crate) seconds: f64,
    pub(crate) uri: String,
}

/// A media playlist.
#[derive(Debug, Clone, Default)]
pub(crate) struct Media {
    pub(crate) lines: Vec<Line>,
    /// The URI of its `EXT-X-MAP`.
    pub(crate) map: Option<String>,
    pub(crate) target: Option<u32>,
    pub(crate) segments: Vec<Listed>,
}

impl Media {
    /// Start of each segment, in seconds from the first, according to EXTINF; and the end of the last.
    pub(crate) fn starts(&self) -> Vec<f64> {
        let mut sum = 0.0;
        let mut starts = vec![0.0];
        for segment in &self.segments {
            sum += segment.seconds;
            starts.push(sum);
        }
        starts
    }
}

/// Values of the tag `name` in `lines`.
pub(crate) fn tags<'a>(lines: &'a [Line], name: &'a str) -> impl Iterator<Item = &'a str> {
    lines.iter().filter_map(move |line| match line {
        Line::Tag(tag, value) if tag == name => Some(value.as_str()),
        Line::Tag(..) | Line::Uri(_) => None,
    })
}

/// A quoted value without its quotes.
pub(crate) fn quoted<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name)?.strip_prefix('"')?.strip_suffix('"')
}

/// An attribute that is a decimal integer.
pub(crate) fn integer(attributes: &Attributes, name: &str) -> Option<u64> {
    attributes.get(name)?.parse().ok()
}

/// RFC 8216 §4.1: splits into lines; the first must be `#EXTM3U`.
fn lines(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = text.lines();
    if lines.next() != Some("#EXTM3U") {
        return Err("the first line is not #EXTM3U".into());
    }
    if text.contains('\u{feff}') {
        return Err("a byte order mark".into());
    }
    let line = |line: &str| match line.strip_prefix('#') {
        Some(tag) if tag.starts_with("EXT") => {
            let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
            Some(Line::Tag(name.into(), value.into()))
        }
        Some(_) => None,
        None if line.is_empty() => None,
        None => Some(Line::Uri(line.into())),
    };
    Ok(lines.filter_map(line).collect())
}

/// RFC 8216 §4.2: parses an attribute list.
pub(crate) fn attributes(text: &str) -> Result<Attributes, String> {
    let (mut found, mut rest) = (Attributes::new(), text);
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| format!("no = in {rest:?}"))?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
            return Err(format!("attribute name {name:?}"));
        }
        let end = match after.strip_prefix('"') {
            Some(inside) => 2 + inside.find('"').ok_or("a quoted string without an end")?,
            None => after.find(',').unwrap_or(after.len()),
        };
        let (value, after) = after.split_at(end);
        if value.is_empty() || found.insert(name.into(), value.into()).is_some() {
            return Err(format!("{name} is empty or said twice"));
        }
        rest = match after.strip_prefix(',') {
            Some("") => return Err("a comma at the end".into()),
            Some(rest) => rest,
            None if after.is_empty() => after,
            None => return Err(format!("{after:?} after {name}")),
        };
    }
    Ok(found)
}

/// Reads a multivariant playlist.
pub(crate) fn multivariant(text: &str) -> Result<Multivariant, String> {
    let mut playlist = Multivariant { lines: lines(text)?, ..Multivariant::default() };
    let mut variant = None;
    for line in &playlist.lines {
        match line {
            Line::Tag(name, value) if name == "EXT-X-STREAM-INF" => variant = Some(attributes(value)?),
            Line::Tag(name, value) if name == "EXT-X-MEDIA" => playlist.renditions.push(attributes(value)?),
            Line::Tag(..) if variant.is_some() => return Err("a tag between EXT-X-STREAM-INF and its URI".into()),
            Line::Tag(..) => {}
            Line::Uri(uri) => {
                let attributes = variant.take().ok_or_else(|| format!("{uri} has no EXT-X-STREAM-INF"))?;
                playlist.variants.push((attributes, uri.clone()));
            }
        }
    }
    if variant.is_some() {
        return Err("EXT-X-STREAM-INF without a URI".into());
    }
    Ok(playlist)
}

/// Reads a media playlist.
pub(crate) fn media(text: &str) -> Result<Media, String> {
    let mut playlist = Media { lines: lines(text)?, ..Media::default() };
    let mut seconds = None;
    for line in &playlist.lines {
        match line {
            Line::Tag(name, value) if name == "EXTINF" => {
                let number = value.split_once(',').ok_or_else(|| format!("EXTINF:{value} has no comma"))?.0;
                seconds = Some(number.parse::<f64>().map_err(|_| format!("EXTINF:{value}"))?);
            }
            Line::Tag(name, value) if name == "EXT-X-TARGETDURATION" => {
                playlist.target = Some(value.parse().map_err(|_| format!("EXT-X-TARGETDURATION:{value}"))?);
            }
            Line::Tag(name, value) if name == "EXT-X-MAP" => {
                playlist.map = quoted(&attributes(value)?, "URI").map(String::from);
            }
            Line::Tag(..) => {}
            Line::Uri(uri) => {
                let seconds = seconds.take().ok_or_else(|| format!("{uri} has no EXTINF"))?;
                playlist.segments.push(Listed { seconds, uri: uri.clone() });
            }
        }
    }
    Ok(playlist)
}
