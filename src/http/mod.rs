//! HTTP/1.1 for players: what the origin answers, told to clients by the letter of RFC 9110 and RFC 9112.
//!
//! ```text
//! socket ── server ──┬── public ──┬── request: what is refused before it is understood
//!  (TCP)   (tasks,   │            ├── cors: what other sites may ask; cmcd: what players will ask next
//!           drain)   │            ├── gallery: pages that the binary carries
//!                    │            ├── respond ── conditions, ranges, encoding: 304, 412, 206, 416, gzip, br
//!                    │            │      └── body: the bytes, frame by frame (rope), out of one budget (frames)
//!                    │            ├── timing: what an answer waited for
//!                    ├── upload ── api: what a router of another room answers
//!                    └── private ──┘ └── problem: every error, as problem+json, of a type that kind lists
//! ```

mod api;
mod body;
mod cmcd;
mod conditions;
mod cors;
mod encoding;
mod frames;
mod gallery;
mod kind;
mod line;
mod misses;
mod outlet;
mod pipes;
mod private;
mod problem;
mod public;
mod ranges;
mod request;
mod respond;
mod rope;
mod server;
mod socket;
mod timing;
mod token;

pub use kind::ProblemKind;
pub use problem::{members, status};
pub use server::{Desks, Error, Server};
