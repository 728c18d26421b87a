//! A local folder as a store: lists it, keeps its files open, reads them, and writes small files crash-safe.
//!
//! `folder` is the interface, `root` the blocking access below it, and `walker` collects all names. An opened file is an `open_file`, whose bytes come by `reading` or are sent by the kernel as
//! a `file_range`; `system` wraps the system calls. `disk` writes and removes files.

pub(super) mod disk;
mod file_range;
mod folder;
mod open_file;
mod reading;
mod root;
pub(super) mod system;
#[cfg(test)]
mod tests;
mod walker;

pub use file_range::FileRange;
pub(super) use folder::LocalFolder;
pub(super) use open_file::OpenFile;
pub(super) use root::LinkPolicy;
