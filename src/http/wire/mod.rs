//! The connection: bytes of response bodies on their way to the socket. hyper writes a list of slices; a slice of
//! the placeholder tells the connection writer to send the next bytes of the queue, which lie in files.
//!
//! ```text
//! body ─► rope:   │ bytes "HTTP…moof" │ placeholder, 96 KiB │ placeholder, 80 KiB │
//!                          │                    │                    │
//! hyper writes:       IoSlice(bytes)       IoSlice(static)      IoSlice(static)        none of the zeros leaves the process
//!                          │                    │                    │
//! writer:            sendmsg(bytes)       queue.send ─► sendfile(file, 96 KiB), or pipes ─► splice where ranges are small
//! ```
//! `budget` bounds the memory of all frames together, `pace` finds clients that are too slow, `eviction` closes idle
//! connections where others wait, `socket` opens and prepares sockets, `heads` sees request targets as they arrive. TLS and HTTP/2 will join here: both hide the socket
//! from the placeholders, so that their bodies have to be sent from memory.

pub(super) mod budget;
pub(super) mod eviction;
pub(super) mod heads;
pub(super) mod pace;
mod pipes;
mod placeholder;
mod queue;
pub(super) mod rope;
pub(super) mod socket;
pub(super) mod writer;
