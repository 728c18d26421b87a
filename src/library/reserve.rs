//! Room for the last writes on a full disk: a file of zeros beside SQLite's, given up when what is to be deleted cannot be
//! written down. Removing things needs a few pages of the log, and they must not be what the disk lacks.
//! PostgreSQL's disk is its own business.

use super::Library;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of the file: some hundred small transactions.
const BYTES: usize = 1 << 20;

/// Bytes that are written at a time.
static PART: [u8; 64 << 10] = [0; 64 << 10];

impl Library {
    /// Gives the reserve up, so that there is room for a few writes.
    pub async fn release_reserve(&self) {
        self.with_reserve(release).await;
    }

    /// Puts the reserve back, where there is room for it.
    pub async fn keep_reserve(&self) {
        self.with_reserve(keep).await;
    }

    async fn with_reserve(&self, work: fn(&Path)) {
        let Some(file) = self.inner.reserve.clone() else { return };
        // It tells nothing: with or without a reserve, what is tried next says how it went.
        let _done = tokio::task::spawn_blocking(move || work(&file)).await;
    }
}

/// What the reserve of the database at `path` is called.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".reserve");
    name.into()
}

/// Removes the reserve.
pub(super) fn release(file: &Path) {
    match fs::remove_file(file) {
        Ok(()) => tracing::warn!("the library's disk is full: its reserve {} is given up", file.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!("{}: {error}", file.display()),
    }
}

/// Makes the reserve, unless it is there. Where it finds no room, nothing of it stays.
pub(super) fn keep(file: &Path) {
    if fs::metadata(file).is_ok_and(|found| usize::try_from(found.len()) == Ok(BYTES)) {
        return;
    }
    if let Err(error) = make(file) {
        tracing::debug!("{}: {error}", file.display());
        let _ = fs::remove_file(file);
    }
}

/// Zeros are written, not skipped: a hole reserves nothing.
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
