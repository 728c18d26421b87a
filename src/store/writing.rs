//! Writes and removes small objects as a whole. They go to the first store of the path's mount; the second one is never
//! written to.

use super::backend::Backend;
use super::error::Error;
use super::local::disk;
use super::name::{is_writable, veil};
use super::remote::Remote;
use super::removal::Removal;
use super::stamp::Stamp;
use super::tree::Store;
use bytes::Bytes;
use object_store::signer::Method;
use rustix::fs::{Access, access};
use std::path::Path;
use std::time::Duration;

impl Store {
    /// Writes `bytes` to `path` atomically: a reader sees either the whole old object or the whole new one. Durable
    /// when it returns.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => {
                folder.on_disk(inner, move |root, path| disk::put(root, path, &bytes)).await
            }
            (Backend::Remote(remote), inner) => remote.put(inner, bytes).await,
        }
    }

    /// Reads the object at `path` from the store that is written to. `None` if there is none; [`Error::TooLarge`] if it
    /// has more than `limit` bytes.
    pub async fn get(&self, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => {
                folder.on_disk(inner, move |root, path| disk::get(root, path, limit)).await
            }
            (Backend::Remote(remote), inner) => remote.whole(inner, limit).await,
        }
    }

    /// Removes the object at `path`, if there is one, and the folders that are empty then.
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => folder.on_disk(inner, disk::remove).await,
            (Backend::Remote(remote), inner) => remote.remove(inner).await,
        }
    }

    /// Stamp of `path` in the store that is written to; `None` if there is no such object.
    pub async fn written(&self, path: &str) -> Result<Option<Stamp>, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => match folder.stat(inner).await {
                Err(Error::NotFound { .. } | Error::NotAFile { .. }) => Ok(None),
                found => found.map(Some),
            },
            (Backend::Remote(remote), inner) => remote.seek(inner).await,
        }
    }

    /// Removes `path` if it is the version that `mark` names, a text from [`Stamp::mark`]; any other version stays. On
    /// an object store, the check and the deletion are two requests: S3 deletes conditionally only in some of its
    /// implementations, and `object_store` never does.
    pub async fn remove_version(&self, path: &str, mark: &str) -> Result<Removal, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => {
                let mark = mark.to_owned();
                folder.on_disk(inner, move |root, path| disk::remove_version(root, path, &mark)).await
            }
            (Backend::Remote(remote), inner) => match remote.seek(inner).await? {
                None => Ok(Removal::Absent),
                Some(stamp) if !stamp.is(mark) => Ok(Removal::Other),
                Some(_) => remote.remove(inner).await.map(|()| Removal::Removed),
            },
        }
    }

    /// Hides the object that will be written to `path` from listings, until it is [revealed](Self::reveal). Does
    /// nothing in a folder, where a draft is read from the staging folder.
    pub async fn hide(&self, path: &str) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(_), _) => Ok(()),
            (Backend::Remote(remote), inner) => remote.put(&veil(inner), Bytes::new()).await,
        }
    }

    /// Whether the object at `path` is [hidden](Self::hide).
    pub async fn is_hidden(&self, path: &str) -> Result<bool, Error> {
        match self.first(path)? {
            (Backend::Folder(_), _) => Ok(false),
            (Backend::Remote(remote), inner) => Ok(remote.whole(&veil(inner), 0).await?.is_some()),
        }
    }

    /// Makes the object at `path` visible again.
    pub async fn reveal(&self, path: &str) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(_), _) => Ok(()),
            (Backend::Remote(remote), inner) => remote.remove(&veil(inner)).await,
        }
    }

    /// Checks that `path` can be written, as far as possible without writing: checks the permissions of a folder, sends
    /// no request to an object store.
    pub fn check_writable(&self, path: &str) -> Result<(), Error> {
        let refused = |why: &str| Err(Error::ReadOnly { path: path.into(), why: why.into() });
        match self.first(path)? {
            (Backend::Folder(folder), _) => may_write(folder.root()).map_err(|error| Error::from_io(path, error)),
            (Backend::Remote(remote), _) if remote.skills().parts.is_none() => {
                refused("this kind of store takes no objects in parts")
            }
            (Backend::Remote(_), _) => Ok(()),
        }
    }

    /// A URL to which anyone can PUT the object at `path` during `lifetime` (S3: seven days at most; Azure wants the
    /// header `x-ms-blob-type: BlockBlob`). `None` if the store cannot sign URLs: a folder, memory.
    pub async fn signed_put(&self, path: &str, lifetime: Duration) -> Result<Option<String>, Error> {
        match self.first(path)? {
            (Backend::Folder(_), _) => Ok(None),
            (Backend::Remote(remote), inner) => remote.signed(&Method::PUT, inner, lifetime).await,
        }
    }

    /// A URL from which a program on this machine can read the object at `path` during `lifetime`: for a file its file
    /// URL (RFC 8089), else a signed URL. `None` if the store has neither.
    pub async fn readable(&self, path: &str, lifetime: Duration) -> Result<Option<String>, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => Ok(file_url(&folder.root().join(inner))),
            (Backend::Remote(remote), inner) => remote.signed(&Method::GET, inner, lifetime).await,
        }
    }

    /// The store to write `path` to, and the path inside it.
    pub(super) fn first<'a>(&self, path: &'a str) -> Result<(&Backend, &'a str), Error> {
        let refused = |why: &str| Error::ReadOnly { path: path.into(), why: why.into() };
        let found = self.mount(path).filter(|(_, inner)| is_writable(path) && !inner.is_empty());
        let (mount, inner) = found.ok_or_else(|| refused("nothing can be called that"))?;
        let backend = mount.backends.first().ok_or_else(|| refused("there is no store"))?;
        match backend {
            Backend::Remote(remote) if !remote.lists() => Err(refused(&read_only(remote))),
            Backend::Folder(_) | Backend::Remote(_) => Ok((backend, inner)),
        }
    }
}

fn read_only(remote: &Remote) -> String {
    format!("{} is a web server, which is only read", remote.name())
}

/// The URL of a file; `None` if its path cannot be expressed as a URL.
pub(super) fn file_url(path: &Path) -> Option<String> {
    reqwest::Url::from_file_path(std::path::absolute(path).ok()?).ok().map(String::from)
}

fn may_write(root: &Path) -> std::io::Result<()> {
    Ok(access(root, Access::WRITE_OK | Access::EXEC_OK)?)
}
