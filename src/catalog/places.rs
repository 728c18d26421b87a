//! Where what is known of files outlasts the program: a folder of this machine, and notes beside objects in their store,
//! for other machines to pick up.

use super::persisted::{FILE_LIMIT, Key, Persisted};
use crate::media::{Damage, Missing, Movie};
use crate::plan::{self, Plan};
use crate::store::Object;
use bytes::Bytes;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of the key that a note begins with: it is of one version of its object.
const KEY: usize = 32;

/// Where what is known of files outlasts the program; by default nowhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lasting {
    /// In a folder of this machine, within so many bytes.
    pub folder: Option<(PathBuf, u64)>,
    /// In object stores, in `.afflux/` beside each object, where the store allows.
    pub beside: bool,
}

/// The same, opened. Clones are the same places.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    folder: Option<Arc<Persisted>>,
    beside: bool,
}

impl Places {
    /// Makes the folder where it is missing.
    pub(super) fn open(lasting: &Lasting) -> io::Result<Self> {
        let folder = match &lasting.folder {
            Some((folder, bytes)) => Some(Arc::new(Persisted::open(folder, *bytes)?)),
            None => None,
        };
        Ok(Self { folder, beside: lasting.beside })
    }

    /// The folder alone.
    pub(super) fn folder_alone(self) -> Self {
        Self { beside: false, ..self }
    }

    /// What the folder holds of `object`: the first and the last samples of each track, others are missing.
    pub(super) async fn in_folder(&self, object: &Object) -> Option<Arc<Movie>> {
        let folder = Arc::clone(self.folder.as_ref()?);
        let key = in_store(object);
        let read = tokio::task::spawn_blocking(move || folder.get(&key)).await;
        right(read.ok().flatten()?, object)
    }

    /// Brings what is `missing` of the `movie` of `object` out of the folder: whether it could be had.
    pub(super) async fn bring(&self, object: &Object, movie: &Arc<Movie>, missing: Vec<Missing>) -> bool {
        let Some(folder) = self.folder.clone() else { return false };
        let (key, movie) = (in_store(object), Arc::clone(movie));
        let brought = tokio::task::spawn_blocking(move || folder.bring(&key, &movie, &missing)).await;
        brought.unwrap_or(false)
    }

    /// What the folder holds of a plan, as `thaw` makes it of its bytes.
    pub(super) async fn plan(
        &self,
        key: Key,
        thaw: impl FnOnce(&Bytes) -> Result<Plan, Damage> + Send + 'static,
    ) -> Option<Plan> {
        let folder = Arc::clone(self.folder.as_ref()?);
        tokio::task::spawn_blocking(move || folder.plan(&key, thaw)).await.ok().flatten()
    }

    /// Keeps `plan`, of that reference, for whoever plans the same. Nobody waits for it.
    pub(super) async fn keep_plan(self, key: Key, plan: Arc<Plan>, reference: usize) {
        let Some(folder) = self.folder else { return };
        let kept = tokio::task::spawn_blocking(move || folder.put(&key, &plan.freeze(reference)));
        let _done = kept.await;
    }

    /// What a plan of `objects`, cut by `settings`, is kept as.
    pub(super) fn plan_key<'a>(objects: impl Iterator<Item = &'a Object>, settings: plan::Settings) -> Key {
        Key::of_plan(objects.map(in_store), settings)
    }

    /// Removes what the folder holds of `objects` and of their plan.
    pub(super) async fn discard(&self, objects: &[&Object], plan: Key) {
        let Some(folder) = self.folder.clone() else { return };
        let keys: Vec<Key> = objects.iter().map(|object| in_store(object)).chain([plan]).collect();
        let gone = tokio::task::spawn_blocking(move || {
            for key in &keys {
                folder.discard(key, "it is not true");
            }
        });
        let _done = gone.await;
    }

    /// What stands beside `object` in its store.
    pub(super) async fn beside(&self, object: &Object) -> Option<Arc<Movie>> {
        if !self.beside {
            return None;
        }
        let (note, key) = (object.note(FILE_LIMIT).await?, of_version(object));
        let frozen = note.slice_ref(note.strip_prefix(key.as_bytes())?);
        let thawed = tokio::task::spawn_blocking(move || Movie::thaw(&frozen).ok());
        right(thawed.await.ok().flatten()?, object)
    }

    /// Keeps `movie` for whoever opens `object` next. Nobody waits for it.
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

/// Names the version of `object` among those of all stores, whatever it is called.
fn in_store(object: &Object) -> Key {
    Key::new(object.store(), &object.stamp().lasting())
}

/// Names the version of `object` for whoever looks at the same store, whatever he calls the object.
fn of_version(object: &Object) -> Key {
    Key::new("", &object.stamp().lasting())
}

/// A movie of as many bytes as `object`.
fn right(movie: Movie, object: &Object) -> Option<Arc<Movie>> {
    (movie.size == object.size()).then(|| Arc::new(movie))
}
