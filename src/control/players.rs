//! Base URL of the public listener, which the API puts before the URLs of manifests.

use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use std::borrow::Cow;
use std::net::SocketAddr;

/// Base of the URLs that players use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Players {
    /// This URL, without a slash at its end.
    At(String),
    /// This port on the host that the caller used to reach the API: the public listener has every address.
    Port(u16),
}

impl Players {
    /// `listen.public_url`; if it is empty, the address of the public listener.
    #[must_use]
    pub fn new(public_url: &str, listener: SocketAddr) -> Self {
        match public_url.trim_end_matches('/') {
            "" if listener.ip().is_unspecified() => Self::Port(listener.port()),
            "" => Self::At(format!("http://{listener}")),
            url => Self::At(url.into()),
        }
    }

    /// The base URL for the caller who sent `headers`.
    pub(super) fn url(&self, headers: &HeaderMap) -> Cow<'_, str> {
        match self {
            Self::At(url) => url.into(),
            Self::Port(port) => {
                let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
                // A Host header has no user name (RFC 9110 §7.2).
                let host = host.as_ref().filter(|host| !host.as_str().contains('@')).map(Authority::host);
                let host = host.filter(|host| is_host(host)).unwrap_or("127.0.0.1");
                format!("http://{host}:{port}").into()
            }
        }
    }
}

/// Whether `host` has only characters of a name or an address, IPv6 in brackets.
fn is_host(host: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    !host.is_empty() && host.chars().all(known)
}

#[cfg(test)]
mod tests {
    use super::Players;
    use axum::http::HeaderMap;
    use axum::http::header::HOST;

    fn url(public_url: &str, listener: &str, host: &str) -> String {
        let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
        Players::new(public_url, listener.parse().unwrap()).url(&headers).into_owned()
    }

    #[test]
    fn players_are_where_the_settings_say_or_the_listener_is() {
        assert_eq!(url("https://video.example.com/", "0.0.0.0:8080", "api"), "https://video.example.com");
        assert_eq!(url("", "192.0.2.7:8080", "api:1"), "http://192.0.2.7:8080");
    }

    #[test]
    fn a_listener_with_every_address_is_reached_as_the_api_is() {
        assert_eq!(url("", "0.0.0.0:8080", "media.lan:8081"), "http://media.lan:8080");
        assert_eq!(url("", "[::]:8080", "[2001:db8::7]:8081"), "http://[2001:db8::7]:8080");
        for odd in ["", "a@b", "a b", "a/b", "a'b"] {
            assert_eq!(url("", "0.0.0.0:8080", odd), "http://127.0.0.1:8080", "{odd}");
        }
    }
}
