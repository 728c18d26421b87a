//! Kills a process between two steps of an upload: the test makes the leftovers by hand, and another process goes on.
//! Also tests other users of the same store: no upload, deletion or purge touches files that it was not meant for.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]

use afflux::catalog::{Catalog, Settings as Looking};
use afflux::ingest::{Ingest, IngestStores, Settings, UploadRequest, now, tus};
use afflux::library::{JobKind, JobLease, JobState, Library, NewJob, Upload, UploadState};
use afflux::media::{AssetId, Descriptor, Details, Rendition, SCHEMA_VERSION};
use afflux::metrics::Metrics;
use afflux::plan;
use afflux::store::{RemoteTimeouts, Store};
use bytes::Bytes;
use futures_util::stream;
use object_store::memory::InMemory;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A process with its own catalog over the shared store and library.
struct Process {
    ingest: Ingest,
    store: Store,
    library: Library,
    stop: CancellationToken,
}

/// Store and library, which outlive processes.
struct World {
    root: TempDir,
    /// Bucket to use instead of a folder.
    bucket: Option<Arc<InMemory>>,
}

impl World {
    fn both() -> [Self; 2] {
        [None, Some(Arc::new(InMemory::new()))].map(|bucket| Self { root: tempfile::tempdir().unwrap(), bucket })
    }

    async fn process(&self, workers: usize) -> Process {
        self.process_with(workers, Duration::from_hours(24)).await
    }

