//! Stores indexes and plans across restarts: in a local folder, and indexes also as notes beside the objects in their
//! store, where other machines find them.

use super::persisted::{FILE_LIMIT, Persisted, PersistedKey};
use crate::media::{Damage, Missing, Movie};
use crate::plan::{self, Plan};
use crate::store::Object;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Length in bytes of the key that a note begins with, which identifies one version of its object.
const KEY: usize = 32;

/// Where to save indexes and plans across restarts; by default nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexPersistence {
    /// A local folder, and the most bytes that it may hold.
    pub folder: Option<(PathBuf, u64)>,
    /// Whether to save indexes in object stores, in `.afflux/` beside each object, where the store allows it.
    pub beside: bool,
}

/// The opened stores of indexes. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct IndexStores {
    folder: Option<Arc<Persisted>>,
    beside: bool,
}

impl IndexStores {
    /// Opens the stores; creates the folder if it is missing.
    pub(super) fn open(lasting: &IndexPersistence) -> io::Result<Self> {
        let folder = match &lasting.folder {
            Some((folder, bytes)) => Some(Arc::new(Persisted::open(folder, *bytes)?)),
            None => None,
        };
        Ok(Self { folder, beside: lasting.beside })
    }

    /// Only the local folder.
    pub(super) fn folder_alone(self) -> Self {
        Self { beside: false, ..self }
    }

    /// Reads the index of `object` from the folder: the first and the last samples of each track, all others are
    /// missing.
    pub(super) async fn in_folder(&self, object: &Object) -> Option<Arc<Movie>> {
        let folder = Arc::clone(self.folder.as_ref()?);
        let key = in_store(object);
        let read = tokio::task::spawn_blocking(move || folder.get(&key)).await;
        right(read.ok().flatten()?, object)
    }

    /// Loads the `missing` samples of `movie`, the index of `object`, from the folder; returns whether that succeeded.
    pub(super) async fn load_samples(&self, object: &Object, movie: &Arc<Movie>, missing: Vec<Missing>) -> bool {
        let Some(folder) = self.folder.clone() else { return false };
        let (key, movie) = (in_store(object), Arc::clone(movie));
        let brought = tokio::task::spawn_blocking(move || folder.load_samples(&key, &movie, &missing)).await;
        brought.unwrap_or(false)
    }

    /// Reads a plan from the folder; `thaw` parses its bytes.
    pub(super) async fn plan(
        &self,
        key: PersistedKey,
        thaw: impl FnOnce(&Bytes) -> Result<Plan, Damage> + Send + 'static,
    ) -> Option<Plan> {
        let folder = Arc::clone(self.folder.as_ref()?);
        tokio::task::spawn_blocking(move || folder.plan(&key, thaw)).await.ok().flatten()
    }

    /// Saves `plan`, built with source number `reference` as reference, in the folder. Runs in the background.
    pub(super) async fn keep_plan(self, key: PersistedKey, plan: Arc<Plan>, reference: usize) {
        let Some(folder) = self.folder else { return };
        let kept = tokio::task::spawn_blocking(move || folder.put(&key, &plan.freeze(reference)));
        let _done = kept.await;
    }

    /// Key of the plan of `objects`, cut by `settings`.
    pub(super) fn plan_key<'a>(objects: impl Iterator<Item = &'a Object>, settings: plan::Settings) -> PersistedKey {
        PersistedKey::of_plan(objects.map(in_store), settings)
    }

    /// Removes the indexes of `objects` and their plan from the folder.
    pub(super) async fn discard(&self, objects: &[&Object], plan: PersistedKey) {
        let Some(folder) = self.folder.clone() else { return };
        let keys: Vec<PersistedKey> = objects.iter().map(|object| in_store(object)).chain([plan]).collect();
        let gone = tokio::task::spawn_blocking(move || {
            for key in &keys {
                folder.discard(key, "its content is wrong");
            }
        });
        let _done = gone.await;
    }

    /// Reads the index from the note beside `object` in its store.
    pub(super) async fn beside(&self, object: &Object) -> Option<Arc<Movie>> {
        if !self.beside {
            return None;
        }
        let (note, key) = (object.note(FILE_LIMIT).await?, of_version(object));
        let frozen = note.slice_ref(note.strip_prefix(key.as_bytes())?);
        let thawed = tokio::task::spawn_blocking(move || Movie::thaw(&frozen).ok());
        right(thawed.await.ok().flatten()?, object)
    }

    /// Saves `movie`, the index of `object`, in the folder and as a note. Runs in the background.
    pub(super) async fn keep(self, object: Object, movie: Arc<Movie>) {
        if self.folder.is_none() && (object.is_file() || !self.beside) {
            return;
        }
        let (key, version) = (in_store(&object), of_version(&object));
        let folder = self.folder.clone();
        let kept = tokio::task::spawn_blocking(move || {
            let mut note = version.as_bytes().to_vec();
            note.extend(movie.freeze());
            if let Some(folder) = folder {
                folder.put(&key, note.get(KEY..).unwrap_or_default());
            }
            note
        });
        if let Some(note) = kept.await.ok().filter(|_| self.beside) {
            object.keep_note(Bytes::from(note)).await;
        }
    }
}

/// Key of this version of `object` among those of all stores, whatever its path is.
fn in_store(object: &Object) -> PersistedKey {
    PersistedKey::new(object.store(), &object.stamp().lasting())
}

/// Key of this version of `object` within its own store, whatever the path of the object and the name of the store.
fn of_version(object: &Object) -> PersistedKey {
    PersistedKey::new("", &object.stamp().lasting())
}

/// The movie, if its file size is that of `object`.
fn right(movie: Movie, object: &Object) -> Option<Arc<Movie>> {
    (movie.size == object.size()).then(|| Arc::new(movie))
}
