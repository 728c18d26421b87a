//! What is written to an object store. All of it may be asked again: the same request twice does what it does once.
//!
//! It is asked again by itself: those who read do not wait because writers ask for too much, and a store that takes
//! nothing may still give.

use super::error::Error;
use super::fault::Fault;
use super::folder::below;
use super::name::STAGING;
use super::remote::Remote;
use super::uploads::Marker;
use crate::media::u64_from_usize;
use bytes::Bytes;
use futures_util::StreamExt;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{MultipartId, ObjectStoreExt, PutPayload};
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// How long a request with bytes may take, beside what they take at [`PACE`].
const WRITE: Duration = Duration::from_secs(20);

/// How long a request without them may take.
const ANSWER: Duration = Duration::from_secs(10);

/// How long it may take to list what is staged.
const LIST: Duration = Duration::from_mins(1);

/// How long a request waits that was told to come more slowly, and how much longer each further time.
const SLOW_PAUSE: Duration = Duration::from_millis(500);

/// Bytes that are sent within a second, at least.
const PACE: u64 = 1 << 20;

/// Bytes of which the time that they may take to be read grows no more.
const TAIL: u64 = 1 << 30;

/// How long a store may take to make one object of ten thousand parts.
const COMPLETE: Duration = Duration::from_mins(5);

/// Names that one draft has staged at most, as far as we look.
const STAGED: usize = 100_000;

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Upload {
    /// Of what.
    pub(super) path: String,
    /// What the store calls it.
    pub(super) id: MultipartId,
}

/// A staged object.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) path: String,
    pub(super) since: SystemTime,
}

