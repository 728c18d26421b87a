//! FFmpeg as a reference: packets as ffprobe lists them, frames and samples as ffmpeg decodes them.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

/// A stream in ffprobe's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) index: usize,
    /// The track_ID, if there is one.
    pub(crate) id: Option<u32>,
    /// Ticks per second.
    pub(crate) timescale: u32,
    pub(crate) codec: String,
    /// `video`, `audio`, …
    pub(crate) kind: String,
}

/// A packet in ffprobe's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) stream: usize,
    pub(crate) pts: Option<i64>,
    /// Offset in its file.
    pub(crate) at: Option<u64>,
    pub(crate) size: u32,
    pub(crate) hash: String,
}

/// ffprobe's list of streams and packets.
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

/// Whether to apply edit lists.
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
    command.args(["-v", "error", "-of", "json", "-show_data_hash", "CRC32", "-show_entries"]);
    command.arg("stream=index,id,time_base,codec_name,codec_type:packet=stream_index,pts,pos,size,data_hash");
    if edits == Edits::Ignore {
        command.args(["-ignore_editlist", "1"]);
    }
    parse(&run(command.arg(input))?)
}

/// ffprobe's packets of each stream of a manifest, requested one by one: FFmpeg 5.1's DASH reader ends where the first
/// of several streams ends.
pub(crate) fn probe_apart(url: &str) -> Result<Listing, String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "json", "-show_entries", "stream=index,id,time_base,codec_name,codec_type"]);
    let mut listing = parse(&run(command.arg(url))?)?;
    for stream in &listing.streams {
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-of", "json", "-show_data_hash", "CRC32"]);
        command.args(["-show_entries", "packet=stream_index,pts,pos,size,data_hash", "-select_streams"]);
        listing.packets.extend(parse(&run(command.arg(stream.index.to_string()).arg(url))?)?.packets);
    }
    Ok(listing)
}

/// MD5 of every decoded frame of the first video stream, ignoring edits.
pub(crate) fn frames(file: &Path) -> Result<Vec<String>, String> {
    let mut command = ffmpeg(file);
    command.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let hash = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    Ok(run(&mut command)?.lines().filter(|line| !line.starts_with('#')).filter_map(hash).collect())
}

/// The first audio stream decoded: interleaved 16-bit samples, including priming.
pub(crate) fn pcm(file: &Path) -> Result<Vec<u8>, String> {
    let mut command = ffmpeg(file);
    output(command.args(["-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "s16le", "-"]))
}

fn ffmpeg(file: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-threads", "1", "-flags2", "+skip_manual"]);
    // MPEG-TS has no edit lists.
    if file.extension().is_none_or(|extension| extension != "ts" && extension != "m3u8") {
        command.args(["-ignore_editlist", "1"]);
    }
    command.arg("-i").arg(file);
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

fn parse(text: &str) -> Result<Listing, String> {
    let json: Value = serde_json::from_str(text).map_err(|error| format!("ffprobe: {error}"))?;
    let list = |name: &str| json.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(Listing {
        streams: list("streams").iter().filter_map(stream).collect(),
        packets: list("packets").iter().filter_map(packet).collect(),
    })
}

/// A field that ffprobe writes as a number or as a string.
fn field<T: FromStr>(object: &Value, name: &str) -> Option<T> {
    match object.get(name)? {
        Value::String(text) => text.parse().ok(),
        other => other.to_string().parse().ok(),
    }
}

fn stream(object: &Value) -> Option<Stream> {
    let text = |name: &str| field::<String>(object, name);
    Some(Stream {
        index: field(object, "index")?,
        id: text("id").and_then(|id| u32::from_str_radix(id.strip_prefix("0x")?, 16).ok()),
        timescale: text("time_base").and_then(|base| base.strip_prefix("1/")?.parse().ok()).unwrap_or(1),
        codec: text("codec_name").unwrap_or_default(),
        kind: text("codec_type").unwrap_or_default(),
    })
}

fn packet(object: &Value) -> Option<Packet> {
    Some(Packet {
        stream: field(object, "stream_index")?,
        pts: field(object, "pts"),
        at: field(object, "pos"),
        size: field(object, "size")?,
        hash: field(object, "data_hash").unwrap_or_default(),
    })
}
