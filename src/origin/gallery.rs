//! What the gallery shows, as JSON: lists of names, for which nothing is opened, and what one asset is.

use super::answer::Origin;
use super::error::Error;
use crate::catalog::{self, Asset, ListedName, Query};
use crate::lint::Finding;
use crate::manifest::{FrameRate, Rates};
use crate::media::{AssetId, Kind, MediaKind, Moment};
use crate::plan::Planned;
use crate::route::Route;
use crate::verdict::{self, Playable, Plays};
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;

/// Assets that are opened at a time for the gallery.
pub(super) const AT_ONCE: usize = 4;

/// How long one waits for its turn.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Page {
    assets: Vec<Line>,
    /// What to ask for next.
    next: Option<String>,
    /// How many names there are, or hold the words that are searched.
    total: usize,
    /// Whether nothing was left out because there was too much.
    complete: bool,
    ignored: Ignored,
}

/// One name.
#[derive(Debug, Serialize)]
struct Line {
    id: String,
    title: String,
    /// Where to ask what it is; `null` where it is refused.
    detail: Option<String>,
    /// Whether it is an asset for sure.
    certain: bool,
    refused: Option<Refused>,
}

/// Files that are not understood.
#[derive(Debug, Serialize)]
struct Ignored {
    count: usize,
    files: Vec<IgnoredFile>,
}

#[derive(Debug, Serialize)]
struct IgnoredFile {
    path: String,
    /// What such files are, where that is known.
    format: Option<&'static str>,
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
    /// An address, as `files` and `dash` are: relative to this answer's own, so that it is right below any prefix.
    hls: Option<String>,
    dash: Option<String>,
    /// HLS of MPEG-TS, where its codecs allow it.
    ts: Option<String>,
    refused: Option<Refused>,
    /// Who plays it; `null` where it is refused.
    playable: Option<Playable>,
    video: Vec<Video>,
    audio: Vec<Audio>,
    files: Vec<String>,
    lint: Vec<Finding>,
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
    /// The size at which it is shown, in square pixels.
    width: u32,
    height: u32,
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

impl Origin {
    /// A page of names as JSON.
    pub async fn gallery(&self, query: Query) -> Result<Bytes, Error> {
        let page = self.catalog.search(query).await?;
        let files = page.ignored.some.into_iter().map(|path| IgnoredFile { format: catalog::format_of(&path), path });
        let ignored = Ignored { count: page.ignored.count, files: files.collect() };
        let assets = page.entries.into_iter().map(line).collect();
        let next = page.next.map(|id| id.to_string());
        Ok(json(&Page { assets, next, total: page.total, complete: page.is_whole, ignored }))
    }

    /// What one asset is, as JSON, or why it cannot be served.
    pub async fn gallery_asset(&self, id: &AssetId) -> Result<Bytes, Error> {
        let turn = timeout(TURN, self.cards.acquire()).await;
        let _turn = turn.map_err(|_| Error::Busy("more assets of the gallery are opened than at a time".into()))?;
        let card = match self.catalog.open(id).await {
            Ok(asset) => self.card(&asset),
            Err(error @ catalog::Error::Unplayable { .. }) => refused(id.to_string(), &error),
            Err(error) => return Err(error.into()),
        };
        Ok(json(&card))
    }

    fn card(&self, asset: &Asset) -> Card {
        let mut card = card(asset);
        if asset.details.is_none()
            && let Some(annotation) = self.catalog.annotation(&asset.id)
        {
            card.details = annotation.details.clone();
            if let Some(title) = &annotation.title {
                title.as_ref().clone_into(&mut card.title);
            }
        }
        if !self.files {
            card.files.clear();
        }
        card
    }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("strings and finite numbers only").into()
}

fn line(ListedName { name, title, is_certain, refused }: ListedName) -> Line {
    let last = name.rsplit('/').next().unwrap_or(&name);
    let title = title.map_or_else(|| last.to_owned(), |title| title.as_ref().to_owned());
    let detail = format!("asset.json?id={}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
    let detail = Some(detail).filter(|_| refused.is_none());
    Line { title, detail, certain: is_certain, refused: refused.as_ref().map(refusal), id: name }
}

fn refusal(error: &catalog::Error) -> Refused {
    Refused { title: "Unplayable", detail: error.to_string() }
}

fn refused(id: String, error: &catalog::Error) -> Card {
    Card { title: id.clone(), id, refused: Some(refusal(error)), ..Card::default() }
}

fn card(asset: &Asset) -> Card {
    let (id, plan) = (&asset.id, &asset.plan);
    let target = plan.target_duration();
    let playable = verdict::playable(plan);
    Card {
        id: id.to_string(),
        title: asset.title.clone(),
        details: asset.details.clone().unwrap_or_default(),
        duration: Some(seconds(plan.end())),
        hls: Some(address(&Route::Hls(id.clone()))),
        dash: Some(address(&Route::Dash(id.clone()))),
        ts: (playable.ts == Plays::Yes).then(|| address(&Route::Ts(id.clone()))),
        refused: None,
        playable: Some(playable),
        video: plan.of_kind(MediaKind::Video).filter_map(|track| video(track, target)).collect(),
        audio: plan.of_kind(MediaKind::Audio).filter_map(|track| audio(track, target)).collect(),
        files: asset.files.iter().map(|file| address(&Route::File(id.clone(), file.name.clone()))).collect(),
        lint: asset.findings(),
    }
}

/// `route` as it is called from `/~gallery/asset.json` (RFC 3986 §4.2).
fn address(route: &Route) -> String {
    format!("..{route}")
}

fn video(track: &Planned, target_duration: u32) -> Option<Video> {
    let Kind::Video(picture) = track.track().kind else { return None };
    let shown = picture.shown();
    Some(Video {
        name: name(track),
        codec: track.track().codec.string.clone(),
        width: shown.width,
        height: shown.height,
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
