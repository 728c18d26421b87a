//! A draft in a local folder: a staged file that one writer holds locked, and that is renamed when it is complete.
//!
//! ```text
//! bytes ─► 1 MiB in memory ─► root/.staging/{id}.part ──(every 32 MiB, and on flush: synced)──► root/film/original.mp4
//!                             │ durable │ written: cut off by the next writer
//! ```
//! The caller's row is authoritative: opening a draft cuts off all bytes of the file that the row does not cover.

use super::saved::Saved;
use super::target::{DraftTarget, OpenedDraft};
use crate::media::u64_from_usize;
use crate::store::context::StoreContext;
use crate::store::error::Error;
use crate::store::local::LocalFolder;
use crate::store::local::disk;
use crate::store::name::STAGING;
use crate::store::object::Object;
use bytes::{Bytes, BytesMut};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Most bytes in the buffer, which are written at once.
const CHUNK: usize = 1 << 20;

/// Bytes that are written before an automatic sync.
const SYNC: u64 = 32 << 20;

/// How long to wait for another writer to release the file.
const WAIT: Duration = Duration::from_secs(10);

/// Time between two attempts to lock the file meanwhile.
const LOOK: Duration = Duration::from_millis(25);

/// A draft in a folder.
#[derive(Debug)]
pub(super) struct FileDraft {
    folder: LocalFolder,
    place: DraftTarget,
    file: Arc<File>,
    /// Bytes written to the file.
    written: u64,
    /// Bytes of the file that survive a crash.
    durable: u64,
    /// Bytes being written; empty once that succeeded.
    going: Bytes,
    /// Bytes after `going`.
    buffer: BytesMut,
    /// Error of a failed sync: which bytes are on the disk is not known.
    broken: Option<Error>,
}

/// Result of one attempt to open a draft.
enum DraftOpening {
    Held,
    File(File),
    Done(u64),
}

impl FileDraft {
    /// Opens the draft at `place` to continue it after the state `saved`.
    pub(super) async fn open(
        folder: &LocalFolder,
        place: DraftTarget,
        saved: Option<Saved>,
    ) -> Result<OpenedDraft<Self>, Error> {
        let known = match saved {
            None => None,
            Some(Saved::File { durable }) => Some(durable),
            Some(Saved::Parts(_)) => return Err(Saved::stranger(&place.path)),
        };
        let end = Instant::now() + WAIT;
        loop {
            let which = place.clone();
            match folder.on_disk(&place.path, move |root, _| which.open(root, known)).await? {
                DraftOpening::File(file) => {
                    let durable = known.unwrap_or(0);
                    let (going, buffer) = (Bytes::new(), BytesMut::new());
                    let (folder, file) = (folder.clone(), Arc::new(file));
                    let draft = Self { folder, place, file, written: durable, durable, going, buffer, broken: None };
                    return Ok(OpenedDraft::Draft(draft));
                }
                DraftOpening::Done(size) => return Ok(OpenedDraft::Done(size)),
                DraftOpening::Held if Instant::now() < end => sleep(LOOK).await,
                DraftOpening::Held => return Err(Error::Busy { path: place.path }),
            }
        }
    }

    /// Removes everything stored for the draft `id`.
    pub(super) async fn discard(folder: &LocalFolder, id: &str) -> Result<(), Error> {
        let part = part(id);
        folder.on_disk(&part, disk::remove).await
    }

    pub(super) const fn durable(&self) -> u64 {
        self.durable
    }

    pub(super) fn taken(&self) -> u64 {
        self.written + u64_from_usize(self.going.len() + self.buffer.len())
    }

    pub(super) async fn write(&mut self, mut bytes: Bytes) -> Result<Option<String>, Error> {
        let before = self.durable;
        while !bytes.is_empty() {
            if self.buffer.len() >= CHUNK {
                self.drain().await?;
            }
            if self.written - self.durable >= SYNC {
                self.sync().await?;
            }
            self.buffer.reserve(CHUNK - self.buffer.len());
            let taken = bytes.split_to(bytes.len().min(CHUNK - self.buffer.len()));
            self.buffer.extend_from_slice(&taken);
        }
        Ok((self.durable > before).then(|| self.saved()))
    }

    pub(super) async fn flush(&mut self) -> Result<String, Error> {
        self.drain().await?;
        self.sync().await?;
        Ok(self.saved())
    }

    pub(super) async fn finish(mut self) -> Result<(), Error> {
        self.flush().await?;
        let (place, file, size) = (self.place, self.file, self.written);
        place.check(size)?;
        let path = place.path.clone();
        self.folder.on_disk(&path, move |root, _| place.finish(root, &file, size)).await
    }

