//! Lists the catalogue page by page, sorted by name: assets, or names alone.

use super::asset::Asset;
use super::error::{Error, Reason};
use super::ignored::IgnoredFiles;
use super::names::NameIndex;
use super::open::Catalog;
use crate::media::AssetId;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;

/// Most assets that a page opens concurrently.
const AT_ONCE: usize = 4;

/// Most names that a page tries for each entry: names of files that belong to a folder are no assets.
const NAMES_PER_ENTRY: usize = 4;

/// A page of assets, sorted by name.
#[derive(Debug, Clone)]
pub struct AssetPage {
    /// Names, each with its asset or the reason why it cannot be served. May be fewer than requested, even none, before
    /// the end.
    pub entries: Vec<(AssetId, Result<Arc<Asset>, Error>)>,
    /// Files and folders between them whose names cannot be part of a URL, each with the reason.
    pub refused: Vec<(String, Error)>,
    /// Start of the next page, for `after`; `None` at the end.
    pub next: Option<AssetId>,
}

/// A query for names.
#[derive(Debug, Clone)]
pub struct Query {
    /// Words that a name or title must contain, in upper or lower case; empty for all names.
    pub words: String,
    /// Only names after this one.
    pub after: Option<AssetId>,
    /// Most names to return.
    pub limit: usize,
}

/// A name, and the facts about its asset that are known without opening it.
#[derive(Debug, Clone)]
pub struct ListedName {
    /// The name.
    pub name: String,
    /// Title of the asset; `None` if unknown.
    pub title: Option<Arc<str>>,
    /// Whether it is certain to be the name of an asset: the files of a small folder decide whether it is one asset or
    /// several.
    pub is_certain: bool,
    /// Why the name cannot be part of a URL; `None` if it can.
    pub refused: Option<Error>,
}

/// A page of names, sorted.
#[derive(Debug, Clone)]
pub struct NamesPage {
    /// The names.
    pub entries: Vec<ListedName>,
    /// Start of the next page, for `after`; `None` at the end.
    pub next: Option<AssetId>,
    /// Number of names on all pages.
    pub total: usize,
    /// Whether the index of names is complete: no limit was reached.
    pub is_whole: bool,
    /// Unsupported files.
    pub ignored: IgnoredFiles,
}

impl Catalog {
    /// All names that may be those of assets, sorted; some are those of files that belong to a folder.
    pub async fn listed(&self) -> Result<Arc<[String]>, Error> {
        Ok(Arc::clone(&self.index().await?.names))
    }

    async fn index(&self) -> Result<Arc<NameIndex>, Error> {
        self.names().get(self.store(), self.refresh_of(""), self.settle()).await
    }

    /// Searches the names without opening any file.
    pub async fn search(&self, query: Query) -> Result<NamesPage, Error> {
        let index = self.index().await?;
        let (found, titles) = (Arc::clone(&index), self.names().titles());
        let words: Vec<String> = query.words.split_whitespace().map(str::to_lowercase).collect();
        let places = if words.is_empty() {
            None
        } else {
            // On the blocking pool, because tens of thousands of names take milliseconds.
            let searched = tokio::task::spawn_blocking(move || {
                let title = |name: &str| AssetId::new(name).and_then(|id| titles.get(&id));
                let holds = |name: &String| matches(name, title(name).as_deref(), &words);
                found.names.iter().enumerate().filter(|(_, name)| holds(name)).map(|(at, _)| at).collect::<Vec<_>>()
            });
            Some(searched.await.map_err(|_| Error::Interrupted("a search was given up".into()))?)
        };
        let total = places.as_ref().map_or(index.names.len(), Vec::len);
        let from =
            index.names.partition_point(|name| query.after.as_ref().is_some_and(|id| name.as_str() <= id.as_str()));
        let places: Box<dyn Iterator<Item = usize> + Send> = match places {
            Some(places) => Box::new(places.into_iter().filter(move |at| *at >= from)),
            None => Box::new(from..index.names.len()),
        };
        let (entries, next) = self.entries(&index, places, query.limit).await;
        Ok(NamesPage { entries, next, total, is_whole: index.is_whole, ignored: index.ignored.clone() })
    }

    /// At most `limit` of the entries at `places`. If there are more, also the name of the last one, which is valid in
    /// a URL.
    async fn entries(
        &self,
        index: &NameIndex,
        places: impl Iterator<Item = usize> + Send,
        limit: usize,
    ) -> (Vec<ListedName>, Option<AssetId>) {
        let (mut entries, mut last) = (Vec::new(), None);
        for at in places {
            if entries.len() >= limit && last.is_some() {
                return (entries, last);
            }
            let (Some(name), Some(certain)) = (index.names.get(at), index.certain.get(at)) else { break };
            let id = AssetId::new(name);
            let is_certain = match &id {
                Some(id) if !certain => match self.folders().judged(id).await {
                    Some(true) => true,
                    Some(false) => continue,
                    None => false,
                },
                Some(_) | None => true,
            };
            let title = id.as_ref().and_then(|id| self.names().title(id));
            let refused = id.is_none().then(|| refusal(name).1);
            entries.push(ListedName { name: name.clone(), title, is_certain, refused });
            last = id;
        }
        (entries, None)
    }

    /// Opens at most `limit` assets whose names come after `after`.
    pub async fn page(&self, after: Option<&AssetId>, limit: usize) -> Result<AssetPage, Error> {
        let names = self.listed().await?;
        let from = names.partition_point(|name| after.is_some_and(|after| name.as_str() <= after.as_str()));
        let names = || names.iter().skip(from);
        let most = limit.saturating_mul(NAMES_PER_ENTRY);
        let ids = names().filter_map(|name| AssetId::new(name)).take(most);
        // A list, because the compiler cannot prove that a stream of borrowing closures is `Send`. Nothing starts
        // before it is polled.
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
        Ok(AssetPage { entries, refused, next })
    }
}

/// Whether a name or title contains all of `words`, which are in lower case.
fn matches(name: &str, title: Option<&str>, words: &[String]) -> bool {
    let name = name.to_lowercase();
    let title = title.map(str::to_lowercase);
    let holds = |word: &String| name.contains(word) || title.as_ref().is_some_and(|title| title.contains(word));
    words.iter().all(holds)
}

fn refusal(name: &str) -> (String, Error) {
    let part = name.split('/').find(|part| !AssetId::is_part(part)).unwrap_or(name);
    (name.into(), Error::unplayable(name, Reason::Name(part.into())))
}
