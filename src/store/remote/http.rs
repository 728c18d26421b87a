//! Settings of HTTP clients that all object stores share: timeouts, certificates, no retries.

use crate::config::{Location, Options};
use crate::store::error::Error;
use object_store::RetryConfig;
use std::time::Duration;

/// Time limit for establishing a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// Most idle connections to one host.
pub(super) const IDLE: usize = 32;

/// Certificates to trust in addition to the system's, as PEM; `None` if the options name none.
pub(super) fn roots(options: &Options, url: &Location) -> Result<Option<Vec<u8>>, Error> {
    if options.ca.as_os_str().is_empty() {
        return Ok(None);
    }
    let fail = |error| refused(url, format!("{}: {error}", options.ca.display()));
    std::fs::read(&options.ca).map(Some).map_err(fail)
}

/// Turns off the retries of `object_store`: our layer above retries.
pub(super) fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

pub(super) fn refused(url: &Location, why: String) -> Error {
    Error::Refused { path: url.to_string(), why: why.into() }
}
