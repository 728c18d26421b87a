//! The names of all assets, for lists and searches: an index that is made by walking the store, and no more often than
//! a twentieth of the time. Nothing is opened for it.

use super::annotations::Annotations;
use super::error::Error;
use super::ignored::Ignored;
use super::ladder::{LADDER_LIMIT, stem};
use super::shape::below;
use crate::cache::Makers;
use crate::media::AssetId;
use crate::store::{Store, Walk, Walked, Wanted};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A long walk is made again once so many times its own length have passed.
const REST: u32 = 20;

/// From which length on a walk is long.
const LONG: Duration = Duration::from_millis(100);

/// Walks that end with their clients which one that came later begins again.
const TRIES: u32 = 3;

/// Files that are not understood, of which a list tells by name.
const IGNORED_LIMIT: usize = 20;

/// Titles that are remembered of assets that were opened.
const TITLES_LIMIT: u64 = 1 << 16;

/// All names, as they were a moment ago.
#[derive(Debug)]
pub(super) struct NameIndex {
    /// Sorted.
    pub(super) names: Arc<[String]>,
    /// Of each, whether it is one for sure: a folder of a few files may be one asset or several.
    pub(super) certain: Vec<bool>,
    /// Whether nothing was left out because there was too much.
    pub(super) is_whole: bool,
    /// Files that are not understood.
    pub(super) ignored: Ignored,
    walk: Walk,
}

/// An index, when its walk began, and how long that took.
type Known = (Instant, Duration, Arc<NameIndex>);

/// The index, kept up to date while it is asked for.
#[derive(Debug)]
pub(super) struct Names {
    last: Arc<Mutex<Option<Known>>>,
    /// Whether the last walk is older than something that was published.
    outdated: Arc<AtomicBool>,
    makers: Makers<(), Result<Arc<NameIndex>, Error>>,
    waiting: Arc<Waiting>,
    titles: Titles,
}

/// The titles that are known: of assets that were opened, and those that were set from outside the store.
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

/// Who waits for a walk.
#[derive(Debug, Default)]
struct Waiting {
    clients: AtomicUsize,
    stopped: AtomicBool,
}

/// One of them, until it is dropped.
struct Client(Arc<Waiting>);

impl Client {
    fn new(waiting: &Arc<Waiting>) -> Self {
        waiting.clients.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(waiting))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Names {
    fn default() -> Self {
        Self {
            last: Arc::default(),
            outdated: Arc::default(),
            makers: Makers::default(),
            waiting: Arc::default(),
            titles: Titles { opened: moka::sync::Cache::new(TITLES_LIMIT), annotations: Annotations::default() },
        }
    }
}

impl Names {
    /// Whoever asks next walks again.
    pub(super) fn forget(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Ends the walk that is under way: for the end of the program.
    pub(super) fn stop(&self) {
        self.waiting.stopped.store(true, Ordering::Release);
    }

    /// Remembers what an asset calls itself.
    pub(super) fn learn(&self, id: &AssetId, title: &str) {
        if title == id.last_part() {
            self.titles.opened.invalidate(id);
        } else {
            self.titles.opened.insert(id.clone(), title.into());
        }
    }

    /// What the asset calls itself, where that is known.
    pub(super) fn title(&self, id: &AssetId) -> Option<Arc<str>> {
        self.titles.get(id)
    }

    /// The titles that are known.
    pub(super) fn titles(&self) -> Titles {
        self.titles.clone()
    }

    /// The annotations from outside the store.
    pub(super) const fn annotations(&self) -> &Annotations {
        &self.titles.annotations
    }

    /// The index, walked for no longer than `age` ago; one walk however many ask, which ends with the last of them.
    pub(super) async fn get(&self, store: &Store, age: Duration, settle: Duration) -> Result<Arc<NameIndex>, Error> {
        let _client = Client::new(&self.waiting);
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
                // It ended with clients that left before we came.
                Err(Error::Interrupted(_)) if tries < TRIES && !self.waiting.stopped.load(Ordering::Acquire) => {
                    tries += 1;
                }
                walked => return walked,
            }
        }
    }

    /// Walks the store, given what the last walk found.
    fn walk(
        &self,
        store: Store,
        settle: Duration,
        before: Option<Arc<NameIndex>>,
    ) -> impl Future<Output = Result<Arc<NameIndex>, Error>> + Send + 'static {
        let (last, outdated, waiting) = (Arc::clone(&self.last), Arc::clone(&self.outdated), Arc::clone(&self.waiting));
        let wanted: Wanted =
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
        let (mut names, mut ignored) = (BTreeMap::new(), Ignored::default());
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

/// Adds the names that a folder and its files can give assets, and whether each is one for sure.
fn add(names: &mut BTreeMap<String, bool>, folder: &str, walked: &Walked) {
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
