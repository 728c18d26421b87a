//! Laws of drafts: whatever happens in between, the object has exactly the accepted bytes, and nothing else is left.

mod sweeps;

use super::Draft;
use crate::media::{u64_from_usize, usize_from_u64};
use crate::store::backend::Backend;
use crate::store::remote::Blocks;
use crate::store::remote::Capabilities;
use crate::store::remote::{Remote, RemoteSettings, RemoteTimeouts};
use crate::store::tree::Mount;
use crate::store::{Error, Store};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartId, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as StoreResult,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Runtime;

const PART: u64 = 10_000;

const ID: &str = "01draft";
const PATH: &str = "films/night/original.mp4";

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It does not arrive.
    Before,
    /// It arrives, but its answer is lost.
    After,
}

/// A store in memory in which one request fails, and which counts its uploads.
#[derive(Debug)]
struct Mortal {
    inner: InMemory,
    /// Requests until the one that fails.
    left: AtomicI64,
    fate: Fate,
    /// How many fail in a row, and the message.
    fails: i64,
    why: &'static str,
    uploads: Mutex<BTreeSet<String>>,
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mortal:")
    }
}

impl Mortal {
    fn new(left: i64, fate: Fate) -> Self {
        let why = "<Code>AccessDenied</Code><Message>no</Message>";
        Self { inner: InMemory::new(), left: left.into(), fate, fails: 1, why, uploads: Mutex::default() }
    }

    fn well() -> Arc<Self> {
        Arc::new(Self::new(i64::MAX, Fate::Before))
    }

    async fn pass<T>(&self, done: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        let left = self.left.fetch_sub(1, Ordering::Relaxed);
        let fails = left <= 0 && left > -self.fails;
        let failed = || object_store::Error::Generic { store: "mortal", source: self.why.to_owned().into() };
        match self.fate {
            Fate::Before if fails => Err(failed()),
            Fate::After if fails => done.await.and_then(|_| Err(failed())),
            Fate::Before | Fate::After => done.await,
        }
    }

    /// Names of all objects.
    async fn names(&self) -> Vec<String> {
        let all = self.inner.list(None);
        let mut names: Vec<String> = all.map(|meta| meta.unwrap().location.to_string()).collect().await;
        names.sort_unstable();
        names
    }

    async fn bytes(&self, name: &str) -> Vec<u8> {
        self.inner.get(&Key::parse(name).unwrap()).await.unwrap().bytes().await.unwrap().to_vec()
    }

    fn uploads(&self) -> usize {
        self.uploads.lock().unwrap().len()
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, key: &Key, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.pass(self.inner.put_opts(key, payload, options)).await
    }
    async fn put_multipart_opts(
        &self,
        key: &Key,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(key, options).await
    }
    async fn get_opts(&self, key: &Key, options: GetOptions) -> StoreResult<GetResult> {
        self.pass(self.inner.get_opts(key, options)).await
    }
    fn delete_stream(&self, keys: BoxStream<'static, StoreResult<Key>>) -> BoxStream<'static, StoreResult<Key>> {
        self.inner.delete_stream(keys)
    }
    fn list(&self, prefix: Option<&Key>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Key>) -> StoreResult<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Key, to: &Key, options: CopyOptions) -> StoreResult<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[async_trait]
impl MultipartStore for Mortal {
    async fn create_multipart(&self, key: &Key) -> StoreResult<MultipartId> {
        self.pass(async {
            let id = self.inner.create_multipart(key).await?;
            self.uploads.lock().unwrap().insert(id.clone());
            Ok(id)
        })
        .await
    }
    async fn put_part(&self, key: &Key, id: &MultipartId, number: usize, bytes: PutPayload) -> StoreResult<PartId> {
        self.pass(self.inner.put_part(key, id, number, bytes)).await
    }
    async fn complete_multipart(&self, key: &Key, id: &MultipartId, parts: Vec<PartId>) -> StoreResult<PutResult> {
        self.pass(async {
            let put = self.inner.complete_multipart(key, id, parts).await?;
            self.uploads.lock().unwrap().remove(id);
            Ok(put)
        })
        .await
    }
    async fn abort_multipart(&self, key: &Key, id: &MultipartId) -> StoreResult<()> {
        self.pass(async {
            self.inner.abort_multipart(key, id).await?;
            self.uploads.lock().unwrap().remove(id);
            Ok(())
        })
        .await
    }
}

/// A store over `mortal`, with small parts.
fn over(mortal: &Arc<Mortal>) -> Store {
    over_with(mortal, Capabilities::default())
}

fn over_with(mortal: &Arc<Mortal>, capabilities: Capabilities) -> Store {
    let patience = RemoteTimeouts { timeout: Duration::from_secs(2) };
    let address = RemoteSettings { name: "mortal:".into(), root: String::new(), number: 0, lists: true, patience };
    let capabilities = Capabilities { part: PART, parts: Some(mortal.clone()), ..capabilities };
    let remote = Remote::new(mortal.clone(), address, Blocks::new(0, Arc::default())).with(capabilities);
    Store::of(vec![Mount { prefix: String::new(), backends: vec![Backend::Remote(Arc::new(remote))] }])
}

fn film(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at.wrapping_mul(2_654_435_761) / 65_536 % 251).unwrap()).collect()
}

