//! The upload service next to the origin: opens the library, makes the first key, starts jobs. If the library does not
//! respond, players are served all the same, and the service retries.

use crate::config::{Config, Database};
use crate::control::{Control, Players, first_key};
use crate::ingest::{Ingest, IngestStores, Settings};
use crate::library::{self, Library};
use crate::metrics::Metrics;
use crate::origin::Origin;
use axum::Router;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Longest time the start waits for the library.
const SOON: Duration = Duration::from_secs(2);

/// Delay before the next attempt to open the library.
const AGAIN: Duration = Duration::from_secs(2);

/// The control API and the ingest behind it.
#[derive(Debug)]
pub(super) struct Service {
    control: Control,
    ingest: Arc<OnceLock<Ingest>>,
    first_key: Option<String>,
}

/// The parts of the running server that the service depends on.
#[derive(Debug)]
pub(super) struct ServiceContext {
    pub(super) origin: Arc<Origin>,
    pub(super) metrics: Arc<Metrics>,
    /// Address at which players are served.
    pub(super) public: SocketAddr,
    /// Cancelled when the server stops.
    pub(super) stop: CancellationToken,
}

impl Service {
    /// Starts the service according to `config`, within `context`. `None` if it is not configured or the media folder is not writable.
    pub(super) async fn begin(config: &Config, context: ServiceContext) -> Result<Option<Self>, library::Error> {
        let Some(url) = url(config) else { return Ok(None) };
        let ServiceContext { origin, metrics, public, stop } = context;
        let players = Players::new(&config.listen.public_url, public);
        let control = Control::new(players, &config.ingest.origins);
        let mut service = Self { control, ingest: Arc::default(), first_key: None };
        let opening = ServiceParts { url, settings: Settings::of(config), origin, metrics, stop };
        // Players do not wait for the library.
        let opened = timeout(SOON, opening.open()).await;
        match opened.unwrap_or_else(|_| Err(library::Error::Away { why: "it takes its time".into() })) {
            Ok((ingest, key)) => {
                service.first_key = key;
                service.opened(ingest);
            }
            Err(error) if error.is_away() => {
                tracing::error!("uploads are off until the library responds: {error}");
                tokio::spawn(opening.until_there(service.control.clone(), Arc::clone(&service.ingest)));
            }
            // A read-only folder of media is served without uploads.
            Err(error) if config.library.url == Database::Beside => {
                tracing::warn!("uploads are off, as the library cannot be opened: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        Ok(Some(service))
    }

    fn opened(&self, ingest: Ingest) {
        opened(&self.control, &self.ingest, ingest);
    }

    /// The secret of the first key, if this process made it.
    pub(super) fn first_key(&self) -> Option<&str> {
        self.first_key.as_deref()
    }

    /// Routes of the control API.
    pub(super) fn router(&self) -> Router {
        self.control.router()
    }

    /// Routes for uploads only.
    pub(super) fn uploads(&self) -> Router {
        self.control.uploads()
    }

    /// Waits until running work has saved its state; the caller bounds the wait.
    pub(super) async fn drained(self) {
        if let Some(ingest) = self.ingest.get() {
            ingest.drained().await;
            ingest.library().close().await;
        }
    }
}

fn opened(control: &Control, place: &OnceLock<Ingest>, ingest: Ingest) {
    ingest.begin();
    control.open(ingest.clone());
    let _ = place.set(ingest);
}

/// Address of the library; `None` if there is none.
pub(super) fn url(config: &Config) -> Option<String> {
    let folder = match config.store.url.as_str() {
        "" => Some(config.store.media.as_path()),
        url => url.strip_prefix("file://").map(Path::new),
    };
    let url = config.library.url.url(folder);
    if url.is_none() && config.library.url == Database::Beside {
        tracing::info!("uploads are off: `library.url` names no database");
    }
    url
}

/// Arguments for opening the library and ingest.
struct ServiceParts {
    url: String,
    settings: Settings,
    origin: Arc<Origin>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl ServiceParts {
    async fn open(&self) -> Result<(Ingest, Option<String>), library::Error> {
        let library = Library::open(&self.url).await?;
        let key = first_key(&library).await?;
        let catalog = self.origin.catalog().clone();
        let (settings, metrics) = (self.settings.clone(), Arc::clone(&self.metrics));
        Ok((Ingest::new(IngestStores { catalog, library }, settings, metrics, self.stop.clone()), key))
    }

    /// Retries until the library opens or the server stops.
    async fn until_there(self, control: Control, place: Arc<OnceLock<Ingest>>) {
        while self.stop.run_until_cancelled(sleep(AGAIN)).await.is_some() {
            if let Ok((ingest, key)) = self.open().await {
                tracing::info!("the library responds: uploads are on");
                if let Some(key) = key {
                    println!("key {key}");
                }
                opened(&control, &place, ingest);
                return;
            }
        }
    }
}
