//! Several real processes on one database: each is this test program, started with one test.

use crate::scene::{LEASE, job, lease_of, on_each_engine, open, runtime};
use afflux::library::{ApiKey, JobKind, JobState, Library};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

/// Environment variable with the database of the process.
const URL: &str = "AFFLUX_TEST_LIBRARY";
/// Environment variable with the name of the process.
const NAME: &str = "AFFLUX_TEST_NAME";

/// Jobs that each process enqueues, and as many that all enqueue in common.
const JOBS: u32 = 25;

/// Number of processes at a time.
const PROCESSES: u32 = 4;

/// Starts a test as a process with captured output.
fn start(test: &str, url: &str, name: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", test]).env(URL, url).env(NAME, name);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// Database and name of this process; `None` if it was not started by `start`.
fn child_args() -> Option<(String, String)> {
    let told = (std::env::var(URL).ok()?, std::env::var(NAME).ok()?);
    // The test harness's own output before this has no line end.
    println!();
    Some(told)
}

async fn work(library: &Library, name: &str) {
    let key = ApiKey {
        id: name.into(),
        name: name.into(),
        scopes: "admin".into(),
        created: 0,
        expires: None,
        used: None,
        revoked: None,
    };
    if library.insert_first_key(&key, name).await.unwrap() {
        println!("first {name}");
    }
    for number in 0..JOBS {
        library.enqueue(&job(&format!("{name}-{number}")), 0).await.unwrap();
        library.enqueue(&job(&format!("all-{number}")), 0).await.unwrap();
    }
    for claim in 0.. {
        let owner = format!("{name}-{claim}");
        let Some(job) = library.claim_job(&owner, &[JobKind::Import], LEASE, 0).await.unwrap() else {
            break;
        };
        assert!(library.complete_job(lease_of(&job.id, job.attempt, &owner), 0).await.unwrap());
        println!("did {}", job.id);
    }
}

#[test]
#[ignore = "a process of the test below"]
fn a_process_that_works() {
    let Some((url, name)) = child_args() else {
        return;
    };
    runtime().block_on(async {
        let library = open(&url).await;
        work(&library, &name).await;
        library.close().await;
    });
}

#[test]
fn processes_that_begin_at_once_migrate_once_and_do_each_job_once() {
    on_each_engine(async |url| {
        let test = "processes::a_process_that_works";
        let children: Vec<Child> = (0..PROCESSES).map(|number| start(test, url, &format!("p{number}"))).collect();
        let (mut first, mut done) = (0, Vec::new());
        for mut child in children {
            let mut said = String::new();
            child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            assert!(child.wait().unwrap().success(), "{said}");
            first += said.lines().filter(|line| line.starts_with("first ")).count();
            done.extend(said.lines().filter_map(|line| line.strip_prefix("did ")).map(str::to_owned));
        }
        let own = |process| (0..JOBS).map(move |number| format!("p{process}-{number}"));
        let all = (0..JOBS).map(|number| format!("all-{number}"));
        let mut wanted: Vec<String> = (0..PROCESSES).flat_map(own).chain(all).collect();
        wanted.sort();
        done.sort();
        assert_eq!((first, done), (1, wanted));
        let library = open(url).await;
        assert_eq!(library.jobs(Some(JobState::Done), None, None, 1_000).await.unwrap().len(), 125);
    });
}

#[test]
#[ignore = "a process of the test below"]
fn a_process_that_enqueues_until_it_is_killed() {
    let Some((url, _)) = child_args() else {
        return;
    };
    runtime().block_on(async {
        let library = open(&url).await;
        for number in 0.. {
            library.enqueue(&job(&format!("j{number}")), 0).await.unwrap();
            println!("enqueued j{number}");
        }
    });
}

#[test]
fn what_a_process_was_told_before_it_was_killed_is_there() {
    on_each_engine(async |url| {
        let mut child = start("processes::a_process_that_enqueues_until_it_is_killed", url, "p");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told: Vec<String> =
            lines.by_ref().filter_map(|line| line.strip_prefix("enqueued ").map(str::to_owned)).take(100).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // The last line may be cut short.
        let mut rest: Vec<String> =
            lines.filter_map(|line| line.strip_prefix("enqueued ").map(str::to_owned)).collect();
        rest.pop();
        told.extend(rest);
        let library = open(url).await;
        for id in &told {
            assert!(library.job(id).await.unwrap().is_some(), "{id}");
        }
        assert!(told.len() >= 100);
        // The database is still writable.
        library.enqueue(&job("after"), 0).await.unwrap();
    });
}
