//! The API as a client: where it is, with which key, and its answers as text or as the error that they are.

use super::args::{Remote, Secret};
use super::error::Error;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::error::Error as _;
use std::time::Duration;

/// How long a connection may take.
const CONNECTING: Duration = Duration::from_secs(10);

/// How long an answer may take that needs no work.
const ANSWERING: Duration = Duration::from_mins(1);

/// Entries of a page.
const PAGE: &str = "500";

/// The API of a server.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    base: Url,
    key: String,
}

/// A page of a list, its entries as they came.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// What problem+json says.
#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
}

impl Api {
    /// That of the server that is named.
    pub(super) fn new(remote: &Remote) -> Result<Self, Error> {
        let key = remote.key.as_ref().map(Secret::told).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Error::Use("a key is needed: --key, or AFFLUX_KEY in the environment".into()))?;
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::Use("the key is none: it is afx_ and 64 hexadecimal digits".into()));
        }
        let base = Url::parse(remote.server.trim_end_matches('/')).ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none());
        let wrong = || Error::Use(format!("--server {}: http://host:port or https://… is a server", remote.server));
        let client = Client::builder().connect_timeout(CONNECTING).redirect(Policy::none()).build();
        let client = client.map_err(|error| Error::Use(error.to_string()))?;
        Ok(Self { client, base: base.ok_or_else(wrong)?, key: key.into() })
    }

    /// Where it is, as people write it.
    pub(super) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The URL below `/api` that `parts` lead to.
    pub(super) fn url<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("api").extend(parts);
        }
        url
    }

    /// A request that says who asks.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.key)
    }

    /// What is answered, where that is no refusal.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| self.away(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let problem: Option<Problem> = serde_json::from_str(&text).ok();
        let detail = problem.map_or_else(|| format!("the server answers {status}"), |problem| problem.detail);
        Err(Error::refused(status, &detail))
    }

    /// Asks, and tells what is answered: JSON, or nothing.
    pub(super) async fn ask(&self, method: Method, url: Url, json: Option<String>) -> Result<String, Error> {
        let mut request = self.request(method, url).timeout(ANSWERING);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        self.answer(request).await?.text().await.map_err(|error| self.away(&error))
    }

    /// All entries of the list at `url`, page by page, each told to `each` as it came.
    pub(super) async fn list(&self, url: &Url, mut each: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let mut url = url.clone();
            url.query_pairs_mut().extend_pairs(after.as_ref().map(|after| ("after", after)));
            let text = self.ask(Method::GET, url, None).await?;
            let page: Page = self.read(&text)?;
            page.items.iter().try_for_each(|item| each(item.get()))?;
            if page.next.is_none() || page.next == after {
                return Ok(());
            }
            after = page.next;
        }
    }

    /// The list of what is called `name`, of which `asked` is wanted.
    pub(super) fn listing(&self, name: &str, asked: &[(&str, Option<&str>)]) -> Url {
        let mut url = self.url([name]);
        let said = asked.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        url.query_pairs_mut().extend_pairs(said.chain([("limit", PAGE)]));
        url
    }

    /// What `text` says, where it says what an API of ours says.
    pub(super) fn read<'a, T: Deserialize<'a>>(&self, text: &'a str) -> Result<T, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::Strange { server: self.server().into(), why: error.to_string() })
    }

    /// Why there is no answer, down to its cause, and without what was asked.
    pub(super) fn away(&self, error: &reqwest::Error) -> Error {
        let mut why = "it does not answer in time".to_owned();
        let mut cause = error.source();
        while let Some(error) = cause {
            why = error.to_string();
            cause = error.source();
        }
        Error::Away { server: self.server().into(), why }
    }
}

/// A header that is a number.
pub(super) fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
