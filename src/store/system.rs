//! What is asked of the operating system about a file that is open, where that differs between systems.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::AsFd;

use crate::media::usize_from_u64;
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

/// Whether the page cache has the byte of `file` at `place`.
pub(super) fn has(file: &File, place: u64) -> bool {
    read_now(file, &mut [IoSliceMut::new(&mut [0])], place).is_ok()
}

/// Whether files are sent without being read.
pub(super) const SENDS: bool = cfg!(target_os = "linux");

/// Sends the bytes of `file` between `from` and `to` through `socket`: perhaps less than all, nothing only at the end of
/// the file.
#[cfg(target_os = "linux")]
pub(super) fn send(file: &File, (from, to): (u64, u64), socket: impl AsFd) -> std::io::Result<usize> {
    let len = usize_from_u64(to - from);
    Ok(rustix::io::retry_on_intr(|| rustix::fs::sendfile(&socket, file, Some(&mut from.clone()), len))?)
}

/// Puts the bytes of `file` between `from` and `to` into `pipe` as they stand in the page cache: as many as that has room
/// for, nothing only at the end of the file.
#[cfg(target_os = "linux")]
pub(super) fn gather(file: &File, (from, to): (u64, u64), pipe: impl AsFd) -> std::io::Result<usize> {
    let (len, now) = (usize_from_u64(to - from), rustix::pipe::SpliceFlags::NONBLOCK);
    let gather = || rustix::pipe::splice(file, Some(&mut from.clone()), &pipe, None, len, now);
    Ok(rustix::io::retry_on_intr(gather)?)
}

/// Elsewhere they are read.
#[cfg(not(target_os = "linux"))]
pub(super) fn send(_: &File, _: (u64, u64), _: impl AsFd) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn gather(_: &File, _: (u64, u64), _: impl AsFd) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}
