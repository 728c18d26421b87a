//! Tests of sweeps: they remove leftovers of unknown drafts, on every page of a listing.

use super::{Mortal, film, over, over_with};
use crate::store::remote::Capabilities;
use crate::store::{Leftover, Store};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::list::{PaginatedListOptions, PaginatedListResult, PaginatedListStore};
use object_store::path::Path as Key;
use object_store::{ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, Result as StoreResult};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A store over `mortal` that also lists pages.
fn over_pages(mortal: &Arc<Mortal>) -> Store {
    over_with(mortal, Capabilities { pages: Some(mortal.clone()), ..Capabilities::default() })
}

#[tokio::test]
async fn a_sweep_removes_what_is_old_and_unknown() {
    let (film, root, mortal) = (film(12_000), tempfile::tempdir().unwrap(), Mortal::well());
    for store in [over(&mortal), Store::open_folder(root.path()).unwrap()] {
        for id in ["known", "lost"] {
            let mut draft = store.draft(id, &format!("{id}.mp4"), None, "").await.unwrap();
            draft.write(Bytes::copy_from_slice(&film)).await.unwrap();
            draft.flush().await.unwrap();
        }
        let is_known = async |left: Leftover| left == Leftover::Draft("known".into());
        let (past, future) = (SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_mins(1));
        assert_eq!(store.sweep_drafts(past, is_known).await.unwrap(), 0);
        assert_eq!(store.sweep_drafts(future, is_known).await.unwrap(), 1);
        assert_eq!(store.sweep_drafts(future, is_known).await.unwrap(), 0);
        assert_eq!(store.sweep_drafts(future, async |_| false).await.unwrap(), 1);
    }
    assert_eq!(mortal.names().await, [""; 0]);
}

/// The draft whose objects come first in the listing is known.
#[tokio::test]
async fn a_sweep_finds_what_is_left_behind_many_objects_of_other_drafts() {
    let mortal = Mortal::well();
    let staged = (0..=100_000).map(|number| format!(".staging/known/{number}.x"));
    for name in staged.chain([".staging/lost/0-1.x".into()]) {
        mortal.inner.put(&Key::parse(name).unwrap(), "x".into()).await.unwrap();
    }
    let is_known = async |left: Leftover| left == Leftover::Draft("known".into());
    let future = SystemTime::now() + Duration::from_mins(1);
    assert_eq!(over(&mortal).sweep_drafts(future, is_known).await.unwrap(), 1);
}

/// Lists three names per page, from the last name of the page before on.
#[async_trait]
impl PaginatedListStore for Mortal {
    async fn list_paginated(
        &self,
        prefix: Option<&str>,
        options: PaginatedListOptions,
    ) -> StoreResult<PaginatedListResult> {
        let start = options.page_token.unwrap_or_default();
        let mut objects: Vec<ObjectMeta> = self.inner.list(None).try_collect().await?;
        let is_asked = |name: &str| name.starts_with(prefix.unwrap_or_default()) && name > start.as_str();
        objects.retain(|meta| is_asked(meta.location.as_ref()));
        let is_last = objects.len() <= 3;
        objects.truncate(3);
        let page_token = objects.last().filter(|_| !is_last).map(|meta| meta.location.to_string());
        let result =
            ListResult { objects, common_prefixes: Vec::new(), extensions: hyper::http::Extensions::default() };
        Ok(PaginatedListResult { result, page_token })
    }
}

#[tokio::test]
async fn a_sweep_removes_from_every_page_of_a_listing() {
    let mortal = Mortal::well();
    for number in 0..20 {
        let id = ["known", "lost"][number / 2 % 2];
        let name = Key::parse(format!(".staging/{id}{}/{number}.x", number / 4)).unwrap();
        mortal.inner.put(&name, "x".into()).await.unwrap();
    }
    let store = over_pages(&mortal);
    let is_known = async |left: Leftover| matches!(left, Leftover::Draft(id) if id.starts_with("known"));
    let future = SystemTime::now() + Duration::from_mins(1);
    assert_eq!(store.sweep_drafts(future, is_known).await.unwrap(), 10);
    assert!(mortal.names().await.iter().all(|name| name.starts_with(".staging/known")));
    for id in 0..5 {
        store.discard_draft(&format!("known{id}"), "a.mp4", "").await.unwrap();
    }
    assert_eq!(mortal.names().await, [""; 0]);
}
