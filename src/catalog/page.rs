//! The catalogue, page by page, in the order of names: with what each asset is, or names alone.

use super::asset::Asset;
use super::error::{Error, Reason};
use super::ignored::Ignored;
use super::names::NameIndex;
use super::open::Catalog;
use crate::media::AssetId;
use futures_util::StreamExt;
use futures_util::stream;
use std::sync::Arc;

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

/// Which names are asked for.
#[derive(Debug, Clone)]
pub struct Query {
    /// Words that a name or title holds, whatever their case; all where there are none.
    pub words: String,
    /// The name that they come after.
    pub after: Option<AssetId>,
    /// How many, at most.
    pub limit: usize,
}

/// A name, and what is known of its asset without looking.
#[derive(Debug, Clone)]
pub struct ListedName {
    /// The name.
    pub name: String,
    /// What the asset calls itself, where it is known.
    pub title: Option<Arc<str>>,
    /// Whether it is an asset's for sure: a folder of a few files is one asset or several, which its files say.
    pub is_certain: bool,
    /// Why no URL can say the name.
    pub refused: Option<Error>,
}

/// Some names, sorted.
#[derive(Debug, Clone)]
pub struct NamesPage {
    /// The names.
    pub entries: Vec<ListedName>,
    /// What to ask for next; `None` at the end.
    pub next: Option<AssetId>,
    /// How many there are, on this page and on others.
    pub total: usize,
    /// Whether nothing was left out because there was too much.
    pub is_whole: bool,
    /// Files that are not understood.
    pub ignored: Ignored,
}

impl Catalog {
    /// All names that may be assets', sorted; some are those of files that belong to a folder.
    pub async fn listed(&self) -> Result<Arc<[String]>, Error> {
        Ok(Arc::clone(&self.index().await?.names))
    }

    async fn index(&self) -> Result<Arc<NameIndex>, Error> {
        self.names().get(self.store(), self.refresh_of(""), self.settle()).await
    }

    /// Some names, without opening anything.
    pub async fn search(&self, query: Query) -> Result<NamesPage, Error> {
        let index = self.index().await?;
        let (found, titles) = (Arc::clone(&index), self.names().titles());
        let words: Vec<String> = query.words.split_whitespace().map(str::to_lowercase).collect();
        let places = if words.is_empty() {
            None
        } else {
            // Tens of thousands of names take milliseconds.
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

    /// At most `limit` entries of those at `places`, and the last of them where there are more: one that URLs can say.
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

/// Whether a name or title holds all of `words`, which are in small letters.
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
