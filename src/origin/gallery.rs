//! The JSON of the gallery: pages of asset names, for which no asset is opened, and the details of one asset.

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

/// Most assets opened at the same time for the gallery.
pub(super) const AT_ONCE: usize = 4;

/// How long a request waits for a permit to open an asset.
const TURN: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct GalleryPage {
    assets: Vec<GalleryEntry>,
    /// Where the next page begins; `null` on the last page.
    next: Option<String>,
    /// Number of names, or of names that match the search.
    total: usize,
    /// Whether the list is complete; false if a limit cut it off.
    complete: bool,
    ignored: Ignored,
}

/// One name in a list.
#[derive(Debug, Serialize)]
struct GalleryEntry {
    id: String,
    title: String,
    /// URL of its details; `null` if it is refused.
    detail: Option<String>,
    /// Whether it is certain to be an asset.
    certain: bool,
    refused: Option<GalleryRefusal>,
}

/// Files whose format is not supported.
#[derive(Debug, Serialize)]
struct Ignored {
    count: usize,
    files: Vec<IgnoredFile>,
}

#[derive(Debug, Serialize)]
struct IgnoredFile {
    path: String,
    /// Name of the format, if known.
    format: Option<&'static str>,
}

#[derive(Debug, Default, Serialize)]
struct Card {
    id: String,
    title: String,
    /// `description`, `tags`, `language` and `custom`, where `asset.json` has them.
    #[serde(flatten)]
    details: crate::media::Details,
    /// Duration in seconds.
    duration: Option<f64>,
    /// URL of the HLS playlist. Like `dash` and `files`, it is relative to the URL of this response, so that it works
    /// below any prefix.
    hls: Option<String>,
    dash: Option<String>,
    /// URL of the HLS playlist of MPEG-TS, if its codecs allow it.
    ts: Option<String>,
    refused: Option<GalleryRefusal>,
    /// Players that can play it; `null` if it is refused.
    playable: Option<Playable>,
    video: Vec<GalleryVideo>,
    audio: Vec<GalleryAudio>,
    files: Vec<String>,
    lint: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct GalleryRefusal {
    title: &'static str,
    detail: String,
}

#[derive(Debug, Serialize)]
struct GalleryVideo {
    name: String,
    codec: String,
    /// Displayed width in square pixels; `height` likewise.
    width: u32,
    height: u32,
    frame_rate: f64,
    /// Bits per second.
    bandwidth: u64,
}

#[derive(Debug, Serialize)]
struct GalleryAudio {
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
    /// A page of names, as JSON.
    pub async fn gallery(&self, query: Query) -> Result<Bytes, Error> {
        let page = self.catalog.search(query).await?;
        let files = page.ignored.some.into_iter().map(|path| IgnoredFile { format: catalog::format_of(&path), path });
        let ignored = Ignored { count: page.ignored.count, files: files.collect() };
        let assets = page.entries.into_iter().map(line).collect();
        let next = page.next.map(|id| id.to_string());
        Ok(json(&GalleryPage { assets, next, total: page.total, complete: page.is_whole, ignored }))
    }

    /// The details of one asset, or the reason why it cannot be served, as JSON.
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

fn line(ListedName { name, title, is_certain, refused }: ListedName) -> GalleryEntry {
    let last = name.rsplit('/').next().unwrap_or(&name);
    let title = title.map_or_else(|| last.to_owned(), |title| title.as_ref().to_owned());
    let detail = format!("asset.json?id={}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
    let detail = Some(detail).filter(|_| refused.is_none());
    GalleryEntry { title, detail, certain: is_certain, refused: refused.as_ref().map(refusal), id: name }
}

fn refusal(error: &catalog::Error) -> GalleryRefusal {
    GalleryRefusal { title: "Unplayable", detail: error.to_string() }
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

/// The URL of `route` relative to `/~gallery/asset.json` (RFC 3986 §4.2).
fn address(route: &Route) -> String {
    format!("..{route}")
}

fn video(track: &Planned, target_duration: u32) -> Option<GalleryVideo> {
    let Kind::Video(picture) = track.track().kind else { return None };
    let shown = picture.shown();
    Some(GalleryVideo {
        name: name(track),
        codec: track.track().codec.string.clone(),
        width: shown.width,
        height: shown.height,
        frame_rate: decimal(FrameRate::of(track).millis(), 3),
        bandwidth: Rates::of(track, target_duration).peak,
    })
}

fn audio(track: &Planned, target_duration: u32) -> Option<GalleryAudio> {
    let Kind::Audio(sound) = track.track().kind else { return None };
    Some(GalleryAudio {
        name: name(track),
        codec: track.track().codec.string.clone(),
        channels: sound.channels,
        sample_rate: sound.sample_rate,
        language: track.language.as_str().into(),
        label: track.label.clone(),
        bandwidth: Rates::of(track, target_duration).peak,
    })
}

/// The name of a rendition: its label, else its file, else its track number.
fn name(track: &Planned) -> String {
    let file = track.name.file.clone().unwrap_or_else(|| format!("track {}", track.name.id));
    track.label.clone().unwrap_or(file)
}

fn seconds(moment: Moment) -> f64 {
    decimal(u64::try_from(moment.micros()).unwrap_or(0), 6)
}

/// `value` with its last `places` digits after the decimal point.
fn decimal(value: u64, places: u32) -> f64 {
    format!("{value}e-{places}").parse().expect("digits and an exponent")
}
