//! Objects that are written piece by piece over any time, by one writer after another, and appear whole or not at all.
//!
//! What a `handle` has taken is, in a folder, the bytes of a `file` that is renamed at the end; in an object store, the
//! `parts` of a multipart upload, and an object of its own for the `buffer` that is none yet. What a writer must know to go
//! on is the `saved` text that its caller keeps. What crashes leave over is what a `sweep` finds.

mod buffer;
mod file;
mod handle;
mod parts;
mod saved;
mod sweep;
#[cfg(test)]
mod tests;

pub use handle::Draft;
pub use sweep::Left;
