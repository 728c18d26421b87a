//! Failures of a database: it is missing, it goes away, it belongs to something else.

use crate::postgres::Postgres;
use crate::scene::{LEASE, job, lease_of, on_each_engine, on_sqlite, open, runtime};
use afflux::library::{Error, JobKind, JobState, Library};
use sqlx::{Connection, SqliteConnection};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[test]
fn handles_that_open_an_empty_database_at_once_all_can() {
    on_each_engine(async |url| {
        let mut openers = JoinSet::new();
        for number in 0..8 {
            let url = url.to_owned();
            openers.spawn(async move {
                let library = open(&url).await;
                library.enqueue(&job(&format!("j{number}")), 0).await.unwrap();
                library
            });
        }
        let handles = openers.join_all().await;
        assert_eq!(handles[0].jobs(None, None, None, 99).await.unwrap().len(), 8);
        assert_eq!(handles[0].is_shared(), url.starts_with("postgres"));
    });
}

#[test]
fn a_file_is_made_with_its_folder_for_this_user_alone() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("var/lib/library.db");
        let library = open(&format!("sqlite://{}", path.display())).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        for name in ["library.db", "library.db-wal", "library.db-shm"] {
            let mode = path.with_file_name(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        library.close().await;
        assert!(library.ping().await.unwrap_err().is_away());
        let again = open(&format!("sqlite:{}", path.display())).await;
        assert!(again.job("j").await.unwrap().is_some());
    });
}

#[test]
fn an_address_that_names_no_database_is_refused_at_once() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "no database at all, but longer than the header of one: ".repeat(9)).unwrap();
        let sqlite = |path: &Path| format!("sqlite:{}", path.display());
        let wrong = [
            "mysql://root:s3cret@host/db".into(),
            "sqlite:".into(),
            "sqlite::memory:".into(),
            "postgres://u:s3cret@host:port/db".into(),
            sqlite(folder.path()),
            sqlite(&text),
            sqlite(&text.join("library.db")),
        ];
        let began = Instant::now();
        for url in wrong {
            let error = Library::open(&url).await.unwrap_err();
            assert!(matches!(error, Error::Address { .. } | Error::Refused { .. }), "{url}: {error}");
            let said = error.to_string();
            assert!(!said.contains("s3cret") && said.lines().count() == 1, "{said}");
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    });
}

#[test]
fn a_database_that_does_not_answer_is_given_up_after_a_while() {
    runtime().block_on(async {
        // It accepts connections and sends nothing.
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = silent.local_addr().unwrap().port();
        let silent_url = format!("postgres://u:s3cret@127.0.0.1:{port}/db");
        let began = Instant::now();
        let closed = Library::open("postgres://u:s3cret@127.0.0.1:1/db");
        let (silent, closed) = tokio::join!(Library::open(&silent_url), closed);
        assert!(began.elapsed() < Duration::from_secs(30));
        assert_eq!(
            closed.unwrap_err().to_string(),
            "the database does not answer: 127.0.0.1:1: Connection refused (os error 111)"
        );
        assert_eq!(
            silent.unwrap_err().to_string(),
            format!("the database does not answer: 127.0.0.1:{port}: no connection within 5 s")
        );
    });
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    on_sqlite(async |url| {
        open(url).await.close().await;
        let mut raw = SqliteConnection::connect(url).await.unwrap();
        sqlx::query(
            "INSERT INTO _sqlx_migrations SELECT 999, 'later', installed_on, 1, checksum, 0 FROM _sqlx_migrations \
             WHERE version = 1",
        )
        .execute(&mut raw)
        .await
        .unwrap();
        raw.close().await.unwrap();
        assert_eq!(Library::open(url).await.unwrap_err(), Error::Newer { migration: 999 });
    });
}

