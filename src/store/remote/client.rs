//! [`Remote`]: one object store, and requests to it with deadlines and retries. Retries of `object_store` are off.
//!
//! Each request has a deadline and is retried three times at most, with growing, jittered pauses. All requests to a
//! store pause together when it asks for fewer. A store that does not answer counts as away for a while; meanwhile
//! another store with the same content is tried first.

use super::blocks::Blocks;
use super::capabilities::Capabilities;
use super::fault::Fault;
use crate::store::error::Error;
use crate::store::name::{OWN_FOLDER, below};
use crate::store::stamp::Stamp;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Most retries of one request.
const RETRIES: u32 = 3;

/// Longest pause before the first retry; each further one is three times as long.
const PAUSE: Duration = Duration::from_millis(60);

/// Longest pause of all requests when a store asks for fewer.
const SLOW_PAUSE: Duration = Duration::from_millis(500);

/// How long a store that did not answer is tried only after another with the same content.
const AWAY: Duration = Duration::from_secs(10);

/// Most objects whose metadata from listings is remembered.
const KNOWN: u64 = 1 << 16;

/// Name of the folder in [`OWN_FOLDER`] that checks list. Nothing is ever stored in it.
const READY: &str = "ready";

/// Time limits of requests to an object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteTimeouts {
    /// How long to wait for the answer to a request, and for the next bytes of an answer.
    pub timeout: Duration,
}

impl Default for RemoteTimeouts {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5) }
    }
}

/// An object store, or the part of it below one prefix.
pub(in crate::store) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// Its name in messages, prefix included.
    name: String,
    /// Prefix of all object names; `""` or a path.
    root: String,
    /// Distinguishes it from the other stores of the program.
    number: u32,
    /// Whether it can be listed; otherwise objects are looked up by name.
    lists: bool,
    patience: RemoteTimeouts,
    blocks: Arc<Blocks>,
    /// Metadata of objects, from the last listing or lookup.
    known: moka::sync::Cache<String, Arc<ObjectMeta>>,
    slow_until: Mutex<Option<Instant>>,
    away_until: Mutex<Option<Instant>>,
    /// Whether not to write notes to it: it refused one, or it cannot be written to.
    read_only: AtomicBool,
    skills: Capabilities,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Location and limits of an object store.
#[derive(Debug)]
pub(in crate::store) struct RemoteSettings {
    pub(in crate::store) name: String,
    pub(in crate::store) root: String,
    pub(in crate::store) number: u32,
    pub(in crate::store) lists: bool,
    pub(in crate::store) patience: RemoteTimeouts,
}

impl Remote {
    pub(in crate::store) fn new(store: Arc<dyn ObjectStore>, address: RemoteSettings, blocks: Arc<Blocks>) -> Self {
        let RemoteSettings { name, root, number, lists, patience } = address;
        let known = moka::sync::Cache::new(KNOWN);
        let (slow_until, away_until) = (Mutex::default(), Mutex::default());
        // A web server is read, never written to.
        let read_only = AtomicBool::new(!lists);
        let skills = Capabilities::default();
        Self { store, name, root, number, lists, patience, blocks, known, slow_until, away_until, read_only, skills }
    }

    /// Sets the optional abilities of the store.
    pub(in crate::store) fn with(self, skills: Capabilities) -> Self {
        Self { skills, ..self }
    }

    /// Its optional abilities.
    pub(in crate::store) const fn skills(&self) -> &Capabilities {
        &self.skills
    }

