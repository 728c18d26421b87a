//! A reader of MPDs (ISO/IEC 23009-1): XML in, representations with their segments out.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;

/// One XML element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) children: Vec<Element>,
    pub(crate) text: String,
}

impl Element {
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// Parses a whole document.
pub(crate) fn parse(text: &str) -> Result<Element, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => open.push(element(&start)?),
            Event::Empty(start) => close(&mut open, element(&start)?)?,
            Event::End(_) => {
                let done = open.pop().ok_or("an end without a start")?;
                close(&mut open, done)?;
            }
            Event::Text(text) => {
                open.last_mut().ok_or("text outside")?.text.push_str(text.trim());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    open.pop().and_then(|mut root| root.children.pop()).ok_or_else(|| "no root element".into())
}

fn close(open: &mut [Element], done: Element) -> Result<(), String> {
    open.last_mut().ok_or("an element outside the document")?.children.push(done);
    Ok(())
}

fn element(start: &BytesStart<'_>) -> Result<Element, String> {
    let mut element = Element { name: start.name().as_ref().into(), ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?.into_owned();
        element.attributes.insert(attribute.key.as_ref().into(), value);
    }
    Ok(element)
}

/// A Representation, with what it inherits from its AdaptationSet.
#[derive(Debug, Clone)]
pub(crate) struct Representation {
    /// Its own attributes, and those of the AdaptationSet.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Descriptors of the Representation and of its AdaptationSet.
    pub(crate) descriptors: Vec<Element>,
    /// Number of its AdaptationSet.
    pub(crate) set: usize,
    pub(crate) timescale: u64,
    pub(crate) offset: u64,
    pub(crate) init: String,
    pub(crate) segments: Vec<Timed>,
}

/// A segment of a SegmentTimeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) uri: String,
    pub(crate) start: u64,
    pub(crate) duration: u64,
}

impl Representation {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// The representations of a one-Period MPD, in order.
pub(crate) fn representations(mpd: &Element) -> Result<Vec<Representation>, String> {
    let mut periods = mpd.all("Period");
    let period = periods.next().ok_or("no Period")?;
    if periods.next().is_some() {
        return Err("more than one Period".into());
    }
    let mut found = Vec::new();
    for (number, set) in period.all("AdaptationSet").enumerate() {
        for representation in set.all("Representation") {
            found.push(representation_of(number, set, representation)?);
        }
    }
    Ok(found)
}

fn representation_of(number: usize, set: &Element, own: &Element) -> Result<Representation, String> {
    let mut attributes = set.attributes.clone();
    attributes.extend(own.attributes.clone());
    let descriptors = set.children.iter().chain(&own.children).filter(|child| child.name != "Representation");
    let templates: Vec<&Element> = own.all("SegmentTemplate").chain(set.all("SegmentTemplate")).collect();
    let template = |name: &str| templates.iter().find_map(|template| template.get(name));
    let whole = |name: &str, default: u64| match template(name) {
        Some(text) => text.parse().map_err(|_| format!("SegmentTemplate@{name}={text:?}")),
        None => Ok(default),
    };
    let id = own.get("id").ok_or("a Representation without an id")?;
    let timeline = templates.iter().find_map(|template| template.all("SegmentTimeline").next());
    let media = template("media").ok_or("no SegmentTemplate@media")?;
    let number_from = whole("startNumber", 1)?;
    let mut segments = Vec::new();
    for (start, duration) in timeline_of(timeline.ok_or("no SegmentTimeline")?)? {
        let number = number_from + segments.len() as u64;
        segments.push(Timed { uri: fill(media, id, number, start)?, start, duration });
    }
    Ok(Representation {
        descriptors: descriptors.cloned().collect(),
        set: number,
        timescale: whole("timescale", 1)?,
        offset: whole("presentationTimeOffset", 0)?,
        init: fill(template("initialization").ok_or("no SegmentTemplate@initialization")?, id, 0, 0)?,
        segments,
        attributes,
    })
}

/// ISO/IEC 23009-1 §5.3.9.6: `@t` defaults to the previous end; `@r` repeats.
fn timeline_of(timeline: &Element) -> Result<Vec<(u64, u64)>, String> {
    let (mut segments, mut next) = (Vec::new(), 0);
    for run in timeline.all("S") {
        let duration = run.number("d").ok_or("S without @d")?;
        let repeats = run.get("r").map_or(Ok(0), str::parse::<u32>).map_err(|_| "S@r is no count")?;
        next = run.number("t").unwrap_or(next);
        for _ in 0..=repeats {
            segments.push((next, duration));
            next += duration;
        }
    }
    Ok(segments)
}

/// ISO/IEC 23009-1 §5.3.9.4.4: fills in a template.
fn fill(template: &str, id: &str, number: u64, time: u64) -> Result<String, String> {
    let mut filled = String::new();
    for (at, part) in template.split('$').enumerate() {
        match (at % 2, part) {
            (0, text) => filled.push_str(text),
            (_, "") => filled.push('$'),
            (_, "RepresentationID") => filled.push_str(id),
            (_, "Number") => filled.push_str(&number.to_string()),
            (_, "Time") => filled.push_str(&time.to_string()),
            (_, other) => return Err(format!("${other}$ is not understood")),
        }
    }
    Ok(filled)
}

/// The seconds of an `xs:duration` of days, hours, minutes and seconds.
pub(crate) fn seconds(duration: &str) -> Option<f64> {
    let rest = duration.strip_prefix('P')?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut sum = match days.strip_suffix('D') {
        Some(days) => days.parse::<f64>().ok()? * 86_400.0,
        None if days.is_empty() => 0.0,
        None => return None,
    };
    let mut number = String::new();
    for letter in time.chars() {
        let unit = match letter {
            'H' => 3_600.0,
            'M' => 60.0,
            'S' => 1.0,
            digit => {
                number.push(digit);
                continue;
            }
        };
        sum += number.parse::<f64>().ok()? * unit;
        number.clear();
    }
    number.is_empty().then_some(sum)
}
