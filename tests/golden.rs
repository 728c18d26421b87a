//! Compares manifests and muxed bytes of every fixture with `fixtures/golden`, as text that a review can read.
//!
//! `UPDATE_GOLDEN=1 cargo test --test golden` rewrites the goldens. It refuses if muxed bytes changed and
//! `PACKAGER_REVISION` did not, because players and CDNs cache responses of versioned URLs.

#![allow(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test's numbers are small, and a test that panics has failed"
)]

#[path = "support/stored.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod stored;

use afflux::manifest::{Lineup, Manifests, TsManifests};
use afflux::media::{AssetId, ByteRange};
use afflux::mux::{self, Chunks, Piece, Transport};
use afflux::plan::{PACKAGER_REVISION, Plan, Planned};
use bytes::{Bytes, BytesMut};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use stored::{fixture_assets, fixtures, plan, slice, sources};

#[test]
fn manifests_and_muxed_bytes_are_as_they_were() {
    let mut wrong = Vec::new();
    for (name, files) in fixture_assets() {
        let (sources, reference) = sources(&files);
        let plan = plan(&sources, reference).unwrap();
        let manifests = Manifests::new(&AssetId::new(&name).unwrap(), &plan);
        let objects: HashMap<_, _> = sources
            .iter()
            .zip(&files)
            .map(|(source, path)| (source.file.clone(), Bytes::from(std::fs::read(path).unwrap())))
            .collect();
        let mut muxed = format!("packager revision {PACKAGER_REVISION}\n");
        for track in plan.tracks() {
            write!(muxed, "\n{}", dump(track, &objects[&track.file])).unwrap();
        }
        let folder = fixtures().join("golden");
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        wrong.extend(compare(&folder.join(format!("{name}.m3u8")), &text(&manifests.hls.text), |_, _| {}));
        wrong.extend(compare(&folder.join(format!("{name}.mpd")), &text(&manifests.dash.text), |_, _| {}));
        wrong.extend(compare(&folder.join(format!("{name}.boxes")), &muxed, refuse_without_revision));
        let (entry, packets) = transport(&name, &plan, &objects);
        wrong.extend(compare(&folder.join(format!("{name}.ts.m3u8")), &entry, |_, _| {}));
        wrong.extend(compare(&folder.join(format!("{name}.packets")), &packets, refuse_without_revision));
    }
    assert!(wrong.is_empty(), "differ from their goldens (UPDATE_GOLDEN=1 rewrites them):\n{}", wrong.join("\n"));
}

/// The MPEG-TS entry of a plan, and its programs as text: their tracks, their segments by length and hash, and each of
/// the first packets of the first segment.
fn transport(name: &str, plan: &Plan, objects: &HashMap<String, Bytes>) -> (String, String) {
    let lineup = Lineup::new(plan).unwrap();
    let layouts: Vec<Arc<Transport>> =
        lineup.streams().into_iter().map(|streams| Arc::new(Transport::new(streams, 6_000).unwrap())).collect();
    let manifests = TsManifests::new(&AssetId::new(name).unwrap(), &lineup, &layouts);
    let mut out = format!("packager revision {PACKAGER_REVISION}\n");
    for (stream, layout) in lineup.streams().into_iter().zip(&layouts) {
        let from =
            |track: &Planned| format!("{} of {} ({})", track.name.id, track.file, track.timeline.movie().content);
        let tracks: Vec<String> = stream.tracks().map(from).collect();
        let count = layout.program().slices().len();
        writeln!(out, "\nprogram of track {}, {count} segments", tracks.join(" and track ")).unwrap();
        for number in 1..=count as u32 {
            let recipe = layout.recipe(stream, number).unwrap();
            let reads = recipe.whole().reads();
            let read = |track: Option<&Planned>, ranges: &[ByteRange]| {
                let parts =
                    track.map(|track| ranges.iter().map(|range| slice(&objects[&track.file], *range)).collect());
                Chunks::new(parts.unwrap_or_default())
            };
            let mut tracks = stream.tracks();
            let (first, second) = (read(tracks.next(), &reads.first), read(tracks.next(), &reads.second));
            let made = recipe.whole().build(first, second, BytesMut::with_capacity);
            let bytes = made.concat();
            if number == 1 {
                bytes.chunks(188).take(40).for_each(|packet| dump_packet(packet, &mut out));
            }
            let hash = blake3::hash(&bytes).to_hex();
            writeln!(out, "  segment {number}: {} bytes {}", bytes.len(), hash.get(..16).unwrap()).unwrap();
        }
    }
    (String::from_utf8(manifests.entry.text.to_vec()).unwrap(), out)
}

