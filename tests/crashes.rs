//! A process that is killed between two steps of an upload: what it left is made by hand, and another process goes on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what panics here fails a test")]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use afflux::catalog::{Catalog, Settings as Looking};
use afflux::ingest::{Ingest, Settings, Wanted, now, tus};
use afflux::library::{Library, NewJob, Upload, UploadState};
use afflux::media::{AssetId, Descriptor, Rendition, SCHEMA_VERSION};
use afflux::metrics::Metrics;
use afflux::plan;
use afflux::store::{Patience, Store};
use bytes::Bytes;
use futures_util::stream;
use object_store::memory::InMemory;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A process: its own catalog over what all have in common.
struct Process {
    ingest: Ingest,
    store: Store,
    library: Library,
    stop: CancellationToken,
}

/// What outlives processes.
struct World {
    root: TempDir,
    /// Instead of a folder.
    bucket: Option<Arc<InMemory>>,
}

impl World {
    fn both() -> [Self; 2] {
        [None, Some(Arc::new(InMemory::new()))].map(|bucket| Self { root: tempfile::tempdir().unwrap(), bucket })
    }

    async fn process(&self, workers: usize) -> Process {
        self.process_with(workers, Duration::from_hours(24)).await
    }

    /// A process that purges so long after a deletion.
    async fn process_with(&self, workers: usize, grace: Duration) -> Process {
        let media = self.root.path().join("media");
        std::fs::create_dir_all(&media).unwrap();
        let store = self.bucket.as_ref().map_or_else(
            || Store::open_folder(&media).unwrap(),
            |bucket| Store::over_parts(Arc::clone(bucket), Patience::default()),
        );
        let metrics = Arc::new(Metrics::new());
        let looking = Looking { settle: Duration::ZERO, ..Looking::new(plan::Settings { target_millis: 6_000 }) };
        let catalog = Catalog::new(store.clone(), looking, Arc::clone(&metrics));
        let library =
            Library::open(&format!("sqlite:{}", self.root.path().join("library.db").display())).await.unwrap();
        let settings = Settings {
            largest: 1 << 30,
            quota: 0,
            expires: Duration::from_hours(24),
            grace,
            import_hosts: Vec::new(),
            workers,
            lease: Duration::from_secs(1),
            transcoder: None,
        };
        let stop = CancellationToken::new();
        let ingest = Ingest::new((catalog, library.clone()), settings, metrics, stop.clone());
        ingest.begin();
        Process { ingest, store, library, stop }
    }
}

fn film() -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media/natural/352p.mp4");
    std::fs::read(path).unwrap().into()
}

fn path(row: &Upload) -> String {
    format!("{}/{}", row.asset, row.file)
}

fn job(row: &Upload) -> NewJob {
    NewJob {
        id: format!("job of {}", row.id),
        kind: "finish".into(),
        subject: row.id.clone(),
        payload: String::new(),
        priority: 0,
        dedupe: None,
        max_attempts: 9,
        run_at: now(),
    }
}

impl Process {
    async fn begun(&self) -> Upload {
        let length = Some(film().len() as u64);
        let wanted = Wanted { asset: Some("night"), filename: Some("night.mp4"), length, ..Wanted::default() };
        self.ingest.create(wanted).await.unwrap()
    }

    async fn append(&self, row: &Upload, bytes: Bytes) -> Upload {
        let offset = self.ingest.upload(&row.id).await.unwrap().offset;
        let brought = tus::Bytes { offset, count: Some(bytes.len() as u64), checksum: None, length: None };
        let body = Box::pin(stream::iter([Ok::<_, Infallible>(bytes)]));
        self.ingest.append(&row.id, brought, body).await.unwrap()
    }

