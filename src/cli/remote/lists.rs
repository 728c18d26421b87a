//! `afflux assets`, `afflux jobs`, `afflux keys`: lists, and actions on one entry.

use super::api::ApiClient;
use super::args::{AssetsCommand, AssetsList, JobsCommand, JobsList, KeyWanted, KeysCommand};
use super::error::Error;
use super::tables::{Table, date, length, maybe, size};
use crate::cli::plain::plain;
use crate::ingest::now;
use crate::media::AssetId;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::json;
use std::io::{Write as _, stdout};

/// Head of a table, and the line that replaces an empty table.
#[derive(Clone, Copy)]
struct ListTable<'a> {
    head: &'a [&'a str],
    empty: &'a str,
}

/// The printed fields of an asset.
#[derive(Debug, Deserialize)]
struct ListedAsset {
    id: String,
    title: Option<String>,
    created: i64,
    bytes: u64,
    milliseconds: u64,
    files: u32,
    deleted: Option<i64>,
    purge_at: Option<i64>,
    urls: Option<ListedUrls>,
    #[serde(default)]
    renditions: Vec<ListedRendition>,
}

#[derive(Debug, Deserialize)]
struct ListedUrls {
    hls: String,
    ts: Option<String>,
    dash: String,
}

#[derive(Debug, Deserialize)]
struct ListedRendition {
    file: String,
    bytes: u64,
    codecs: Vec<String>,
}

/// The printed fields of a job.
#[derive(Debug, Deserialize)]
struct ListedJob {
    id: String,
    kind: String,
    subject: String,
    state: String,
    attempt: i32,
    max_attempts: i32,
    progress: i32,
    reason: Option<String>,
    created: i64,
}

/// The printed fields of a key.
#[derive(Debug, Deserialize)]
struct ListedKey {
    id: String,
    name: String,
    scopes: Vec<String>,
    active: bool,
    created: i64,
    expires: Option<i64>,
    used: Option<i64>,
    revoked: Option<i64>,
}

/// A new key.
#[derive(Debug, Deserialize)]
struct CreatedKey {
    id: String,
    secret: String,
}

/// API client and output format of the commands.
#[derive(Debug)]
pub(super) struct Lists<'a> {
    pub(super) api: &'a ApiClient,
    pub(super) json: bool,
}

