//! The only program that links GStreamer. It does one task and prints the result as a line of JSON on standard output.
//! The caller kills it to cancel.
//!
//! ```text
//! afflux-transcode discover      describes the media at the URI on standard input
//!
//! {"container": "Quicktime", "milliseconds": 4000, "streams": [
//!   {"kind": "video", "codec": "H.264 (High Profile)", "rfc6381": "avc1.64001E", "width": 640, "height": 352, "framerate": "24/1"},
//!   {"kind": "audio", "codec": "MPEG-4 AAC", "rfc6381": "mp4a.40.2", "channels": 2, "sample_rate": 48000, "language": "en"}]}
//! {"error": "Could not determine type of stream.", "streams": []}
//! ```
//! Where the media cannot be had, it ends with a failure and says why on standard error alone.
//!
//! If the media cannot be fetched, the program exits with a failure and prints the reason on standard error only.
//!
//! The media comes from strangers: the program bounds its memory and CPU time before it reads any of it, and does not
//! fetch anything that the media refers to.

use glib::prelude::{Cast, ObjectExt};
use gst::prelude::GstObjectExt;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer_pbutils as pbutils;
use pbutils::prelude::DiscovererStreamInfoExt;
use pbutils::{
    Discoverer, DiscovererAudioInfo, DiscovererInfo, DiscovererResult, DiscovererStreamInfo, DiscovererSubtitleInfo,
    DiscovererVideoInfo,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::mpsc;

/// Longest time GStreamer may spend on the media.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// Resource limits of the process: CPU seconds over all cores, bytes of address space, bytes of a core file.
const BOUNDS: [(Resource, u64); 3] = [(Resource::Cpu, 40), (Resource::As, 4 << 30), (Resource::Core, 0)];

/// The GStreamer element that fetches media by HTTP.
const FETCHER: &str = "souphttpsrc";

/// Largest URI accepted, in bytes.
const URI: u64 = 64 << 10;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked != ["discover"] {
        eprintln!("afflux-transcode discover: what is in the media at the URI on standard input");
        return ExitCode::from(2);
    }
    match discover() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afflux-transcode: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a report of the media at the URI on standard input.
fn discover() -> Result<(), Box<dyn Error>> {
    bound()?;
    let mut uri = String::new();
    std::io::stdin().lock().take(URI).read_to_string(&mut uri)?;
    gst::init()?;
    disconnect(uri.trim());
    let (discoverer, turning) = (Discoverer::new(PATIENCE)?, glib::MainLoop::new(None, false));
    let (unread, why) = mpsc::channel();
    discoverer.connect_discovered(move |_, info, error| match error {
        Some(error) if is_unread(info, error) => drop(unread.send(error.to_string())),
        _ => tell(&found(info, error)),
    });
    let over = turning.clone();
    discoverer.connect_finished(move |_| over.quit());
    discoverer.start();
    discoverer.discover_uri_async(uri.trim())?;
    turning.run();
    why.try_recv().map_or(Ok(()), |why| Err(why.into()))
}

/// Whether the media could not be fetched, so that nothing is known about it. For a fetch that fails at once, GStreamer
/// reports only `StreamError::Failed` without stream information.
fn is_unread(info: &DiscovererInfo, error: &glib::Error) -> bool {
    let nothing = info.stream_info().is_none();
    error.is::<gst::ResourceError>() || nothing && error.matches(gst::StreamError::Failed)
}

/// Limits the resources of the process, and makes it end with the process that started it.
fn bound() -> rustix::io::Result<()> {
    for (resource, most) in BOUNDS {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// Unregisters all elements that fetch network resources named in media, so that a playlist in disguise cannot make
/// GStreamer send requests. The element that fetches the media itself stays.
fn disconnect(uri: &str) {
    let registry = gst::Registry::get();
    for factory in gst::ElementFactory::factories_with_type(gst::ElementFactoryType::ANY, gst::Rank::NONE) {
        let class = factory.metadata(gst::ELEMENT_METADATA_KLASS).unwrap_or_default();
        let fetches = ["Adaptive", "Network"].iter().any(|word| class.contains(word));
        if fetches && !(uri.starts_with("http") && factory.name() == FETCHER) {
            registry.remove_feature(&factory);
        }
    }
}

/// Prints a line of JSON. Ignores a failed write: nobody is left to report it to.
fn tell(value: &Value) {
    let _gone = writeln!(std::io::stdout(), "{value}");
}

fn found(info: &DiscovererInfo, error: Option<&glib::Error>) -> Value {
    let container = info.stream_info().filter(ObjectExt::is::<pbutils::DiscovererContainerInfo>);
    let streams: Vec<Value> = info.stream_list().iter().filter_map(stream_json).collect();
    let mut found = Map::new();
    found.extend(container.as_ref().and_then(codec).map(|container| ("container".into(), container.into())));
    found.extend(info.duration().map(|duration| ("milliseconds".into(), duration.mseconds().into())));
    found.insert("streams".into(), streams.into());
    let missing = info.result() == DiscovererResult::MissingPlugins;
    let missing = missing.then(|| "GStreamer has no decoder for some of it here".to_owned());
    found.extend(missing.or_else(|| error.map(ToString::to_string)).map(|error| ("error".into(), error.into())));
    found.into()
}

/// Description of a stream, as JSON; `None` for containers.
fn stream_json(stream: &DiscovererStreamInfo) -> Option<Value> {
    let told = if let Some(video) = stream.downcast_ref::<DiscovererVideoInfo>() {
        let rate = video.framerate();
        json!({
            "kind": if video.is_image() { "image" } else { "video" },
            "width": video.width(),
            "height": video.height(),
            "framerate": format!("{}/{}", rate.numer(), rate.denom()),
            "interlaced": video.is_interlaced(),
            "bitrate": video.bitrate(),
        })
    } else if let Some(audio) = stream.downcast_ref::<DiscovererAudioInfo>() {
        json!({
            "kind": "audio",
            "channels": audio.channels(),
            "sample_rate": audio.sample_rate(),
            "language": audio.language().map(String::from),
            "bitrate": audio.bitrate(),
        })
    } else if let Some(text) = stream.downcast_ref::<DiscovererSubtitleInfo>() {
        json!({"kind": "text", "language": text.language().map(String::from)})
    } else {
        return None;
    };
    let Value::Object(mut told) = told else { return None };
    told.extend(codec(stream).map(|codec| ("codec".into(), codec.into())));
    told.extend(rfc6381(stream).map(|codec| ("rfc6381".into(), codec.into())));
    //     Leave out unknown values.
    told.retain(|_, value| !value.is_null() && *value != json!(0));
    Some(told.into())
}

/// Human-readable name of a codec or container.
fn codec(stream: &impl DiscovererStreamInfoExt) -> Option<String> {
    let caps = stream.caps()?;
    Some(pbutils::pb_utils_get_codec_description(&caps).into())
}

/// The codec string of RFC 6381.
fn rfc6381(stream: &DiscovererStreamInfo) -> Option<String> {
    let caps = stream.caps()?;
    let codec = pbutils::codec_utils_caps_get_mime_codec(&caps);
    codec.ok().map(String::from)
}
