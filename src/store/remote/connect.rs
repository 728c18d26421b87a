//! [`ConnectedStore`]: finds out which kind of object store a URL stands for, and builds its client.

use super::capabilities::Capabilities;
use super::fault::error_line;
use super::http::{CONNECT, IDLE, once, refused, roots};
use super::uploads::Uploads;
use super::web;
use crate::config::{Location, Options};
use crate::store::error::Error;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
#[cfg(feature = "clouds")]
use object_store::azure::MicrosoftAzureBuilder;
#[cfg(feature = "clouds")]
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::PaginatedListStore;
use object_store::memory::InMemory;
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use object_store::{Certificate, ClientOptions, ObjectStore};
use std::sync::Arc;

/// A client of an object store that no request was sent to yet.
pub(in crate::store) struct ConnectedStore {
    pub(in crate::store) store: Arc<dyn ObjectStore>,
    pub(in crate::store) capabilities: Capabilities,
    /// Whether it is a web server, which cannot be listed.
    pub(in crate::store) is_web: bool,
    /// Prefix of all object names; `""` or a path.
    pub(in crate::store) root: String,
}

impl ConnectedStore {
    /// The client of the store at `url`; sends no request.
    pub(in crate::store) fn new(url: &Location, options: &Options) -> Result<Self, Error> {
        let fail = |error: &object_store::Error| refused(url, error_line(error));
        let (scheme, rest) = url.as_str().split_once("://").unwrap_or((url.as_str(), ""));
        let is_web = matches!(scheme, "http" | "https");
        // The path behind the host is a part of each request's URL, not of an object's name.
        let (bucket, root) = rest.split_once('/').filter(|_| !is_web).unwrap_or((rest, ""));
        let (store, capabilities): (Arc<dyn ObjectStore>, Capabilities) = match scheme {
            "s3" => {
                let store = Arc::new(s3(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let uploads = Uploads::new(Arc::clone(&store), roots(options, url)?);
                let capabilities = Capabilities { uploads: Some(Arc::new(uploads)), ..signing(&store) };
                (store, capabilities)
            }
            #[cfg(feature = "clouds")]
            "gs" => {
                let store = Arc::new(gs(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let capabilities = signing(&store);
                (store, capabilities)
            }
            #[cfg(feature = "clouds")]
            "az" => {
                let store = Arc::new(az(bucket, options, url)?.build().map_err(|error| fail(&error))?);
                let capabilities = signing(&store);
                (store, capabilities)
            }
            "http" | "https" => (web::store(url, options)?, Capabilities::default()),
            "memory:" => {
                let store = Arc::new(InMemory::new());
                let capabilities = Capabilities { parts: Some(store.clone()), ..Capabilities::default() };
                (store, capabilities)
            }
            _ => return Err(refused(url, "this build has no such store".into())),
        };
        Ok(Self { store, capabilities, is_web, root: root.into() })
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
