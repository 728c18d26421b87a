//! The index of the names of all assets, for lists and searches. It is built by walking the store, which takes at most
//! a twentieth of the time, and opens no files.

use super::annotations::Annotations;
use super::error::Error;
use super::ignored::IgnoredFiles;
use super::ladder::{LADDER_LIMIT, stem};
use super::shape::below;
use crate::cache::SingleFlight;
use crate::media::AssetId;
use crate::store::{StillWanted, Store, Walk, WalkedFolder};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A long walk is repeated only after this many times its own duration.
const REST: u32 = 20;

/// Shortest duration of a long walk.
const LONG: Duration = Duration::from_millis(100);

/// Most walks that a client starts again because they ended with earlier clients.
const TRIES: u32 = 3;

/// Most unsupported files that a list names.
const IGNORED_LIMIT: usize = 20;

/// Most titles of opened assets that are remembered.
const TITLES_LIMIT: u64 = 1 << 16;

/// All names, as of the last walk.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// All names, sorted.
    pub(super) names: Arc<[String]>,
    /// For each name, whether it is certain to be that of an asset: a folder of a few files may be one asset or
    /// several.
    pub(super) certain: Vec<bool>,
    /// Whether the index is complete: no limit was reached.
    pub(super) is_whole: bool,
    /// Unsupported files.
    pub(super) ignored: IgnoredFiles,
    walk: Walk,
}

/// An index, when its walk began, and how long that took.
type Known = (Instant, Duration, Arc<NameIndex>);

/// The index, which is updated while clients request it.
#[derive(Debug)]
pub(super) struct Names {
    last: Arc<Mutex<Option<Known>>>,
    /// Whether something was published after the last walk.
    outdated: Arc<AtomicBool>,
    makers: SingleFlight<(), Result<Arc<NameIndex>, Error>>,
    waiting: Arc<WalkWaiters>,
    titles: Titles,
}

/// The known titles: of assets that were opened, and those that were set from outside the store.
#[derive(Debug, Clone)]
pub(super) struct Titles {
    opened: moka::sync::Cache<AssetId, Arc<str>>,
    annotations: Annotations,
}

impl Titles {
    /// The title of `id`; `None` where it is shown by its name, or is not known.
    pub(super) fn get(&self, id: &AssetId) -> Option<Arc<str>> {
        self.opened.get(id).or_else(|| self.annotations.title(id))
    }
}

/// Counts the clients that wait for a walk.
#[derive(Debug, Default)]
struct WalkWaiters {
    clients: AtomicUsize,
    stopped: AtomicBool,
}

/// One waiting client, until it is dropped.
struct WalkWaiter(Arc<WalkWaiters>);

impl WalkWaiter {
    fn new(waiting: &Arc<WalkWaiters>) -> Self {
        waiting.clients.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(waiting))
    }
}

impl Drop for WalkWaiter {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            outdated: Arc::default(),
            makers: SingleFlight::default(),
            waiting: Arc::default(),
            titles: Titles { opened: moka::sync::Cache::new(TITLES_LIMIT), annotations: Annotations::default() },
        }
    }
}

