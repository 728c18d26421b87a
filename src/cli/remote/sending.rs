//! One file by tus: created or gone on with, sent part by part, taken up again from what the server has for certain.
//!
//! ```text
//! remembered? ── HEAD ──┬─ offset ──► PATCH, PATCH, … ── last byte ──► GET until published or refused
//!                       └─ gone ─┐      ▲        │ cut off
//! POST ◄─────────────────────────┘      └─ HEAD ◄┘ a little later, and later each time
//! ```

use super::api::{Api, number};
use super::error::Error;
use super::part::Part;
use crate::cli::progress::Progress;
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

/// Bytes of one request: what a proxy may hold that buffers them whole.
const PART: u64 = 32 << 20;

/// How long a server may take no byte and say nothing.
const STALLED: Duration = Duration::from_mins(1);

/// How long a request without bytes may take.
const ANSWERING: Duration = Duration::from_secs(30);

/// How often in a row nothing comes of it before it is given up: about a minute.
const FAILURES: u32 = 10;

/// The first wait behind a failure; each next one is twice as long.
const WAIT: Duration = Duration::from_millis(250);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two looks at what becomes of an upload, and at how far one has come.
const LOOK: Duration = Duration::from_millis(200);

/// How far an upload was found to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many bytes are there for certain.
    At(u64),
    /// There is no such upload any more.
    Gone,
}

/// What the API tells of an upload.
#[derive(Debug, Deserialize)]
struct Told {
    state: String,
    reason: Option<String>,
}

/// A file on its way to a server.
#[derive(Debug)]
pub(super) struct Sending<'a> {
    pub(super) api: &'a Api,
    pub(super) file: Arc<File>,
    pub(super) size: u64,
    /// How often in a row nothing came of it.
    pub(super) failures: u32,
}

impl Sending<'_> {
    /// Begins an upload: where it is.
    pub(super) async fn create(&mut self, metadata: &Metadata) -> Result<Url, Error> {
        loop {
            let request = self.request(Method::POST, self.api.url(["uploads"])).timeout(ANSWERING);
            let request = request.header(LENGTH, self.size).header(METADATA, metadata.print());
            match self.api.answer(request).await {
                Ok(response) => return self.location(&response),
                // One who was never met is not waited for.
                Err(error @ Error::Away { .. }) if self.failures == 0 => return Err(error),
                Err(error) => self.wait(error).await?,
            }
        }
    }

    /// Where the answer says that the upload is, at the server as we reach it.
    fn location(&self, response: &Response) -> Result<Url, Error> {
        let said = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let id = said.and_then(|said| said.trim_end_matches('/').rsplit('/').next());
        let why = || Error::Strange { server: self.api.server().into(), why: "it says not where to upload to".into() };
        Ok(self.api.url(["uploads", id.ok_or_else(why)?]))
    }

    /// How many bytes the server has for certain.
    pub(super) async fn look(&self, url: &Url) -> Result<Found, Error> {
        let request = self.request(Method::HEAD, url.clone()).timeout(ANSWERING);
        match self.api.answer(request).await {
            Ok(response) => {
                let offset = number(response.headers(), OFFSET).filter(|offset| *offset <= self.size);
                let why = || "its Upload-Offset is none of this file".into();
                let strange = || Error::Strange { server: self.api.server().into(), why: why() };
                offset.map(Found::At).ok_or_else(strange)
            }
            Err(Error::Refused { status: StatusCode::NOT_FOUND | StatusCode::GONE, .. }) => Ok(Found::Gone),
            Err(error) => Err(error),
        }
    }

    /// Sends all from `offset` on.
    pub(super) async fn send(&mut self, url: &Url, mut offset: u64) -> Result<(), Error> {
        let mut progress = Progress::over(self.size, ProgressDrawTarget::stderr());
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

    /// Waits behind a failure until the server says how far it has come.
    async fn again(&mut self, url: &Url, mut failed: Error) -> Result<u64, Error> {
        loop {
            self.wait(failed).await?;
            match self.look(url).await {
                Ok(Found::At(offset)) => return Ok(offset),
                Ok(Found::Gone) => {
                    // Why, is told by what is known of it; where nothing is, it is gone.
                    self.state(url).await?;
                    let gone = "the upload has expired or was given up";
                    return Err(Error::refused(StatusCode::GONE, gone));
                }
                Err(error) => failed = error,
            }
        }
    }

    /// Waits a little longer each time; the error itself, where waiting does not help or did not.
    async fn wait(&mut self, error: Error) -> Result<(), Error> {
        if !error.passes() || self.failures >= FAILURES {
            return Err(error);
        }
        sleep(WAIT.saturating_mul(1 << self.failures.min(16)).min(LONGEST)).await;
        self.failures += 1;
        Ok(())
    }

    /// Sends one part: the place behind its last byte.
    async fn part(&self, url: &Url, offset: u64, progress: &mut Progress) -> Result<u64, Error> {
        let end = offset.saturating_add(PART).min(self.size);
        let sent = Arc::new(AtomicU64::new(offset));
        let body = Part::new(Arc::clone(&self.file), (offset, end), Arc::clone(&sent));
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

    /// Waits until the upload is published: what the API tells of it. Its reason, where it is refused.
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

    /// What state the upload is in, and all that is told of it; the reason, where it is refused.
    pub(super) async fn state(&self, url: &Url) -> Result<(String, String), Error> {
        let text = self.api.ask(Method::GET, url.clone(), None).await?;
        let told: Told = self.api.read(&text)?;
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
