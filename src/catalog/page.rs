//! The catalogue, page by page, in the order of names.

use super::asset::Asset;
use super::error::{Error, Reason};
use super::ladder::stem;
use super::open::Catalog;
use super::shape::below;
use crate::cache::Makers;
use crate::media::AssetId;
use crate::store::{Store, Walked};
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Assets that a page opens at a time.
const AT_ONCE: usize = 4;

/// Names that a page looks at for each of its entries, at most: those of files that belong to a folder are no assets.
const NAMES_PER_ENTRY: usize = 4;

/// Some assets, in the order of their names.
#[derive(Debug, Clone)]
pub struct Page {
    /// Each with what it is, or why it cannot be served. May be fewer than asked for, even none, before the end.
    pub entries: Vec<(AssetId, Result<Arc<Asset>, Error>)>,
    /// Files and folders among them whose names no URL can say, each with the reason.
    pub refused: Vec<(String, Error)>,
    /// What to ask for next; `None` at the end.
    pub next: Option<AssetId>,
}

/// Names, and when they were walked.
type Known = (Instant, Arc<[String]>);

/// All names that may be assets, sorted, as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Names {
    last: Arc<Mutex<Option<Known>>>,
    makers: Makers<(), Result<Arc<[String]>, Error>>,
}

impl Names {
    /// Whoever asks next walks again.
    pub(super) fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One walk however many ask.
    async fn get(&self, store: &Store, age: Duration) -> Result<Arc<[String]>, Error> {
        let kept = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, names)) = kept.filter(|(at, _)| at.elapsed() <= age) {
            return Ok(names);
        }
        let (store, last) = (store.clone(), Arc::clone(&self.last));
        let walk = async move {
            let at = Instant::now();
            let names = names(&store.walk().await?);
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, Arc::clone(&names)));
            Ok(names)
        };
        self.makers.start((), walk).made().await?
    }
}

impl Catalog {
    /// All names that may be assets', sorted; some are those of files that belong to a folder.
    pub async fn listed(&self) -> Result<Arc<[String]>, Error> {
        self.names().get(self.store(), self.refresh_of("")).await
    }

    /// At most `limit` assets whose names come after `after`.
    pub async fn page(&self, after: Option<&AssetId>, limit: usize) -> Result<Page, Error> {
        let names = self.listed().await?;
        let from = names.partition_point(|name| after.is_some_and(|after| name.as_str() <= after.as_str()));
        let names = || names.iter().skip(from);
        let most = limit.saturating_mul(NAMES_PER_ENTRY);
        let ids = names().filter_map(|name| AssetId::new(name)).take(most);
        // A list, because the compiler cannot tell that a stream of borrowing closures is `Send`. Nothing begins before
        // it is polled.
        let ids: Vec<AssetId> = ids.collect();
        let opened = ids.into_iter().map(|id| async move {
            let asset = self.open(&id).await;
            (id, asset)
        });
        let mut opened = stream::iter(opened).buffered(AT_ONCE);
        let (mut entries, mut last) = (Vec::new(), None);
        while entries.len() < limit
            && let Some((id, asset)) = opened.next().await
        {
            last = Some(id.clone());
            if !matches!(asset, Err(Error::NotFound)) {
                entries.push((id, asset));
            }
        }
        let behind = |name: &String| last.as_ref().is_none_or(|last| name.as_str() > last.as_str());
        let more = names().any(|name| behind(name) && AssetId::new(name).is_some());
        let next = last.clone().filter(|_| more);
        let here = |name: &&String| next.as_ref().is_none_or(|next| name.as_str() <= next.as_str());
        let refused =
            names().take_while(here).filter(|name| AssetId::new(name).is_none()).map(|name| refusal(name)).collect();
        Ok(Page { entries, refused, next })
    }
}

/// Every name that a file or folder could give an asset.
fn names(walked: &[Walked]) -> Arc<[String]> {
    let mut names = BTreeSet::new();
    for Walked { folder, media, described } in walked {
        names.extend(media.iter().map(|name| below(folder, stem(name))));
        if !folder.is_empty() && (*described || media.len() > 1) {
            names.insert(folder.clone());
        }
    }
    names.into_iter().collect()
}

fn refusal(name: &str) -> (String, Error) {
    let part = name.split('/').find(|part| !AssetId::is_part(part)).unwrap_or(name);
    (name.into(), Error::unplayable(name, Reason::Name(part.into())))
}

#[cfg(test)]
mod tests {
    use super::names;
    use crate::store::Walked;

    #[test]
    fn every_file_and_every_folder_that_may_be_an_asset_has_its_name_once() {
        let walked = |folder: &str, media: &[&str], described| Walked {
            folder: folder.into(),
            media: media.iter().map(ToString::to_string).collect(),
            described,
        };
        let found = names(&[
            walked("", &["a.mov", "a.mp4", "c.mp4"], true),
            walked("b", &["x.mp4"], false),
            walked("d", &["x.mp4", "y.mp4"], false),
            walked("e", &[], true),
        ]);
        assert_eq!(*found, ["a", "b/x", "c", "d", "d/x", "d/y", "e"]);
    }
}
