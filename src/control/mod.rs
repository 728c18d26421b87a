//! The control plane's HTTP API, on the private and the upload listener: authorization, requests, JSON responses.
//!
//! ```text
//! request ── slashes ── cors ── router ── state (is the library open?) ── access: the caller and its scopes
//!   ├── uploads   tus                                      ┐
//!   ├── files     PUT, signed URLs, imports                │
//!   ├── assets    list, get, delete, restore               ├─ ingest, library, catalog
//!   ├── jobs      list, retry, cancel                      │
//!   ├── keys      list, create, revoke                     │
//!   ├── tokens    one upload for a visitor of a page       ┘
//!   ├── openapi   the API's description, from the code
//!   └── page      the upload page
//! ```
//! Every error is problem+json (`problem`), also for requests that cannot be parsed (`extract`). `views` are the JSON
//! forms of database rows, `words` the schemas of their enumerations.

mod access;
mod assets;
mod cors;
mod extract;
mod files;
mod headers;
mod jobs;
mod keys;
mod openapi;
mod page;
mod players;
mod problem;
mod router;
mod scope;
mod slashes;
mod state;
mod tokens;
mod uploads;
mod views;
mod words;

pub use keys::{first_key, key_of, scopes_of};
pub use players::Players;
pub use scope::Scope;
pub use state::Control;
