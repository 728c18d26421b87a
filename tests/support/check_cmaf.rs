//! CMAF's rules (ISO/IEC 23000-19 §7.3 to §7.5, ISO/IEC 14496-12 §8.8), checked on a fetched track.

use crate::boxes::{Cell, Fields, Fragment, Track as Stored, boxes, brands, find, need};
use crate::presentation::{Segment, Track};

/// Broken rules, each as one line.
pub(crate) fn check(track: &Track) -> Vec<String> {
    let mut faults = Vec::new();
    let mut note = |place: &str, fault: String| faults.push(format!("{place}: {fault}"));
    match header(track) {
        Ok(found) => found.into_iter().for_each(|fault| note(&track.init_uri, fault)),
        Err(fault) => note(&track.init_uri, fault),
    }
    let mut state = State { next: None, sequence: 0 };
    for segment in &track.segments {
        match media(segment, track, &mut state) {
            Ok(found) => found.into_iter().for_each(|fault| note(&segment.uri, fault)),
            Err(fault) => note(&segment.uri, fault),
        }
    }
    faults
}

/// State passed from one segment to the next.
struct State {
    /// Expected value of the next `tfdt`.
    next: Option<i64>,
    sequence: u32,
}

fn header(track: &Track) -> Result<Vec<String>, String> {
    let cells = boxes(&track.init)?;
    let mut faults = Vec::new();
    let kinds: Vec<String> = cells.iter().map(Cell::name).collect();
    if kinds != ["ftyp", "moov"] {
        faults.push(format!("holds {kinds:?}, not ftyp and moov"));
    }
    let named = cells.iter().find(|cell| &cell.kind == b"ftyp").map(brands).transpose()?.unwrap_or_default();
    // §7.2: cmfc; cmf2 would promise negative offsets.
    for brand in ["cmfc", "iso6"] {
        if !named.iter().any(|name| name == brand || brand == "iso6" && is_later_iso(name)) {
            faults.push(format!("no brand {brand} in {named:?}"));
        }
    }
    if named.iter().any(|name| name == "cmf2") {
        faults.push("brand cmf2".into());
    }
    let moov = cells.iter().find(|cell| &cell.kind == b"moov").ok_or("no moov")?;
    need(moov, &[b"mvex", b"trex"])?;
    let stored = &track.header.tracks[0];
    if stored.trex.is_none() {
        faults.push("no trex for its track".into());
    }
    if stored.table_entries > 0 || !stored.samples.is_empty() {
        faults.push(format!("sample tables with {} entries", stored.table_entries));
    }
    if stored.durations != [0; 3] {
        faults.push(format!("durations {:?}, none is known in a header", stored.durations));
    }
    // One edit without an end: its media_time is the start of the presentation in the media.
    match stored.edits.as_slice() {
        [edit] if edit.duration == 0 && edit.media_time >= 0 => {}
        other => faults.push(format!("edits {other:?}, not one of duration 0")),
    }
    faults.extend(described(moov, stored)?);
    Ok(faults)
}

/// Brands of later editions include the rules of `iso6`.
fn is_later_iso(brand: &str) -> bool {
    matches!(brand, "iso7" | "iso8" | "iso9" | "isoa" | "isob" | "isoc")
}

/// Checks that the media header fits the handler, that `dref` points into the file, and that there is one sample entry.
fn described(moov: &Cell<'_>, stored: &Stored) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    let minf = need(moov, &[b"trak", b"mdia", b"minf"])?;
    let wanted: &[u8; 4] = if &stored.handler == b"vide" { b"vmhd" } else { b"smhd" };
    if find(&minf, &[wanted])?.is_none() {
        faults.push(format!("no {}", String::from_utf8_lossy(wanted)));
    }
    let mut dref = Fields(need(&minf, &[b"dinf", b"dref"])?.payload);
    dref.take(12)?;
    dref.take(4)?;
    if dref.u32()? & 1 == 0 {
        faults.push("dref points out of the file".into());
    }
    let mut stsd = Fields(need(&minf, &[b"stbl", b"stsd"])?.payload);
    stsd.full()?;
    match stsd.u32()? {
        1 => {}
        count => faults.push(format!("{count} sample entries")),
    }
    Ok(faults)
}