/// Actions of a caller, and accidents.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Write(usize),
    Flush,
    /// The process dies: everything that was not saved is lost.
    Die,
}

/// A caller with its row.
struct Caller<'a> {
    store: &'a Store,
    film: &'a [u8],
    length: Option<u64>,
    saved: String,
    durable: u64,
}

impl Caller<'_> {
    async fn open(&self) -> Result<Draft, Error> {
        let draft = self.store.draft(ID, PATH, self.length, &self.saved).await?;
        assert!(draft.durable() == self.durable || draft.durable() == u64_from_usize(self.film.len()));
        Ok(draft)
    }

    fn keep(&mut self, draft: &mut Draft, saved: String) {
        assert!(draft.durable() >= self.durable, "the number of durable bytes must not shrink");
        (self.saved, self.durable) = (saved, draft.durable());
        draft.kept();
    }

    async fn write(&mut self, draft: &mut Draft, len: usize) -> Result<(), Error> {
        let from = usize_from_u64(draft.taken());
        let bytes = Bytes::copy_from_slice(&self.film[from..self.film.len().min(from + len)]);
        if let Some(saved) = draft.write(bytes).await? {
            self.keep(draft, saved);
        }
        Ok(())
    }

    async fn flush(&mut self, draft: &mut Draft) -> Result<(), Error> {
        let saved = draft.flush().await?;
        assert_eq!(draft.durable(), draft.taken());
        self.keep(draft, saved);
        Ok(())
    }

    /// Does all `deeds`, then writes the rest and finishes the draft.
    async fn live(&mut self, deeds: &[Deed]) -> Result<(), Error> {
        let mut draft = self.open().await?;
        for deed in deeds {
            match *deed {
                Deed::Write(len) => self.write(&mut draft, len).await?,
                Deed::Flush => self.flush(&mut draft).await?,
                Deed::Die => {
                    drop(draft);
                    draft = self.open().await?;
                }
            }
        }
        while draft.taken() < u64_from_usize(self.film.len()) {
            self.write(&mut draft, 7_001).await?;
        }
        if self.durable < draft.taken() || self.saved.is_empty() {
            self.flush(&mut draft).await?;
        }
        draft.finish().await
    }
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        5 => (0_usize..30_000).prop_map(Deed::Write),
        2 => Just(Deed::Flush),
        1 => Just(Deed::Die),
    ];
    prop::collection::vec(deed, 0..24)
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_appears_in_an_object_store_is_what_was_taken(len in 0_usize..100_000, known: bool, deeds in deeds()) {
        let (mortal, film) = (Mortal::well(), film(len));
        let (store, length) = (over(&mortal), known.then(|| u64_from_usize(len)));
        runtime().block_on(async {
            let mut caller = Caller { store: &store, film: &film, length, saved: String::new(), durable: 0 };
            caller.live(&deeds).await.unwrap();
            assert_eq!(mortal.names().await, [PATH]);
            assert!(mortal.bytes(PATH).await == film);
            // A caller that died before it recorded the end finishes the draft again.
            caller.open().await.unwrap().finish().await.unwrap();
            assert_eq!((mortal.names().await, mortal.uploads()), (vec![PATH.to_owned()], 0));
            assert!(mortal.bytes(PATH).await == film);
        });
    }

    #[test]
    fn what_appears_in_a_folder_is_what_was_taken(len in 0_usize..100_000, known: bool, deeds in deeds()) {
        let (root, film) = (tempfile::tempdir().unwrap(), film(len));
        let (store, length) = (Store::open_folder(root.path()).unwrap(), known.then(|| u64_from_usize(len)));
        runtime().block_on(async {
            let mut caller = Caller { store: &store, film: &film, length, saved: String::new(), durable: 0 };
            caller.live(&deeds).await.unwrap();
            assert!(std::fs::read(root.path().join(PATH)).unwrap() == film);
            let again = caller.open().await.unwrap();
            assert_eq!(again.durable(), u64_from_usize(len));
            again.finish().await.unwrap();
            assert!(is_empty(&root.path().join(".staging")));
        });
    }
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

