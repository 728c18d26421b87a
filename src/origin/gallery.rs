//! What the gallery shows: a page of assets as JSON, with their renditions, lint and addresses.

use super::answer::Origin;
use super::error::Error;
use crate::catalog::{self, Asset};
use crate::lint;
use crate::manifest::{FrameRate, Lineup, Rates};
use crate::media::{AssetId, Kind, MediaKind, Moment};
use crate::plan::Planned;
use crate::route::Route;
use bytes::Bytes;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct Page {
    assets: Vec<Card>,
    /// What to ask for next.
    next: Option<String>,
    total: Option<u64>,
}

#[derive(Debug, Default, Serialize)]
struct Card {
    id: String,
    title: String,
    /// `description`, `tags`, `language` and `custom`, where `asset.json` has them.
    #[serde(flatten)]
    details: crate::media::Details,
    /// In seconds.
    duration: Option<f64>,
    /// An address, as `files` and `dash` are: relative to this list's own, so that it is right below any prefix.
    hls: Option<String>,
    dash: Option<String>,
    /// HLS of MPEG-TS, where its codecs allow it.
    ts: Option<String>,
    refused: Option<Refused>,
    video: Vec<Video>,
    audio: Vec<Audio>,
    files: Vec<String>,
    lint: Vec<Lint>,
}

#[derive(Debug, Serialize)]
struct Refused {
    title: &'static str,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Video {
    name: String,
    codec: String,
    width: u16,
    height: u16,
    frame_rate: f64,
    /// Bits per second.
    bandwidth: u64,
}

#[derive(Debug, Serialize)]
struct Audio {
    name: String,
    codec: String,
    channels: u16,
    sample_rate: u32,
    language: String,
    label: Option<String>,
    /// Bits per second.
    bandwidth: u64,
}

#[derive(Debug, Serialize)]
struct Lint {
    code: &'static str,
    message: String,
}

impl Origin {
    /// A page of the gallery as JSON: at most `limit` assets whose names come after `after`.
    pub async fn gallery(&self, after: Option<&AssetId>, limit: usize) -> Result<Bytes, Error> {
        let page = self.catalog.page(after, limit).await?;
        let nameless = page.refused.iter().map(|(name, error)| refused(name.clone(), error));
        let assets = page.entries.iter().map(|(id, found)| match found {
            Ok(asset) => card(asset),
            Err(error) => refused(id.to_string(), error),
        });
        let mut assets: Vec<Card> = assets.chain(nameless).collect();
        assets.sort_by(|a, b| a.id.cmp(&b.id));
        let page = Page { assets, next: page.next.map(|id| id.to_string()), total: None };
        Ok(serde_json::to_vec(&page).expect("strings and finite numbers only").into())
    }
}

fn refused(id: String, error: &catalog::Error) -> Card {
    let refused = Refused { title: "Unplayable", detail: error.to_string() };
    Card { title: id.clone(), id, refused: Some(refused), ..Card::default() }
}

fn card(asset: &Asset) -> Card {
    let (id, plan) = (&asset.id, &asset.plan);
    let notes = asset.notes.iter().map(|note| Lint { code: note.code, message: note.message.clone() });
    let findings = lint::findings(plan).into_iter().map(|found| Lint { code: found.code, message: found.message });
    let target = plan.target_duration();
    Card {
        id: id.to_string(),
        title: asset.title.clone(),
        details: asset.details.clone().unwrap_or_default(),
        duration: Some(seconds(plan.end())),
        hls: Some(address(&Route::Hls(id.clone()))),
        dash: Some(address(&Route::Dash(id.clone()))),
        ts: Lineup::new(plan).is_ok().then(|| address(&Route::Ts(id.clone()))),
        refused: None,
        video: plan.of_kind(MediaKind::Video).filter_map(|track| video(track, target)).collect(),
        audio: plan.of_kind(MediaKind::Audio).filter_map(|track| audio(track, target)).collect(),
        files: asset.files.iter().map(|file| address(&Route::File(id.clone(), file.name.clone()))).collect(),
        lint: notes.chain(findings).collect(),
    }
}

/// `route` as it is called from `/~gallery/assets.json` (RFC 3986 §4.2).
fn address(route: &Route) -> String {
    format!("..{route}")
}

fn video(track: &Planned, target_duration: u32) -> Option<Video> {
    let Kind::Video(picture) = track.track().kind else { return None };
    Some(Video {
        name: name(track),
        codec: track.track().codec.string.clone(),
        width: picture.width,
        height: picture.height,
        frame_rate: decimal(FrameRate::of(track).millis(), 3),
        bandwidth: Rates::of(track, target_duration).peak,
    })
}

fn audio(track: &Planned, target_duration: u32) -> Option<Audio> {
    let Kind::Audio(sound) = track.track().kind else { return None };
    Some(Audio {
        name: name(track),
        codec: track.track().codec.string.clone(),
        channels: sound.channels,
        sample_rate: sound.sample_rate,
        language: track.language.as_str().into(),
        label: track.label.clone(),
        bandwidth: Rates::of(track, target_duration).peak,
    })
}

/// What a rendition is called: its label, its file, its track.
fn name(track: &Planned) -> String {
    let file = track.name.file.clone().unwrap_or_else(|| format!("track {}", track.name.id));
    track.label.clone().unwrap_or(file)
}

fn seconds(moment: Moment) -> f64 {
    decimal(u64::try_from(moment.micros()).unwrap_or(0), 6)
}

/// `value` with its last `places` digits behind the point.
fn decimal(value: u64, places: u32) -> f64 {
    format!("{value}e-{places}").parse().expect("digits and an exponent")
}
