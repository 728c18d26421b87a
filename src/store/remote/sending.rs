//! Writes to an object store. Every request can be retried: sent twice, it has the same effect as once.
//!
//! Writes are retried separately from reads: reads do not pause because writers send too much, and a store that takes
//! no writes may still serve reads.

use super::client::Remote;
use super::fault::Fault;
use super::uploads::{Marker, UploadPage};
use crate::media::u64_from_usize;
use crate::store::error::Error;
use crate::store::name::{STAGING, below};
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use object_store::list::PaginatedListOptions;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Method;
use object_store::{MultipartId, ObjectMeta, ObjectStoreExt, PutPayload};
use std::time::{Duration, SystemTime};
use tokio::time::{sleep, timeout};

/// Time limit of a request with bytes, in addition to the time that they take at [`PACE`].
const WRITE: Duration = Duration::from_secs(20);

/// Time limit of a request without bytes.
const ANSWER: Duration = Duration::from_secs(10);

/// Time limit for listing a page of staged objects.
const LIST: Duration = Duration::from_mins(1);

/// Additional pause of a request if the store asks for fewer; each further retry adds as much again.
const SLOW_PAUSE: Duration = Duration::from_millis(500);

/// Slowest speed to allow for, in bytes per second.
const PACE: u64 = 1 << 20;

/// Size in bytes beyond which the time limit for reading an object does not grow.
const TAIL: u64 = 1 << 30;

/// Time limit for the store to make one object of ten thousand parts.
const COMPLETE: Duration = Duration::from_mins(5);

/// Most pages of one listing, each of a thousand names or so.
const PAGES: usize = 1 << 20;

/// A multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct MultipartHandle {
    /// Path of the object that it uploads.
    pub(in crate::store) path: String,
    /// The store's id of the upload.
    pub(in crate::store) id: MultipartId,
}

/// A staged object.
#[derive(Debug)]
pub(in crate::store) struct StagedObject {
    pub(in crate::store) path: String,
    pub(in crate::store) since: SystemTime,
}

