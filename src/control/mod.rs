//! The API of the service, on the private listener and on that for uploads: who may, what is asked, what is told.
//!
//! ```text
//! request ── desk (router, the library's presence, other sites) ── access: who calls, with which scopes
//!   ├── uploads   tus, PUT, signed URLs, imports           ┐
//!   ├── assets    list, get, delete, restore               ├─ ingest, library, catalog
//!   ├── jobs      list, retry, cancel                      │
//!   ├── keys      list, make, revoke                       │
//!   ├── tokens    one upload for a visitor of a page       ┘
//!   ├── openapi   what all of this is, from the code
//!   └── page      the page that uploads
//! ```
//! Every error is problem+json (`problem`), and so is the answer to what cannot be understood (`extract`); `views` shows rows as
//! JSON, `words` the closed sets of words in them.

mod access;
mod assets;
mod desk;
mod extract;
mod headers;
mod jobs;
mod keys;
mod openapi;
mod page;
mod players;
mod problem;
mod scope;
mod tokens;
mod uploads;
mod views;
mod words;

pub use desk::{Control, first_key};
pub use keys::{key_of, scopes_of};
pub use players::Players;
pub use scope::Scope;