    /// An upload of which every byte is durable, and the row says so.
    async fn received(&self) -> Upload {
        let row = self.begun().await;
        let row = self.library.take_upload(&row.id, now()).await.unwrap().unwrap();
        let mut draft = self.store.draft(&row.id, &path(&row), row.length, "").await.unwrap();
        draft.write(film()).await.unwrap();
        let saved = draft.flush().await.unwrap();
        let (offset, done) = (draft.durable(), job(&row));
        drop(draft);
        assert!(self.library.receive_upload(&row.id, row.epoch, offset, &saved, &done, now()).await.unwrap().is_some());
        self.ingest.upload(&row.id).await.unwrap()
    }

    /// What holds whatever was broken: published once, whole, and nothing is left over.
    async fn holds(&self, row: &Upload) {
        let ended = self.ingest.settled(&row.id).await.unwrap();
        assert_eq!((ended.state, ended.reason), (UploadState::Published, None));
        let asset = self.ingest.catalog().open(&AssetId::new("night").unwrap()).await.unwrap();
        assert_eq!(asset.files.len(), 1);
        let size = asset.files[0].object.size();
        let whole = afflux::media::ByteRange::new(0, size).unwrap();
        assert!(asset.files[0].object.read(whole).await.unwrap() == film());
        let text = self.store.get("night/asset.json", 1 << 20).await.unwrap().unwrap();
        assert_eq!(Descriptor::parse(&text).unwrap().renditions.len(), 1);
        assert_eq!(self.store.sweep_drafts(std::time::SystemTime::now(), |_| async { false }).await.unwrap(), 0);
    }

    fn killed(self) {
        self.stop.cancel();
    }
}

#[tokio::test]
async fn after_bytes_were_made_durable_before_the_row_said_so() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.begun().await;
        first.append(&row, film().slice(..500_000)).await;
        let row = first.library.take_upload(&row.id, now()).await.unwrap().unwrap();
        let mut draft = first.store.draft(&row.id, &path(&row), row.length, &row.saved).await.unwrap();
        draft.write(film().slice(500_000..900_000)).await.unwrap();
        draft.flush().await.unwrap();
        drop(draft);
        first.killed();
        let second = world.process(1).await;
        assert_eq!(second.ingest.upload(&row.id).await.unwrap().offset, 500_000);
        second.append(&row, film().slice(500_000..)).await;
        second.holds(&row).await;
    }
}

#[tokio::test]
async fn after_the_last_row_before_anything_was_published() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.received().await;
        assert_eq!(row.state, UploadState::Received);
        first.killed();
        world.process(1).await.holds(&row).await;
    }
}

#[tokio::test]
async fn after_the_file_was_put_in_its_place_before_it_was_described() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.received().await;
        let nothing = Descriptor { version: SCHEMA_VERSION, title: None, reference: None, renditions: Vec::new() };
        first.store.put("night/asset.json", nothing.print().into()).await.unwrap();
        let draft = first.store.draft(&row.id, &path(&row), row.length, &row.saved).await.unwrap();
        draft.finish().await.unwrap();
        // Nobody sees it yet.
        let id = AssetId::new("night").unwrap();
        assert!(matches!(first.ingest.catalog().open(&id).await, Err(afflux::catalog::Error::NotFound)));
        first.killed();
        world.process(1).await.holds(&row).await;
    }
}

#[tokio::test]
async fn after_it_was_described_before_the_row_said_so() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.received().await;
        let draft = first.store.draft(&row.id, &path(&row), row.length, &row.saved).await.unwrap();
        draft.finish().await.unwrap();
        let file =
            Rendition { file: row.file.clone(), name: Some("night".into()), size: row.length, tracks: Vec::new() };
        let reference = Some(row.file.clone());
        let told = Descriptor { version: SCHEMA_VERSION, title: None, reference, renditions: vec![file] };
        first.store.put("night/asset.json", told.print().into()).await.unwrap();
        first.killed();
        world.process(1).await.holds(&row).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_a_job_of_which_the_lease_runs_out() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.received().await;
        let lease = Duration::from_millis(300);
        let taken = first.library.claim_job("killed", &["finish"], lease, now()).await.unwrap();
        assert_eq!(taken.unwrap().subject, row.id);
        // It held the name, too.
        let held = format!("job of {}", row.id);
        assert!(first.library.lock_asset("night", &held, now() + 60_000, now()).await.unwrap());
        first.killed();
        world.process(1).await.holds(&row).await;
    }
}

