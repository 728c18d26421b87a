//! Who plays an asset: browsers, Apple's players, and televisions by MPEG-TS. The one place that knows it.

#[cfg(test)]
mod corners;
mod kind;
mod playable;

pub use kind::{AudioKind, audio_kind};
pub use playable::{Playable, Plays, playable};