#[tokio::test]
async fn a_crash_at_any_request_loses_nothing_and_leaves_nothing() {
    let film = film(47_000);
    let deeds = [Deed::Write(3_000), Deed::Flush, Deed::Write(16_000), Deed::Flush, Deed::Write(2_000), Deed::Die];
    for (known, fate) in [(true, Fate::Before), (true, Fate::After), (false, Fate::Before), (false, Fate::After)] {
        for at in 0..i64::MAX {
            let mortal = Arc::new(Mortal::new(at, fate));
            let (store, length) = (over(&mortal), known.then(|| u64_from_usize(film.len())));
            let mut caller = Caller { store: &store, film: &film, length, saved: String::new(), durable: 0 };
            let mut lives = 1;
            while let Err(error) = caller.live(&deeds).await {
                assert!(matches!(error, Error::Refused { .. }) && lives == 1, "request {at}: {error}");
                lives += 1;
            }
            // An upload without a row: S3 would list it by its path, the store in memory does not.
            assert!(mortal.bytes(PATH).await == film, "request {at} {fate:?}");
            assert_eq!(mortal.names().await, [PATH], "request {at} {fate:?}");
            assert!(mortal.uploads() <= 1, "request {at} {fate:?}");
            if mortal.left.load(Ordering::Relaxed) > 0 {
                assert!(at > 8, "{at} requests");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_is_slow_is_waited_for_and_one_that_is_away_is_no_end() {
    let film = film(25_000);
    let slow = "<Code>SlowDown</Code><Message>Please reduce your request rate.</Message>";
    let mortal = Arc::new(Mortal { fails: 2, why: slow, ..Mortal::new(1, Fate::Before) });
    let store = over(&mortal);
    let mut caller = Caller { store: &store, film: &film, length: None, saved: String::new(), durable: 0 };
    caller.live(&[]).await.unwrap();
    assert!(mortal.bytes(PATH).await == film);

    let mortal = Arc::new(Mortal { fails: 9, why: "connection refused", ..Mortal::new(0, Fate::Before) });
    let store = over(&mortal);
    let mut draft = store.draft(ID, PATH, None, "").await.unwrap();
    // A failure to send a full part is not reported: all bytes were accepted.
    assert_eq!(draft.write(Bytes::copy_from_slice(&film[..10_000])).await.unwrap(), None);
    let error = draft.write(Bytes::copy_from_slice(&film[10_000..])).await.unwrap_err();
    assert!(matches!(error, Error::Away { .. }), "{error}");
    assert_eq!((draft.taken(), draft.durable()), (10_000, 0));
    mortal.left.store(i64::MAX, Ordering::Relaxed);
    assert!(draft.write(Bytes::copy_from_slice(&film[10_000..])).await.unwrap().is_some());
    draft.flush().await.unwrap();
    draft.finish().await.unwrap();
    assert!(mortal.bytes(PATH).await == film);
}

#[tokio::test]
async fn what_a_caller_did_not_keep_does_not_count() {
    let film = film(30_000);
    let mortal = Mortal::well();
    let store = over(&mortal);
    let mut caller = Caller { store: &store, film: &film, length: None, saved: String::new(), durable: 0 };
    let mut draft = caller.open().await.unwrap();
    caller.write(&mut draft, 4_000).await.unwrap();
    caller.flush(&mut draft).await.unwrap();
    // The checksum of the next bytes is wrong, but parts and tails are built from them before that is known.
    let wrong = Bytes::from(vec![255; 17_000]);
    assert!(draft.write(wrong.clone()).await.unwrap().is_some());
    draft.flush().await.unwrap();
    assert!(draft.write(wrong).await.unwrap().is_some());
    drop(draft);
    caller.live(&[]).await.unwrap();
    assert!(mortal.bytes(PATH).await == film);
    assert_eq!((mortal.names().await, mortal.uploads()), (vec![PATH.to_owned()], 1), "only S3 lists uploads");
}

#[tokio::test]
async fn a_writer_that_was_replaced_spoils_nothing() {
    let film = film(28_000);
    let mortal = Mortal::well();
    let store = over(&mortal);
    let mut caller = Caller { store: &store, film: &film, length: None, saved: String::new(), durable: 0 };
    let mut old = caller.open().await.unwrap();
    caller.write(&mut old, 13_000).await.unwrap();
    caller.flush(&mut old).await.unwrap();
    let mut new = caller.open().await.unwrap();
    // The old writer continues for a while; nobody stores its texts.
    old.write(Bytes::copy_from_slice(&film[13_000..21_000])).await.unwrap();
    old.flush().await.unwrap();
    caller.write(&mut new, 9_000).await.unwrap();
    caller.flush(&mut new).await.unwrap();
    old.write(Bytes::copy_from_slice(&film[21_000..22_000])).await.unwrap();
    old.flush().await.unwrap();
    drop(new);
    caller.live(&[]).await.unwrap();
    assert!(mortal.bytes(PATH).await == film);
    assert_eq!((mortal.names().await, mortal.uploads()), (vec![PATH.to_owned()], 0));
}

#[tokio::test]
async fn a_draft_that_is_given_up_leaves_nothing() {
    let (film, root, mortal) = (film(28_000), tempfile::tempdir().unwrap(), Mortal::well());
    for store in [over(&mortal), Store::open_folder(root.path()).unwrap()] {
        let mut caller = Caller { store: &store, film: &film, length: None, saved: String::new(), durable: 0 };
        for _ in 0..2 {
            let mut draft = caller.open().await.unwrap();
            caller.write(&mut draft, 9_000).await.unwrap();
            caller.flush(&mut draft).await.unwrap();
        }
        for _ in 0..2 {
            store.discard_draft(ID, PATH, &caller.saved).await.unwrap();
        }
        let lost = caller.open().await.map(|_| ()).unwrap_err();
        assert!(matches!(lost, Error::Lost { .. }), "{lost}");
        assert_eq!((mortal.names().await, mortal.uploads()), (vec![], 0));
        assert!(is_empty(&root.path().join(".staging")));
    }
}

#[tokio::test]
async fn what_is_no_state_of_this_draft_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = Store::open_folder(root.path()).unwrap();
    let far = over(&Mortal::well());
    for (store, saved) in [(&folder, r#"{"parts":{}}"#), (&far, r#"{"file":{"durable":0}}"#), (&far, "nonsense")] {
        let error = store.draft(ID, PATH, None, saved).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
    for (id, path) in [("", PATH), ("a/b", PATH), (".a", PATH), (ID, "../a"), (ID, ".staging/a"), (ID, "")] {
        for store in [&folder, &far] {
            let error = store.draft(id, path, None, "").await.unwrap_err();
            assert!(matches!(error, Error::ReadOnly { .. }), "{id} {path}: {error}");
        }
    }
    let short = folder.draft(ID, PATH, Some(5), "").await.unwrap();
    assert!(matches!(short.finish().await, Err(Error::Truncated { end: 5, .. })));
    // A store without multipart uploads.
    let plain = Store::over(Arc::new(InMemory::new()));
    let error = plain.draft(ID, PATH, None, "").await.unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }) && plain.check_writable(PATH).is_err(), "{error}");
    assert!(folder.check_writable(PATH).is_ok() && far.check_writable(PATH).is_ok());
}
