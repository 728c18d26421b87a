//! HTTP/1.1 for players: what the origin answers, told to clients by the letter of RFC 9110 and RFC 9112.
//!
//! ```text
//! socket ── server ──┬── public ──┬── request: what is refused before it is understood
//!  (TCP)   (tasks,   │            ├── cors: what other sites may ask; cmcd: what players will ask next
//!           drain)   │            ├── gallery: pages that the binary carries
//!                    │            ├── respond ── conditions, ranges, encoding: 304, 412, 206, 416, gzip, br
//!                    │            │      └── body: the bytes, frame by frame (rope), out of one budget (frames)
//!                    │            ├── timing: what an answer waited for
//!                    ├── upload ── api: what a router of another room answers; incoming: bodies with time limits
//!                    └── private ──┘ └── problem: every error, as problem+json, of a type that kind lists
//! ```
//! Each answer may leave a line behind (access), with the id of its request (`request_id`).

mod access;
mod api;
mod body;
mod cmcd;
mod conditions;
mod cors;
mod encoding;
mod frames;
mod gallery;
mod incoming;
mod kind;
mod line;
mod misses;
mod outlet;
mod pace;
mod pipes;
mod private;
mod problem;
mod public;
mod ranges;
mod request;
mod request_id;
mod respond;
mod rope;
mod seat;
mod server;
mod socket;
mod timing;
mod token;

pub use access::AccessLog;
pub use kind::ProblemKind;
pub use problem::{members, status};
pub use server::{Desks, Error, Server};
