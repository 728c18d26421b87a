//! Removes leftovers of drafts after crashes: finds them by their age, and removes those that belong to no known draft.
//!
//! | leftover | time of the crash | identified by |
//! |---|---|---|
//! | `.staging/{id}.part` | before the row that names the draft is written, or after it is deleted | its id |
//! | `.staging/~put-…` | in the middle of a put | its name: no draft has such a name |
//! | `.staging/{id}/…` | after the tail is written, before the row is | its id |
//! | a multipart upload | after it begins, before the row is written | the path of its object (only S3 lists uploads) |

use super::file::PART;
use crate::store::Store;
use crate::store::backend::Backend;
use crate::store::error::Error;
use crate::store::local::LocalFolder;
use crate::store::local::disk::{self, PUT};
use crate::store::name::{STAGING, below};
use crate::store::remote::Remote;
use crate::store::tree::Mount;
use futures_util::TryStreamExt;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

/// A leftover of a draft.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leftover {
    /// Staged bytes of the draft of this id.
    Draft(String),
    /// A multipart upload of the object at this path. Any program that writes to the bucket may have begun it, so the
    /// caller must also count a path as known that it never gives to drafts.
    Parts(String),
}

impl Store {
    /// Removes leftovers of drafts and puts that are older than `before` and not known; returns how many. A draft in a
    /// folder that a writer holds open is not removed.
    pub async fn sweep_drafts<F>(&self, before: SystemTime, is_known: impl Fn(Leftover) -> F) -> Result<u64, Error>
    where
        F: Future<Output = bool>,
    {
        let mut removed = 0;
        for mount in self.mounts.iter() {
            removed += match mount.backends.first() {
                Some(Backend::Folder(folder)) => sweep_folder(folder, before, &is_known).await?,
                Some(Backend::Remote(remote)) if remote.skills().parts.is_some() => {
                    let tails = sweep_staged(remote, before, &is_known).await?;
                    tails + sweep_uploads(remote, mount, before, &is_known).await?
                }
                Some(Backend::Remote(_)) | None => 0,
            };
        }
        Ok(removed)
    }
}

async fn sweep_folder<F>(
    folder: &LocalFolder,
    before: SystemTime,
    is_known: impl Fn(Leftover) -> F,
) -> Result<u64, Error>
where
    F: Future<Output = bool>,
{
    let mut removed = 0;
    for name in folder.on_disk(STAGING, move |root, path| old(root, path, before)).await? {
        let known = match name.strip_suffix(PART) {
            _ if name.starts_with(PUT) => false,
            Some(id) => is_known(Leftover::Draft(id.into())).await,
            None => true,
        };
        if !known && folder.on_disk(&below(STAGING, &name), remove).await? {
            removed += 1;
        }
    }
    Ok(removed)
}

/// Names of staged files in a folder that were not written to since `before`.
fn old(root: &Path, path: &str, before: SystemTime) -> Result<Vec<String>, Error> {
    let fail = |error| Error::from_io(path, error);
    let is_old = |file: &Path| fs::metadata(file).and_then(|found| found.modified()).is_ok_and(|at| at < before);
    let old = disk::staged(root).map_err(fail)?.into_iter().filter(|file| is_old(file));
    Ok(old.filter_map(|file| Some(file.file_name()?.to_str()?.to_owned())).collect())
}

/// Removes a staged file unless a writer holds it open; returns whether it was removed.
fn remove(root: &Path, path: &str) -> Result<bool, Error> {
    let Ok(file) = File::open(root.join(path)) else { return Ok(false) };
    if file.try_lock().is_err() {
        return Ok(false);
    }
    disk::remove(root, path).map(|()| true)
}

async fn sweep_staged<F>(remote: &Remote, before: SystemTime, is_known: impl Fn(Leftover) -> F) -> Result<u64, Error>
where
    F: Future<Output = bool>,
{
    let (mut removed, mut last) = (0, (String::new(), true));
    let mut staged = remote.staged("");
    while let Some(staged) = staged.try_next().await? {
        let below = staged.path.strip_prefix(STAGING).and_then(|rest| rest.strip_prefix('/'));
        let id = below.and_then(|below| below.split_once('/')).map(|(id, _)| id);
        let Some(id) = id.filter(|_| staged.since < before) else { continue };
        // Stores list the objects of one draft one after the other.
        if last.0 != id {
            last = (id.to_owned(), is_known(Leftover::Draft(id.into())).await);
        }
        if !last.1 {
            remote.remove(&staged.path).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

async fn sweep_uploads<F>(
    remote: &Remote,
    mount: &Mount,
    before: SystemTime,
    is_known: impl Fn(Leftover) -> F,
) -> Result<u64, Error>
where
    F: Future<Output = bool>,
{
    let mut removed = 0;
    let mut uploads = remote.uploads("", before);
    while let Some(upload) = uploads.try_next().await? {
        if !is_known(Leftover::Parts(below(&mount.prefix, &upload.path))).await {
            remote.abort(&upload).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
