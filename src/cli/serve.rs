//! `afflux serve`: reads settings, starts the log, opens the listeners and serves until a signal.
//!
//! Standard output gets one line per listener once it accepts connections, then the access log unless that has a file;
//! all else goes to standard error.

use super::args::ServeArgs;
use super::log;
use super::plain::plain;
use super::service::{Service, ServiceContext};
use super::signals::StopSignals;
use crate::config::Config;
use crate::http::{AccessLog, Handlers, Server};
use crate::media::u64_from_usize;
use crate::metrics::Metrics;
use crate::origin::Origin;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::error::Error;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Exit code of a start that fails.
const REFUSED: u8 = 2;

/// Descriptors reserved for open media files, listeners and everything besides connections.
const FILES: u64 = 1_024;

/// Serves until a signal. Exit code 0: stopped; 2: failed to start, with one line on standard error.
#[must_use]
pub fn run(args: &ServeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("afflux: {}", plain(&error.to_string()));
            ExitCode::from(REFUSED)
        }
    }
}

fn serve(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    let config = Config::load(args.config.as_deref(), args.overrides())?;
    log::start(&config.log);
    allow_descriptors(&config);
    let runtime = Runtime::new()?;
    let served = runtime.block_on(until_stopped(&config));
    // A read that hangs in the kernel must not keep the process alive.
    runtime.shutdown_background();
    served
}

async fn until_stopped(config: &Config) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(config)?;
    let access = AccessLog::open(&config.log).map_err(|why| access_error(config, &why))?;
    let metrics = Arc::new(Metrics::new());
    let origin = Origin::open(config, Arc::clone(&metrics))?;
    let stop = CancellationToken::new();
    let context = ServiceContext {
        origin: Arc::clone(&origin),
        metrics: Arc::clone(&metrics),
        public: server.addresses()?.0,
        stop: stop.clone(),
    };
    let service = Service::begin(config, context).await?;
    tokio::spawn(StopSignals::new()?.cancel(stop.clone()));
    let (public, private) = server.addresses()?;
    tokio::spawn(said_unready(Arc::clone(&origin)));
    let mut said = format!("public http://{public}\nprivate http://{private}\n");
    if let Some(service) = &service {
        said.extend(service.first_key().map(|key| format!("key {key}\n")));
        let upload = server.upload_address()?.unwrap_or(private);
        said.extend([format!("upload http://{upload}/upload\n")]);
    }
    // The parent may have closed standard output: ignore the failed write.
    let _ = write!(stdout(), "{said}").and_then(|()| stdout().flush());
    tracing::info!(%public, %private, media = config.store.name(), "serving");
    let (api, uploads) = (service.as_ref().map(Service::router), service.as_ref().map(Service::uploads));
    server.run(Handlers { origin: Arc::clone(&origin), metrics, api, uploads, access: access.clone() }, stop).await;
    if let Some(service) = service {
        let _ = tokio::time::timeout(config.http.drain, service.drained()).await;
    }
    // Segments still being built have no viewer left, but let reads in flight finish within the drain time.
    let _ = tokio::time::timeout(config.http.drain, origin.drained()).await;
    if let Some(access) = access {
        access.finish();
    }
    tracing::info!("stopped");
    Ok(())
}

fn access_error(config: &Config, why: &std::io::Error) -> String {
    format!("{}: {why} (the access log: `log.access_file`)", config.log.access_file.display())
}

/// Logs an error if the store does not respond at the start. The server runs on, as the store may come back.
async fn said_unready(origin: Arc<Origin>) {
    if let Err(error) = origin.ready().await {
        tracing::error!("not ready: {error}");
    }
}

/// Raises the descriptor limit to its maximum: each connection and each open file needs one.
fn allow_descriptors(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let wanted = u64_from_usize(config.http.connections).saturating_add(FILES);
    if let Some(allowed) = allowed.filter(|allowed| *allowed < wanted) {
        tracing::warn!(allowed, wanted, "fewer descriptors than `http.connections` and files may need (ulimit -n)");
    }
}
