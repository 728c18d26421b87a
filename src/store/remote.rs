//! An object store: what is in it, asked within limits. One layer asks again, and this is it.
//!
//! Each request has a deadline, is asked again three times at most with growing, jittered pauses, and all requests of a
//! store pause together when it says that it has too many. A store that stays silent counts as away for a while:
//! another that holds the same is asked first then.

use super::blocks::Blocks;
use super::error::Error;
use super::fault::Fault;
use super::skills::Skills;
use super::stamp::Stamp;
use futures_util::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How often a request is asked again at most.
const RETRIES: u32 = 3;

/// The pause before the first time, at most; each further one is three times as long.
const PAUSE: Duration = Duration::from_millis(60);

/// How long all requests pause at most when a store asks for fewer.
const SLOW_PAUSE: Duration = Duration::from_millis(500);

/// How long a store that did not answer is asked after another that holds the same.
const AWAY: Duration = Duration::from_secs(10);

/// Objects of which a listing's entity tags are remembered.
const KNOWN: u64 = 1 << 16;

/// How an object store is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long a request may wait for its answer, and an answer for its next bytes.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(5) }
    }
}

/// An object store, or all in it below one prefix.
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// What it is called in messages.
    name: String,
    /// What all names begin with; `""` or a path.
    root: String,
    /// Tells it from the other stores of the program.
    number: u32,
    /// Whether it can be listed; of one that cannot, objects are asked for by name.
    lists: bool,
    patience: Patience,
    blocks: Arc<Blocks>,
    /// What the last listing told of objects.
    known: moka::sync::Cache<String, Arc<ObjectMeta>>,
    slow_until: Mutex<Option<Instant>>,
    away_until: Mutex<Option<Instant>>,
    /// Whether it refused what was to be written.
    read_only: AtomicBool,
    skills: Skills,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where an object store is, and how it is asked.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) name: String,
    pub(super) root: String,
    pub(super) number: u32,
    pub(super) lists: bool,
    pub(super) patience: Patience,
}

impl Remote {
    pub(super) fn new(store: Arc<dyn ObjectStore>, address: Address, blocks: Arc<Blocks>) -> Self {
        let Address { name, root, number, lists, patience } = address;
        let known = moka::sync::Cache::new(KNOWN);
        let (slow_until, away_until) = (Mutex::default(), Mutex::default());
        // A web server is read, never written to.
        let read_only = AtomicBool::new(!lists);
        let skills = Skills::default();
        Self { store, name, root, number, lists, patience, blocks, known, slow_until, away_until, read_only, skills }
    }

    /// The same, which can do more.
    pub(super) fn with(self, skills: Skills) -> Self {
        Self { skills, ..self }
    }

    /// What it can do beside what all can.
    pub(super) const fn skills(&self) -> &Skills {
        &self.skills
    }