impl Remote {
    /// Puts `bytes` at `path`.
    pub(super) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        self.put_all(path, bytes.into()).await
    }

    /// Puts pieces at `path`, one behind the other.
    pub(super) async fn put_all(&self, path: &str, payload: PutPayload) -> Result<(), Error> {
        let key = self.key(path)?;
        let limit = time_for(payload.content_length());
        let put = self.sent(limit, || self.store().put(&key, payload.clone())).await;
        self.forget(path);
        put.map(drop).map_err(|fault| self.refused(fault, path))
    }

    /// The multipart side of the store, if it has one.
    pub(super) fn parts(&self, path: &str) -> Result<&dyn MultipartStore, Error> {
        let refused = || {
            let why = format!("{} takes no objects in parts", self.name());
            Error::ReadOnly { path: path.into(), why: why.into() }
        };
        self.skills().parts.as_deref().ok_or_else(refused)
    }

    /// Begins to take the object at `path` in parts.
    pub(super) async fn begin(&self, path: &str) -> Result<MultipartId, Error> {
        let (parts, key) = (self.parts(path)?, self.key(path)?);
        let begun = self.sent(ANSWER, || parts.create_multipart(&key)).await;
        begun.map_err(|fault| self.refused(fault, path))
    }

    /// Sends part `number` of an upload: its entity tag.
    pub(super) async fn send_part(&self, of: &Upload, number: usize, payload: PutPayload) -> Result<String, Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        let limit = time_for(payload.content_length());
        let sent = self.sent(limit, || parts.put_part(&key, &of.id, number, payload.clone())).await;
        sent.map(|part| part.content_id).map_err(|fault| self.lost(fault, &of.path))
    }

    /// Makes an object of the parts of an upload.
    pub(super) async fn complete(&self, of: &Upload, tags: &[String]) -> Result<(), Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        let all = || tags.iter().map(|tag| PartId { content_id: tag.clone() }).collect();
        let put = self.sent(COMPLETE, || parts.complete_multipart(&key, &of.id, all())).await;
        put.map(drop).map_err(|fault| self.lost(fault, &of.path))
    }

    /// `ask`, each time within `limit`, again while that may help.
    async fn sent<T, F>(&self, limit: Duration, ask: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut tried = 0;
        loop {
            let fault = match timeout(limit, ask()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => Fault::of(&error),
                Err(_) => Fault::silence(limit),
            };
            let pause = match (&fault, Self::pause(tried)) {
                (Fault::Passing { slow, .. }, Some(pause)) => pause + SLOW_PAUSE * if *slow { tried + 1 } else { 0 },
                _ => return Err(fault),
            };
            sleep(pause).await;
            tried += 1;
        }
    }

    /// What is told of a fault.
    fn refused(&self, fault: Fault, path: &str) -> Error {
        fault.error(&format!("{}/{path}", self.name()))
    }

    /// What is told of an upload's fault.
    fn lost(&self, fault: Fault, path: &str) -> Error {
        match fault {
            Fault::Gone => Error::Lost { path: path.into() },
            fault => self.refused(fault, path),
        }
    }

    /// Gives an upload up, if there is one.
    pub(super) async fn abort(&self, of: &Upload) -> Result<(), Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        match self.sent(ANSWER, || parts.abort_multipart(&key, &of.id)).await {
            Ok(()) | Err(Fault::Gone) => Ok(()),
            Err(fault) => Err(self.refused(fault, &of.path)),
        }
    }

    /// What is staged below `folder` of the staging folder; all of it below `""`.
    pub(super) async fn staged(&self, folder: &str) -> Result<Vec<Staged>, Error> {
        let prefix = self.key(&below(STAGING, folder))?;
        let listed = self.sent(LIST, || async {
            let (mut staged, mut objects) = (Vec::new(), self.store().list(Some(&prefix)));
            while let Some(meta) = objects.next().await.filter(|_| staged.len() < STAGED) {
                let meta = meta?;
                staged.push(Staged { path: self.inner(&meta.location).into(), since: meta.last_modified.into() });
            }
            Ok(staged)
        });
        listed.await.map_err(|fault| self.refused(fault, folder))
    }

    /// Multipart uploads that were begun before `before` of what has a path that begins with `start`; none where the
    /// store does not tell.
    pub(super) async fn uploads(&self, start: &str, before: SystemTime) -> Result<Vec<Upload>, Error> {
        let Some(uploads) = &self.skills().uploads else { return Ok(Vec::new()) };
        let prefix = self.key(start)?;
        let (mut found, mut next) = (Vec::new(), Some(Marker::default()));
        while let Some(marker) = next.take() {
            let page = match self.sent(ANSWER, || uploads.page(prefix.as_ref(), &marker)).await {
                Ok(page) => page,
                Err(Fault::Refused(why)) => {
                    tracing::debug!("{}: multipart uploads are not listed: {why}", self.name());
                    break;
                }
                Err(fault) => return Err(self.refused(fault, start)),
            };
            let old = page.begun.into_iter().filter(|begun| begun.since < before);
            found.extend(old.filter_map(|begun| {
                // A prefix of S3 may end in the middle of a name.
                let key = Path::parse(&begun.key).ok().filter(|key| key.prefix_matches(&prefix))?;
                Some(Upload { path: self.inner(&key).into(), id: begun.id })
            }));
            next = page.next.filter(|_| found.len() < STAGED);
        }
        Ok(found)
    }

    /// The object at `path`, of `limit` bytes at most.
    pub(super) async fn whole(&self, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let key = self.key(path)?;
        let ask = || async {
            let got = self.store().get(&key).await?;
            let size = got.meta.size;
            if size > limit { Ok(Err(size)) } else { got.bytes().await.map(Ok) }
        };
        let time = ANSWER + Duration::from_secs(limit.min(TAIL) / PACE);
        match self.sent(time, ask).await {
            Ok(Ok(bytes)) => Ok(Some(bytes)),
            Ok(Err(size)) => Err(Error::TooLarge { path: path.into(), size, limit }),
            Err(Fault::Gone) => Ok(None),
            Err(fault) => Err(self.refused(fault, path)),
        }
    }

    /// Removes the object at `path`.
    pub(super) async fn remove(&self, path: &str) -> Result<(), Error> {
        let key = self.key(path)?;
        let removed = self.sent(ANSWER, || self.store().delete(&key)).await;
        self.forget(path);
        match removed {
            Ok(()) | Err(Fault::Gone) => Ok(()),
            Err(fault) => Err(self.refused(fault, path)),
        }
    }

    /// A URL by which anyone can do `what` with the object at `path` for so long.
    pub(super) async fn signed(&self, what: &Method, path: &str, lifetime: Duration) -> Result<Option<String>, Error> {
        let Some(signer) = &self.skills().signer else { return Ok(None) };
        let key = self.key(path)?;
        // It may ask for credentials.
        let url = self.sent(ANSWER, || signer.signed_url(what.clone(), &key, lifetime)).await;
        url.map(|url| Some(url.into())).map_err(|fault| self.refused(fault, path))
    }
}

/// How long `bytes` bytes may take to be sent and answered.
pub(super) fn time_for(bytes: usize) -> Duration {
    WRITE + Duration::from_secs(u64_from_usize(bytes) / PACE)
}