    /// A process with the grace period `grace`.
    async fn process_with(&self, workers: usize, grace: Duration) -> Process {
        let media = self.root.path().join("media");
        std::fs::create_dir_all(&media).unwrap();
        let store = self.bucket.as_ref().map_or_else(
            || Store::open_folder(&media).unwrap(),
            |bucket| Store::over_parts(Arc::clone(bucket), RemoteTimeouts::default()),
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
            on_conflict: afflux::config::OnConflict::Keep,
            import_hosts: Vec::new(),
            workers,
            lease: Duration::from_secs(1),
            trial: None,
            transcoder: None,
        };
        let stop = CancellationToken::new();
        let ingest = Ingest::new(IngestStores { catalog, library: library.clone() }, settings, metrics, stop.clone());
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
    job_of(&row.id)
}

fn job_of(subject: &str) -> NewJob {
    NewJob {
        id: format!("job of {subject}"),
        kind: JobKind::Finish,
        subject: subject.into(),
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
        let wanted =
            UploadRequest { asset: Some("night"), filename: Some("night.mp4"), length, ..UploadRequest::default() };
        self.ingest.create(wanted).await.unwrap()
    }

    async fn append(&self, row: &Upload, bytes: Bytes) -> Upload {
        let offset = self.ingest.upload(&row.id).await.unwrap().offset;
        let brought = tus::Bytes { offset, count: Some(bytes.len() as u64), checksum: None, length: None };
        let body = Box::pin(stream::iter([Ok::<_, Infallible>(bytes)]));
        self.ingest.append(&row.id, brought, body).await.unwrap()
    }

    /// An upload whose bytes are all durable and whose row reports that.
    async fn received(&self) -> Upload {
        let row = self.begun().await;
        let row = self.library.take_upload(&row.id, now()).await.unwrap().unwrap();
        let mut draft = self.store.draft(&row.id, &path(&row), row.length, "").await.unwrap();
        draft.write(film()).await.unwrap();
        let saved = draft.flush().await.unwrap();
        let (offset, done) = (draft.durable(), job(&row));
        drop(draft);
        let whole = Upload { offset, saved, ..row.clone() };
        assert!(self.library.receive_upload(&whole, &done, now()).await.unwrap().is_some());
        self.ingest.upload(&row.id).await.unwrap()
    }

    /// Checks the outcome that must hold after any crash: published once, whole, with nothing left over.
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
        first.store.hide(&path(&row)).await.unwrap();
        let draft = first.store.draft(&row.id, &path(&row), row.length, &row.saved).await.unwrap();
        draft.finish().await.unwrap();
        // Viewers do not see it yet.
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
        let told = Descriptor {
            version: SCHEMA_VERSION,
            title: None,
            details: Details::default(),
            reference,
            renditions: vec![file],
        };
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
        let taken = first.library.claim_job("killed", &[JobKind::Finish], lease, now()).await.unwrap();
        assert_eq!(taken.unwrap().subject, row.id);
        // The killed process held the asset name, too.
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
        // If the process were killed at any of these moments, a client that asks for the offset would send the rest.
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

/// Waits until no bytes of `row` are stored.
async fn purged(process: &Process, row: &Upload) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(20);
    while process.store.seek(&path(row)).await.unwrap().is_some() {
        assert!(tokio::time::Instant::now() < patience, "the upload is still stored after 20 s");
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
        // Its row is marked deleted, but no further step was done.
        let told = first.ingest.delete(&id).await.unwrap();
        let published = Rendition { file: row.file.clone(), name: None, size: row.length, tracks: Vec::new() };
        let again = Descriptor {
            version: SCHEMA_VERSION,
            title: None,
            details: Details::default(),
            reference: None,
            renditions: vec![published],
        };
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
            assert!(tokio::time::Instant::now() < patience, "the asset is not listed");
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

/// Another film than [`film`].
fn other_film() -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media/barcode/180p.mp4");
    std::fs::read(path).unwrap().into()
}

impl Process {
    async fn plays(&self, asset: &str) -> bool {
        self.ingest.catalog().renewed(&AssetId::new(asset).unwrap()).await.is_ok()
    }

    async fn stored(&self, path: &str) -> Option<Bytes> {
        self.store.get(path, 1 << 30).await.unwrap()
    }

    async fn done(&self, job: &str) {
        self.wait(job, async || self.library.job(job).await.unwrap().unwrap().state == JobState::Done).await;
    }

    async fn until(&self, row: &Upload, state: UploadState) {
        self.wait(&row.id, async || self.ingest.upload(&row.id).await.unwrap().state == state).await;
    }

    /// Waits until a discard job is done.
    async fn discarded(&self) {
        let jobs = async || self.library.jobs(Some(JobState::Done), Some("discard"), None, 9).await.unwrap();
        self.wait("the discard", async || !jobs().await.is_empty()).await;
    }

    async fn wait(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let patience = tokio::time::Instant::now() + Duration::from_secs(20);
        while !holds().await {
            assert!(tokio::time::Instant::now() < patience, "{what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until `asset` is no longer listed as deleted.
    async fn settled(&self, asset: &str) {
        let patience = tokio::time::Instant::now() + Duration::from_secs(20);
        while self.library.asset(asset).await.unwrap().is_some_and(|row| row.deleted.is_some()) {
            assert!(tokio::time::Instant::now() < patience, "{asset} is still deleted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn conflict<T>(result: Result<T, afflux::ingest::Error>) -> String {
    match result {
        Err(afflux::ingest::Error::Conflict(why)) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it succeeded, expected a conflict"),
    }
}

const GRACE: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn a_film_put_in_the_place_of_a_deleted_one_is_kept_when_the_grace_ends() {
    for world in World::both() {
        for put_again in [other_film(), film()] {
            let process = world.process_with(1, GRACE).await;
            process.store.put("night.mp4", film()).await.unwrap();
            let id = AssetId::new("night").unwrap();
            process.ingest.delete(&id).await.unwrap();
            assert!(!process.plays("night").await);
            process.store.put("night.mp4", put_again.clone()).await.unwrap();
            process.settled("night").await;
            assert_eq!(process.stored("night.mp4").await.as_ref(), Some(&put_again));
            assert!(process.plays("night").await && process.stored("night/asset.json").await.is_none());
            process.killed();
        }
    }
}

#[tokio::test]
async fn a_deleted_film_that_nobody_touched_is_removed_when_the_grace_ends() {
    for world in World::both() {
        let process = world.process_with(1, GRACE).await;
        process.store.put("night.mp4", film()).await.unwrap();
        process.ingest.delete(&AssetId::new("night").unwrap()).await.unwrap();
        process.settled("night").await;
        assert!(process.stored("night.mp4").await.is_none() && process.stored("night/asset.json").await.is_none());
    }
}

#[tokio::test]
async fn a_deletion_whose_film_was_replaced_cannot_be_undone_and_the_new_film_plays() {
    for world in World::both() {
        let process = world.process(0).await;
        process.store.put("night.mp4", film()).await.unwrap();
        let id = AssetId::new("night").unwrap();
        process.ingest.delete(&id).await.unwrap();
        process.store.put("night.mp4", other_film()).await.unwrap();
        let why = conflict(process.ingest.restore(&id).await);
        assert!(why.contains("cannot be had back"), "{why}");
        assert!(process.plays("night").await);
        // A deletion of the new film deletes the new film.
        process.ingest.delete(&id).await.unwrap();
        assert!(!process.plays("night").await);
        process.ingest.restore(&id).await.unwrap();
        assert_eq!(process.stored("night.mp4").await, Some(other_film()));
        assert!(process.plays("night").await);
    }
}

#[tokio::test]
async fn an_asset_json_that_somebody_wrote_after_a_deletion_stays_with_its_files() {
    for world in World::both() {
        let process = world.process_with(1, GRACE).await;
        let row = process.received().await;
        process.holds(&row).await;
        let id = AssetId::new("night").unwrap();
        process.ingest.delete(&id).await.unwrap();
        process.store.put("night/mine.mp4", other_film()).await.unwrap();
        let told = br#"{"version":1,"renditions":[{"file":"mine.mp4"}]}"#;
        process.store.put("night/asset.json", Bytes::from_static(told)).await.unwrap();
        process.settled("night").await;
        assert_eq!(process.stored("night/asset.json").await.as_deref(), Some(&told[..]));
        assert!(process.plays("night").await && process.stored(&path(&row)).await.is_none());
    }
}

#[tokio::test]
async fn a_film_is_not_deleted_where_that_would_hide_the_films_in_a_folder_of_its_name() {
    for world in World::both() {
        let process = world.process(0).await;
        process.store.put("night.mp4", film()).await.unwrap();
        process.store.put("night/one.mp4", film()).await.unwrap();
        conflict(process.ingest.delete(&AssetId::new("night").unwrap()).await);
        assert!(process.plays("night").await && process.plays("night/one").await);
    }
}

#[tokio::test]
async fn jobs_that_name_a_file_and_no_version_remove_nothing() {
    for world in World::both() {
        let process = world.process(0).await;
        process.store.put("night.mp4", film()).await.unwrap();
        process.store.put("film/old-01234567.mp4", film()).await.unwrap();
        let id = AssetId::new("night").unwrap();
        let row = process.ingest.delete(&id).await.unwrap();
        let before = Some(r#"{"descriptor":null,"files":["night.mp4"]}"#.to_owned());
        let row = afflux::library::AssetRow { before, purge_at: Some(now()), ..row };
        process.library.put_asset(&row, now()).await.unwrap();
        for (kind, subject) in [(JobKind::Purge, "night"), (JobKind::Discard, "film/old-01234567.mp4")] {
            let job = NewJob { id: kind.to_string(), kind, subject: subject.into(), ..job_of(subject) };
            process.library.enqueue(&job, now()).await.unwrap();
        }
        process.killed();
        let second = world.process(1).await;
        second.done("purge").await;
        second.done("discard").await;
        assert_eq!(second.stored("night.mp4").await, Some(film()));
        assert_eq!(second.stored("film/old-01234567.mp4").await, Some(film()));
        // It is still hidden, and can be restored.
        assert!(!second.plays("night").await);
        second.ingest.restore(&id).await.unwrap();
        assert!(second.plays("night").await);
    }
}

#[tokio::test]
async fn a_file_put_in_the_place_of_a_replaced_one_is_kept_by_the_discard() {
    for world in World::both() {
        let process = world.process_with(1, GRACE).await;
        let first = process.received().await;
        process.holds(&first).await;
        let second = process.received().await;
        process.until(&second, UploadState::Published).await;
        process.store.put(&path(&first), other_film()).await.unwrap();
        process.discarded().await;
        assert_eq!(process.stored(&path(&first)).await, Some(other_film()));
    }
}

#[tokio::test]
async fn an_upload_called_like_a_folder_of_films_takes_none_of_them_away() {
    for world in World::both() {
        let process = world.process(1).await;
        for film_of in ["films/one.mp4", "films/two.mov"] {
            process.store.put(film_of, film()).await.unwrap();
        }
        process.store.put("films/two.mov", other_film()).await.unwrap();
        let named = UploadRequest {
            asset: Some("films"),
            filename: Some("x.mp4"),
            length: Some(9),
            ..UploadRequest::default()
        };
        let why = conflict(process.ingest.create(named).await);
        assert!(why.contains("films/one.mp4"), "{why}");
        let free = UploadRequest { filename: Some("films.mp4"), length: Some(9), ..UploadRequest::default() };
        let row = process.ingest.create(free).await.unwrap();
        assert!(row.asset.starts_with("films-"), "{}", row.asset);
        // An upload below a folder, or below a film's name, makes another asset.
        for fine in ["films/three", "films/one/four"] {
            process.ingest.create(UploadRequest { asset: Some(fine), ..named }).await.unwrap();
        }
        assert!(process.plays("films/one").await && process.plays("films/two").await);
        assert!(process.stored("films/asset.json").await.is_none());
    }
}

#[tokio::test]
async fn films_that_come_into_the_folder_of_an_upload_under_way_are_not_taken_away() {
    for world in World::both() {
        let first = world.process(0).await;
        let row = first.received().await;
        first.store.put("night/one.mp4", film()).await.unwrap();
        first.killed();
        let second = world.process(1).await;
        second.until(&row, UploadState::Refused).await;
        assert!(second.plays("night/one").await);
        assert!(second.stored("night/asset.json").await.is_none() && second.stored(&path(&row)).await.is_none());
    }
}

#[tokio::test]
async fn no_state_of_an_upload_is_for_ever() {
    for world in World::both() {
        let first = world.process(0).await;
        let gone = async |row: &Upload| {
            assert!(first.ingest.upload(&row.id).await.is_err(), "{}", row.id);
            assert_eq!(first.store.sweep_drafts(std::time::SystemTime::now(), |_| async { false }).await.unwrap(), 0);
        };
        // Received, and its job is cancelled before it runs.
        let row = first.received().await;
        assert!(first.ingest.cancel_job(&job(&row).id).await.unwrap());
        gone(&row).await;
        // Received, and its client gives it up.
        let row = first.received().await;
        first.ingest.terminate(&row.id).await.unwrap();
        gone(&row).await;
        // Received, and its job is running: giving it up conflicts at first, and works once the worker has released it.
        let row = first.received().await;
        let lease = Duration::from_mins(1);
        let taken = first.library.claim_job("w", &[JobKind::Finish], lease, now()).await.unwrap().unwrap();
        conflict(first.ingest.terminate(&row.id).await);
        assert!(
            first
                .library
                .release_job(JobLease { id: &taken.id, attempt: taken.attempt, owner: "w" }, now())
                .await
                .unwrap()
        );
        first.ingest.terminate(&row.id).await.unwrap();
        gone(&row).await;
        // Received, and its job has been forgotten.
        let forgotten = first.received().await;
        assert!(first.library.cancel_job(&job(&forgotten).id, now()).await.unwrap());
        assert_eq!(first.library.forget_jobs(now() + 60_000).await.unwrap(), 4);
        // Received, and all workers on its job died until no attempt was left.
        let dead = first.received().await;
        let claim = async || first.library.claim_job("w", &[JobKind::Finish], Duration::ZERO, now()).await.unwrap();
        while let Some(died) = claim().await {
            assert_eq!(died.subject, dead.id);
        }
        // The file that the job put in place is removed; a file that `asset.json` names stays.
        first.store.put(&path(&dead), film()).await.unwrap();
        first.killed();
        let second = world.process(1).await;
        second.until(&forgotten, UploadState::Published).await;
        second.until(&dead, UploadState::Refused).await;
        let reason = second.ingest.upload(&dead.id).await.unwrap().reason.unwrap();
        assert_eq!(reason, "its worker died at attempt 9 of 9");
        assert!(second.stored(&path(&dead)).await.is_none() && second.stored(&path(&forgotten)).await.is_some());
        // Published or refused: reported until they are deleted.
        for row in [&forgotten, &dead] {
            second.ingest.terminate(&row.id).await.unwrap();
            assert!(second.ingest.upload(&row.id).await.is_err());
        }
        assert!(second.plays("night").await);
    }
}
