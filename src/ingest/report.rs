//! What an upload was found to hold: for whoever asks later, and for the log.

use super::finish::url_name;
use crate::catalog::Asset;
use crate::library::Upload;
use crate::media::{Descriptor, Extent, Kind};
use crate::verdict;
use serde_json::{Value, json};

/// Tracks, duration and what lint says; the entity tag of the file that `row` became, and whether it replaced one of what
/// `before` tells of.
pub(super) fn report(asset: &Asset, row: &Upload, before: &Descriptor) -> Value {
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

/// The entity tag of the file that `row` became, and whether it replaced another; `None` where it is not published.
#[must_use]
pub fn placement(row: &Upload) -> Option<(String, Placement)> {
    let report: Value = serde_json::from_str(row.report.as_deref()?).ok()?;
    let replaced = report.get("replaced").and_then(Value::as_bool).unwrap_or(false);
    let placement = if replaced { Placement::Replaced } else { Placement::Created };
    Some((report.get("etag")?.as_str()?.to_owned(), placement))
}

/// What the file of an upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// There was no file of its name.
    Created,
    /// It took the place of another.
    Replaced,
}

/// The same in a few words.
pub(super) fn said(asset: &Asset) -> String {
    let codecs = asset.files.iter().flat_map(|file| file.movie.tracks.iter().map(|track| track.codec.string.as_str()));
    codecs.collect::<Vec<_>>().join(", ")
}
