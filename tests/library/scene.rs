//! Empty databases for tests, and sample rows.

use crate::postgres::Postgres;
use afflux::library::{AssetRow, JobKind, JobLease, Library, NewJob, NewUpload, Upload, UploadState};
use afflux::media::Details;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Lease length for tests in which it does not matter.
pub(crate) const LEASE: Duration = Duration::from_mins(1);

/// The server of the running tests.
static SERVER: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

/// Number of databases made on servers so far.
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// Runs `law` on an empty database of each engine; its argument is the URL.
pub(crate) fn on_each_engine(law: impl AsyncFn(&str)) {
    on_sqlite(&law);
    if let Some(server) = server() {
        let url = server.database(&format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed)));
        runtime().block_on(law(&url));
    }
}

/// Like `on_each_engine`, on SQLite alone.
pub(crate) fn on_sqlite(law: impl AsyncFn(&str)) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("library.db").display());
    runtime().block_on(law(&url));
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// One server shared by all tests that need one at the same time.
fn server() -> Option<Arc<Postgres>> {
    let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Postgres::start()?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

pub(crate) async fn open(url: &str) -> Library {
    Library::open(url).await.unwrap()
}

/// A job that is due at once, has no dedupe key, and may be tried three times.
pub(crate) fn job(id: &str) -> NewJob {
    NewJob {
        id: id.into(),
        kind: JobKind::Import,
        subject: "film".into(),
        payload: "{}".into(),
        priority: 0,
        dedupe: None,
        max_attempts: 3,
        run_at: 0,
    }
}

/// An asset of no bytes.
pub(crate) fn asset(id: &str) -> AssetRow {
    AssetRow {
        id: id.into(),
        title: None,
        details: Details::default(),
        created: 0,
        updated: 0,
        bytes: 0,
        millis: 0,
        files: 1,
        deleted: None,
        purge_at: None,
        before: None,
    }
}

/// An upload of 100 bytes.
pub(crate) fn upload(id: &str) -> NewUpload {
    NewUpload {
        id: id.into(),
        asset: "film".into(),
        file: "film.mp4".into(),
        title: Some("The Film".into()),
        length: Some(100),
        metadata: "filename ZmlsbS5tcDQ=".into(),
        expires: 10_000,
        key: "k1".into(),
    }
}

/// The row of [`upload`] `id` at this epoch, with `offset` durable bytes.
pub(crate) fn row_at(id: &str, epoch: i64, offset: u64, saved: &str) -> Upload {
    let NewUpload { id, asset, file, title, length, metadata, expires, key } = upload(id);
    Upload {
        id,
        asset,
        file,
        title,
        length,
        offset,
        state: UploadState::Receiving,
        reason: None,
        metadata,
        saved: saved.into(),
        report: None,
        created: 0,
        updated: 0,
        expires,
        key,
        epoch,
    }
}

/// The lease of a worker on its job.
pub(crate) fn lease_of<'a>(id: &'a str, attempt: i32, owner: &'a str) -> JobLease<'a> {
    JobLease { id, attempt, owner }
}
