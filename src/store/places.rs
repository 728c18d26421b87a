//! Builds the stores that the settings name: which kind of store each URL stands for, and how to connect to it.

use super::error::Error;
use super::local::{LinkPolicy, LocalFolder};
use super::remote::Blocks;
use super::remote::Capabilities;
use super::remote::Uploads;
use super::remote::{Remote, RemoteSettings, RemoteTimeouts};
use super::tree::{Backend, Mount, Store};
use crate::cache::Ledger;
use crate::config::{self, Location, Options};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
#[cfg(feature = "clouds")]
use object_store::azure::MicrosoftAzureBuilder;
#[cfg(feature = "clouds")]
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use object_store::{Certificate, ClientOptions, ObjectStore, RetryConfig};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Time limit for establishing a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// Most idle connections to one host.
pub(super) const IDLE: usize = 32;

/// Settings and state that all stores share.
struct RemoteDefaults {
    blocks: Arc<Blocks>,
    patience: RemoteTimeouts,
    /// Which symbolic links folders follow.
    following: LinkPolicy,
    /// Number of object stores built so far.
    count: u32,
}

impl Store {
    /// Builds the stores that `settings` name. Sends no requests to object stores yet, so that the program starts even
    /// if one does not answer. Their blocks take at most `blocks` bytes in memory.
    pub fn of_settings(settings: &config::StoreConfig, blocks: u64) -> Result<Self, Error> {
        let patience = RemoteTimeouts { timeout: settings.timeout };
        let following = if settings.follow_links { LinkPolicy::Anywhere } else { LinkPolicy::Within };
        let blocks = Blocks::new(blocks, Arc::new(Ledger::default()));
        let mut common = RemoteDefaults { blocks, patience, following, count: 0 };
        let first = if settings.url.is_empty() {
            Backend::Folder(LocalFolder::new(&settings.media, following)?)
        } else {
            common.backend(&settings.url, &settings.options)?
        };
        let mut mounts = vec![common.mount("", first, &settings.fallback)?];
        for mount in &settings.mounts {
            let first = common.backend(&mount.url, &mount.options)?;
            mounts.push(common.mount(mount.prefix.as_str(), first, &mount.fallback)?);
        }
        Ok(Self::of(mounts))
    }
}

impl RemoteDefaults {
    fn mount(&mut self, prefix: &str, first: Backend, second: &config::StoreAddress) -> Result<Mount, Error> {
        let mut backends = vec![first];
        if !second.url.is_empty() {
            backends.push(self.backend(&second.url, &second.options)?);
        }
        Ok(Mount { prefix: prefix.into(), backends })
    }

    fn backend(&mut self, url: &Location, options: &Options) -> Result<Backend, Error> {
        if let Some(folder) = url.as_str().strip_prefix("file://") {
            return Ok(Backend::Folder(LocalFolder::new(Path::new(folder), self.following)?));
        }
        let fail = |error: &object_store::Error| refused(url, super::remote::error_line(error));
        let (scheme, rest) = url.as_str().split_once("://").unwrap_or((url.as_str(), ""));
        let is_web = matches!(scheme, "http" | "https");
        // The path behind the host is a part of each request's URL, not of an object's name.
        let (bucket, root) = rest.split_once('/').filter(|_| !is_web).unwrap_or((rest, ""));
        let (store, skills): (Arc<dyn ObjectStore>, Capabilities) = match scheme {
            "s3" => {
                let store = Arc::new(s3(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let uploads = Uploads::new(Arc::clone(&store), roots(options, url)?);
                let skills = Capabilities { uploads: Some(Arc::new(uploads)), ..signing(&store) };
                (store, skills)
            }
            #[cfg(feature = "clouds")]
            "gs" => {
                let store = Arc::new(gs(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let skills = signing(&store);
                (store, skills)
            }
            #[cfg(feature = "clouds")]
            "az" => {
                let store = Arc::new(az(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let skills = signing(&store);
                (store, skills)
            }
            "http" | "https" => (super::remote::web::store(url, options)?, Capabilities::default()),
            "memory:" => {
                let store = Arc::new(InMemory::new());
                let skills = Capabilities { parts: Some(store.clone()), ..Capabilities::default() };
                (store, skills)
            }
            _ => return Err(refused(url, "this build has no such store".into())),
        };
        let number = self.count;
        self.count += 1;
        let address = RemoteSettings {
            name: url.to_string(),
            root: root.into(),
            number,
            lists: !is_web,
            patience: self.patience,
        };
        Ok(Backend::Remote(Arc::new(Remote::new(store, address, Arc::clone(&self.blocks)).with(skills))))
    }
}

/// Optional abilities of a cloud's object store.
fn signing<T: MultipartStore + Signer + PaginatedListStore>(store: &Arc<T>) -> Capabilities {
    Capabilities {
        parts: Some(store.clone()),
        pages: Some(store.clone()),
        signer: Some(store.clone()),
        ..Capabilities::default()
    }
}

fn s3(bucket: &str, options: &Options, url: &Location) -> Result<AmazonS3Builder, Error> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    if !options.endpoint.is_empty() {
        builder = builder.with_endpoint(&options.endpoint);
    }
    if !options.region.is_empty() {
        builder = builder.with_region(&options.region);
    }
    let http = options.allow_http || is_set(builder.get_config_value(&AmazonS3ConfigKey::Client(ALLOW_HTTP)));
    let builder = builder.with_virtual_hosted_style_request(!options.path_style);
    Ok(builder.with_client_options(client(options, url)?.with_allow_http(http)).with_retry(once()))
}

#[cfg(feature = "clouds")]
fn gs(bucket: &str, options: &Options, url: &Location) -> Result<GoogleCloudStorageBuilder, Error> {
    let mut builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket);
    if !options.endpoint.is_empty() {
        builder = builder.with_base_url(&options.endpoint);
    }
    Ok(builder.with_client_options(client(options, url)?.with_allow_http(options.allow_http)).with_retry(once()))
}

#[cfg(feature = "clouds")]
fn az(container: &str, options: &Options, url: &Location) -> Result<MicrosoftAzureBuilder, Error> {
    let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(container);
    if !options.endpoint.is_empty() {
        builder = builder.with_endpoint(options.endpoint.clone());
    }
    let key = object_store::azure::AzureConfigKey::Client(ALLOW_HTTP);
    let http = options.allow_http || is_set(builder.get_config_value(&key));
    Ok(builder.with_client_options(client(options, url)?.with_allow_http(http)).with_retry(once()))
}

const ALLOW_HTTP: object_store::ClientConfigKey = object_store::ClientConfigKey::AllowHttp;

fn is_set(value: Option<String>) -> bool {
    value.is_some_and(|value| matches!(value.as_str(), "true" | "1"))
}

/// HTTP options without a request timeout: the layer above retries, so it also sets the deadlines.
fn client(options: &Options, url: &Location) -> Result<ClientOptions, Error> {
    let client =
        ClientOptions::new().with_timeout_disabled().with_connect_timeout(CONNECT).with_pool_max_idle_per_host(IDLE);
    let Some(pem) = roots(options, url)? else { return Ok(client) };
    let fail = |error: object_store::Error| refused(url, format!("{}: {error}", options.ca.display()));
    let certificates = Certificate::from_pem_bundle(&pem).map_err(fail)?;
    Ok(certificates.into_iter().fold(client, ClientOptions::with_root_certificate))
}

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