    /// Its name in messages, prefix included.
    pub(in crate::store) fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::store) fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// Its name without the prefix.
    pub(in crate::store) fn bucket(&self) -> &str {
        self.name.strip_suffix(&self.root).unwrap_or(&self.name).trim_end_matches('/')
    }

    /// The client below: no deadlines and no retries.
    pub(in crate::store) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    pub(super) const fn is_read_only(&self) -> &AtomicBool {
        &self.read_only
    }

    pub(in crate::store) const fn patience(&self) -> RemoteTimeouts {
        self.patience
    }

    pub(in crate::store) fn stamp(&self, meta: &ObjectMeta) -> Stamp {
        Stamp::of_object(self.number, meta)
    }

    /// Whether it can be listed.
    pub(in crate::store) const fn lists(&self) -> bool {
        self.lists
    }

    pub(in crate::store) const fn number(&self) -> u32 {
        self.number
    }

    /// Whether it failed to answer recently.
    pub(in crate::store) fn is_away(&self) -> bool {
        locked(&self.away_until).is_some_and(|until| until > Instant::now())
    }

    /// Remembers the metadata of the object at `path` from a listing; returns its stamp.
    pub(super) fn remember(&self, path: &str, meta: ObjectMeta) -> Stamp {
        let stamp = self.stamp(&meta);
        self.known.insert(path.into(), Arc::new(meta));
        stamp
    }

    /// Metadata of the object at `path`: remembered, else requested.
    pub(in crate::store) async fn meta(&self, path: &str) -> Result<Arc<ObjectMeta>, Error> {
        if let Some(meta) = self.known.get(path) {
            return Ok(meta);
        }
        self.head(path).await
    }

    /// Requests the stamp of the object at `path` and remembers its metadata. `None` if there is no such object; an
    /// error if the store sends neither ETag nor Last-Modified.
    pub(in crate::store) async fn seek(&self, path: &str) -> Result<Option<Stamp>, Error> {
        match self.head(path).await {
            Ok(meta) if meta.e_tag.is_none() && meta.last_modified.timestamp() == 0 => {
                let why = "it tells neither ETag nor Last-Modified: versions could not be told apart".into();
                Err(Error::Refused { path: format!("{}/{path}", self.name), why })
            }
            Ok(meta) => {
                let stamp = self.stamp(&meta);
                self.known.insert(path.into(), meta);
                Ok(Some(stamp))
            }
            Err(Error::NotFound { .. }) => {
                self.forget(path);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Requests the metadata of the object at `path`.
    pub(in crate::store) async fn head(&self, path: &str) -> Result<Arc<ObjectMeta>, Error> {
        let key = self.key(path)?;
        match self.asked(|| async { self.store.head(&key).await }).await {
            Ok(meta) => Ok(Arc::new(meta)),
            Err(Fault::Gone) => Err(Error::NotFound { path: path.into() }),
            Err(fault) => Err(self.failed(fault, path)),
        }
    }

    /// Forgets the metadata of `path`.
    pub(in crate::store) fn forget(&self, path: &str) {
        self.known.invalidate(path);
    }

    /// Checks that the store answers: lists a folder that holds nothing, so that an answer has no names, or requests the
    /// root itself if the store cannot be listed.
    pub(in crate::store) async fn ping(&self) -> Result<(), Error> {
        let answer = if self.lists {
            let empty = self.key(&below(OWN_FOLDER, READY))?;
            let ask = || async { self.store.list(Some(&empty)).next().await.transpose().map(drop) };
            self.asked(ask).await
        } else {
            let root = self.key("")?;
            self.asked(|| async { self.store.head(&root).await.map(drop) }).await
        };
        match answer {
            Ok(()) => Ok(()),
            // This is an answer, too: a folder has no length, and need not exist.
            Err(fault) if !self.lists && fault.is_answer() => Ok(()),
            Err(fault) => Err(self.failed(fault, "")),
        }
    }

    /// Requests bytes, without retries. The deadline is for the head of the answer.
    pub(in crate::store) async fn get(
        &self,
        key: &Path,
        options: GetOptions,
    ) -> Result<object_store::GetResult, Fault> {
        self.paused().await;
        let got = timeout(self.patience.timeout, self.store.get_opts(key, options)).await;
        let got = got.map_err(|_| self.silence())?;
        got.map_err(|error| self.noticed(Fault::of(&error)))
    }

    /// The error of a request for `path` that failed for good. A passing fault marks the store as away.
    pub(in crate::store) fn failed(&self, fault: Fault, path: &str) -> Error {
        if matches!(fault, Fault::Passing { .. }) {
            *locked(&self.away_until) = Some(Instant::now() + AWAY);
        }
        fault.error(&format!("{}/{path}", self.name))
    }

    /// Pause before the next retry, after `tried` retries; `None` if there were enough.
    pub(super) fn pause(tried: u32) -> Option<Duration> {
        (tried < RETRIES).then(|| jittered(PAUSE * 3_u32.pow(tried)))
    }

    /// The fault of a request whose deadline passed.
    pub(super) fn silence(&self) -> Fault {
        Fault::silence(self.patience.timeout)
    }

    /// Runs `ask`, each time within the deadline, and retries it while that may help.
    pub(in crate::store) async fn asked<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Fault>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let mut tried = 0;
        loop {
            self.paused().await;
            let fault = match timeout(self.patience.timeout, ask()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => self.noticed(Fault::of(&error)),
                Err(_) => self.silence(),
            };
            let Some(pause) = Self::pause(tried).filter(|_| matches!(fault, Fault::Passing { .. })) else {
                return Err(fault);
            };
            sleep(pause).await;
            tried += 1;
        }
    }

    /// Waits while the store wants fewer requests.
    async fn paused(&self) {
        let until = *locked(&self.slow_until);
        if let Some(until) = until.filter(|until| *until > Instant::now()) {
            sleep_until(until).await;
        }
    }

    /// Makes all requests pause if `fault` says that the store wants fewer; returns `fault`.
    fn noticed(&self, fault: Fault) -> Fault {
        if matches!(fault, Fault::Passing { slow: true, .. }) {
            *locked(&self.slow_until) = Some(Instant::now() + jittered(SLOW_PAUSE));
        }
        fault
    }

    /// Name of the object at `path` in the store, prefix included.
    pub(in crate::store) fn key(&self, path: &str) -> Result<Path, Error> {
        let whole = match (self.root.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => self.root.clone(),
            (false, false) => format!("{}/{path}", self.root),
        };
        Path::parse(whole).map_err(|_| Error::NotFound { path: path.into() })
    }

    /// Path of the object with the name `key` in the store.
    pub(in crate::store) fn inner<'a>(&self, key: &'a Path) -> &'a str {
        let path = key.as_ref().strip_prefix(&self.root).unwrap_or(key.as_ref());
        path.strip_prefix('/').unwrap_or(path)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A random time from half of `span` to all of `span`.
fn jittered(span: Duration) -> Duration {
    let dice = RandomState::new().build_hasher().finish() % 512;
    span / 2 + span * u32::try_from(dice).unwrap_or(0) / 1_024
}
