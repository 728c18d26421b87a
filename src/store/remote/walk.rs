//! Lists all names in an object store, page by page, and sorts them into folders.

use super::client::Remote;
use super::fault::Fault;
use crate::media::DESCRIPTOR;
use crate::store::error::Error;
use crate::store::name::{below, is_hidden, is_media, is_plain, veiled};
use crate::store::walk::{BYTES_LIMIT, FOLDERS_LIMIT, NAME_BYTES, StillWanted, StoreFolders, WalkedFolder};
use futures_util::StreamExt;
use object_store::list::PaginatedListOptions;
use object_store::path::Path as Key;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

impl Remote {
    /// Lists all names, page by page.
    pub(in crate::store) async fn walk(&self, wanted: &StillWanted) -> Result<StoreFolders, Error> {
        let mut found = FolderCollector::default();
        let prefix = self.key("")?;
        let Some(pages) = &self.skills().pages else { return self.walk_at_once(&prefix, wanted).await };
        let prefix = if prefix.as_ref().is_empty() { None } else { Some(format!("{prefix}/")) };
        let mut page_token = None;
        loop {
            if !wanted() {
                return Err(Error::Abandoned { path: String::new() });
            }
            let options = || PaginatedListOptions { page_token: page_token.clone(), ..PaginatedListOptions::default() };
            let page = self.asked(|| pages.list_paginated(prefix.as_deref(), options())).await;
            let page = page.map_err(|fault| self.failed(fault, ""))?;
            page.result.objects.iter().for_each(|meta| found.add(self.inner(&meta.location)));
            page_token = page.page_token;
            if page_token.is_none() || found.is_full() {
                return Ok(found.part());
            }
        }
    }

    /// Lists all names of a store without paged listings: one in memory.
    async fn walk_at_once(&self, prefix: &Key, wanted: &StillWanted) -> Result<StoreFolders, Error> {
        let prefix = Some(prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let mut found = FolderCollector::default();
        let mut objects = self.store().list(prefix);
        while let Some(meta) = objects.next().await {
            if !wanted() {
                return Err(Error::Abandoned { path: String::new() });
            }
            let meta = meta.map_err(|error| self.failed(Fault::of(&error), ""))?;
            found.add(self.inner(&meta.location));
            if found.is_full() {
                break;
            }
        }
        Ok(found.part())
    }
}

/// Folders of an object store, collected from the names of its objects.
#[derive(Default)]
struct FolderCollector {
    folders: BTreeMap<String, WalkedFolder>,
    /// Paths of objects that are still hidden.
    drafts: HashSet<String>,
    bytes: usize,
}

impl FolderCollector {
    fn add(&mut self, path: &str) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if let Some(draft) = veiled(name) {
            self.drafts.insert(below(folder, draft));
        }
        if is_hidden(name.as_bytes()) || !is_plain(path) {
            return;
        }
        self.bytes = self.bytes.saturating_add(name.len() + NAME_BYTES);
        let here = self.folders.entry(folder.to_owned()).or_default();
        if name == DESCRIPTOR {
            here.described = true;
        } else if is_media(name) {
            here.media.push(name.to_owned());
        } else {
            here.ignore(name);
        }
    }

    fn is_full(&self) -> bool {
        self.folders.len() >= FOLDERS_LIMIT || self.bytes >= BYTES_LIMIT
    }

    fn part(self) -> StoreFolders {
        let mut part = StoreFolders::new();
        part.is_whole = !self.is_full();
        for (folder, mut walked) in self.folders {
            if !self.drafts.is_empty() {
                walked.media.retain(|name| !self.drafts.contains(&below(&folder, name)));
            }
            if !part.add(folder, Arc::new(walked.sorted())) {
                break;
            }
        }
        part
    }
}