#[test]
fn a_job_of_an_unknown_kind_is_an_error_that_names_the_kind() {
    on_sqlite(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        let mut raw = SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql("UPDATE jobs SET kind = 'transcode'").execute(&mut raw).await.unwrap();
        let unknown = Error::Row { why: "kind: transcode is not known".into() };
        assert_eq!(library.job("j").await, Err(unknown.clone()));
        assert_eq!(library.jobs(None, None, None, 9).await, Err(unknown));
        // No worker claims it, and the metrics count it.
        assert_eq!(library.claim_job("w", &JobKind::ALL, LEASE, 0).await, Ok(None));
        assert_eq!(library.job_depth().await.unwrap().len(), 1);
    });
}

#[test]
fn readers_do_not_wait_for_another_process_that_writes() {
    on_sqlite(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        let mut raw = SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut raw).await.unwrap();
        let began = Instant::now();
        assert!(library.job("j").await.unwrap().is_some());
        assert_eq!(library.claim_job("w", &[JobKind::Purge], LEASE, 0).await, Ok(None));
        assert!(began.elapsed() < Duration::from_secs(2));
        // A writer waits until the other process is done.
        let writing = library.clone();
        let writer = tokio::spawn(async move { writing.enqueue(&job("k"), 0).await });
        tokio::time::sleep(Duration::from_millis(200)).await;
        sqlx::raw_sql("COMMIT").execute(&mut raw).await.unwrap();
        assert_eq!(writer.await.unwrap(), Ok("k".into()));
    });
}

#[test]
fn a_database_that_is_not_there_on_a_server_is_refused_by_name() {
    let Some(server) = Postgres::start() else {
        return;
    };
    runtime().block_on(async {
        let error = Library::open(&server.url().replace("/postgres?", "/nowhere?")).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
        assert!(error.to_string().ends_with("database \"nowhere\" does not exist"), "{error}");
    });
}

/// The acknowledgements that one worker got.
#[derive(Debug, Default)]
struct Told {
    enqueued: Vec<String>,
    completed: Vec<String>,
    errors: Vec<Error>,
}

/// Enqueues, claims and completes jobs until `stop` is set.
async fn work(library: Library, name: String, stop: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let mut turn = 0;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        if let Err(error) = step(&library, &format!("{name}-{turn}"), &mut told).await {
            told.errors.push(error);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    told
}

async fn step(library: &Library, id: &str, told: &mut Told) -> Result<(), Error> {
    told.enqueued.push(library.enqueue(&job(id), 0).await?);
    if let Some(job) = library.claim_job(id, &[JobKind::Import], LEASE, 0).await?
        && library.complete_job(lease_of(&job.id, job.attempt, id), 0).await?
    {
        told.completed.push(job.id);
    }
    Ok(())
}

#[test]
fn a_server_that_is_killed_is_away_and_has_lost_nothing_that_was_acknowledged() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    runtime().block_on(async {
        let library = open(&server.url()).await;
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for worker in 0..6 {
            workers.spawn(work(library.clone(), format!("w{worker}"), Arc::clone(&stop)));
        }
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            server.kill();
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(library.ping().await.unwrap_err().is_away());
            server.resume();
            let began = Instant::now();
            while library.ping().await.is_err() {
                assert!(
                    began.elapsed() < Duration::from_secs(20),
                    "the server does not come back: {}",
                    server.read_log()
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.store(true, Ordering::Relaxed);
        let told = workers.join_all().await;
        let errors: Vec<&Error> = told.iter().flat_map(|told| &told.errors).collect();
        assert!(!errors.is_empty() && errors.iter().all(|error| error.is_away()), "{errors:?}");
        let mut completed: Vec<&String> = told.iter().flat_map(|told| &told.completed).collect();
        for id in told.iter().flat_map(|told| &told.enqueued) {
            assert!(library.job(id).await.unwrap().is_some(), "{id} is lost");
        }
        for id in &completed {
            assert_eq!(library.job(id).await.unwrap().unwrap().state, JobState::Done, "{id}");
        }
        let count = completed.len();
        completed.sort();
        completed.dedup();
        assert_eq!(completed.len(), count, "done twice");
        eprintln!("acknowledged {count} jobs, away {} times", errors.len());
    });
}
