//! The eviction policy of the segment cache: two tiers and a memory of evicted keys. It has no locks and never waits:
//! the same calls give the same results.
//!
//! ```text
//!                    ┌─ requested again ────────────────┐
//! new ─► nursery ────┤                                  ├─► main ─► evicted: least value per byte
//!           ▲        ├─ requested together: once more   │
//!           └────────┘                                  │
//!                    └─ else evicted ─► key remembered ─┘ comes back in time
//! ```
//! New entries go to the *nursery*. When an entry is due to leave the nursery, it moves to *main* if it was requested
//! again; otherwise it is evicted and its key is remembered (2Q, S3-FIFO). An entry that comes back while its key is
//! remembered enters main at once. So a scan passes through the nursery only, and an entry that has just become popular
//! is in main at its second request.
//!
//! Requests that come together, while a body is being built or right after, may be from one reader: a CDN that fetches
//! slices, a player that fetches ranges. They earn a second turn in the nursery, not a place in main.
//!
//! Main evicts the entry with the lowest value per byte, by Greedy-Dual with frequencies: the value of an entry is
//! added to the level at its last use, and each eviction raises the level to the rank of the evicted entry. So old
//! popularity fades without any sweep.
//!
//! `tests/trace.rs` compares it with quick_cache and moka, and `docs/memory.md` has the figures.

mod evicted;
mod tiered;

pub use tiered::Admission;
pub(super) use tiered::{Insertion, TieredMap};
