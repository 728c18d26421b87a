//! An object store as a store: lists it, reads versions of its objects in blocks, and writes objects.
//!
//! `client` sends requests with deadlines and retries, and `fault` classifies their errors; `capabilities` are what only
//! some stores can do, such as listing `uploads`. Folders are listed by `pages`. Objects are `stored` versions, read in
//! `blocks`; our index of an object can lie beside it as a `note`. `sending` writes. `walk` lists all
//! names. `connect` builds the clients: `http` has what all share, and `web` is the one for plain HTTP servers.

mod blocks;
mod capabilities;
mod client;
mod connect;
mod fault;
mod http;
mod note;
mod pages;
mod sending;
mod stored;
mod uploads;
mod walk;
mod web;

pub use blocks::BLOCK;
pub use client::RemoteTimeouts;
pub use web::fetcher;

pub(super) use blocks::Blocks;
pub(super) use capabilities::Capabilities;
pub(super) use client::{Remote, RemoteSettings};
pub(super) use connect::ConnectedStore;
pub(super) use sending::MultipartHandle;
pub(super) use stored::StoredObject;
