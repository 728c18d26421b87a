//! JSON forms of database rows: pages, uploads, assets, jobs, keys.

use super::scope::Scope;
use super::words::{JobWord, UploadWord};
use crate::catalog::Asset;
use crate::ingest::now;
use crate::library::{ApiKey, AssetRow, Job, Upload, UploadState};
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
    /// Value of `after` for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// An upload.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadView {
    /// Id of the upload.
    id: String,
    /// Id of the asset that the upload belongs to.
    asset: String,
    /// Name of the file that it becomes.
    file: String,
    /// State of the upload.
    #[schema(value_type = UploadWord)]
    state: &'static str,
    /// Reason for the refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Number of durable bytes.
    offset: u64,
    /// Length in bytes, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// Time of creation, in milliseconds since 1970.
    created: i64,
    /// Time of the last change, in milliseconds since 1970.
    updated: i64,
    /// Time at which the upload is cancelled if no bytes arrive, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    /// Report on the file: milliseconds, tracks, lint.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Value>,
    /// URLs for players, once it is published.
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

/// URLs for players.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Urls {
    /// HLS (CMAF).
    hls: String,
    /// HLS (MPEG-TS); absent if MPEG-TS cannot carry the asset, and in lists of assets.
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

    /// Adds the URL of HLS (MPEG-TS).
    fn with_ts(self, id: &AssetId, players: &str) -> Self {
        Self { ts: Some(format!("{players}{}", Route::Ts(id.clone()))), ..self }
    }
}

/// An asset in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetView {
    /// Id of the asset.
    id: String,
    /// Title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Description for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Search words.
    tags: Vec<String>,
    /// Main language, as an RFC 5646 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// Custom keys and values of the owner.
    custom: BTreeMap<String, String>,
    /// Time of creation, in milliseconds since 1970.
    created: i64,
    /// Time of the last change, in milliseconds since 1970.
    updated: i64,
    /// Size of all files, in bytes.
    bytes: u64,
    /// Duration in milliseconds.
    milliseconds: u64,
    /// Number of files.
    files: u32,
    /// Time of deletion, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<i64>,
    /// Time until which it can be restored, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<i64>,
    /// URLs for players; absent if it is deleted.
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

/// An asset with its files and its verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AssetWhole {
    /// The fields of the asset in a list.
    #[serde(flatten)]
    asset: AssetView,
    /// The files, in the order in which players list them.
    renditions: Vec<RenditionView>,
    /// Verdict on who can play it; absent if it cannot be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    playable: Option<PlayableView>,
}

/// Verdict: which players can play an asset. `yes` means all, `no` none; `some` depends on browser, device or version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PlayableView {
    /// Browsers: yes, some or no.
    browsers: &'static str,
    /// Apple's players: yes, some or no.
    apple: &'static str,
    /// MPEG-TS: yes or no.
    ts: &'static str,
    /// Reasons why it does not play everywhere, in sentences.
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
    /// Name of the file.
    file: String,
    /// Size in bytes.
    bytes: u64,
    /// RFC 6381 codec strings of its tracks.
    codecs: Vec<String>,
    /// Entity tag, for If-Match when the file is replaced.
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
    /// Id of the job.
    id: String,
    /// Kind of work.
    #[schema(value_type = String)]
    kind: &'static str,
    /// Subject of the job: an upload, an asset or a file.
    subject: String,
    /// State of the job.
    #[schema(value_type = JobWord)]
    state: &'static str,
    /// Jobs with a higher priority run first.
    priority: i16,
    /// Number of attempts so far.
    attempt: i32,
    /// Most attempts.
    max_attempts: i32,
    /// Progress in thousandths.
    #[schema(minimum = 0, maximum = 1000)]
    progress: i32,
    /// Reason of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Time of creation, in milliseconds since 1970.
    created: i64,
    /// Time of the last change, in milliseconds since 1970.
    updated: i64,
    /// Earliest time of the next attempt, in milliseconds since 1970.
    run_at: i64,
    /// Time when it was done, died or was cancelled, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<i64>,
}

impl From<Job> for JobView {
    fn from(job: Job) -> Self {
        Self {
            state: job.state.word(),
            id: job.id,
            kind: job.kind.word(),
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

/// An API key; its secret is only shown when it is created.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Id of the key.
    id: String,
    /// Name for people.
    name: String,
    /// Scopes, such as `write` or `upload:films/`.
    scopes: Vec<String>,
    /// Whether the key is neither revoked nor expired.
    active: bool,
    /// Time of creation, in milliseconds since 1970.
    created: i64,
    /// Expiry time in milliseconds since 1970; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    /// Time of the last use, to the minute, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<i64>,
    /// Time of revocation, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<i64>,
    /// The secret; only present when the key is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl KeyView {
    pub(super) fn of(key: ApiKey, secret: Option<String>) -> Self {
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

/// Query parameters of the upload list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct UploadsListed {
    /// `next` of the previous page.
    pub(super) after: Option<String>,
    /// Entries on a page; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// Only uploads in this state.
    #[param(value_type = Option<UploadWord>, inline)]
    pub(super) state: Option<String>,
}

/// Query parameters of the job list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct JobsListed {
    /// `next` of the previous page.
    pub(super) after: Option<String>,
    /// Entries on a page; 50 if absent.
    #[param(minimum = 1, maximum = 500)]
    pub(super) limit: Option<u32>,
    /// Only jobs in this state.
    #[param(value_type = Option<JobWord>, inline)]
    pub(super) state: Option<String>,
    /// Only jobs of this kind.
    pub(super) kind: Option<String>,
}
