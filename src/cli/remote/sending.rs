//! Uploads one file by tus: creates or resumes the upload, sends it part by part, and after an interruption resumes
//! from the offset that is durable on the server.
//!
//! ```text
//! remembered? ── HEAD ──┬─ offset ──► PATCH, PATCH, … ── last byte ──► GET until published or refused
//!                       └─ gone ─┐      ▲        │ cut off
//! POST ◄─────────────────────────┘      └─ HEAD ◄┘ a little later, and later each time
//! ```

use super::api::{ApiClient, number};
use super::error::Error;
use super::part::FilePart;
use crate::cli::progress::ProgressDisplay;
use crate::ingest::Metadata;
use indicatif::ProgressDrawTarget;
use reqwest::header::{CONTENT_TYPE, HeaderName, LOCATION};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{interval, sleep};

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");

/// Bytes per request: small enough for proxies that buffer whole requests.
const PART: u64 = 32 << 20;

/// Longest time for which the server may neither take bytes nor respond.
const STALLED: Duration = Duration::from_mins(1);

/// Timeout of a request without a body.
const ANSWERING: Duration = Duration::from_secs(30);

/// Consecutive failures before giving up: about a minute.
const FAILURES: u32 = 10;

/// Wait after the first failure; each further wait is twice as long.
const WAIT: Duration = Duration::from_millis(250);

/// Longest wait between attempts.
const LONGEST: Duration = Duration::from_secs(10);

/// Interval between polls of the upload's state, and between checks for progress while sending.
const LOOK: Duration = Duration::from_millis(200);

/// Result of asking the server for an upload's offset.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResumePoint {
    /// This many bytes are durable.
    At(u64),
    /// The upload does not exist any more.
    Gone,
}

/// The API's report of an upload.
#[derive(Debug, Deserialize)]
struct UploadStatus {
    state: String,
    reason: Option<String>,
}

/// Upload of one file to a server.
#[derive(Debug)]
pub(super) struct UploadSession<'a> {
    pub(super) api: &'a ApiClient,
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    /// Consecutive failures.
    pub(super) failures: u32,
}

