//! Runs one build per key, in its own task: however many callers wait, the work is done once, and a caller that hangs
//! up does not cancel it. If a build panics, its waiters get [`BuildLost`], and the next call builds again.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The building task panicked, or the program is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up before it was done")]
pub struct BuildLost;

/// Whether a caller began the work or joined it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlightRole {
    /// This call began it.
    Began,
    /// Another call had begun it.
    Joined,
}

type ResultsInFlight<K, T> = Arc<Mutex<HashMap<K, watch::Receiver<Option<T>>>>>;

/// Running builds, by key. Clones share the same builds.
#[derive(Debug)]
pub struct SingleFlight<K, T> {
    making: ResultsInFlight<K, T>,
    tasks: TaskTracker,
}

impl<K, T> Clone for SingleFlight<K, T> {
    fn clone(&self) -> Self {
        Self { making: Arc::clone(&self.making), tasks: self.tasks.clone() }
    }
}

impl<K, T> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self { making: Arc::default(), tasks: TaskTracker::new() }
    }
}

/// A running build, which continues whether or not anyone waits for it.
#[derive(Debug)]
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

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the build of `key`, or begins `make` in its own task. Must be called inside a runtime.
    pub fn start(&self, key: K, make: impl Future<Output = T> + Send + 'static) -> PendingResult<T> {
        let (sender, result) = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = making.get(&key) {
                return PendingResult { share: FlightRole::Joined, result: result.clone() };
            }
            let (sender, result) = watch::channel(None);
            making.insert(key.clone(), result.clone());
            (sender, result)
        };
        let entry = FlightGuard { making: Arc::clone(&self.making), key };
        self.tasks.spawn(async move {
            // If `make` panics, these are dropped in reverse order: the key is free before any waiter is woken.
            let sender = sender;
            let entry = entry;
            let result = make.await;
            drop(entry);
            sender.send_replace(Some(result));
        });
        PendingResult { share: FlightRole::Began, result }
    }

    /// Number of running builds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no build is running.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until all builds are done. For the end of the program, when no more builds begin; the caller bounds the
    /// wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Removes its key from the map when dropped, panic or not.
struct FlightGuard<K: Eq + Hash, T> {
    making: ResultsInFlight<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for FlightGuard<K, T> {
    fn drop(&mut self) {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
