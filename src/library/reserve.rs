//! Reserve for a full disk: a file of zeros beside the SQLite database. It is removed when a deletion cannot be
//! recorded, because even a deletion writes a few pages to the log. PostgreSQL needs no reserve: it manages its own
//! disk.

use super::Library;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Size of the reserve in bytes: enough for some hundred small transactions.
const BYTES: usize = 1 << 20;

/// Zeros for one write.
static PART: [u8; 64 << 10] = [0; 64 << 10];

impl Library {
    /// Removes the reserve, so that there is room for a few writes.
    pub async fn release_reserve(&self) {
        self.with_reserve(release).await;
    }

    /// Creates the reserve again if it is missing and the disk has room for it.
    pub async fn keep_reserve(&self) {
        self.with_reserve(keep).await;
    }

    async fn with_reserve(&self, work: fn(&Path)) {
        let Some(file) = self.inner.reserve.clone() else { return };
        // The result is ignored: the next write to the database shows whether there is room.
        let _done = tokio::task::spawn_blocking(move || work(&file)).await;
    }
}

/// Path of the reserve of the database at `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".reserve");
    name.into()
}

/// Removes the reserve.
pub(super) fn release(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => tracing::warn!("the library's disk is full: removed the reserve {}", file.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("cannot remove the reserve {}: {error}", file.display()),
    }
}

/// Creates the reserve unless it exists. If the disk has no room for all of it, removes the part.
pub(super) fn keep(file: &Path) {
    if fs::metadata(file).is_ok_and(|found| usize::try_from(found.len()) == Ok(BYTES)) {
        return;
    }
    if let Err(error) = make(file) {
        tracing::debug!("cannot create the reserve {}: {error}", file.display());
        let _ = fs::remove_file(file);
    }
}

/// Writes the zeros of the reserve: a sparse file would reserve nothing.
fn make(file: &Path) -> io::Result<()> {
    let mut made = File::create(file)?;
    for _ in 0..BYTES / PART.len() {
        made.write_all(&PART)?;
    }
    made.sync_all()
}

#[cfg(test)]
mod tests {
    use super::{BYTES, beside, keep, release};
    use crate::media::u64_from_usize;

    #[test]
    fn a_reserve_is_as_large_as_it_should_be_or_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = beside(&folder.path().join("library.db"));
        let size = || std::fs::metadata(&file).ok().map(|found| found.len());
        std::fs::write(&file, b"cut short").unwrap();
        keep(&file);
        assert_eq!(size(), Some(u64_from_usize(BYTES)));
        release(&file);
        release(&file);
        assert_eq!(size(), None);
        keep(&folder.path().join("nowhere/library.db.reserve"));
        assert_eq!(file.file_name().unwrap(), "library.db.reserve");
    }
}
