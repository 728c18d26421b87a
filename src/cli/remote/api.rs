//! HTTP client of the API: adds the key to requests, and returns responses as text or as the error that they report.

use super::args::{Secret, ServerArgs};
use super::error::Error;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::error::Error as _;
use std::time::Duration;

/// Connect timeout.
const CONNECTING: Duration = Duration::from_secs(10);

/// Timeout of a request that needs no long work on the server.
const ANSWERING: Duration = Duration::from_mins(1);

/// Entries per page of a list.
const PAGE: &str = "500";

/// Client of one server's API.
#[derive(Debug)]
pub(super) struct ApiClient {
    client: Client,
    base: Url,
    key: String,
}

/// A page of a list; entries are unparsed JSON.
#[derive(Debug, Deserialize)]
struct ListPage {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
}

/// Body of a problem+json response.
#[derive(Debug, Deserialize)]
struct ProblemDetail {
    detail: String,
}

impl ApiClient {
    /// Client of the server that `remote` names.
    pub(super) fn new(remote: &ServerArgs) -> Result<Self, Error> {
        let key = remote.key.as_ref().map(Secret::expose).filter(|key| !key.is_empty());
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

    /// Address of the server, without a trailing slash, for messages.
    pub(super) fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The URL of the path segments `parts` below `/api`.
    pub(super) fn url<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("api").extend(parts);
        }
        url
    }

    /// A request with the API key.
    pub(super) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url).bearer_auth(&self.key)
    }

    /// Sends `request`. A response with an error status becomes an error.
    pub(super) async fn answer(&self, request: RequestBuilder) -> Result<Response, Error> {
        let response = request.send().await.map_err(|error| self.away(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let problem: Option<ProblemDetail> = serde_json::from_str(&text).ok();
        let detail = problem.map_or_else(|| format!("the server answers {status}"), |problem| problem.detail);
        Err(Error::refused(status, &detail))
    }

    /// Sends a request, with a JSON body if there is one; returns the response body: JSON or empty.
    pub(super) async fn ask(&self, method: Method, url: Url, json: Option<String>) -> Result<String, Error> {
        let mut request = self.request(method, url).timeout(ANSWERING);
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        self.answer(request).await?.text().await.map_err(|error| self.away(&error))
    }

    /// Fetches the list at `url` page by page, and passes each entry to `each` as unparsed JSON.
    pub(super) async fn list(&self, url: &Url, mut each: impl FnMut(&str) -> Result<(), Error>) -> Result<(), Error> {
        let mut after: Option<String> = None;
        loop {
            let mut url = url.clone();
            url.query_pairs_mut().extend_pairs(after.as_ref().map(|after| ("after", after)));
            let text = self.ask(Method::GET, url, None).await?;
            let page: ListPage = self.read(&text)?;
            page.items.iter().try_for_each(|item| each(item.get()))?;
            if page.next.is_none() || page.next == after {
                return Ok(());
            }
            after = page.next;
        }
    }

    /// URL of the list `name` with the query parameters in `asked` that have a value.
    pub(super) fn listing(&self, name: &str, asked: &[(&str, Option<&str>)]) -> Url {
        let mut url = self.url([name]);
        let said = asked.iter().filter_map(|(name, value)| Some((*name, (*value)?)));
        url.query_pairs_mut().extend_pairs(said.chain([("limit", PAGE)]));
        url
    }

    /// Parses a response; a text that is not as expected means that the server is not an Afflux API.
    pub(super) fn read<'a, T: Deserialize<'a>>(&self, text: &'a str) -> Result<T, Error> {
        serde_json::from_str(text)
            .map_err(|error| Error::Strange { server: self.server().into(), why: error.to_string() })
    }

    /// Error for a request without response: the innermost cause, without the request's URL.
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

/// Value of a header that is a number.
pub(super) fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
