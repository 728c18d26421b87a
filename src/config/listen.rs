//! The section `[listen]` of the configuration: the addresses to listen on, and the public URL.

use super::units::{address, is_web_url, some_address};
use serde::{Deserialize, Deserializer, de};
use std::net::SocketAddr;

/// `[listen]`: addresses to listen on.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Listen {
    /// Listener for players and the gallery; port 0 picks a free port.
    #[serde(deserialize_with = "address")]
    pub public: SocketAddr,
    /// Listener for the API, health and metrics; port 0 picks a free port.
    #[serde(deserialize_with = "address")]
    pub private: SocketAddr,
    /// Additional listener for uploads only; `None` for no such listener.
    #[serde(deserialize_with = "some_address")]
    pub upload: Option<SocketAddr>,
    /// URL by which players reach the public listener. If empty: its address, or the host that the API's caller used if
    /// it listens on all addresses.
    #[serde(deserialize_with = "public_url")]
    pub public_url: String,
}

impl Default for Listen {
    fn default() -> Self {
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { public: here(8080), private: here(8081), upload: None, public_url: String::new() }
    }
}

fn public_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() || is_web_url(&text) {
        return Ok(text);
    }
    let allowed = "a URL is allowed, as in \"https://video.example.com\", or nothing";
    Err(de::Error::custom(format_args!("`{text}`: {allowed}")))
}