impl Lists<'_> {
    /// `afflux assets …`.
    pub(super) async fn assets(&self, command: &AssetsCommand) -> Result<(), Error> {
        match command {
            AssetsCommand::List(list) => self.list_assets(list).await,
            AssetsCommand::Get { name } => self.asset(Method::GET, name, None).await,
            AssetsCommand::Delete { name } => self.asset(Method::DELETE, name, None).await,
            AssetsCommand::Restore { name } => {
                self.asset(Method::PATCH, name, Some(json!({ "deleted": false }).to_string())).await
            }
        }
    }

    async fn list_assets(&self, list: &AssetsList) -> Result<(), Error> {
        let deleted = list.deleted.then_some("true");
        let asked = [("search", list.search.as_deref()), ("sort", list.sort.as_deref()), ("deleted", deleted)];
        let url = self.api.listing("assets", &asked);
        if list.deleted {
            let head = ["NAME", "TITLE", "LENGTH", "SIZE", "DELETED (UTC)", "GONE FOR GOOD"];
            let row = |asset: ListedAsset| {
                let [deleted, gone] = [asset.deleted, asset.purge_at].map(|at| maybe(at.map(date)));
                vec![asset.id, maybe(asset.title), length(asset.milliseconds), size(asset.bytes), deleted, gone]
            };
            return self.table(&url, ListTable { head: &head, empty: "nothing is deleted" }, row).await;
        }
        let head = ["NAME", "TITLE", "LENGTH", "SIZE", "FILES", "CREATED (UTC)"];
        let row = |asset: ListedAsset| {
            let (length, size) = (length(asset.milliseconds), size(asset.bytes));
            vec![asset.id, maybe(asset.title), length, size, asset.files.to_string(), date(asset.created)]
        };
        self.table(&url, ListTable { head: &head, empty: "there are no assets" }, row).await
    }

    /// Sends a request about one asset, and prints the asset as returned.
    async fn asset(&self, method: Method, name: &str, json: Option<String>) -> Result<(), Error> {
        if AssetId::new(name).is_none() {
            return Err(Error::Use(format!("`{}` is no name of an asset", plain(name))));
        }
        let url = self.api.url(["assets"].into_iter().chain(name.split('/')));
        let text = self.api.ask(method, url, json).await?;
        self.print_value(&text, |asset: ListedAsset| {
            let mut lines = vec![("name", asset.id)];
            lines.extend(asset.title.map(|title| ("title", title)));
            lines.push(("length", length(asset.milliseconds)));
            lines.push(("size", format!("{} in {} {}", size(asset.bytes), asset.files, files(asset.files))));
            lines.push(("created", format!("{} UTC", date(asset.created))));
            lines.extend(asset.deleted.map(|at| ("deleted", format!("{} UTC", date(at)))));
            lines.extend(asset.purge_at.map(|at| ("kept until", format!("{} UTC", date(at)))));
            lines.extend(
                asset
                    .urls
                    .into_iter()
                    .flat_map(|urls| [("hls", Some(urls.hls)), ("ts", urls.ts), ("dash", Some(urls.dash))])
                    .filter_map(|(packaging, url)| Some((packaging, url?))),
            );
            let file = |file: ListedRendition| {
                ("file", format!("{}  {}  {}", file.file, size(file.bytes), file.codecs.join(",")))
            };
            lines.extend(asset.renditions.into_iter().map(file));
            lines
        })
    }

    /// `afflux jobs …`.
    pub(super) async fn jobs(&self, command: &JobsCommand) -> Result<(), Error> {
        let (id, what) = match command {
            JobsCommand::List(list) => return self.list_jobs(list).await,
            JobsCommand::Retry { id } => (id, "retry"),
            JobsCommand::Cancel { id } => (id, "cancel"),
        };
        let text = self.api.ask(Method::POST, self.api.url(["jobs", id, what]), None).await?;
        self.print_value(&text, |job: ListedJob| {
            vec![("job", job.id), ("what", job.kind), ("of", job.subject), ("state", job.state)]
        })
    }

    async fn list_jobs(&self, list: &JobsList) -> Result<(), Error> {
        let url = self.api.listing("jobs", &[("state", list.state.as_deref()), ("kind", list.kind.as_deref())]);
        let head = ["ID", "KIND", "OF", "STATE", "DONE", "ATTEMPT", "CREATED (UTC)", "REASON"];
        let row = |job: ListedJob| {
            let attempt = format!("{} of {}", job.attempt, job.max_attempts);
            let done = format!("{}%", job.progress / 10);
            vec![job.id, job.kind, job.subject, job.state, done, attempt, date(job.created), maybe(job.reason)]
        };
        self.table(&url, ListTable { head: &head, empty: "there are no jobs" }, row).await
    }

    /// `afflux keys …`.
    pub(super) async fn keys(&self, command: &KeysCommand) -> Result<(), Error> {
        match command {
            KeysCommand::List => self.list_keys().await,
            KeysCommand::Make(wanted) => self.make_key(wanted).await,
            KeysCommand::Revoke { id } => {
                self.api.ask(Method::DELETE, self.api.url(["keys", id]), None).await?;
                if self.json { Ok(()) } else { Ok(writeln!(stdout(), "revoked {}", plain(id))?) }
            }
        }
    }

    async fn list_keys(&self) -> Result<(), Error> {
        let head = ["ID", "NAME", "MAY", "STATE", "CREATED (UTC)", "EXPIRES", "LAST USED"];
        let row = |key: ListedKey| {
            let state = if key.active {
                "good"
            } else if key.revoked.is_some() {
                "revoked"
            } else {
                "expired"
            };
            let [expires, used] = [key.expires, key.used].map(|at| maybe(at.map(date)));
            vec![key.id, key.name, key.scopes.join(","), state.into(), date(key.created), expires, used]
        };
        // The list of keys is a single page without query parameters.
        self.table(&self.api.url(["keys"]), ListTable { head: &head, empty: "there are no keys" }, row).await
    }

    async fn make_key(&self, wanted: &KeyWanted) -> Result<(), Error> {
        let expires = expires(wanted);
        let json = json!({ "name": wanted.name, "scope": wanted.scope.text, "expires": expires }).to_string();
        let text = self.api.ask(Method::POST, self.api.url(["keys"]), Some(json)).await?;
        if self.json {
            return Ok(writeln!(stdout(), "{text}")?);
        }
        let made: CreatedKey = self.api.read(&text)?;
        print_key(&made.id, &made.secret)
    }

    /// Prints a list: as a table, or as JSON as received.
    async fn table<T: for<'a> Deserialize<'a>>(
        &self,
        url: &Url,
        layout: ListTable<'_>,
        row: impl Fn(T) -> Vec<String>,
    ) -> Result<(), Error> {
        if self.json {
            return self.api.list(url, |item| Ok(writeln!(stdout(), "{item}")?)).await;
        }
        let mut table = Table::new(layout.head);
        let each = |item: &str| {
            table.row(&row(self.api.read(item)?));
            Ok(())
        };
        self.api.list(url, each).await?;
        Ok(stdout().write_all(table.print(layout.empty).as_bytes())?)
    }

    /// Prints one value: line by line, or as JSON as received.
    fn print_value<T: for<'a> Deserialize<'a>>(
        &self,
        text: &str,
        lines: impl FnOnce(T) -> Vec<(&'static str, String)>,
    ) -> Result<(), Error> {
        if self.json {
            return Ok(writeln!(stdout(), "{text}")?);
        }
        let lines = lines(self.api.read(text)?);
        let lines = lines.iter().map(|(name, value)| format!("{name:10}  {}\n", plain(value)));
        Ok(stdout().write_all(lines.collect::<String>().as_bytes())?)
    }
}

const fn files(count: u32) -> &'static str {
    if count == 1 { "file" } else { "files" }
}

/// Expiry of the key, in milliseconds since 1970; `None` if it does not expire.
pub(super) fn expires(wanted: &KeyWanted) -> Option<i64> {
    let lasts = i64::try_from(wanted.expires_in?.as_millis()).unwrap_or(i64::MAX);
    Some(now().saturating_add(lasts))
}

/// Prints a new key. The secret is alone on standard output, so that programs can read it.
pub(super) fn print_key(id: &str, secret: &str) -> Result<(), Error> {
    let _ = writeln!(std::io::stderr(), "key {}; this is told once:", plain(id));
    Ok(writeln!(stdout(), "{}", plain(secret))?)
}
