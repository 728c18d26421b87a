//! `afflux index`: understands files ahead and keeps what is known of them, so that no viewer waits for headers.

use super::args::IndexArgs;
use super::progress;
use crate::catalog::{Catalog, Error as Refusal};
use crate::config::{Config, Overrides};
use crate::media::AssetId;
use crate::metrics::Metrics;
use crate::origin;
use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Assets of one page.
const PAGE: usize = 64;

/// What became of the assets.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    ready: usize,
    refused: usize,
}

/// Indexes what is asked for, everything where nothing is; a line for each asset. Exit code 1 when some could not be
/// had, 2 when nothing could be begun.
#[must_use]
pub fn run(args: &IndexArgs) -> ExitCode {
    match index(args) {
        Ok(Count { refused: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            // A closed standard error leaves the exit code to speak.
            let _ = writeln!(stderr(), "afflux: {error}");
            ExitCode::from(2)
        }
    }
}

fn index(args: &IndexArgs) -> Result<Count, Box<dyn Error>> {
    let overrides = Overrides { media: args.media.clone(), store: args.store.clone(), ..Overrides::default() };
    let mut config = Config::load(args.config.as_deref(), overrides)?;
    if let Some(folder) = &args.index_folder {
        config.cache.index_folder.clone_from(folder);
    }
    if config.cache.index_folder.as_os_str().is_empty() {
        return Err("there is no folder for indexes: `cache.index_folder` or --index-folder".into());
    }
    // Who asks knows that the files are whole.
    config.store.settle = Duration::ZERO;
    let named: Vec<AssetId> = args
        .assets
        .iter()
        .map(|name| AssetId::new(name).ok_or(format!("{name}: no name of an asset")))
        .collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let catalog = {
        let _inside = runtime.enter();
        origin::catalog(&config, Arc::new(Metrics::new()))?
    };
    let count = runtime.block_on(async {
        let count = if named.is_empty() { all(&catalog).await } else { some(&catalog, &named).await };
        catalog.drained().await;
        count
    })?;
    writeln!(stdout(), "{} assets indexed, {} refused", count.ready, count.refused)?;
    Ok(count)
}

async fn some(catalog: &Catalog, named: &[AssetId]) -> Result<Count, Box<dyn Error>> {
    let mut count = Count::default();
    for id in named {
        let opened = progress::waiting(&format!("reading the headers of {id}"), catalog.open(id)).await;
        count.told(id.as_str(), opened.map(|asset| asset.files.len()))?;
    }
    Ok(count)
}

async fn all(catalog: &Catalog) -> Result<Count, Box<dyn Error>> {
    let (mut count, mut after) = (Count::default(), None);
    loop {
        let done = count.ready + count.refused;
        let what = format!("reading headers; {done} assets done");
        let page = progress::waiting(&what, catalog.page(after.as_ref(), PAGE)).await?;
        for (id, opened) in page.entries {
            count.told(id.as_str(), opened.map(|asset| asset.files.len()))?;
        }
        for (name, refusal) in page.refused {
            count.told(&name, Err(refusal))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

impl Count {
    fn told(&mut self, name: &str, opened: Result<usize, Refusal>) -> std::io::Result<()> {
        match opened {
            Ok(files) => {
                self.ready += 1;
                writeln!(stdout(), "{name}: {files} {}", if files == 1 { "file" } else { "files" })
            }
            Err(refusal) => {
                self.refused += 1;
                writeln!(stdout(), "{name}: refused: {refusal}")
            }
        }
    }
}
