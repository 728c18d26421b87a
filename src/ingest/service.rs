//! The ingest service: the state that its parts share.

use super::announcements::Announcements;
use super::error::Error;
use super::random::token;
use super::receive::writers::Writers;
use super::settings::Settings;
use crate::catalog::Catalog;
use crate::library::{Library, Upload};
use crate::metrics::Metrics;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The places that ingest writes to.
#[derive(Debug)]
pub struct IngestStores {
    /// Catalog over the store of published files.
    pub catalog: Catalog,
    /// Database of uploads, jobs and assets.
    pub library: Library,
}

/// Uploads, jobs and publishing. Clones are the same service.
#[derive(Debug, Clone)]
pub struct Ingest {
    pub(super) catalog: Catalog,
    pub(super) library: Library,
    pub(super) settings: Arc<Settings>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) writers: Writers,
    /// Wakes requests that wait for their upload.
    pub(super) announcements: Announcements,
    /// Tasks that outlive the request that began them.
    pub(super) tasks: TaskTracker,
    /// When cancelled, running work saves its state and ends.
    pub(super) stop: CancellationToken,
    /// Name of this process for its leases.
    pub(super) name: Arc<str>,
}

impl Ingest {
    /// Ingest into `stores`, until `stop` is cancelled.
    #[must_use]
    pub fn new(stores: IngestStores, settings: Settings, metrics: Arc<Metrics>, stop: CancellationToken) -> Self {
        let IngestStores { catalog, library } = stores;
        let name = format!("{}-{}", std::process::id(), token::<8>()).into();
        let (writers, tasks) = (Writers::default(), TaskTracker::new());
        Self {
            catalog,
            library,
            settings: Arc::new(settings),
            metrics,
            writers,
            announcements: Announcements::default(),
            tasks,
            stop,
            name,
        }
    }

    /// Waits until all tasks have ended after a stop; the caller bounds the wait.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The database.
    #[must_use]
    pub const fn library(&self) -> &Library {
        &self.library
    }

    /// The catalog.
    #[must_use]
    pub const fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Limits and durations.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The upload `id`.
    pub async fn upload(&self, id: &str) -> Result<Upload, Error> {
        self.library.upload(id).await?.ok_or(Error::NotFound("upload"))
    }
}
