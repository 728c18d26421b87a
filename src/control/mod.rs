//! The API of the service, on the private listener and on that for uploads: who may, what is asked, what is told.
//!
//! ```text
//! request ── desk (router, the library's presence, other sites) ── keys: who asks, and may he
//!   ├── uploads   tus, PUT, signed URLs, imports           ┐
//!   ├── assets    list, get, delete, restore               ├─ ingest, library, catalog
//!   ├── jobs      list, retry, cancel                      │
//!   ├── access    keys: list, make, revoke                 ┘
//!   ├── openapi   what all of this is, from the code
//!   └── page      the page that uploads
//! ```
//! Every error is problem+json (`problem`), of what cannot be understood too (`extract`); what is told of rows stands in `views`.

mod access;
mod assets;
mod desk;
mod extract;
mod headers;
mod jobs;
mod keys;
mod openapi;
mod page;
mod problem;
mod uploads;
mod views;

pub use desk::{Control, first_key};
pub use keys::{Scope, key_of};
