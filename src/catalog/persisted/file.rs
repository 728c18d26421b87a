//! A saved index or plan file; reads only the bytes that are needed.

use super::FILE_LIMIT;
use crate::media::{Damage, Missing, Movie, usize_from_u64};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("it is too large")]
    TooLarge,
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// A saved file, opened.
#[derive(Debug)]
pub(super) struct IndexFile {
    file: File,
    /// Its size in bytes.
    pub(super) bytes: u64,
    /// When it was written.
    pub(super) written: SystemTime,
}

impl IndexFile {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.len() > FILE_LIMIT {
            return Err(Failure::TooLarge);
        }
        Ok(Self { file, bytes: metadata.len(), written: metadata.modified().unwrap_or(UNIX_EPOCH) })
    }

    /// Reads its bytes `range`. A complete file is never written to again; if one is changed all the same, its checksum
    /// fails.
    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize_from_u64(range.end - range.start)];
        self.file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes.into())
    }
}

/// Loads the `missing` samples of `movie` from `kept`, the file with its index: adjacent ranges take one read.
pub(super) fn fill(kept: &IndexFile, movie: &Movie, missing: &[Missing]) -> Result<(), Failure> {
    for run in missing.chunk_by(|one, next| one.range.end() == next.range.start()) {
        let [first, ..] = run else { continue };
        let (begin, end) = (first.range.start(), run.last().unwrap_or(first).range.end());
        let bytes = kept.read(begin..end)?;
        for missing in run {
            let within = |at: u64| usize_from_u64(at - begin);
            movie.thaw_missing(*missing, &bytes.slice(within(missing.range.start())..within(missing.range.end())))?;
        }
    }
    Ok(())
}
