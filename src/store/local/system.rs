//! System calls on open files that differ between operating systems.

use std::fs::File;
use std::io::IoSliceMut;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::media::usize_from_u64;
use rustix::io::{Errno, Result};

/// Why a read that must not block returned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum NowaitError {
    /// It would have to wait for the disk.
    Cold,
    /// The file system does not support reads that do not block.
    Unable,
}

/// Reads into `vectors` the bytes of `file` from offset `at` on that the page cache holds: perhaps fewer than fit, at
/// least one.
#[cfg(target_os = "linux")]
pub(in crate::store) fn read_now(
    file: &File,
    vectors: &mut [IoSliceMut<'_>],
    at: u64,
) -> std::result::Result<usize, NowaitError> {
    match rustix::io::preadv2(file, vectors, at, rustix::io::ReadWriteFlags::NOWAIT) {
        Ok(0) => Err(NowaitError::Cold),
        Ok(count) => Ok(count),
        Err(Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Err(NowaitError::Unable),
        // A blocking read will report any other error.
        Err(_) => Err(NowaitError::Cold),
    }
}

/// Only Linux has reads that do not block.
#[cfg(not(target_os = "linux"))]
pub(in crate::store) fn read_now(
    _: &File,
    _: &mut [IoSliceMut<'_>],
    _: u64,
) -> std::result::Result<usize, NowaitError> {
    Err(NowaitError::Unable)
}

/// Reads into `vectors` from offset `at` on, blocking: perhaps fewer bytes than fit, 0 only at the end of the file.
pub(in crate::store) fn read(file: &File, vectors: &mut [IoSliceMut<'_>], at: u64) -> Result<usize> {
    loop {
        match rustix::io::preadv(file, vectors, at) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Appends bytes from offset `at` on to `bytes`, up to its capacity: memory that was never written needs no zeroing
/// first.
pub(in crate::store) fn append(file: &File, bytes: &mut Vec<u8>, at: u64) -> Result<usize> {
    loop {
        match rustix::io::pread(file, rustix::buffer::spare_capacity(bytes), at) {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

/// Advises the system that `len` bytes from offset `at` on will be read soon, so that the disk gets one long request.
/// Errors are ignored: without the advice, reads only take longer.
pub(in crate::store) fn expect(file: &File, at: u64, len: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, at, std::num::NonZeroU64::new(len), rustix::fs::Advice::WillNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, at, len);
}

/// Whether the page cache holds the byte of `file` at offset `place`.
pub(in crate::store) fn has(file: &File, place: u64) -> bool {
    read_now(file, &mut [IoSliceMut::new(&mut [0])], place).is_ok()
}

/// Whether the system can send files without a copy.
pub(super) const SENDS: bool = cfg!(target_os = "linux");

/// Sends bytes `range` of `file` through `socket`: perhaps fewer, 0 only at the end of the file.
#[cfg(target_os = "linux")]
pub(in crate::store) fn send(file: &File, range: &Range<u64>, socket: impl AsFd) -> std::io::Result<usize> {
    let len = usize_from_u64(range.end - range.start);
    Ok(rustix::io::retry_on_intr(|| rustix::fs::sendfile(&socket, file, Some(&mut range.start.clone()), len))?)
}

/// Splices bytes `range` of `file` from the page cache into `pipe`: as many as it has room for, 0 only at the end of
/// the file.
#[cfg(target_os = "linux")]
pub(super) fn gather(file: &File, range: &Range<u64>, pipe: impl AsFd) -> std::io::Result<usize> {
    let (len, now) = (usize_from_u64(range.end - range.start), rustix::pipe::SpliceFlags::NONBLOCK);
    let gather = || rustix::pipe::splice(file, Some(&mut range.start.clone()), &pipe, None, len, now);
    Ok(rustix::io::retry_on_intr(gather)?)
}

/// Other systems read files instead.
#[cfg(not(target_os = "linux"))]
pub(in crate::store) fn send(_: &File, _: &Range<u64>, _: impl AsFd) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn gather(_: &File, _: &Range<u64>, _: impl AsFd) -> std::io::Result<usize> {
    Err(std::io::ErrorKind::Unsupported.into())
}
