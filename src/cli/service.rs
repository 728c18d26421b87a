//! The service around what is served: the library opened, its first key made, jobs begun. Where the library does not
//! answer, players are served all the same, and it is tried again.

use crate::config::{Config, Database};
use crate::control::{Control, Players, first_key};
use crate::ingest::{Ingest, Settings};
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

/// How long the start waits for the library.
const SOON: Duration = Duration::from_secs(2);

/// How long to wait before a library that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(2);

/// The service.
#[derive(Debug)]
pub(super) struct Service {
    control: Control,
    ingest: Arc<OnceLock<Ingest>>,
    first_key: Option<String>,
}

impl Service {
    /// Begins it as `config` says, with players at `public`, until `stop` is cancelled; `None` where there is none.
    pub(super) async fn begin(
        config: &Config,
        (origin, metrics): (&Arc<Origin>, &Arc<Metrics>),
        (public, stop): (SocketAddr, CancellationToken),
    ) -> Result<Option<Self>, library::Error> {
        let Some(url) = url(config) else { return Ok(None) };
        let players = Players::new(&config.listen.public_url, public);
        let control = Control::new(players, &config.ingest.origins);
        let mut service = Self { control, ingest: Arc::default(), first_key: None };
        let (origin, metrics) = (Arc::clone(origin), Arc::clone(metrics));
        let opening = Opening { url, settings: Settings::of(config), origin, metrics, stop };
        // Players do not wait for it.
        let opened = timeout(SOON, opening.open()).await;
        match opened.unwrap_or_else(|_| Err(library::Error::Away { why: "it takes its time".into() })) {
            Ok((ingest, key)) => {
                service.first_key = key;
                service.opened(ingest);
            }
            Err(error) if error.is_away() => {
                tracing::error!("no uploads yet: {error}");
                tokio::spawn(opening.until_there(service.control.clone(), Arc::clone(&service.ingest)));
            }
            // A folder of media that nobody may write to is served as ever.
            Err(error) if config.library.url == Database::Beside => {
                tracing::warn!("there are no uploads: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        Ok(Some(service))
    }

    fn opened(&self, ingest: Ingest) {
        opened(&self.control, &self.ingest, ingest);
    }

    /// The secret of the first key, where this process made it.
    pub(super) fn first_key(&self) -> Option<&str> {
        self.first_key.as_deref()
    }

    /// What answers.
    pub(super) fn router(&self) -> Router {
        self.control.router()
    }

    /// What answers where uploads alone are taken.
    pub(super) fn uploads(&self) -> Router {
        self.control.uploads()
    }

    /// Waits until what was under way has kept what it has; the caller bounds the wait.
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

/// The library's address, where there is one.
pub(super) fn url(config: &Config) -> Option<String> {
    let folder = match config.store.url.as_str() {
        "" => Some(config.store.media.as_path()),
        url => url.strip_prefix("file://").map(Path::new),
    };
    let url = config.library.url.url(folder);
    if url.is_none() && config.library.url == Database::Beside {
        tracing::info!("there are no uploads: `library.url` names no database");
    }
    url
}

/// What it takes to begin.
struct Opening {
    url: String,
    settings: Settings,
    origin: Arc<Origin>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl Opening {
    async fn open(&self) -> Result<(Ingest, Option<String>), library::Error> {
        let library = Library::open(&self.url).await?;
        let key = first_key(&library).await?;
        let catalog = self.origin.catalog().clone();
        let (settings, metrics) = (self.settings.clone(), Arc::clone(&self.metrics));
        Ok((Ingest::new((catalog, library), settings, metrics, self.stop.clone()), key))
    }

    /// Tries until it is there.
    async fn until_there(self, control: Control, place: Arc<OnceLock<Ingest>>) {
        while self.stop.run_until_cancelled(sleep(AGAIN)).await.is_some() {
            if let Ok((ingest, key)) = self.open().await {
                tracing::info!("uploads are taken from now on");
                if let Some(key) = key {
                    println!("key {key}");
                }
                opened(&control, &place, ingest);
                return;
            }
        }
    }
}
