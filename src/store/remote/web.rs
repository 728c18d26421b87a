//! HTTP clients for stores and imports. They connect only to the store's own host and to listed hosts, and only to
//! public addresses and listed ones. The rules apply whenever a connection is made, so neither a redirect nor a name
//! that changes its address leads elsewhere. Proxies from the environment are ignored, because they would resolve names
//! themselves.

use super::fault::{NOT_ALLOWED, error_line};
use super::http::{CONNECT, IDLE, once, refused, roots};
use crate::config::{Host, Location, Options, hosts};
use crate::store::error::Error;
use object_store::ObjectStore;
use object_store::client::{HttpClient, HttpConnector};
use object_store::http::HttpBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Action, Attempt, Policy};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Most redirects of one request.
const REDIRECTS: usize = 5;

/// How long a host may send nothing while a file is fetched from it.
const SILENCE: Duration = Duration::from_secs(30);

/// The HTTP store at `url`; an error if its host is an address that is neither public nor listed.
pub(in crate::store) fn store(url: &Location, options: &Options) -> Result<Arc<dyn ObjectStore>, Error> {
    let fail = |error: &object_store::Error| refused(url, error_line(error));
    let rules = Rules::new(url, options);
    if let Some(address) = hosts::literal(&rules.own)
        && !hosts::is_allowed(&rules.listed, &rules.own, address)
    {
        return Err(refused(url, rules.private(address)));
    }
    let fail_client = |error: &reqwest::Error| refused(url, error_line(error));
    let mut client = client(rules);
    if let Some(pem) = roots(options, url)? {
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| fail_client(&error))?;
        client = client.tls_certs_merge(certificates);
    }
    let client = client.build().map_err(|error| fail_client(&error))?;
    let builder = HttpBuilder::new().with_url(url.as_str()).with_http_connector(Connector(client));
    Ok(Arc::new(builder.with_retry(once()).build().map_err(|error| fail(&error))?))
}

/// A client that fetches files from the `listed` hosts, without TLS if `plain`. It follows the rules of an HTTP store,
/// but a listed name does not permit private addresses. The caller checks the host of the first URL; the client checks
/// redirects and addresses.
pub fn fetcher(listed: &[Host], plain: bool) -> Result<reqwest::Client, Error> {
    let rules =
        Rules { own: "".into(), listed: listed.into(), plain, key: "ingest.import_hosts", names: NameRule::Public };
    let fail = |error: reqwest::Error| Error::Refused { path: String::new(), why: error_line(&error).into() };
    client(rules).read_timeout(SILENCE).build().map_err(fail)
}