/// A packet as a line: PID, counter, whether a unit starts, the adaptation field's length and PCR, the payload's start.
fn dump_packet(packet: &[u8], out: &mut String) {
    let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
    let (starts, adapted) = (packet[1] & 0x40 != 0, packet[3] & 0x20 != 0);
    write!(out, "    {pid:#06x} {:2} {}", packet[3] & 0xf, if starts { "start" } else { "     " }).unwrap();
    let length = if adapted { 1 + usize::from(packet[4]) } else { 0 };
    let pcr = (length > 7 && packet[5] & 0x10 != 0)
        .then(|| packet[6..11].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)) >> 7);
    let payload = packet.get(4 + length..).unwrap_or_default();
    let head = &payload[..payload.len().min(24)];
    let hex = head.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    write!(out, " field {length:3} {:9} payload {:3}", pcr.map_or("-".into(), |pcr| pcr.to_string()), payload.len())
        .unwrap();
    writeln!(out, " {hex}").unwrap();
}

/// Compares `text` with the golden at `path`, or rewrites it.
fn compare(path: &Path, text: &str, may_update: fn(&str, &str)) -> Option<String> {
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    if golden == text {
        return None;
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        if !golden.is_empty() {
            may_update(&golden, text);
        }
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        return None;
    }
    let line = golden.lines().zip(text.lines()).position(|(a, b)| a != b);
    let at = line.unwrap_or_else(|| golden.lines().count().min(text.lines().count()));
    let of = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_string();
    Some(format!("{}:{}\n  was {}\n  is  {}", path.display(), at + 1, of(&golden), of(text)))
}

/// A track must not change its bytes within a revision while its own file is unchanged (the dump holds the file's
/// content id).
fn refuse_without_revision(golden: &str, text: &str) {
    let tracks = |text: &str| -> HashMap<String, String> {
        let parts = text.split("\n\n").skip(1);
        parts
            .filter_map(|part| part.split_once('\n'))
            .map(|(head, body)| (head.into(), body.trim_end().into()))
            .collect()
    };
    let same_revision = golden.lines().next() == text.lines().next();
    let (old, new) = (tracks(golden), tracks(text));
    let changed = old.iter().find(|(head, body)| new.get(*head).is_some_and(|now| now != *body));
    if let Some((head, _)) = changed.filter(|_| same_revision) {
        panic!("the muxed bytes of «{head}» change: raise PACKAGER_REVISION");
    }
}

/// A track as text: its source, its init segment box by box, its segments by length and hash.
fn dump(track: &Planned, object: &Bytes) -> String {
    let (content, cuts) = (track.timeline.movie().content, track.segments.len());
    let mut out =
        format!("{:?} track {} of {} ({content}), {cuts} segments\n", track.name.kind, track.name.id, track.file);
    let init = mux::init(track);
    dump_boxes(&init, 1, &mut out);
    writeln!(out, "  init {} bytes {}", init.len(), blake3::hash(&init).to_hex().get(..16).unwrap()).unwrap();
    for (number, segment) in (1..).zip(&track.segments) {
        let recipe = mux::segment(track, number, segment);
        let bytes: Vec<u8> = recipe.pieces().iter().flat_map(|piece| read(piece, object).to_vec()).collect();
        if number == 1 {
            dump_boxes(&bytes, 1, &mut out);
        }
        let hash = blake3::hash(&bytes).to_hex();
        let (start, span) = (segment.start.0, segment.span.0);
        writeln!(out, "  segment {number} at {start} for {span}: {} bytes {}", bytes.len(), hash.get(..16).unwrap())
            .unwrap();
    }
    out
}

fn read(piece: &Piece, object: &Bytes) -> Bytes {
    match piece {
        Piece::Generated(bytes) => bytes.clone(),
        Piece::Stored(range) => slice(object, *range),
    }
}

const CONTAINERS: [&[u8]; 10] =
    [b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf"];

/// A line per box: type, size, and the content if it is short.
fn dump_boxes(mut bytes: &[u8], depth: usize, out: &mut String) {
    while let Some((size, rest)) = bytes.split_first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        let (kind, content) = rest[..size - 4].split_first_chunk::<4>().unwrap();
        write!(out, "{:1$}{2} {size}", "", depth * 2, kind.escape_ascii()).unwrap();
        if CONTAINERS.contains(&kind.as_slice()) {
            out.push('\n');
            dump_boxes(content, depth + 1, out);
        } else {
            let short = content.get(..content.len().min(48)).unwrap();
            out.push(' ');
            for byte in short {
                write!(out, "{byte:02x}").unwrap();
            }
            out.push_str(if short.len() < content.len() { "…\n" } else { "\n" });
        }
        bytes = &bytes[size..];
    }
}
