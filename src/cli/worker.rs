//! `afflux worker`: runs jobs, and nothing else. Killing it loses nothing: another worker takes its jobs when the lease
//! runs out. After a signal it returns them at once.

use super::args::WorkerArgs;
use super::log;
use super::plain::plain;
use super::service::url;
use super::signals::StopSignals;
use crate::config::{Config, Overrides};
use crate::ingest::{Ingest, IngestStores, Settings};
use crate::library::Library;
use crate::metrics::Metrics;
use crate::origin;
use std::error::Error;
use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Runs jobs until a signal. Exit code 0: stopped; 2: failed to start, with one line on standard error.
#[must_use]
pub fn run(args: &WorkerArgs) -> ExitCode {
    match work(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afflux: {}", plain(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

fn work(args: &WorkerArgs) -> Result<(), Box<dyn Error>> {
    let (media, store, library) = (args.media.clone(), args.store.clone(), args.library.clone());
    let config = Config::load(args.config.as_deref(), Overrides { media, store, library, ..Overrides::default() })?;
    log::start(&config.log);
    let runtime = Runtime::new()?;
    let worked = runtime.block_on(until_stopped(&config, args.jobs));
    runtime.shutdown_background();
    worked
}

async fn until_stopped(config: &Config, jobs: Option<u8>) -> Result<(), Box<dyn Error>> {
    let url = url(config).ok_or("`library.url` names no database, and jobs are kept in one")?;
    let stop = CancellationToken::new();
    tokio::spawn(StopSignals::new()?.cancel(stop.clone()));
    let metrics = Arc::new(Metrics::new());
    let catalog = origin::catalog(config, Arc::clone(&metrics))?;
    let library = Library::open(&url).await?;
    let settings = Settings::of(config);
    let workers = jobs.map_or(settings.workers.max(1), usize::from);
    let ingest = Ingest::new(
        IngestStores { catalog: catalog.clone(), library },
        Settings { workers, ..settings },
        metrics,
        stop.clone(),
    );
    ingest.begin();
    let _ = writeln!(stdout(), "working, {workers} at a time").and_then(|()| stdout().flush());
    stop.cancelled().await;
    let drained = async {
        ingest.drained().await;
        catalog.drained().await;
        ingest.library().close().await;
    };
    let _ = tokio::time::timeout(config.http.drain, drained).await;
    Ok(())
}
