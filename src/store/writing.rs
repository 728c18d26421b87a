//! Small objects, put and removed whole. A path's mount decides where; what stands behind its first store is never
//! written to.

use super::disk;
use super::error::Error;
use super::name::is_writable;
use super::remote::Remote;
use super::tree::{Backend, Store};
use bytes::Bytes;
use object_store::signer::Method;
use rustix::fs::{Access, access};
use std::path::Path;
use std::time::Duration;

impl Store {
    /// Puts `bytes` at `path`: whoever reads sees what was there or this, whole. Outlasts a crash when it returns.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => {
                folder.on_disk(inner, move |root, path| disk::put(root, path, &bytes)).await
            }
            (Backend::Remote(remote), inner) => remote.put(inner, bytes).await,
        }
    }

    /// The object at `path`, as it is now in the store that is written to; an error where it has more than `limit` bytes.
    pub async fn get(&self, path: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => {
                folder.on_disk(inner, move |root, path| disk::get(root, path, limit)).await
            }
            (Backend::Remote(remote), inner) => remote.whole(inner, limit).await,
        }
    }

    /// Removes what is at `path`, if anything, and folders that are empty then.
    pub async fn remove(&self, path: &str) -> Result<(), Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => folder.on_disk(inner, disk::remove).await,
            (Backend::Remote(remote), inner) => remote.remove(inner).await,
        }
    }

    /// Whether `path` can be written, as far as that is told without writing. One look at a folder; an object store is
    /// not asked.
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

    /// A URL to which anyone may PUT the object at `path` for so long (S3: seven days at most; Azure wants the header
    /// `x-ms-blob-type: BlockBlob`). `None` where the store knows no such thing: a folder, memory.
    pub async fn signed_put(&self, path: &str, lifetime: Duration) -> Result<Option<String>, Error> {
        match self.first(path)? {
            (Backend::Folder(_), _) => Ok(None),
            (Backend::Remote(remote), inner) => remote.signed(&Method::PUT, inner, lifetime).await,
        }
    }

    /// A URL by which a program of this machine reads the object at `path` for so long: of a file where it is one
    /// (RFC 8089), else signed. `None` where the store knows no such thing.
    pub async fn readable(&self, path: &str, lifetime: Duration) -> Result<Option<String>, Error> {
        match self.first(path)? {
            (Backend::Folder(folder), inner) => Ok(file_url(&folder.root().join(inner))),
            (Backend::Remote(remote), inner) => remote.signed(&Method::GET, inner, lifetime).await,
        }
    }

    /// The store that is written to where `path` is, and what that is called there.
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

/// The URL of a file; `None` where its path has none.
fn file_url(path: &Path) -> Option<String> {
    reqwest::Url::from_file_path(std::path::absolute(path).ok()?).ok().map(String::from)
}

fn may_write(root: &Path) -> std::io::Result<()> {
    Ok(access(root, Access::WRITE_OK | Access::EXEC_OK)?)
}
