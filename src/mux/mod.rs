//! A segment → a recipe: the bytes that answer it, some generated here, most of them copied from the stored file.

mod boxes;
mod copied;
mod fmp4;
mod init;
mod recipe;
mod ts;

pub use copied::{Copied, Piece};
pub use fmp4::{segment, segment_length};
pub use init::init;
pub use recipe::{Length, Reads, Recipe, Stored, Window};
pub use ts::{CHUNK, Chunks, Outline, PacketWindow, Packetized, Transport, Unfit, carries, fit};
