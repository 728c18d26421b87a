//! What an upload was found to hold: for whoever asks later, and for the log.

use crate::catalog::Asset;
use crate::lint;
use crate::media::Kind;
use serde_json::{Value, json};

/// Tracks, duration and what lint says.
pub(super) fn report(asset: &Asset) -> Value {
    let tracks: Vec<Value> = asset
        .files
        .iter()
        .flat_map(|file| {
            file.movie.tracks.iter().map(|track| {
                let mut told = json!({"file": file.name, "track": track.id, "codec": track.codec.string});
                let more = match track.kind {
                    Kind::Video(picture) => json!({"kind": "video", "width": picture.width, "height": picture.height}),
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
    let notes = asset.notes.iter().map(|note| (note.code, note.message.clone()));
    let findings = lint::findings(&asset.plan).into_iter().map(|finding| (finding.code, finding.message));
    let lint: Vec<Value> =
        notes.chain(findings).map(|(code, message)| json!({"code": code, "message": message})).collect();
    json!({"milliseconds": asset.plan.end().micros() / 1_000, "tracks": tracks, "lint": lint})
}

/// The same in a few words.
pub(super) fn said(asset: &Asset) -> String {
    let codecs = asset.files.iter().flat_map(|file| file.movie.tracks.iter().map(|track| track.codec.string.as_str()));
    codecs.collect::<Vec<_>>().join(", ")
}
