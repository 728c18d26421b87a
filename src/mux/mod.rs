//! A segment → a recipe: which bytes answer it, some made here, most standing in the stored file.

mod boxes;
mod fmp4;
mod init;
mod recipe;
mod ts;

pub use fmp4::{segment, segment_length};
pub use init::init;
pub use recipe::{Length, Piece, Recipe};
pub use ts::{CHUNK, Chunks, Outline, Reads, Transport, TsRecipe, Unfit, Window, carries, fit};
