//! `afflux index`: indexes files ahead of time and stores the indexes, so that no viewer waits for headers.

use super::args::IndexArgs;
use super::plain::plain;
use super::progress;
use crate::catalog::{Catalog, Error as Refusal, Query};
use crate::config::{Config, Location, Overrides};
use crate::media::AssetId;
use crate::metrics::Metrics;
use crate::origin;
use crate::store::is_media;
use std::error::Error;
use std::io::{Write as _, stderr, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Assets per page of a listing.
const PAGE: usize = 64;

/// Numbers of assets indexed and refused.
#[derive(Debug, Default, Clone, Copy)]
struct IndexSummary {
    ready: usize,
    refused: usize,
}

/// Indexes the requested assets, or all if none is named, and prints a line for each. Exit code 1 if some failed, 2 if
/// the command could not start.
#[must_use]
pub fn run(args: &IndexArgs) -> ExitCode {
    match index(args) {
        Ok(IndexSummary { refused: 0, .. }) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            //                If standard error is closed, the exit code alone reports the failure.
            let _ = writeln!(stderr(), "afflux: {}", plain(&error.to_string()));
            ExitCode::from(2)
        }
    }
}

fn index(args: &IndexArgs) -> Result<IndexSummary, Box<dyn Error>> {
    let (overrides, file) = args.place.as_deref().map_or(Ok(Default::default()), placed)?;
    let mut config = Config::load(args.config.as_deref(), overrides)?;
    if let Some(folder) = &args.index_folder {
        config.cache.index_folder.clone_from(folder);
    }
    config.cache.index_beside |= args.index_beside;
    if config.cache.index_folder.as_os_str().is_empty() && !config.cache.index_beside {
        return Err("there is no place for indexes: cache.index_folder or --index-folder, --index-beside".into());
    }
    // The user asks for files that are complete: skip the wait for them to settle.
    config.store.settle = Duration::ZERO;
    let named = args.assets.iter().chain(&file);
    let named: Vec<AssetId> =
        named.map(|name| AssetId::new(name).ok_or(format!("{name}: no name of an asset"))).collect::<Result<_, _>>()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let catalog = {
        let _inside = runtime.enter();
        origin::catalog(&config, Arc::new(Metrics::new()))?
    };
    let count = runtime.block_on(async {
        let count = if named.is_empty() { all(&catalog).await } else { some(&catalog, &named).await };
        if named.is_empty() {
            tell_ignored(&catalog).await?;
        }
        catalog.drained().await;
        count
    })?;
    writeln!(stdout(), "{} assets indexed, {} refused", count.ready, count.refused)?;
    Ok(count)
}

/// The store that a path or URL names. For a file: the store of its folder, and the asset's name in that store.
fn placed(place: &str) -> Result<(Overrides, Option<String>), Box<dyn Error>> {
    let is_url = place.contains("://");
    let is_file = if is_url { is_media(place) } else { Path::new(place).is_file() };
    let (folder, file) = match place.trim_end_matches('/').rsplit_once('/').filter(|_| is_file) {
        Some(("", file)) => ("/", Some(file)),
        Some((folder, file)) => (folder, Some(file)),
        None if is_file => (".", Some(place)),
        None => (place, None),
    };
    let asset = file.map(|file| file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_owned());
    let overrides = if is_url {
        let url = folder.parse::<Location>().map_err(|allowed| format!("{place}: {allowed}"))?;
        Overrides { store: Some(url), ..Overrides::default() }
    } else {
        Overrides { media: Some(folder.into()), ..Overrides::default() }
    };
    Ok((overrides, asset))
}

async fn some(catalog: &Catalog, named: &[AssetId]) -> Result<IndexSummary, Box<dyn Error>> {
    let mut count = IndexSummary::default();
    for id in named {
        let opened = progress::waiting(&format!("reading the headers of {id}"), catalog.open(id)).await;
        count.print_asset(id.as_str(), opened.map(|asset| asset.files.len()))?;
    }
    Ok(count)
}

async fn all(catalog: &Catalog) -> Result<IndexSummary, Box<dyn Error>> {
    let (mut count, mut after) = (IndexSummary::default(), None);
    loop {
        let done = count.ready + count.refused;
        let what = format!("reading headers; {done} assets done");
        let page = progress::waiting(&what, catalog.page(after.as_ref(), PAGE)).await?;
        for (id, opened) in page.entries {
            count.print_asset(id.as_str(), opened.map(|asset| asset.files.len()))?;
        }
        for (name, refusal) in page.refused {
            count.print_asset(&name, Err(refusal))?;
        }
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}

/// Prints on standard error which files are ignored because they are not understood.
async fn tell_ignored(catalog: &Catalog) -> Result<(), Refusal> {
    let page = catalog.search(Query { words: String::new(), after: None, limit: 1 }).await?;
    if page.ignored.count > 0 {
        // If standard error is closed, the exit code alone reports the failure.
        let _ = writeln!(stderr(), "afflux: {}", page.ignored);
    }
    Ok(())
}

impl IndexSummary {
    fn print_asset(&mut self, name: &str, opened: Result<usize, Refusal>) -> std::io::Result<()> {
        match opened {
            Ok(files) => {
                self.ready += 1;
                writeln!(stdout(), "{}: {files} {}", plain(name), if files == 1 { "file" } else { "files" })
            }
            Err(refusal) => {
                self.refused += 1;
                writeln!(stdout(), "{}", plain(&format!("{name}: refused: {refusal}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Location, placed};

    #[test]
    fn a_place_is_a_folder_a_file_or_a_store() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("night.mp4");
        std::fs::write(&file, b"").unwrap();
        let (root, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
        for (place, media, store, asset) in [
            (root, Some(root), None, None),
            (file, Some(root), None, Some("night")),
            ("nowhere", Some("nowhere"), None, None),
            ("s3://bucket/films", None, Some("s3://bucket/films"), None),
            ("s3://bucket/films/night.mp4", None, Some("s3://bucket/films"), Some("night")),
            ("s3://bucket/night.mp4", None, Some("s3://bucket"), Some("night")),
        ] {
            let (overrides, found) = placed(place).unwrap();
            assert_eq!(overrides.media.as_deref(), media.map(std::path::Path::new), "{place}");
            assert_eq!(overrides.store.as_ref().map(Location::as_str), store, "{place}");
            assert_eq!(found.as_deref(), asset, "{place}");
        }
        assert!(placed("ftp://host/films").is_err());
    }
}