    /// What it is called in messages, with its prefix.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn blocks(&self) -> &Arc<Blocks> {
        &self.blocks
    }

    /// What it is called without the prefix.
    pub(super) fn bucket(&self) -> &str {
        self.name.strip_suffix(&self.root).unwrap_or(&self.name).trim_end_matches('/')
    }

    /// What is asked, without a second try.
    pub(super) fn store(&self) -> &dyn ObjectStore {
        &*self.store
    }

    pub(super) const fn is_read_only(&self) -> &AtomicBool {
        &self.read_only
    }

    pub(super) const fn patience(&self) -> Patience {
        self.patience
    }

    pub(super) fn stamp(&self, meta: &ObjectMeta) -> Stamp {
        Stamp::of_object(self.number, meta)
    }

    /// Whether it can be listed.
    pub(super) const fn lists(&self) -> bool {
        self.lists
    }

    pub(super) const fn number(&self) -> u32 {
        self.number
    }

    /// Whether it did not answer lately.
    pub(super) fn is_away(&self) -> bool {
        locked(&self.away_until).is_some_and(|until| until > Instant::now())
    }

    /// Remembers what a listing said of the object at `path`: which version that is.
    pub(super) fn remember(&self, path: &str, meta: ObjectMeta) -> Stamp {
        let stamp = self.stamp(&meta);
        self.known.insert(path.into(), Arc::new(meta));
        stamp
    }

    /// What is known of the object at `path`: by the last listing, or asked now.
    pub(super) async fn meta(&self, path: &str) -> Result<Arc<ObjectMeta>, Error> {
        if let Some(meta) = self.known.get(path) {
            return Ok(meta);
        }
        self.head(path).await
    }

    /// Which version of the object at `path` there is now, if any; what is told of it is remembered.
    pub(super) async fn seek(&self, path: &str) -> Result<Option<Stamp>, Error> {
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

    /// What the store says of the object at `path` now.
    pub(super) async fn head(&self, path: &str) -> Result<Arc<ObjectMeta>, Error> {
        let key = self.key(path)?;
        match self.asked(|| async { self.store.head(&key).await }).await {
            Ok(meta) => Ok(Arc::new(meta)),
            Err(Fault::Gone) => Err(Error::NotFound { path: path.into() }),
            Err(fault) => Err(self.failed(fault, path)),
        }
    }

    /// Forgets what listings told of `path`.
    pub(super) fn forget(&self, path: &str) {
        self.known.invalidate(path);
    }

    /// Whether it answers: asks for the first of its names, or for what its own stands for.
    pub(super) async fn ping(&self) -> Result<(), Error> {
        let root = self.key("")?;
        let answer = if self.lists {
            let prefix = Some(&root).filter(|root| !root.as_ref().is_empty());
            let ask = || async { self.store.list(prefix).next().await.transpose().map(drop) };
            self.asked(ask).await
        } else {
            self.asked(|| async { self.store.head(&root).await.map(drop) }).await
        };
        match answer {
            Ok(()) => Ok(()),
            // That is an answer: a folder has no length, and need not be there.
            Err(fault) if !self.lists && fault.is_answer() => Ok(()),
            Err(fault) => Err(self.failed(fault, "")),
        }
    }

    /// A request for bytes: once, within the deadline of its head.
    pub(super) async fn get(&self, key: &Path, options: GetOptions) -> Result<object_store::GetResult, Fault> {
        self.paused().await;
        let got = timeout(self.patience.timeout, self.store.get_opts(key, options)).await;
        let got = got.map_err(|_| self.silence())?;
        got.map_err(|error| self.noticed(Fault::of(&error)))
    }

    /// What a request for `path` that failed for good is told as.
    pub(super) fn failed(&self, fault: Fault, path: &str) -> Error {
        if matches!(fault, Fault::Passing { .. }) {
            *locked(&self.away_until) = Some(Instant::now() + AWAY);
        }
        fault.error(&format!("{}/{path}", self.name))
    }

    /// The pause before a request is asked for the `tried`th time again; `None`: often enough.
    pub(super) fn pause(tried: u32) -> Option<Duration> {
        (tried < RETRIES).then(|| jittered(PAUSE * 3_u32.pow(tried)))
    }

    /// The deadline passed.
    pub(super) fn silence(&self) -> Fault {
        Fault::silence(self.patience.timeout)
    }

    /// `ask`, each time within the deadline, again while that may help.
    pub(super) async fn asked<T, F>(&self, ask: impl Fn() -> F) -> Result<T, Fault>
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

    /// Remembers that the store wants fewer requests.
    fn noticed(&self, fault: Fault) -> Fault {
        if matches!(fault, Fault::Passing { slow: true, .. }) {
            *locked(&self.slow_until) = Some(Instant::now() + jittered(SLOW_PAUSE));
        }
        fault
    }

    /// What the object at `path` is called in the store.
    pub(super) fn key(&self, path: &str) -> Result<Path, Error> {
        let whole = match (self.root.is_empty(), path.is_empty()) {
            (true, _) => path.to_owned(),
            (false, true) => self.root.clone(),
            (false, false) => format!("{}/{path}", self.root),
        };
        Path::parse(whole).map_err(|_| Error::NotFound { path: path.into() })
    }

    /// The path of what is called `key` in the store.
    pub(super) fn inner<'a>(&self, key: &'a Path) -> &'a str {
        let path = key.as_ref().strip_prefix(&self.root).unwrap_or(key.as_ref());
        path.strip_prefix('/').unwrap_or(path)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Half of `span` to all of it.
fn jittered(span: Duration) -> Duration {
    let dice = RandomState::new().build_hasher().finish() % 512;
    span / 2 + span * u32::try_from(dice).unwrap_or(0) / 1_024
}
