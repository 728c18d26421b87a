//! Lists folders of an object store, each by one page of names: an object store has no folders, only names.

use super::client::Remote;
use super::fault::Fault;
use crate::media::DESCRIPTOR;
use crate::store::error::Error;
use crate::store::listing::{Listing, NAMES_LIMIT};
use crate::store::name::{below, is_media, is_plain_name, usual_names, veiled};
use object_store::ListResult;
use object_store::list::PaginatedListOptions;
use object_store::path::Path;

/// Names with the same beginning, cut after the next slash.
struct ListResultPage {
    found: ListResult,
    /// Whether there are no more such names.
    is_last: bool,
}

impl Remote {
    /// Lists `folder`. One without contents does not exist, except the root.
    pub(in crate::store) async fn list(&self, folder: &str) -> Result<Listing, Error> {
        let key = self.key(folder)?;
        let prefix = if key.as_ref().is_empty() { String::new() } else { format!("{key}/") };
        let ListResultPage { found, is_last } = self.page(folder, &prefix, NAMES_LIMIT).await?;
        if found.objects.is_empty() && found.common_prefixes.is_empty() && !folder.is_empty() {
            return Err(Error::NotFound { path: folder.into() });
        }
        let listing = self.listing(folder, found);
        if is_last {
            return Ok(listing.sorted());
        }
        let descriptor = match listing.descriptor {
            Some(stamp) => Some(stamp),
            None => self.seek(&below(folder, DESCRIPTOR)).await?,
        };
        Ok(Listing::large(descriptor))
    }

    /// Finds the media files in `folder` whose name without extension is `stem`, and the folder of that name: one
    /// request, unless a thousand names begin with `stem`.
    pub(in crate::store) async fn find(&self, folder: &str, stem: &str) -> Result<Listing, Error> {
        let key = self.key(&below(folder, stem))?;
        let ListResultPage { found, is_last } = self.page(folder, key.as_ref(), NAMES_LIMIT).await?;
        let mut listing = self.listing(folder, found);
        if !is_last {
            listing = self.find_apart(folder, stem, &key).await?;
        }
        let is_named = |name: &str| name.rsplit_once('.').is_some_and(|(start, _)| start == stem);
        listing.media.retain(|(name, _)| is_named(name));
        listing.folders.retain(|name| name == stem);
        Ok(Listing { descriptor: None, ..listing }.sorted())
    }

    /// Like [`find`](Self::find), but with longer prefixes, or with the usual names if even those match too many.
    async fn find_apart(&self, folder: &str, stem: &str, key: &Path) -> Result<Listing, Error> {
        let (dotted, slashed) = (format!("{key}."), format!("{key}/"));
        let (files, within) =
            tokio::try_join!(self.page(folder, &dotted, NAMES_LIMIT), self.page(folder, &slashed, 1))?;
        let mut listing = Listing::default();
        if files.is_last {
            listing = self.listing(folder, files.found);
        } else {
            for name in usual_names(stem) {
                listing.media.extend(self.seek(&below(folder, &name)).await?.map(|stamp| (name, stamp)));
            }
        }
        if !within.found.objects.is_empty() || !within.found.common_prefixes.is_empty() {
            listing.folders.push(stem.into());
        }
        Ok(listing)
    }

    /// Requests up to `most` names in the store that begin with `prefix`.
    async fn page(&self, folder: &str, prefix: &str, most: usize) -> Result<ListResultPage, Error> {
        let page = match &self.skills().pages {
            Some(pages) => {
                let options = || PaginatedListOptions {
                    delimiter: Some("/".into()),
                    max_keys: Some(most),
                    ..PaginatedListOptions::default()
                };
                let ask = || pages.list_paginated(Some(prefix).filter(|prefix| !prefix.is_empty()), options());
                let listed = self.asked(ask).await;
                listed.map(|listed| ListResultPage { found: listed.result, is_last: listed.page_token.is_none() })
            }
            // A store in memory lists everything at once.
            None => self.every_page(prefix).await.map(|found| ListResultPage { found, is_last: true }),
        };
        match page {
            Ok(page) => Ok(page),
            Err(Fault::Gone) => Err(Error::NotFound { path: folder.into() }),
            Err(fault) => Err(self.failed(fault, folder)),
        }
    }

    /// All names that begin with `prefix`, by listing the whole folder that they are in.
    async fn every_page(&self, prefix: &str) -> Result<ListResult, Fault> {
        let folder = Path::from(prefix.rsplit_once('/').map_or("", |(folder, _)| folder));
        let folder = Some(&folder).filter(|folder| !folder.as_ref().is_empty());
        let mut found = self.asked(|| self.store().list_with_delimiter(folder)).await?;
        found.objects.retain(|meta| meta.location.as_ref().starts_with(prefix));
        found.common_prefixes.retain(|path| path.as_ref().starts_with(prefix));
        Ok(found)
    }

    /// The listing of `folder` that a page contains; remembers the metadata of its objects.
    fn listing(&self, folder: &str, found: ListResult) -> Listing {
        let plain = |path: &Path| path.filename().filter(|name| is_plain_name(name)).map(str::to_owned);
        let mut listing =
            Listing { folders: found.common_prefixes.iter().filter_map(plain).collect(), ..Listing::default() };
        let drafts = found.objects.iter().filter_map(|meta| Some(veiled(meta.location.filename()?)?.to_owned()));
        let drafts: Vec<String> = drafts.collect();
        for mut meta in found.objects {
            let Some(name) = plain(&meta.location) else { continue };
            if !is_media(&name) && name != DESCRIPTOR || drafts.contains(&name) {
                continue;
            }
            meta.e_tag = meta.e_tag.map(quoted);
            let stamp = self.remember(&below(folder, &name), meta);
            if name == DESCRIPTOR {
                listing.descriptor = Some(stamp);
            } else {
                listing.media.push((name, stamp));
            }
        }
        listing
    }
}

/// An entity tag with quotes, as in headers (RFC 9110 §8.8.3): Azure leaves them out of its listings.
fn quoted(tag: String) -> String {
    if tag.ends_with('"') { tag } else { format!("\"{tag}\"") }
}