fn client(rules: Rules) -> reqwest::ClientBuilder {
    let (resolver, redirects) = (rules.clone(), rules);
    reqwest::Client::builder()
        .user_agent(concat!("afflux/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(IDLE)
        .dns_resolver(resolver)
        .redirect(Policy::custom(move |attempt| redirects.follow(attempt)))
}

/// Hands out the one prepared client.
#[derive(Debug)]
struct Connector(reqwest::Client);

impl HttpConnector for Connector {
    fn connect(&self, _options: &object_store::ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Rules about the hosts and addresses that requests may go to.
#[derive(Debug, Clone)]
struct Rules {
    /// The host of the store's URL.
    own: Arc<str>,
    listed: Arc<[Host]>,
    /// Whether plain HTTP is allowed.
    plain: bool,
    /// Settings key of `listed`, for messages.
    key: &'static str,
    names: NameRule,
}

/// Which addresses a listed host's name may resolve to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameRule {
    /// Any address: the operator listed the store by its name.
    Any,
    /// Public and listed addresses only: a stranger chooses the URL.
    Public,
}

impl Rules {
    fn new(url: &Location, options: &Options) -> Self {
        let plain = options.allow_http || url.as_str().starts_with("http://");
        let own = url.as_str().parse::<reqwest::Url>().ok();
        let own = own.as_ref().and_then(reqwest::Url::host_str).unwrap_or_default().into();
        Self { own, listed: options.hosts.clone().into(), plain, key: "store.options.hosts", names: NameRule::Any }
    }

    /// Message about an address that is not allowed.
    fn private(&self, address: IpAddr) -> String {
        format!("{NOT_ALLOWED}: {address} is not a public address; {} lists those that may be used", self.key)
    }

    /// Whether connecting to the host `name` at `address` is allowed.
    fn may_connect(&self, name: &str, address: IpAddr) -> bool {
        match self.names {
            NameRule::Any => hosts::is_allowed(&self.listed, name, address),
            NameRule::Public => hosts::is_open(&self.listed, address),
        }
    }

    fn follow(&self, attempt: Attempt<'_>) -> Action {
        match self.refusal(attempt.url(), attempt.previous().len()) {
            None => attempt.follow(),
            Some(why) => attempt.error(format!("{NOT_ALLOWED}: {why}")),
        }
    }

    /// Why a redirect to `url` is refused; `None` if it is allowed. `before` is the number of requests so far.
    fn refusal(&self, url: &reqwest::Url, before: usize) -> Option<String> {
        let host = url.host_str().unwrap_or_default();
        let known = host.eq_ignore_ascii_case(&self.own) || hosts::is_listed(&self.listed, host);
        let address = hosts::literal(host).is_none_or(|address| hosts::is_allowed(&self.listed, host, address));
        match url.scheme() {
            _ if before > REDIRECTS => Some(format!("more than {REDIRECTS} redirects")),
            _ if !known || !address => Some(format!("a redirect to {host}, which {} does not list", self.key)),
            "https" => None,
            "http" if self.plain => None,
            scheme => Some(format!("a redirect to {scheme}://")),
        }
    }
}

impl Resolve for Rules {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (allowed, others): (Vec<_>, Vec<_>) =
                found.into_iter().partition(|found| rules.may_connect(name.as_str(), found.ip()));
            if let Some(other) = others.first().filter(|_| allowed.is_empty()) {
                return Err(rules.private(other.ip()).into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{NameRule, Rules};
    use crate::config::{Host, Options};

    #[test]
    fn the_name_of_a_listed_host_opens_no_private_address_to_imports() {
        let listed: Vec<Host> = ["localhost", "nas.local", "10.0.0.0/8"].map(|host| host.parse().unwrap()).to_vec();
        let imports =
            Rules { own: "".into(), listed: listed.into(), plain: true, key: "hosts", names: NameRule::Public };
        let store = Rules { names: NameRule::Any, ..imports.clone() };
        for address in ["127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "fd00::1", "100.64.0.1", "224.0.0.1"]
        {
            let address = address.parse().unwrap();
            assert!(!imports.may_connect("localhost", address) && store.may_connect("localhost", address), "{address}");
        }
        for address in ["10.1.2.3", "1.1.1.1"] {
            assert!(imports.may_connect("nas.local", address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_redirect_leads_to_listed_hosts_only_and_never_out_of_tls() {
        let options = Options {
            hosts: vec!["cdn.example".parse().unwrap(), "10.0.0.0/8".parse().unwrap()],
            ..Options::default()
        };
        let rules = Rules::new(&"https://media.example/films".parse().unwrap(), &options);
        let goes = |url: &str| rules.refusal(&url.parse().unwrap(), 1).is_none();
        for url in ["https://media.example/other", "https://CDN.example:8443/a", "https://10.1.1.1/"] {
            assert!(goes(url), "{url}");
        }
        for url in [
            "http://media.example/",
            "https://evil.example/",
            "https://169.254.169.254/",
            "https://[::1]/",
            "https://2130706433/",
            "https://1.1.1.1/",
            "ftp://cdn.example/",
        ] {
            assert!(!goes(url), "{url}");
        }
        assert!(rules.refusal(&"https://cdn.example/".parse().unwrap(), 6).is_some());
        let plain = Rules::new(&"http://media.example/films".parse().unwrap(), &options);
        assert!(plain.refusal(&"http://cdn.example/".parse().unwrap(), 1).is_none());
    }
}
