//! Demuxer: stored bytes → [`crate::media::Movie`]. [`Probe`] names the bytes that it needs, parses and checks them.

mod aac;
mod av1;
mod bits;
mod boxes;
mod choice;
mod codec;
mod content;
mod dolby;
mod edit;
mod entry;
mod error;
#[cfg(test)]
mod fixture;
mod fragment;
mod gather;
mod language;
mod moov;
mod movie;
mod probe;
mod scene;
mod seal;
mod sieve;
mod sound;
mod splice;
mod sps;
mod still;
mod stream;
mod stsd;
mod tables;

pub use error::{Error, FourCc};
pub use probe::{BOX_LIMIT, FRAGMENT_LIMIT, MOOV_LIMIT, Probe, READ_AHEAD, Step};