impl Remote {
    /// Writes `bytes` to `path`.
    pub(in crate::store) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        self.put_all(path, bytes.into()).await
    }

    /// Writes pieces to `path`, one after the other.
    pub(in crate::store) async fn put_all(&self, path: &str, payload: PutPayload) -> Result<(), Error> {
        let key = self.key(path)?;
        let limit = time_for(payload.content_length());
        let put = self.sent(limit, || self.store().put(&key, payload.clone())).await;
        self.forget(path);
        put.map(drop).map_err(|fault| self.refused(fault, path))
    }

    /// The multipart interface of the store; an error if it has none.
    pub(in crate::store) fn parts(&self, path: &str) -> Result<&dyn MultipartStore, Error> {
        let refused = || {
            let why = format!("{} takes no objects in parts", self.name());
            Error::ReadOnly { path: path.into(), why: why.into() }
        };
        self.skills().parts.as_deref().ok_or_else(refused)
    }

    /// Begins a multipart upload of the object at `path`; returns its id.
    pub(in crate::store) async fn begin(&self, path: &str) -> Result<MultipartId, Error> {
        let (parts, key) = (self.parts(path)?, self.key(path)?);
        let begun = self.sent(ANSWER, || parts.create_multipart(&key)).await;
        begun.map_err(|fault| self.refused(fault, path))
    }

    /// Sends part `number` of an upload; returns its entity tag.
    pub(in crate::store) async fn send_part(
        &self,
        of: &MultipartHandle,
        number: usize,
        payload: PutPayload,
    ) -> Result<String, Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        let limit = time_for(payload.content_length());
        let sent = self.sent(limit, || parts.put_part(&key, &of.id, number, payload.clone())).await;
        sent.map(|part| part.content_id).map_err(|fault| self.lost(fault, &of.path))
    }

    /// Completes an upload: its parts become the object.
    pub(in crate::store) async fn complete(&self, of: &MultipartHandle, tags: &[String]) -> Result<(), Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        let all = || tags.iter().map(|tag| PartId { content_id: tag.clone() }).collect();
        let put = self.sent(COMPLETE, || parts.complete_multipart(&key, &of.id, all())).await;
        put.map(drop).map_err(|fault| self.lost(fault, &of.path))
    }

    /// Runs `ask`, each time within `limit`, and retries it while that may help.
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

    /// Turns a fault into an error.
    fn refused(&self, fault: Fault, path: &str) -> Error {
        fault.error(&format!("{}/{path}", self.name()))
    }

    /// Turns a fault of an upload into an error; a missing upload is [`Error::Lost`].
    fn lost(&self, fault: Fault, path: &str) -> Error {
        match fault {
            Fault::Gone => Error::Lost { path: path.into() },
            fault => self.refused(fault, path),
        }
    }

    /// Aborts an upload; no error if there is none.
    pub(in crate::store) async fn abort(&self, of: &MultipartHandle) -> Result<(), Error> {
        let (parts, key) = (self.parts(&of.path)?, self.key(&of.path)?);
        match self.sent(ANSWER, || parts.abort_multipart(&key, &of.id)).await {
            Ok(()) | Err(Fault::Gone) => Ok(()),
            Err(fault) => Err(self.refused(fault, &of.path)),
        }
    }

    /// Lists the staged objects below `folder` in the staging folder, all of them for `""`, page by page.
    pub(in crate::store) fn staged<'a>(&'a self, folder: &'a str) -> BoxStream<'a, Result<StagedObject, Error>> {
        let pages = stream::try_unfold(Some(None), move |from: Option<Option<String>>| async move {
            let Some(token) = from else { return Ok(None) };
            let (objects, next) = self.staged_page(folder, token).await?;
            Ok(Some((stream::iter(objects.into_iter().map(Ok)), next.map(Some))))
        });
        pages.take(PAGES).try_flatten().boxed()
    }

    /// A page of the staged objects below `folder`, the first one without `token`, and the token of the next page.
    async fn staged_page(
        &self,
        folder: &str,
        token: Option<String>,
    ) -> Result<(Vec<StagedObject>, Option<String>), Error> {
        let prefix = self.key(&below(STAGING, folder))?;
        let listed = match &self.skills().pages {
            Some(pages) => {
                let folder = format!("{prefix}/");
                let options = || PaginatedListOptions { page_token: token.clone(), ..PaginatedListOptions::default() };
                let page = self.sent(LIST, || pages.list_paginated(Some(&folder), options())).await;
                page.map(|page| (page.result.objects, page.page_token))
            }
            // A store in memory lists everything at once.
            None => self.sent(LIST, || self.store().list(Some(&prefix)).try_collect()).await.map(|all| (all, None)),
        };
        let (objects, next): (Vec<ObjectMeta>, _) = listed.map_err(|fault| self.refused(fault, folder))?;
        let staged = |meta: ObjectMeta| StagedObject {
            path: self.inner(&meta.location).into(),
            since: meta.last_modified.into(),
        };
        Ok((objects.into_iter().map(staged).collect(), next))
    }

    /// Lists the multipart uploads begun before `before` of objects at or below the path `start`, page by page; none if
    /// the store cannot list uploads.
    pub(in crate::store) fn uploads<'a>(
        &'a self,
        start: &'a str,
        before: SystemTime,
    ) -> BoxStream<'a, Result<MultipartHandle, Error>> {
        let pages = stream::try_unfold(Some(Marker::default()), move |from| async move {
            let Some(from) = from else { return Ok(None) };
            let UploadPage { begun, next } = self.uploads_page(start, &from).await?;
            let prefix = self.key(start)?;
            let old = begun.into_iter().filter(move |begun| begun.since < before);
            let uploads = old.filter_map(move |begun| {
                // A prefix of S3 may end in the middle of a name, so it matches other names as well.
                let key = Path::parse(&begun.key).ok().filter(|key| key.prefix_matches(&prefix))?;
                Some(Ok(MultipartHandle { path: self.inner(&key).into(), id: begun.id }))
            });
            Ok(Some((stream::iter(uploads), next)))
        });
        pages.take(PAGES).try_flatten().boxed()
    }

    /// A page of the multipart uploads of objects at or below the path `start`; an empty last one if the store cannot
    /// list uploads.
    async fn uploads_page(&self, start: &str, from: &Marker) -> Result<UploadPage, Error> {
        let Some(uploads) = &self.skills().uploads else { return Ok(UploadPage::default()) };
        let prefix = self.key(start)?;
        match self.sent(ANSWER, || uploads.page(prefix.as_ref(), from)).await {
            Ok(page) => Ok(page),
            Err(Fault::Refused(why)) => {
                tracing::debug!("{}: the store refuses to list multipart uploads: {why}", self.name());
                Ok(UploadPage::default())
            }
            Err(fault) => Err(self.refused(fault, start)),
        }
    }

    /// Reads the object at `path`. `None` if there is none; [`Error::TooLarge`] if it has more than `limit` bytes.
    pub(in crate::store) async fn whole(&self, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
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

    /// Removes the object at `path`; no error if there is none.
    pub(in crate::store) async fn remove(&self, path: &str) -> Result<(), Error> {
        let key = self.key(path)?;
        let removed = self.sent(ANSWER, || self.store().delete(&key)).await;
        self.forget(path);
        match removed {
            Ok(()) | Err(Fault::Gone) => Ok(()),
            Err(fault) => Err(self.refused(fault, path)),
        }
    }

    /// A URL with which anyone can make the request `what` for the object at `path` during `lifetime`; `None` if the
    /// store cannot sign URLs.
    pub(in crate::store) async fn signed(
        &self,
        what: &Method,
        path: &str,
        lifetime: Duration,
    ) -> Result<Option<String>, Error> {
        let Some(signer) = &self.skills().signer else { return Ok(None) };
        let key = self.key(path)?;
        // Signing may request credentials.
        let url = self.sent(ANSWER, || signer.signed_url(what.clone(), &key, lifetime)).await;
        url.map(|url| Some(url.into())).map_err(|fault| self.refused(fault, path))
    }
}

/// Time limit for a request that sends `bytes` bytes.
pub(super) fn time_for(bytes: usize) -> Duration {
    WRITE + Duration::from_secs(u64_from_usize(bytes) / PACE)
}