    /// Opens the bytes written so far, for reading.
    pub(super) async fn staged(&self, shared: &Arc<StoreContext>) -> Result<Object, Error> {
        self.folder.open(&part(&self.place.id), &self.place.path, shared).await.map(Object::file)
    }

    /// Path of the staged file.
    pub(super) fn staged_path(&self) -> PathBuf {
        self.place.staged(self.folder.root())
    }

    fn saved(&self) -> String {
        Saved::File { durable: self.durable }.text()
    }

    /// Writes the buffered bytes to the file.
    async fn drain(&mut self) -> Result<(), Error> {
        self.whole()?;
        while !self.going.is_empty() || !self.buffer.is_empty() {
            if self.going.is_empty() {
                self.going = self.buffer.split().freeze();
            }
            let (file, bytes, at) = (Arc::clone(&self.file), self.going.clone(), self.written);
            let write =
                move |_: &Path, path: &str| file.write_all_at(&bytes, at).map_err(|error| Error::from_io(path, error));
            self.folder.on_disk(&self.place.path, write).await?;
            self.written += u64_from_usize(self.going.len());
            self.going = Bytes::new();
        }
        Ok(())
    }

    /// Makes the written bytes durable.
    async fn sync(&mut self) -> Result<(), Error> {
        self.whole()?;
        if self.durable == self.written {
            return Ok(());
        }
        let file = Arc::clone(&self.file);
        let sync = move |_: &Path, path: &str| file.sync_data().map_err(|error| Error::from_io(path, error));
        let synced = self.folder.on_disk(&self.place.path, sync).await;
        // Never sync again: a second sync would report success for pages that the first one dropped.
        self.broken = synced.as_ref().err().cloned();
        synced?;
        self.durable = self.written;
        Ok(())
    }

    fn whole(&self) -> Result<(), Error> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

impl DraftTarget {
    /// Opens and locks the staged file, and cuts it to `known` bytes.
    fn open(&self, root: &Path, known: Option<u64>) -> Result<DraftOpening, Error> {
        let fail = |error| Error::from_io(&self.path, error);
        let staged = self.staged(root);
        let file = match OpenOptions::new().read(true).write(true).open(&staged) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(durable) = known {
                    return self.done(root, Some(durable));
                }
                if root.join(&self.path).symlink_metadata().is_ok() {
                    return Err(Error::Exists { path: self.path.clone() });
                }
                match disk::create(root, &staged) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(DraftOpening::Held),
                    made => made.map_err(fail)?,
                }
            }
            Err(error) => return Err(fail(error)),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(DraftOpening::Held),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        // The previous writer may have finished or discarded the draft.
        if !is_at(&file, &staged) {
            return Ok(DraftOpening::Held);
        }
        let durable = known.unwrap_or(0);
        if file.metadata().map_err(fail)?.len() < durable {
            return Err(Error::Lost { path: self.path.clone() });
        }
        file.set_len(durable).map_err(fail)?;
        disk::sync_folders(root, &staged).map_err(fail)?;
        Ok(DraftOpening::File(file))
    }

    /// Renames the staged file to its final path, unless that was done before.
    fn finish(&self, root: &Path, file: &File, size: u64) -> Result<(), Error> {
        let staged = self.staged(root);
        if !is_at(file, &staged) {
            return self.done(root, Some(size)).map(drop);
        }
        if root.join(&self.path).symlink_metadata().is_ok() {
            return Err(Error::Exists { path: self.path.clone() });
        }
        disk::place(root, &staged, &self.path).map_err(|error| Error::from_io(&self.path, error))
    }

    /// The staged file is gone: [`DraftOpening::Done`] if the object is at its final path with the right size, else
    /// [`Error::Lost`].
    fn done(&self, root: &Path, known: Option<u64>) -> Result<DraftOpening, Error> {
        let size = fs::metadata(root.join(&self.path)).ok().filter(fs::Metadata::is_file).map(|found| found.len());
        match size.filter(|size| Some(*size) == self.length.or(known)) {
            Some(size) => Ok(DraftOpening::Done(size)),
            None => Err(Error::Lost { path: self.path.clone() }),
        }
    }

    fn staged(&self, root: &Path) -> PathBuf {
        root.join(part(&self.id))
    }
}

/// Path of the staged file of the draft `id`.
fn part(id: &str) -> String {
    format!("{STAGING}/{id}{PART}")
}

/// Suffix of the names of staged files.
pub(super) const PART: &str = ".part";

/// Whether `path` names the open `file` now.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(held), Ok(named)) = (file.metadata(), fs::metadata(path)) else { return false };
    (held.dev(), held.ino()) == (named.dev(), named.ino())
}
