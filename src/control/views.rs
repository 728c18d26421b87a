//! What is told of rows, as JSON.

use super::scope::Scope;
use super::words::{JobWord, UploadWord};
use crate::catalog::Asset;
use crate::ingest::now;
use crate::library::{AssetRow, Job, Key, Upload, UploadState};
use crate::media::AssetId;
use crate::route::Route;
use crate::verdict::{self, Playable, Plays};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The entries.
    pub(super) items: Vec<T>,
    /// What `after` says for the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// An upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadView {
    /// What it is called.
    id: String,
    /// The asset that it is of.
    asset: String,
    /// The file that it becomes.
    file: String,
    /// How far it is.
    #[schema(value_type = UploadWord)]
    state: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Bytes that are durable.
    offset: u64,
    /// Bytes of the whole, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Milliseconds since 1970.
    created: i64,
    /// Milliseconds since 1970.
    updated: i64,
    /// When it is given up if nobody goes on with it: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    /// What it was found to hold: milliseconds, tracks, lint.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
    /// Where it plays, once it is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    urls: Option<Urls>,
}

impl UploadView {
    pub(super) fn of(row: Upload, players: &str) -> Self {
        let published = row.state == UploadState::Published;
        let report: Option<Value> = row.report.as_deref().and_then(|report| serde_json::from_str(report).ok());
        let ts = report.as_ref().and_then(|report| report.pointer("/playable/ts")).and_then(Value::as_str);
        let by_ts = ts == Some(Plays::Yes.as_str());
        let urls = |id| if by_ts { Urls::of(&id, players).with_ts(&id, players) } else { Urls::of(&id, players) };
        Self {
            urls: published.then(|| AssetId::new(&row.asset).map(urls)).flatten(),
            expires: (row.state == UploadState::Receiving).then_some(row.expires),
            state: row.state.word(),
            report,
            id: row.id,
            asset: row.asset,
            file: row.file,
            reason: row.reason,
            offset: row.offset,
            length: row.length,
            created: row.created,
            updated: row.updated,
        }
    }
}

/// Where an asset plays.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Urls {
    /// HLS (CMAF).
    hls: String,
    /// HLS (MPEG-TS); absent where it does not answer, and in lists of assets.
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    /// DASH.
    dash: String,
}

impl Urls {
    pub(super) fn of(id: &AssetId, players: &str) -> Self {
        let at = |route: Route| format!("{players}{route}");
        let asset = || id.clone();
        Self { hls: at(Route::Hls(asset())), ts: None, dash: at(Route::Dash(asset())) }
    }

    /// With MPEG-TS, which answers.
    fn with_ts(self, id: &AssetId, players: &str) -> Self {
        Self { ts: Some(format!("{players}{}", Route::Ts(id.clone()))), ..self }
    }
}

/// An asset in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetView {
    /// Its name.
    id: String,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Words to find it by.
    tags: Vec<String>,
    /// The language of the whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Whatever else its owner notes.
    custom: BTreeMap<String, String>,
    /// Milliseconds since 1970.
    created: i64,
    /// Milliseconds since 1970.
    updated: i64,
    /// Bytes of its files.
    bytes: u64,
    /// How long it plays.
    milliseconds: u64,
    /// How many files.
    files: u32,
    /// When it was deleted: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    /// Until when it can be had back: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
    /// Where it plays.
    #[serde(skip_serializing_if = "Option::is_none")]
    urls: Option<Urls>,
}

impl AssetView {
    pub(super) fn of(row: AssetRow, players: &str) -> Self {
        let here = row.deleted.is_none();
        Self {
            urls: here.then(|| AssetId::new(&row.id).map(|id| Urls::of(&id, players))).flatten(),
            id: row.id,
            title: row.title,
            description: row.details.description,
            tags: row.details.tags,
            language: row.details.language,
            custom: row.details.custom,
            created: row.created,
            updated: row.updated,
            bytes: row.bytes,
            milliseconds: row.millis,
            files: row.files,
            deleted: row.deleted,
            purge_at: row.purge_at,
        }
    }
}

/// An asset, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetWhole {
    /// What a list tells.
    #[serde(flatten)]
    asset: AssetView,
    /// Its files, in the order in which players list them.
    renditions: Vec<RenditionView>,
    /// Who plays it; absent where it cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    playable: Option<PlayableView>,
}

