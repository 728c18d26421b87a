//! Reports on published uploads, for clients and for the log.

use crate::catalog::Asset;
use crate::ingest::receive::name::url_name;
use crate::library::Upload;
use crate::media::{Descriptor, Extent, Kind};
use crate::verdict;
use serde_json::{Value, json};

/// Report on `asset` after publishing `row`: tracks, duration, lint, the file's entity tag, and whether it replaced a
/// file of `before`.
pub(in crate::ingest) fn report(asset: &Asset, row: &Upload, before: &Descriptor) -> Value {
    let tracks: Vec<Value> = asset
        .files
        .iter()
        .flat_map(|file| {
            file.movie.tracks.iter().map(|track| {
                let mut told = json!({"file": file.name, "track": track.id, "codec": track.codec.string});
                let more = match track.kind {
                    Kind::Video(picture) => {
                        let Extent { width, height } = picture.shown();
                        json!({"kind": "video", "width": width, "height": height})
                    }
                    Kind::Audio(sound) => {
                        json!({"kind": "audio", "channels": sound.channels, "sample_rate": sound.sample_rate})
                    }
                };
                if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
                    told.extend(more);
                }
                told
            })
        })
        .collect();
    let etag = asset.file(&row.file).map(|file| file.movie.content.to_string());
    let replaced = before.renditions.iter().any(|file| file.file != row.file && file.name() == url_name(&row.file));
    json!({
        "milliseconds": asset.plan.end().micros() / 1_000,
        "tracks": tracks,
        "playable": verdict::playable(&asset.plan),
        "lint": asset.findings(),
        "etag": etag,
        "replaced": replaced,
    })
}

/// Entity tag of the published file, and whether it replaced another; `None` if the upload is not published.
#[must_use]
pub fn placement(row: &Upload) -> Option<(String, Placement)> {
    let report: Value = serde_json::from_str(row.report.as_deref()?).ok()?;
    let replaced = report.get("replaced").and_then(Value::as_bool).unwrap_or(false);
    let placement = if replaced { Placement::Replaced } else { Placement::Created };
    Some((report.get("etag")?.as_str()?.to_owned(), placement))
}

/// Effect of a published file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// The file is new.
    Created,
    /// The file replaced another.
    Replaced,
}

/// Codecs of the asset, for the log.
pub(in crate::ingest) fn codec_list(asset: &Asset) -> String {
    let codecs = asset.files.iter().flat_map(|file| file.movie.tracks.iter().map(|track| track.codec.string.as_str()));
    codecs.collect::<Vec<_>>().join(", ")
}
