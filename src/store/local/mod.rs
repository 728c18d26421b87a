//! A local folder as a store: lists it, keeps its files open, reads them, and writes small files crash-safe.
//!
//! `folder` is the interface. An opened file is an `open_file`, whose bytes come by `reading` or are sent by the kernel as
//! a `file_range`; `system` wraps the system calls. `disk` writes and removes files.

pub(super) mod disk;
mod file_range;
mod folder;
mod open_file;
mod reading;
pub(super) mod system;

pub use file_range::FileRange;
pub(super) use folder::{LinkPolicy, LocalFolder, below};
pub(super) use open_file::OpenFile;
