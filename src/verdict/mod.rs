//! Decides which players can play an asset: browsers, Apple's players, and televisions by MPEG-TS. No other module
//! decides this.

#[cfg(test)]
mod corners;
mod kind;
mod playable;

pub use kind::{AudioKind, audio_kind};
pub use playable::{Playable, Plays, playable};
