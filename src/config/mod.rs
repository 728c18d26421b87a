//! The typed configuration: defaults, overridden by a TOML file, overridden by flags.
//!
//! Every key is optional, with the default of [`Config::default`]; `config.toml` at the top of the repository lists all
//! keys. `load` reads the file; each other module holds one section or a few related ones, `units` their values.

mod build;
mod cache;
pub mod hosts;
mod http;
mod library;
mod limits;
mod listen;
mod load;
mod log;
mod package;
mod service;
mod site;
mod store;
#[cfg(test)]
mod tests;
mod units;

pub use cache::CacheConfig;
pub use hosts::Host;
pub use http::Http;
pub use library::{Database, LibraryConfig, PostgresUrl};
pub use limits::Limits;
pub use listen::Listen;
pub use load::{Config, Error, Overrides};
pub use log::{AccessFormat, Log, LogFormat, LogLevel};
pub use package::Package;
pub use service::{IngestConfig, Jobs, OnConflict};
pub use site::{Gallery, Site};
pub use store::{Location, MountConfig, Options, Prefix, StoreAddress, StoreConfig};
pub use units::ByteSize;
