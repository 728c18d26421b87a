//! Drafts: objects that are written piece by piece over any time, by one writer after another, and appear whole or not
//! at all.
//!
//! `handle` is the interface to a draft, and `target` identifies it. In a folder, a draft is a `file` that is renamed at the end; in an object
//! store, it is the `parts` of a multipart upload, and a separate object for the `buffer` that is not a part yet. The
//! caller stores the `saved` text that a writer needs to resume. A `sweep` removes leftovers of crashes.

mod buffer;
mod file;
mod handle;
mod parts;
mod saved;
mod sweep;
mod target;
#[cfg(test)]
mod tests;

pub use handle::Draft;
pub use sweep::Leftover;
