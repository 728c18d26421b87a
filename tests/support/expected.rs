//! What the files of the shared corpus do that do not simply play. `AFFLUX_OBSERVE=1 cargo test --test corpus --
//! --nocapture` prints what each file does now.

/// What an asset is expected to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything it lists is there; its tracks by name, in order, or "" for any.
    Plays(&'static str),
    /// It is refused, in words that hold these.
    Refused(&'static str),
}

/// Files that are not here play.
pub(crate) const EXPECTED: &[(&str, Outcome)] = &[];
