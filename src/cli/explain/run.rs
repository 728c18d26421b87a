//! The command itself: finds the asset of a URL, and prints the explanation.

use super::answer::Explained;
use super::lines::lines;
use crate::catalog::{Asset, Catalog, Error as Refusal};
use crate::cli::address;
use crate::cli::args::ExplainArgs;
use crate::cli::plain::plain;
use crate::cli::progress;
use crate::config::{Config, Overrides};
use crate::metrics::Metrics;
use crate::origin;
use crate::route::Route;
use serde_json::Value;
use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Prints the explanation of a URL. If there is none, prints one line on standard error and returns exit code 1.
#[must_use]
pub fn run(args: &ExplainArgs) -> ExitCode {
    let printed = explain(args).and_then(|explained| {
        let text = if args.json { format!("{explained:#}\n") } else { lines(&explained) };
        Ok(stdout().write_all(text.as_bytes())?)
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If standard error is closed, the exit code alone reports the failure.
            let _ = writeln!(stderr(), "afflux: {}", plain(&format!("{}: {error}", args.url)));
            ExitCode::FAILURE
        }
    }
}

fn explain(args: &ExplainArgs) -> Result<Value, Box<dyn Error>> {
    let routes = address::routes(&args.url);
    if routes.is_empty() {
        return Err("no URL of this server: /vod/{asset}/… is".into());
    }
    let overrides = Overrides { media: args.media.clone(), store: args.store.clone(), ..Overrides::default() };
    let mut config = Config::load(args.config.as_deref(), overrides)?;
    // The user asks for a file that is complete: skip the wait for it to settle.
    config.store.settle = Duration::ZERO;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let catalog = origin::catalog(&config, Arc::new(Metrics::new()))?;
    let reading = open_first(&catalog, routes);
    let (asset, route) = runtime.block_on(progress::waiting("reading the asset's headers", reading))?;
    Ok(serde_json::to_value(Explained::new(&asset, &route)?)?)
}

/// Opens the asset of the first route in `routes` whose asset exists.
async fn open_first(catalog: &Catalog, routes: Vec<Route>) -> Result<(Arc<Asset>, Route), Refusal> {
    for route in routes {
        match catalog.open(route.asset()).await {
            Ok(asset) => {
                catalog.fetch_all_samples(&asset).await?;
                return Ok((asset, route));
            }
            Err(Refusal::NotFound) => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::NotFound)
}