/// Who plays an asset: `yes` is all, `some` depends on the browser, the device or the version, `no` is none.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlayableView {
    /// Browsers: yes, some or no.
    browsers: &'static str,
    /// Apple's players: yes, some or no.
    apple: &'static str,
    /// MPEG-TS: yes or no.
    ts: &'static str,
    /// Why not everywhere, in sentences.
    why: Vec<String>,
}

impl From<Playable> for PlayableView {
    fn from(playable: Playable) -> Self {
        let Playable { browsers, apple, ts, why } = playable;
        Self { browsers: browsers.as_str(), apple: apple.as_str(), ts: ts.as_str(), why }
    }
}

/// A file of an asset.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RenditionView {
    /// The file's name.
    file: String,
    /// Its bytes.
    bytes: u64,
    /// The RFC 6381 strings of its tracks.
    codecs: Vec<String>,
    /// Its entity tag, for If-Match where it is replaced.
    etag: String,
}

impl AssetWhole {
    pub(super) fn of(row: AssetRow, asset: Option<&Asset>, players: &str) -> Self {
        let renditions = asset.iter().flat_map(|asset| &asset.files).map(|file| RenditionView {
            file: file.name.clone(),
            bytes: file.object.size(),
            codecs: file.movie.tracks.iter().map(|track| track.codec.string.clone()).collect(),
            etag: format!("\"{}\"", file.movie.content),
        });
        let playable = asset.map(|asset| verdict::playable(&asset.plan));
        let mut view = AssetView::of(row, players);
        if let Some(asset) = asset.filter(|_| playable.as_ref().is_some_and(|playable| playable.ts == Plays::Yes)) {
            view.urls = view.urls.map(|urls| urls.with_ts(&asset.id, players));
        }
        Self { renditions: renditions.collect(), playable: playable.map(PlayableView::from), asset: view }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct JobView {
    /// What it is called.
    id: String,
    /// What is done.
    kind: String,
    /// What it is about: an upload, an asset or a file.
    subject: String,
    /// How far it is.
    #[schema(value_type = JobWord)]
    state: &'static str,
    /// Higher ones are done first.
    priority: i16,
    /// How often it was begun.
    attempt: i32,
    /// How often it may be.
    max_attempts: i32,
    /// How much of it is done, in thousandths.
    #[schema(minimum = 0, maximum = 1000)]
    progress: i32,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Milliseconds since 1970.
    created: i64,
    /// Milliseconds since 1970.
    updated: i64,
    /// Not before: milliseconds since 1970.
    run_at: i64,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<i64>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            state: job.state.word(),
            id: job.id,
            kind: job.kind,
            subject: job.subject,
            priority: job.priority,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            progress: job.progress,
            reason: job.reason,
            created: job.created,
            updated: job.updated,
            run_at: job.run_at,
            finished: job.finished,
        }
    }
}

/// A key; its secret is told when it is made, and never again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyView {
    /// What it is called.
    id: String,
    /// What its owner calls it.
    name: String,
    /// What it allows, as in `write` or `upload:films/`.
    scopes: Vec<String>,
    /// Whether it can be used now.
    active: bool,
    /// Milliseconds since 1970.
    created: i64,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    /// When it was used last, to the minute: milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<i64>,
    /// Milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
    /// The secret, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl KeyView {
    pub(super) fn of(key: Key, secret: Option<String>) -> Self {
        Self {
            active: key.revoked.is_none() && key.expires.is_none_or(|expires| expires > now()),
            scopes: Scope::list(&key.scopes).iter().map(ToString::to_string).collect(),
            id: key.id,
            name: key.name,
            created: key.created,
            expires: key.expires,
            used: key.used,
            revoked: key.revoked,
            secret,
        }
    }
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadsListed {
    /// `next` of the page before.
    pub(super) after: Option<String>,
    /// Entries of a page; 50 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// Only those of this state.
    #[param(value_type = Option<UploadWord>, inline)]
    pub(super) state: Option<String>,
}

/// Which page of jobs.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsListed {
    /// `next` of the page before.
    pub(super) after: Option<String>,
    /// Entries of a page; 50 where absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// Only those of this state.
    #[param(value_type = Option<JobWord>, inline)]
    pub(super) state: Option<String>,
    /// Only jobs of this kind.
    pub(super) kind: Option<String>,
}
