//! Imports files from the hosts that `ingest.import_hosts` lists.

use crate::config::hosts;
use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::receive::creation::UploadRequest;
use crate::ingest::receive::tus;
use crate::ingest::service::Ingest;
use crate::ingest::task::Task;
use crate::library::{JobKind, NewJob, Upload, UploadState};
use crate::media::u64_from_usize;
use crate::store;
use futures_util::TryStreamExt;
use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, Serialize};
use std::pin::pin;
use std::time::Duration;

/// Attempts to fetch a file.
const ATTEMPTS: i32 = 8;

/// Timeout for the first response of a host.
const ASK: Duration = Duration::from_secs(20);

/// A remote file as its host first described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ImportSource {
    url: String,
    length: u64,
    /// ETag, else Last-Modified, for resuming with If-Range; `None` if the host sent neither.
    validator: Option<String>,
}

impl Ingest {
    /// Begins to fetch a remote file.
    pub async fn fetch(&self, url: &str, wanted: UploadRequest<'_>) -> Result<Upload, Error> {
        let url = self.allowed(url)?;
        let source = self.asked(&url).await?;
        let last = url.path_segments().and_then(Iterator::last).unwrap_or_default().to_owned();
        let filename = percent_encoding::percent_decode_str(&last).decode_utf8_lossy().into_owned();
        let wanted =
            UploadRequest { filename: wanted.filename.or(Some(&filename)), length: Some(source.length), ..wanted };
        let row = self.create(wanted).await?;
        let job = NewJob {
            id: token::<16>(),
            kind: JobKind::Import,
            subject: row.id.clone(),
            payload: serde_json::to_string(&source).map_err(|error| Error::Request(error.to_string()))?,
            priority: 0,
            dedupe: Some(format!("{} {}", JobKind::Import, row.id)),
            max_attempts: ATTEMPTS,
            run_at: now(),
        };
        self.library.enqueue(&job, now()).await?;
        Ok(row)
    }

    /// Parses `url`; an error unless its host is listed.
    fn allowed(&self, url: &str) -> Result<Url, Error> {
        let listed = &self.settings.import_hosts;
        let parsed: Url = url.parse().map_err(|error| Error::Request(format!("`{url}`: {error}")))?;
        let host = parsed.host_str().unwrap_or_default();
        let plain = parsed.username().is_empty() && parsed.password().is_none();
        let address = hosts::literal(host).is_none_or(|address| hosts::is_allowed(listed, host, address));
        if matches!(parsed.scheme(), "http" | "https") && plain && hosts::is_listed(listed, host) && address {
            Ok(parsed)
        } else {
            Err(Error::Request(format!(
                "`{host}` is not a host that files may be imported from: ingest.import_hosts lists them"
            )))
        }
    }

    fn client(&self, url: &Url) -> Result<Client, Error> {
        Ok(store::fetcher(&self.settings.import_hosts, url.scheme() == "http")?)
    }

    /// Asks the host about the file at `url`.
    async fn asked(&self, url: &Url) -> Result<ImportSource, Error> {
        let client = self.client(url)?;
        let ask = async |request: RequestBuilder| {
            let asked = request.timeout(ASK).send().await;
            asked.map_err(|error| Error::Request(format!("{url}: {}", error_chain(&error))))
        };
        let mut answer = ask(client.head(url.clone())).await?;
        // Some hosts answer only GET, and a URL may be signed only for GET. The body is not read.
        if matches!(
            answer.status(),
            StatusCode::FORBIDDEN | StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED
        ) {
            answer = ask(client.get(url.clone())).await?;
        }
        if !answer.status().is_success() {
            return Err(Error::Request(format!("{url}: the host answers {}", answer.status())));
        }
        let header = |name| text(answer.headers(), name);
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let length = length.ok_or_else(|| Error::Request(format!("{url}: the host does not say how long it is")))?;
        Ok(ImportSource { url: url.to_string(), length, validator: header(ETAG).or_else(|| header(LAST_MODIFIED)) })
    }

    /// Fetches the file of `task`, from the durable offset on.
    pub(in crate::ingest) async fn import(&self, task: &Task) -> Result<(), Error> {
        let source: ImportSource = serde_json::from_str(&task.payload)
            .map_err(|error| Error::Request(format!("the job's payload: {error}")))?;
        let row = self.upload(&task.subject).await?;
        if row.state != UploadState::Receiving {
            return Ok(());
        }
        let url = self.allowed(&source.url)?;
        let mut request = self.client(&url)?.get(url);
        if row.offset > 0 {
            let lost = || Error::Request("the host broke off, and says nothing by which one could go on".into());
            let validator = source.validator.clone().ok_or_else(lost)?;
            request = request.header(RANGE, format!("bytes={}-", row.offset)).header(IF_RANGE, validator);
        }
        let answer = request.send().await.map_err(|error| Error::Interrupted(error_chain(&error)))?;
        let (status, expected) =
            (answer.status(), if row.offset > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK });
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Error::Interrupted(format!("the host answers {status}")));
        }
        let now = text(answer.headers(), ETAG).or_else(|| text(answer.headers(), LAST_MODIFIED));
        if status != expected || now != source.validator {
            return Err(Error::Request(format!("the host answers {status}: the file is gone, or is another by now")));
        }
        let brought = tus::Bytes { offset: row.offset, count: None, checksum: None, length: None };
        let (progress, whole, mut come) = (task.progress.clone(), source.length, row.offset);
        let bytes = answer.bytes_stream().inspect_ok(move |chunk| {
            come += u64_from_usize(chunk.len());
            progress.at(come, whole);
        });
        let body = Box::pin(bytes.map_err(|_| ()));
        // Not waiting for the job that publishes it: that may need this worker.
        let appended = pin!(self.append_bytes(&row.id, brought, body)).await?;
        match appended.state {
            UploadState::Receiving => Err(Error::Interrupted("the host broke off".into())),
            _ => Ok(()),
        }
    }
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(Into::into)
}

/// An error and its causes, the innermost last.
fn error_chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
