//! The HTTP/1.1 server: public, private and upload listeners. It follows RFC 9110 and RFC 9112 to the letter.
//!
//! ```text
//! wire ──── server ──┬── public ──┬── gate: refuses (request), redirects, admits; cmcd: the player's next request
//!  (TCP)   (tasks,   │            ├── cors: access for other sites
//!           drain)   │            ├── gallery: pages embedded in the binary
//!                    │            ├── respond ── conditions, ranges, encoding: 304, 412, 206, 416, gzip, br
//!                    │            │      └── body: the bytes, frame by frame (wire::rope), out of one budget
//!                    │            ├── timing: `Server-Timing`
//!                    ├── upload ── api: runs the control plane's router; incoming: request bodies with time limits
//!                    └── private ──┘ └── problem: every error, as problem+json, of a type that kind lists
//! ```
//! `access` logs a line for each response; `request_id` gives each request its id.

mod access;
mod api;
mod body;
mod cmcd;
mod conditions;
mod cors;
mod encoding;
mod gallery;
mod gate;
mod identify;
mod incoming;
mod kind;
mod misses;
mod private;
mod problem;
mod public;
mod query;
mod ranges;
mod request;
mod request_id;
mod respond;
mod server;
mod timing;
mod wire;

pub use access::AccessLog;
pub use kind::ProblemKind;
pub use problem::{members, status};
pub use server::{Error, Handlers, Server};
