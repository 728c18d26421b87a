//! Builds in flight, by key: a caller joins the build of its key or begins it, so that each is done once.
//!
//! ```text
//! entry(key) ─► in flight? ─yes─► Running(handle)    joiners follow the handle, for example a growing body
//!                  └─no─► Free ─ begin ─► FlightGuard   dropping it, panic or not, frees the key
//! ```
//! While a caller has a [`FreeKey`], the list is locked. So it may check once more whether the value is there: a
//! builder stores its value before it frees the key, and a caller finds one of the two.
//!
//! [`Flights`] knows nothing of the handle. Builds whose callers wait for the whole result use [`FlightSender`] and
//! [`PendingResult`]; [`SingleFlight`] also runs these builds, each in its own task.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The building task panicked, or the program is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up before it was done")]
pub struct BuildLost;

type HandlesInFlight<K, H> = Mutex<HashMap<K, H>>;

/// Handles of the builds in flight, by key. Clones share the same builds.
pub struct Flights<K, H> {
    list: Arc<HandlesInFlight<K, H>>,
}

impl<K, H> Clone for Flights<K, H> {
    fn clone(&self) -> Self {
        Self { list: Arc::clone(&self.list) }
    }
}

impl<K, H> Default for Flights<K, H> {
    fn default() -> Self {
        Self { list: Arc::default() }
    }
}

impl<K, H> fmt::Debug for Flights<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("len", &lock(&self.list).len()).finish()
    }
}

fn lock<K, H>(list: &HandlesInFlight<K, H>) -> MutexGuard<'_, HashMap<K, H>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: Clone + Eq + Hash, H: Clone> Flights<K, H> {
    /// The state of `key`. The list stays locked as long as a free key is not dropped or begun.
    pub fn entry(&self, key: K) -> FlightEntry<'_, K, H> {
        let list = lock(&self.list);
        match list.get(&key) {
            Some(handle) => FlightEntry::Running(handle.clone()),
            None => FlightEntry::Free(FreeKey { flights: self, list, key }),
        }
    }

    /// The handle of the build of `key` if it is in flight.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<H> {
        lock(&self.list).get(key).cloned()
    }

    /// Whether no build is in flight.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.list).is_empty()
    }
}

/// Whether the build of a key is in flight.
#[derive(Debug)]
pub enum FlightEntry<'a, K, H> {
    /// It is in flight, with this handle.
    Running(H),
    /// It is not; the caller may begin it.
    Free(FreeKey<'a, K, H>),
}

/// A key whose build is not in flight. Locks the list of all builds: drop it soon.
pub struct FreeKey<'a, K, H> {
    flights: &'a Flights<K, H>,
    list: MutexGuard<'a, HashMap<K, H>>,
    key: K,
}

impl<K: fmt::Debug, H> fmt::Debug for FreeKey<'_, K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FreeKey").field(&self.key).finish()
    }
}

impl<K: Clone + Eq + Hash, H> FreeKey<'_, K, H> {
    /// The key.
    pub const fn key(&self) -> &K {
        &self.key
    }

    /// Begins the build; callers that join it get `handle`.
    pub fn begin(mut self, handle: H) -> FlightGuard<K, H> {
        self.list.insert(self.key.clone(), handle);
        FlightGuard { list: Arc::clone(&self.flights.list), key: self.key }
    }
}

impl<K: Clone + Eq + Hash, T> FreeKey<'_, K, PendingResult<T>> {
    /// Begins a build whose callers wait for its result.
    pub fn begin_waited(self) -> (FlightSender<K, T>, PendingResult<T>) {
        let (sender, result) = watch::channel(None);
        let flight = self.begin(PendingResult { share: FlightRole::Joined, result: result.clone() });
        (FlightSender { flight, sender }, PendingResult { share: FlightRole::Began, result })
    }
}

/// The builder's place in the list. Frees its key when dropped, panic or not.
pub struct FlightGuard<K: Eq + Hash, H> {
    list: Arc<HandlesInFlight<K, H>>,
    key: K,
}

impl<K: Eq + Hash + fmt::Debug, H> fmt::Debug for FlightGuard<K, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlightGuard").field(&self.key).finish()
    }
}

impl<K: Eq + Hash, H> FlightGuard<K, H> {
    /// The key.
    pub const fn key(&self) -> &K {
        &self.key
    }
}

impl<K: Eq + Hash, H> Drop for FlightGuard<K, H> {
    fn drop(&mut self) {
        lock(&self.list).remove(&self.key);
    }
}

