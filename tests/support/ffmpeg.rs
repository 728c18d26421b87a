//! FFmpeg's opinion: packets as ffprobe lists them, frames and samples as ffmpeg decodes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// A stream, as ffprobe shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) index: usize,
    /// The track_ID, where there is one.
    pub(crate) id: Option<u32>,
    /// Ticks per second.
    pub(crate) timescale: u32,
    pub(crate) kind: String,
    pub(crate) codec: String,
}

/// A packet, as ffprobe shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) stream: usize,
    pub(crate) pts: Option<i64>,
    /// Where it starts in its file.
    pub(crate) at: Option<u64>,
    pub(crate) size: u32,
    pub(crate) hash: String,
}

/// What ffprobe lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) streams: Vec<Stream>,
    pub(crate) packets: Vec<Packet>,
}

impl Listing {
    pub(crate) fn of(&self, stream: usize) -> impl Iterator<Item = &Packet> {
        self.packets.iter().filter(move |packet| packet.stream == stream)
    }
}

/// Whether edit lists are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edits {
    /// As ffprobe does by default.
    Apply,
    /// `-ignore_editlist 1`.
    Ignore,
}

/// ffprobe's packets of a file or URL.
pub(crate) fn probe(input: &str, edits: Edits) -> Result<Listing, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "compact", "-show_data_hash", "CRC32", "-show_entries"]);
    command.arg("stream=index,id,time_base,codec_type,codec_name:packet=stream_index,pts,pos,size,data_hash");
    if edits == Edits::Ignore {
        command.args(["-ignore_editlist", "1"]);
    }
    Ok(parse(&run(command.arg(input))?))
}

/// MD5 of each decoded frame of the first video stream, every frame, edits ignored.
pub(crate) fn frames(file: &Path) -> Result<Vec<String>, String> {
    let mut command = ffmpeg(file);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let hash = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    Ok(run(&mut command)?.lines().filter(|line| !line.starts_with('#')).filter_map(hash).collect())
}

/// The first audio stream decoded: interleaved 16-bit samples, priming included.
pub(crate) fn pcm(file: &Path) -> Result<Vec<u8>, String> {
    let mut command = ffmpeg(file);
    output(command.args(["-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "s16le", "-"]))
}

fn ffmpeg(file: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-threads", "1", "-ignore_editlist", "1", "-flags2", "+skip_manual", "-i"]).arg(file);
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    String::from_utf8(output(command)?).map_err(|error| error.to_string())
}

fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let done = command.output().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{}: {} {said}", command.get_program().display(), done.status));
    }
    Ok(done.stdout)
}

fn parse(text: &str) -> Listing {
    let mut listing = Listing::default();
    for line in text.lines() {
        let mut parts = line.split('|');
        let kind = parts.next();
        let fields: BTreeMap<&str, &str> = parts.filter_map(|part| part.split_once('=')).collect();
        match kind {
            Some("stream") => listing.streams.extend(stream(&fields)),
            Some("packet") => listing.packets.extend(packet(&fields)),
            _ => {}
        }
    }
    // A program section repeats the streams of the file.
    listing.streams.sort_by_key(|stream| stream.index);
    listing.streams.dedup();
    listing
}

fn stream(fields: &BTreeMap<&str, &str>) -> Option<Stream> {
    Some(Stream {
        index: fields.get("index")?.parse().ok()?,
        id: fields.get("id").and_then(|id| u32::from_str_radix(id.strip_prefix("0x")?, 16).ok()),
        timescale: fields.get("time_base").and_then(|base| base.strip_prefix("1/")?.parse().ok()).unwrap_or(1),
        kind: (*fields.get("codec_type")?).to_owned(),
        codec: fields.get("codec_name").copied().unwrap_or_default().to_owned(),
    })
}

fn packet(fields: &BTreeMap<&str, &str>) -> Option<Packet> {
    Some(Packet {
        stream: fields.get("stream_index")?.parse().ok()?,
        pts: fields.get("pts").and_then(|pts| pts.parse().ok()),
        at: fields.get("pos").and_then(|pos| pos.parse().ok()),
        size: fields.get("size")?.parse().ok()?,
        hash: fields.get("data_hash").copied().unwrap_or_default().to_owned(),
    })
}
