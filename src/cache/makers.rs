//! One maker per key, in its own task: however many ask, the work is done once, and whoever hangs up takes nothing
//! with them. Waiters of a maker that panics are told so, and the next one to ask makes again.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// The maker's task panicked, or the program is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up before it was done")]
pub struct Lost;

/// Whether a caller began the work or joined it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// This call began it.
    Began,
    /// Another had begun it.
    Joined,
}

type Making<K, T> = Arc<Mutex<HashMap<K, watch::Receiver<Option<T>>>>>;

/// Work under way, by key. Clones are the same work.
#[derive(Debug)]
pub struct Makers<K, T> {
    making: Making<K, T>,
    tasks: TaskTracker,
}

impl<K, T> Clone for Makers<K, T> {
    fn clone(&self) -> Self {
        Self { making: Arc::clone(&self.making), tasks: self.tasks.clone() }
    }
}

impl<K, T> Default for Makers<K, T> {
    fn default() -> Self {
        Self { making: Arc::default(), tasks: TaskTracker::new() }
    }
}

/// Work that is under way whether or not anyone waits.
#[derive(Debug)]
pub struct Pending<T> {
    /// Whether this call began it.
    pub share: Share,
    result: watch::Receiver<Option<T>>,
}

impl<T: Clone> Pending<T> {
    /// What the work makes.
    pub async fn made(mut self) -> Result<T, Lost> {
        let made = self.result.wait_for(Option::is_some).await.map_err(|_| Lost)?;
        made.clone().ok_or(Lost)
    }
}

impl<K, T> Makers<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// Joins the work for `key`, or begins `make` in a task of its own. Must be called inside a runtime.
    pub fn start(&self, key: K, make: impl Future<Output = T> + Send + 'static) -> Pending<T> {
        let (sender, result) = {
            let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(result) = making.get(&key) {
                return Pending { share: Share::Joined, result: result.clone() };
            }
            let (sender, result) = watch::channel(None);
            making.insert(key.clone(), result.clone());
            (sender, result)
        };
        let entry = Entry { making: Arc::clone(&self.making), key };
        self.tasks.spawn(async move {
            // Dropped in this order when `make` panics: the key is free again before any waiter hears of it.
            let sender = sender;
            let entry = entry;
            let result = make.await;
            drop(entry);
            sender.send_replace(Some(result));
        });
        Pending { share: Share::Began, result }
    }

    /// How many are being made.
    #[must_use]
    pub fn len(&self) -> usize {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is being made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until all work is done; for the end of the program, when none begins any more. The caller bounds the wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Takes its key out of the map when dropped, panic or not.
struct Entry<K: Eq + Hash, T> {
    making: Making<K, T>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for Entry<K, T> {
    fn drop(&mut self) {
        self.making.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