/// Whether a caller began the work or joined it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlightRole {
    /// This call began it.
    Began,
    /// Another call had begun it.
    Joined,
}

/// The builder's end of a build whose callers wait for its result. If it is dropped without a result, they get
/// [`BuildLost`].
#[derive(Debug)]
pub struct FlightSender<K: Eq + Hash, T> {
    // Dropped in this order: the key is free before any caller is woken, so that a caller that retries builds again.
    flight: FlightGuard<K, PendingResult<T>>,
    sender: watch::Sender<Option<T>>,
}

impl<K: Eq + Hash, T> FlightSender<K, T> {
    /// The key.
    pub const fn key(&self) -> &K {
        self.flight.key()
    }

    /// Ends the build: frees the key, then wakes all callers.
    pub fn send(self, result: T) {
        drop(self.flight);
        self.sender.send_replace(Some(result));
    }
}

/// The result of a build in flight, which continues whether or not anyone waits for it.
#[derive(Debug, Clone)]
pub struct PendingResult<T> {
    /// Whether this call began it.
    pub share: FlightRole,
    result: watch::Receiver<Option<T>>,
}

impl<T: Clone> PendingResult<T> {
    /// Waits for the result of the build.
    pub async fn made(mut self) -> Result<T, BuildLost> {
        let made = self.result.wait_for(Option::is_some).await.map_err(|_| BuildLost)?;
        made.clone().ok_or(BuildLost)
    }
}

/// Runs one build per key, in its own task: a caller that hangs up does not cancel it. If a build panics, its callers
/// get [`BuildLost`], and the next call builds again. Clones share the same builds.
#[derive(Debug)]
pub struct SingleFlight<K, T> {
    pub(super) flights: Flights<K, PendingResult<T>>,
    tasks: TaskTracker,
}

impl<K, T> Clone for SingleFlight<K, T> {
    fn clone(&self) -> Self {
        Self { flights: self.flights.clone(), tasks: self.tasks.clone() }
    }
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self { flights: Flights::default(), tasks: TaskTracker::new() }
    }
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the build of `key`, or begins `make` in its own task. Must be called inside a runtime.
    pub fn start(&self, key: K, make: impl Future<Output = T> + Send + 'static) -> PendingResult<T> {
        let (sender, pending) = match self.flights.entry(key) {
            FlightEntry::Running(pending) => return pending,
            FlightEntry::Free(free) => free.begin_waited(),
        };
        self.tasks.spawn(async move { sender.send(make.await) });
        pending
    }

    /// Waits until all builds are done. For the end of the program, when no more builds begin; the caller bounds the
    /// wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::{BuildLost, FlightEntry, FlightRole, FlightSender, Flights, PendingResult};

    type Test = Flights<u8, PendingResult<u8>>;

    fn begin(flights: &Test, key: u8) -> (FlightSender<u8, u8>, PendingResult<u8>) {
        match flights.entry(key) {
            FlightEntry::Running(_) => panic!("{key} is in flight"),
            FlightEntry::Free(free) => free.begin_waited(),
        }
    }

    #[tokio::test]
    async fn callers_join_the_build_of_their_key_until_it_ends() {
        let flights = Test::default();
        let (sender, first) = begin(&flights, 1);
        let (_other, _) = begin(&flights, 2);
        let FlightEntry::Running(second) = flights.entry(1) else { panic!("1 is in flight") };
        assert_eq!([first.share, second.share], [FlightRole::Began, FlightRole::Joined]);
        sender.send(7);
        assert!(flights.get(&1).is_none() && flights.get(&2).is_some());
        assert_eq!([first.made().await, second.made().await], [Ok(7), Ok(7)]);
    }

    #[tokio::test]
    async fn a_builder_that_panics_frees_the_key_before_it_wakes_callers() {
        let flights = Test::default();
        let (sender, first) = begin(&flights, 1);
        let waiter = tokio::spawn({
            let flights = flights.clone();
            async move { (first.made().await, flights.is_empty()) }
        });
        let builder = tokio::spawn(async move {
            let _sender = sender;
            panic!("the builder is meant to panic");
        });
        assert!(builder.await.unwrap_err().is_panic());
        assert_eq!(waiter.await.unwrap(), (Err(BuildLost), true));
    }

    #[test]
    fn a_free_key_that_is_not_begun_stays_free() {
        let flights = Test::default();
        drop(flights.entry(1));
        assert!(flights.is_empty());
    }
}