impl Names {
    /// Makes the next request walk again.
    pub(super) fn forget(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Ends the running walk: for shutdown.
    pub(super) fn stop(&self) {
        self.waiting.stopped.store(true, Ordering::Release);
    }

    /// Remembers the title of an asset.
    pub(super) fn learn(&self, id: &AssetId, title: &str) {
        if title == id.last_part() {
            self.titles.opened.invalidate(id);
        } else {
            self.titles.opened.insert(id.clone(), title.into());
        }
    }

    /// Title of the asset; `None` if unknown.
    pub(super) fn title(&self, id: &AssetId) -> Option<Arc<str>> {
        self.titles.get(id)
    }

    /// All known titles.
    pub(super) fn titles(&self) -> Titles {
        self.titles.clone()
    }

    /// The annotations from outside the store.
    pub(super) const fn annotations(&self) -> &Annotations {
        &self.titles.annotations
    }

    /// The index by a walk no older than `age`, or older after a long walk. All concurrent callers share one walk,
    /// which ends when the last of them leaves.
    pub(super) async fn get(&self, store: &Store, age: Duration, settle: Duration) -> Result<Arc<NameIndex>, Error> {
        let _client = WalkWaiter::new(&self.waiting);
        let mut tries = 0;
        loop {
            let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let is_fresh = |(at, took, _): &Known| {
                let rest = if *took < LONG { Duration::ZERO } else { took.saturating_mul(REST) };
                at.elapsed() <= age.max(rest) && !self.outdated.load(Ordering::Acquire)
            };
            if let Some((.., index)) = last.as_ref().filter(|known| is_fresh(known)) {
                return Ok(Arc::clone(index));
            }
            let walk = self.walk(store.clone(), settle, last.map(|(.., index)| index));
            let pending = self.makers.start((), walk);
            match pending.made().await? {
                // The walk ended because its clients left before this one came.
                Err(Error::Interrupted(_)) if tries < TRIES && !self.waiting.stopped.load(Ordering::Acquire) => {
                    tries += 1;
                }
                walked => return walked,
            }
        }
    }

    /// Walks the store; `before` has the result of the last walk.
    fn walk(
        &self,
        store: Store,
        settle: Duration,
        before: Option<Arc<NameIndex>>,
    ) -> impl Future<Output = Result<Arc<NameIndex>, Error>> + Send + 'static {
        let (last, outdated, waiting) = (Arc::clone(&self.last), Arc::clone(&self.outdated), Arc::clone(&self.waiting));
        let wanted: StillWanted =
            Arc::new(move || waiting.clients.load(Ordering::Acquire) > 0 && !waiting.stopped.load(Ordering::Acquire));
        async move {
            let at = Instant::now();
            outdated.store(false, Ordering::Release);
            let known = before.as_ref().map(|index| index.walk.clone()).unwrap_or_default();
            let walked =
                store.walk(known, settle, wanted).await.inspect_err(|_| outdated.store(true, Ordering::Release))?;
            let made = tokio::task::spawn_blocking(move || {
                before.filter(|before| walked.is_as(&before.walk)).unwrap_or_else(|| Arc::new(NameIndex::new(walked)))
            });
            let index = made.await.map_err(|_| Error::Interrupted("making the list of names was given up".into()))?;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, at.elapsed(), Arc::clone(&index)));
            Ok(index)
        }
    }
}

impl NameIndex {
    fn new(walk: Walk) -> Self {
        let (mut names, mut ignored) = (BTreeMap::new(), IgnoredFiles::default());
        for (folder, walked) in walk.folders() {
            add(&mut names, &folder, walked);
            ignored.count += walked.ignored;
            let room = IGNORED_LIMIT - ignored.some.len();
            ignored.some.extend(walked.ignored_names.iter().take(room).map(|name| below(&folder, name)));
        }
        let certain = names.values().copied().collect();
        let names = names.into_keys().collect::<Vec<String>>().into();
        Self { names, certain, is_whole: walk.is_whole(), ignored, walk }
    }
}

/// Adds the names that a folder and its files may have as assets, and whether each is certain.
fn add(names: &mut BTreeMap<String, bool>, folder: &str, walked: &WalkedFolder) {
    let files = walked.media.len();
    if walked.described && !folder.is_empty() {
        names.insert(folder.to_owned(), true);
        return;
    }
    let may_be_ladder = !folder.is_empty() && (2..=LADDER_LIMIT).contains(&files);
    if may_be_ladder {
        names.entry(folder.to_owned()).or_insert(false);
    }
    for file in &walked.media {
        let certain = names.entry(below(folder, stem(file))).or_insert(!may_be_ladder);
        *certain |= !may_be_ladder;
    }
}
