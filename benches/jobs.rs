//! Jobs per second through each database engine: enqueued, claimed and completed, each step durable before its
//! response. The bench starts PostgreSQL itself, with its own settings; if PostgreSQL is not installed, it measures
//! only SQLite.

#![allow(
    missing_docs,
    clippy::as_conversions,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, and a panic anywhere fails it"
)]

#[path = "../tests/support/postgres.rs"]
mod postgres;

use afflux::library::{JobKind, JobLease, Library, NewJob};
use postgres::Postgres;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Jobs per worker, each through all steps.
const JOBS: u32 = 200;

/// Turns; the result is their median.
const TURNS: u32 = 3;

/// Runs the jobs of one worker; their ids start with its name.
async fn work(library: Library, name: String) {
    for number in 0..JOBS {
        let id = format!("{name}-{number}");
        let new = NewJob {
            id: id.clone(),
            kind: JobKind::Import,
            subject: "film".into(),
            payload: "{\"rung\":\"v720\"}".into(),
            priority: 0,
            dedupe: Some(id.clone()),
            max_attempts: 3,
            run_at: 0,
        };
        library.enqueue(&new, 1).await.unwrap();
        // Workers take each other's jobs, in any order.
        let job = loop {
            match library.claim_job(&id, &[JobKind::Import], Duration::from_mins(1), 2).await.unwrap() {
                Some(job) => break job,
                None => tokio::task::yield_now().await,
            }
        };
        assert!(library.complete_job(JobLease { id: &job.id, attempt: job.attempt, owner: &id }, 3).await.unwrap());
    }
}

/// Jobs per second with `workers` workers, the median of all turns.
async fn measure(library: &Library, workers: u32) -> f64 {
    let mut rates = Vec::new();
    for turn in 0..TURNS {
        let began = Instant::now();
        let mut tasks = JoinSet::new();
        for worker in 0..workers {
            tasks.spawn(work(library.clone(), format!("{workers}-{turn}-{worker}")));
        }
        tasks.join_all().await;
        rates.push(f64::from(workers * JOBS) / began.elapsed().as_secs_f64());
        library.forget_jobs(i64::MAX).await.unwrap();
    }
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap()
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let server = Postgres::start();
    let mut engines = vec![("SQLite", format!("sqlite:{}", folder.path().join("library.db").display()))];
    engines.extend(server.as_ref().map(|server| ("PostgreSQL", server.url())));
    println!("{:12} {:>14} {:>14}", "jobs/s", "1 worker", "4 workers");
    for (name, url) in engines {
        runtime.block_on(async {
            let library = Library::open(&url).await.unwrap();
            let (one, four) = (measure(&library, 1).await, measure(&library, 4).await);
            println!("{name:12} {one:14.0} {four:14.0}");
            library.close().await;
        });
    }
}