#[tokio::test]
async fn no_row_tells_a_client_of_all_bytes_before_what_follows_is_certain() {
    for world in World::both() {
        let process = world.process(0).await;
        let row = process.begun().await;
        let (ingest, id, length) = (process.ingest.clone(), row.id.clone(), film().len() as u64);
        let brought = tus::Bytes { offset: 0, count: Some(length), checksum: None, length: None };
        let body = Box::pin(stream::iter([Ok::<_, Infallible>(film())]));
        let bringing = tokio::spawn(async move { ingest.append(&id, brought, body).await });
        // Killed at any of these moments, a client that asks how much is there would come again.
        loop {
            let seen = process.ingest.upload(&row.id).await.unwrap();
            if seen.state != UploadState::Receiving {
                break;
            }
            assert!(seen.offset < length, "all of {length} bytes are told of, and nothing will publish them");
        }
        process.killed();
        bringing.await.unwrap().unwrap();
        world.process(1).await.holds(&row).await;
    }
}

/// Waits until nothing is stored of `row`.
async fn purged(process: &Process, row: &Upload) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while process.store.seek(&path(row)).await.unwrap().is_some() {
        assert!(tokio::time::Instant::now() < patience, "it is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn in_the_middle_of_a_deletion_and_what_is_deleted_twice_is_purged() {
    for world in World::both() {
        let first = world.process_with(1, Duration::from_secs(2)).await;
        let row = first.received().await;
        first.holds(&row).await;
        let id = AssetId::new("night").unwrap();
        first.ingest.delete(&id).await.unwrap();
        first.ingest.restore(&id).await.unwrap();
        // Its row says that it is deleted, and nothing was done yet.
        let told = first.ingest.delete(&id).await.unwrap();
        let published = Rendition { file: row.file.clone(), name: None, size: row.length, tracks: Vec::new() };
        let again = Descriptor { version: SCHEMA_VERSION, title: None, reference: None, renditions: vec![published] };
        first.store.put("night/asset.json", again.print().into()).await.unwrap();
        first.ingest.catalog().renewed(&id).await.unwrap();
        first.killed();
        let second = world.process_with(1, Duration::from_secs(2)).await;
        assert_eq!(second.ingest.delete(&id).await.unwrap().purge_at, told.purge_at);
        assert!(matches!(second.ingest.catalog().open(&id).await, Err(afflux::catalog::Error::NotFound)));
        purged(&second, &row).await;
    }
}

#[tokio::test]
async fn what_somebody_puts_into_the_store_is_listed() {
    for world in World::both() {
        let process = world.process(0).await;
        process.store.put("mine.mp4", film()).await.unwrap();
        let taking = world.process(1).await;
        let patience = tokio::time::Instant::now() + Duration::from_secs(20);
        while taking.library.asset("mine").await.unwrap().is_none() {
            assert!(tokio::time::Instant::now() < patience, "nobody tells of it");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(taking.library.asset("mine").await.unwrap().unwrap().bytes, film().len() as u64);
    }
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires_and_leaves_nothing() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.begun().await;
        first.append(&row, film().slice(..500_000)).await;
        first.ingest.terminate(&row.id).await.unwrap();
        assert!(first.ingest.upload(&row.id).await.is_err());
        assert_eq!(first.store.sweep_drafts(std::time::SystemTime::now(), |_| async { false }).await.unwrap(), 0);
        assert!(first.store.get("night/asset.json", 1 << 20).await.unwrap().is_none());
    }
}
