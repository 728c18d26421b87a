//! The three things asked of the operating system about a file that is open, where they differ between systems.

use std::fs::File;
use std::io::IoSliceMut;

use rustix::io::{Errno, Result};

/// Why a read that must not wait gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would have to wait for the disk.
    Cold,
    /// Reads of this file system cannot say that they would wait.
    Unable,
}

/// Reads into `vectors` what the page cache holds of `file` from `at` on: perhaps less than all, at least one byte.
#[cfg(target_os = "linux")]
pub(super) fn read_now(file: &File, vectors: &mut [IoSliceMut<'_>], at: u64) -> std::result::Result<usize, Refused> {
    match rustix::io::preadv2(file, vectors, at, rustix::io::ReadWriteFlags::NOWAIT) {
        Ok(0) => Err(Refused::Cold),
        Ok(count) => Ok(count),
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Err(Refused::Unable),
        // What else is wrong, a read that may wait will say.
        Err(_) => Err(Refused::Cold),
    }
}

/// Reads that do not wait are Linux's.
#[cfg(not(target_os = "linux"))]
pub(super) fn read_now(_: &File, _: &mut [IoSliceMut<'_>], _: u64) -> std::result::Result<usize, Refused> {
    Err(Refused::Unable)
}

/// Reads into `vectors` from `at` on: perhaps less than all, nothing only at the end of the file.
pub(super) fn read(file: &File, vectors: &mut [IoSliceMut<'_>], at: u64) -> Result<usize> {
    loop {
        match rustix::io::preadv(file, vectors, at) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Appends to `bytes` from `at` on, as far as its capacity goes: memory that was never written needs no zeroing first.
pub(super) fn append(file: &File, bytes: &mut Vec<u8>, at: u64) -> Result<usize> {
    loop {
        match rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), at) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Says that `len` bytes from `at` on are about to be read, so that the disk gets one long request. Advice: that it
/// was not taken shows in nothing but time.
pub(super) fn expect(file: &File, at: u64, len: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, at, std::num::NonZeroU64::new(len), rustix::fs::Advice::WillNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, at, len);
}