fn media(segment: &Segment, track: &Track, state: &mut State) -> Result<Vec<String>, String> {
    let cells = boxes(&segment.bytes)?;
    let mut faults = Vec::new();
    let mut waiting: Option<Fragment> = None;
    for (number, cell) in cells.iter().enumerate() {
        match &cell.kind {
            b"styp" if number == 0 => faults.extend(segment_type(cell)?),
            b"sidx" | b"prft" | b"emsg" if waiting.is_none() => {}
            b"moof" if waiting.is_none() => {
                let fragment = Fragment::read(cell, &track.header.tracks)?;
                faults.extend(fragment_rules(&fragment, track, state));
                waiting = Some(fragment);
            }
            b"mdat" => match waiting.take() {
                Some(fragment) => faults.extend(bytes_rules(&fragment, cell)),
                None => faults.push("an mdat without a moof".into()),
            },
            _ => faults.push(format!("a {} at byte {}", cell.name(), cell.at)),
        }
    }
    if waiting.is_some() {
        faults.push("a moof without its mdat".into());
    }
    if !cells.iter().any(|cell| &cell.kind == b"moof") {
        faults.push("no moof".into());
    }
    Ok(faults)
}

fn segment_type(cell: &Cell<'_>) -> Result<Option<String>, String> {
    let named = brands(cell)?;
    let wanted = |name: &String| matches!(name.as_str(), "cmfs" | "cmff" | "cmfl" | "msdh" | "cmfc");
    Ok((!named.iter().any(wanted)).then(|| format!("styp with brands {named:?}")))
}

fn fragment_rules(fragment: &Fragment, track: &Track, state: &mut State) -> Vec<String> {
    let mut faults = Vec::new();
    let [run] = fragment.runs.as_slice() else {
        return vec![format!("{} trafs in one moof", fragment.runs.len())];
    };
    if run.track != track.header.tracks[0].id {
        faults.push(format!("track_ID {}, not {}", run.track, track.header.tracks[0].id));
    }
    if run.tfhd_flags & 0x02_0000 == 0 {
        faults.push("no default-base-is-moof".into());
    }
    if run.tfhd_flags & 0x01 != 0 {
        faults.push("a base-data-offset".into());
    }
    if fragment.sequence <= state.sequence {
        faults.push(format!("sequence_number {} after {}", fragment.sequence, state.sequence));
    }
    let Some(start) = run.tfdt.and_then(|tfdt| i64::try_from(tfdt).ok()) else {
        return vec!["no tfdt".into()];
    };
    if state.next.is_some_and(|next| next != start) {
        faults.push(format!("tfdt {start}, {:?} was due", state.next.unwrap_or_default()));
    }
    let length: i64 = run.samples.iter().map(|sample| i64::from(sample.duration)).sum();
    (state.next, state.sequence) = (Some(start + length), fragment.sequence);
    if let Some(least) = run.samples.iter().map(|sample| sample.offset).min().filter(|&least| least < 0) {
        faults.push(format!("composition offset {least}"));
    }
    match run.samples.first() {
        None => faults.push("no samples".into()),
        Some(first) if !first.sync => faults.push("the first sample is no sync sample".into()),
        Some(_) => {}
    }
    faults
}

/// Checks that samples follow each other from the payload's first byte to its last.
fn bytes_rules(fragment: &Fragment, mdat: &Cell<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if fragment.end != mdat.at {
        faults.push(format!("mdat at {}, its moof ends at {}", mdat.at, fragment.end));
    }
    let mut at = (mdat.at + mdat.header) as u64;
    for (number, sample) in fragment.runs.iter().flat_map(|run| &run.samples).enumerate() {
        if sample.at != at {
            faults.push(format!("sample {number} at byte {}, {at} was due", sample.at));
            return faults;
        }
        at += u64::from(sample.size);
    }
    if at != mdat.end() as u64 {
        faults.push(format!("samples end at byte {at}, mdat at {}", mdat.end()));
    }
    faults
}
