//! `afflux serve`: settings → log → listeners → answers, until a signal says stop.
//!
//! Standard output says one line for each listener once it accepts, then what the access log says where it has no file; all
//! else goes to standard error.

use super::args::ServeArgs;
use super::log;
use super::plain::plain;
use super::service::Service;
use super::signals::StopSignals;
use crate::config::Config;
use crate::http::{AccessLog, Desks, Server};
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

/// What a start that fails exits with.
const REFUSED: u8 = 2;

/// Descriptors for files that are held open, listeners, and what else there is.
const FILES: u64 = 1_024;

/// Serves until a signal. 0: stopped; 2: never started, and one line says why.
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
    // A read that hangs in the kernel must not keep the process.
    runtime.shutdown_background();
    served
}

async fn until_stopped(config: &Config) -> Result<(), Box<dyn Error>> {
    let server = Server::bind(config)?;
    let access = AccessLog::open(&config.log).map_err(|why| access_error(config, &why))?;
    let metrics = Arc::new(Metrics::new());
    let origin = Origin::open(config, Arc::clone(&metrics))?;
    let stop = CancellationToken::new();
    let service = Service::begin(config, (&origin, &metrics), (server.addresses()?.0, stop.clone())).await?;
    tokio::spawn(StopSignals::new()?.cancel(stop.clone()));
    let (public, private) = server.addresses()?;
    tokio::spawn(said_unready(Arc::clone(&origin)));
    let mut said = format!("public http://{public}\nprivate http://{private}\n");
    if let Some(service) = &service {
        said.extend(service.first_key().map(|key| format!("key {key}\n")));
        let upload = server.upload_address()?.unwrap_or(private);
        said.extend([format!("upload http://{upload}/upload\n")]);
    }
    // Whoever does not want to read this may close standard output.
    let _ = write!(stdout(), "{said}").and_then(|()| stdout().flush());
    tracing::info!(%public, %private, media = config.store.name(), "serving");
    let (api, uploads) = (service.as_ref().map(Service::router), service.as_ref().map(Service::uploads));
    server.run(Desks { origin: Arc::clone(&origin), metrics, api, uploads, access: access.clone() }, stop).await;
    if let Some(service) = service {
        let _ = tokio::time::timeout(config.http.drain, service.drained()).await;
    }
    // What was still being made has nobody left to serve, but a read under way is not torn off in its middle.
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

/// One line when a store does not answer at the start. It may come back: that is no reason to stop.
async fn said_unready(origin: Arc<Origin>) {
    if let Err(error) = origin.ready().await {
        tracing::error!("not ready: {error}");
    }
}

/// Lets the process have as many descriptors as it may: a connection is one, and so is a file that is held open.
fn allow_descriptors(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    let wanted = u64_from_usize(config.http.connections).saturating_add(FILES);
    if let Some(allowed) = allowed.filter(|allowed| *allowed < wanted) {
        tracing::warn!(allowed, wanted, "fewer descriptors than `http.connections` and files may need (ulimit -n)");
    }
}
