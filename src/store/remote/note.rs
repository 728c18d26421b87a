//! Notes: our index of each stored object, saved as an object in the hidden folder `.afflux/` beside it.
//!
//! ```text
//! films/night.mp4 ─► films/.afflux/night.mp4.index
//! ```
//! A note only saves work: it is requested once, and any failure counts as no note. If the store refuses to be written
//! to, that is logged once, and no more notes are sent.

use super::client::Remote;
use super::fault::Fault;
use super::stored::StoredObject;
use crate::media::u64_from_usize;
use crate::store::error::Error;
use crate::store::name::OWN_FOLDER;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::timeout;

/// Time limit for writing a note.
const WRITE: Duration = Duration::from_mins(1);

impl StoredObject {
    /// Its note; `None` if there is none, if it has more than `limit` bytes, or if it cannot be read.
    pub(in crate::store) async fn note(&self, limit: u64) -> Option<Bytes> {
        let note = self.remote().note(self.inner_path(), limit).await?;
        self.shared().counted(u64_from_usize(note.len()));
        Some(note)
    }

    /// Saves `note`, which replaces an earlier one.
    pub(in crate::store) async fn keep_note(&self, note: Bytes) {
        self.remote().keep_note(self.inner_path(), note).await;
    }
}

impl Remote {
    async fn note(&self, path: &str, limit: u64) -> Option<Bytes> {
        let key = self.key(&name(path)).ok()?;
        let asked = async {
            let got = self.store().get(&key).await?;
            if got.meta.size <= limit { got.bytes().await.map(Some) } else { Ok(None) }
        };
        let answer = timeout(self.patience().timeout, asked).await.map_err(|_| self.silence());
        match answer.and_then(|answer| answer.map_err(|error| Fault::of(&error))) {
            Ok(note) => note,
            Err(Fault::Gone) => None,
            Err(fault) => {
                tracing::debug!(path, "cannot read the index saved beside this object: {}", fault.error(path));
                None
            }
        }
    }

    async fn keep_note(&self, path: &str, note: Bytes) {
        if self.is_read_only().load(Ordering::Relaxed) {
            return;
        }
        let Ok(key) = self.key(&name(path)) else { return };
        let put = timeout(WRITE, self.store().put(&key, note.into())).await;
        let fault = match put {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => Fault::of(&error),
            Err(_) => self.silence(),
        };
        let refused = matches!(fault, Fault::Refused(_));
        let error: Error = fault.error(key.as_ref());
        if refused && !self.is_read_only().swap(true, Ordering::Relaxed) {
            tracing::warn!("the store refuses to save indexes beside its objects: {error}");
        } else {
            tracing::debug!("cannot save an index beside its object: {error}");
        }
    }
}

/// Path of the note of the object at `path`.
fn name(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/{OWN_FOLDER}/{name}.index"),
        None => format!("{OWN_FOLDER}/{path}.index"),
    }
}

#[cfg(test)]
mod tests {
    use super::name;
    use crate::store::name::is_plain;

    #[test]
    fn a_note_stands_beside_its_object_where_no_path_leads() {
        assert_eq!(name("films/night.mp4"), "films/.afflux/night.mp4.index");
        assert_eq!(name("night.mp4"), ".afflux/night.mp4.index");
        assert!(!is_plain(&name("a.mp4")) && !is_plain(&name("a/b.mp4")));
    }
}