impl UploadSession<'_> {
    /// Creates an upload, and returns its URL.
    pub(super) async fn create(&mut self, metadata: &Metadata) -> Result<Url, Error> {
        loop {
            let request = self.request(Method::POST, self.api.url(["uploads"])).timeout(ANSWERING);
            let request = request.header(LENGTH, self.size).header(METADATA, metadata.print());
            match self.api.answer(request).await {
                Ok(response) => return self.location(&response),
                // The server has never responded: fail at once instead of retrying.
                Err(error @ Error::Away { .. }) if self.failures == 0 => return Err(error),
                Err(error) => self.wait(error).await?,
            }
        }
    }

    /// The upload's URL: the id from the Location header, at the server address that we use.
    fn location(&self, response: &Response) -> Result<Url, Error> {
        let said = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let id = said.and_then(|said| said.trim_end_matches('/').rsplit('/').next());
        let why = || Error::Strange { server: self.api.server().into(), why: "it says not where to upload to".into() };
        Ok(self.api.url(["uploads", id.ok_or_else(why)?]))
    }

    /// Asks the server how many bytes are durable.
    pub(super) async fn fetch_offset(&self, url: &Url) -> Result<ResumePoint, Error> {
        let request = self.request(Method::HEAD, url.clone()).timeout(ANSWERING);
        match self.api.answer(request).await {
            Ok(response) => {
                let offset = number(response.headers(), OFFSET).filter(|offset| *offset <= self.size);
                let why = || "its Upload-Offset is none of this file".into();
                let strange = || Error::Strange { server: self.api.server().into(), why: why() };
                offset.map(ResumePoint::At).ok_or_else(strange)
            }
            Err(Error::Refused { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. }) => Ok(ResumePoint::Gone),
            Err(error) => Err(error),
        }
    }

    /// Sends all bytes from `offset` on.
    pub(super) async fn send(&mut self, url: &Url, mut offset: u64) -> Result<(), Error> {
        let mut progress = ProgressDisplay::over(self.size, ProgressDrawTarget::stderr());
        while offset < self.size {
            let failed = match self.part(url, offset, &mut progress).await {
                Ok(reached) if reached > offset => {
                    (offset, self.failures) = (reached, 0);
                    continue;
                }
                Ok(_) => Error::Away { server: self.api.server().into(), why: "it takes no bytes".into() },
                Err(error) => error,
            };
            let reached = self.again(url, failed).await?;
            if reached > offset {
                self.failures = 0;
            }
            offset = reached;
        }
        Ok(())
    }

    /// Waits after a failure until the server reports the durable offset.
    async fn again(&mut self, url: &Url, mut failed: Error) -> Result<u64, Error> {
        loop {
            self.wait(failed).await?;
            match self.fetch_offset(url).await {
                Ok(ResumePoint::At(offset)) => return Ok(offset),
                Ok(ResumePoint::Gone) => {
                    // If the server still knows the upload, `state` returns the reason; otherwise the upload is gone.
                    self.state(url).await?;
                    let gone = "the upload has expired or was given up";
                    return Err(Error::refused(StatusCode::GONE, gone));
                }
                Err(error) => failed = error,
            }
        }
    }

    /// Waits before a retry, longer each time. Returns `error` if a retry cannot help or too many failed.
    async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if !error.passes() || self.failures >= FAILURES {
            return Err(error);
        }
        sleep(WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST)).await;
        self.failures += 1;
        Ok(())
    }

    /// Sends one part; returns the offset after its last byte.
    async fn part(&self, url: &Url, offset: u64, progress: &mut ProgressDisplay) -> Result<u64, Error> {
        let end = offset.saturating_add(PART).min(self.size);
        let sent = Arc::new(AtomicU64::new(offset));
        let body = FilePart::new(Arc::clone(&self.file), &(offset..end), Arc::clone(&sent));
        let request = self.request(Method::PATCH, url.clone()).header(OFFSET, offset);
        let request = request.header(CONTENT_TYPE, "application/offset+octet-stream").body(Body::wrap(body));
        let mut answer = std::pin::pin!(self.api.answer(request));
        let (mut looks, began) = (interval(LOOK), Instant::now());
        let (mut last, mut moved) = (offset, began);
        loop {
            tokio::select! {
                answered = &mut answer => {
                    return Ok(number(answered?.headers(), OFFSET).filter(|offset| *offset <= self.size).unwrap_or(offset));
                }
                _ = looks.tick() => {
                    let at = sent.load(Ordering::Relaxed);
                    progress.at(at, began.elapsed());
                    if at > last {
                        (last, moved) = (at, Instant::now());
                    }
                    if moved.elapsed() > STALLED {
                        let why = format!("it took no byte for {} s", STALLED.as_secs());
                        return Err(Error::Away { server: self.api.server().into(), why });
                    }
                }
            }
        }
    }

    /// Waits until the upload is published; returns the API's report. A refusal is an error with its reason.
    pub(super) async fn published(&mut self, url: &Url) -> Result<String, Error> {
        loop {
            match self.state(url).await {
                Ok((state, text)) if state == "published" => return Ok(text),
                Ok(_) => self.failures = 0,
                Err(error) => self.wait(error).await?,
            }
            sleep(LOOK).await;
        }
    }

    /// The upload's state and the API's full report. A refusal is an error with its reason.
    pub(super) async fn state(&self, url: &Url) -> Result<(String, String), Error> {
        let text = self.api.ask(Method::GET, url.clone(), None).await?;
        let told: UploadStatus = self.api.read(&text)?;
        if matches!(told.state.as_str(), "refused" | "cancelled") {
            let reason = told.reason.unwrap_or_else(|| format!("the upload is {}", told.state));
            return Err(Error::refused(StatusCode::UNPROCESSABLE_ENTITY, &reason));
        }
        Ok((told.state, text))
    }

    fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.api.request(method, url).header(RESUMABLE, crate::ingest::tus::VERSION)
    }
}
