//! Jobs: each is done once, whoever claims it.

use crate::scene::{LEASE, job, lease_of, on_each_engine, on_sqlite, open};
use afflux::library::{Error, Job, JobKind, JobState, Library, NewJob, QueueDepth, Renewal};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const IMPORTS: &[JobKind] = &[JobKind::Import];

/// A short lease, in milliseconds, for tests that let it run out.
const SHORT: i64 = 1_000;

async fn claim(library: &Library, owner: &str, now: i64) -> Option<Job> {
    library.claim_job(owner, IMPORTS, Duration::from_millis(SHORT.unsigned_abs()), now).await.unwrap()
}

async fn state(library: &Library, id: &str) -> JobState {
    library.job(id).await.unwrap().unwrap().state
}

#[test]
fn sixteen_workers_on_two_handles_do_each_job_once() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await];
        let mut wanted: Vec<String> = (0..200).map(|number| format!("j{number:03}")).collect();
        for id in &wanted {
            handles[0].enqueue(&job(id), 1).await.unwrap();
        }
        let mut workers = JoinSet::new();
        for worker in 0..16 {
            let library = handles[worker % 2].clone();
            workers.spawn(async move {
                let mut done = Vec::new();
                let mut owner = format!("w{worker}-0");
                while let Some(job) = library.claim_job(&owner, IMPORTS, LEASE, 2).await.unwrap() {
                    assert_eq!((job.attempt, job.state), (1, JobState::Running));
                    assert!(library.complete_job(lease_of(&job.id, job.attempt, &owner), 3).await.unwrap());
                    done.push(job.id);
                    owner = format!("w{worker}-{}", done.len());
                }
                done
            });
        }
        let mut done: Vec<String> = workers.join_all().await.into_iter().flatten().collect();
        done.sort();
        // When one worker found no job, another may still have been working on the last.
        wanted.sort();
        assert_eq!(done, wanted);
    });
}

#[test]
fn what_a_worker_says_once_another_one_has_its_job_does_not_count() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        let first = claim(&library, "first", 0).await.unwrap();
        assert_eq!(claim(&library, "second", SHORT - 1).await, None);
        let second = claim(&library, "second", SHORT).await.unwrap();
        assert_eq!((first.attempt, second.attempt), (1, 2));
        let late = SHORT + 1;
        assert_eq!(library.renew_job(lease_of("j", 1, "first"), 500, late + SHORT, late).await, Ok(Renewal::Lost));
        assert_eq!(library.complete_job(lease_of("j", 1, "first"), late).await, Ok(false));
        assert_eq!(library.fail_job(lease_of("j", 1, "first"), "slow", None, late).await, Ok(false));
        assert_eq!(library.release_job(lease_of("j", 1, "first"), late).await, Ok(false));
        assert_eq!(library.job("j").await.unwrap().unwrap(), second);
        assert_eq!(library.renew_job(lease_of("j", 2, "second"), 250, late + SHORT, late).await, Ok(Renewal::Held));
        assert_eq!(library.job("j").await.unwrap().unwrap().progress, 250);
        assert_eq!(library.complete_job(lease_of("j", 2, "second"), late).await, Ok(true));
        let done = library.job("j").await.unwrap().unwrap();
        assert_eq!((done.state, done.progress, done.finished), (JobState::Done, 1000, Some(late)));
    });
}

#[test]
fn a_late_worker_whose_job_nobody_took_goes_on() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        claim(&library, "w", 0).await.unwrap();
        assert_eq!(library.renew_job(lease_of("j", 1, "w"), 0, 9 * SHORT, 8 * SHORT).await, Ok(Renewal::Held));
        assert_eq!(library.complete_job(lease_of("j", 1, "w"), 20 * SHORT).await, Ok(true));
    });
}

#[test]
fn of_many_that_are_enqueued_alike_one_is_added() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await];
        for round in 0..4_i64 {
            let mut tasks = JoinSet::new();
            for number in 0..16 {
                let library = handles[number % 2].clone();
                let alike = NewJob { dedupe: Some("film".into()), ..job(&format!("r{round}-{number}")) };
                tasks.spawn(async move { library.enqueue(&alike, round).await.unwrap() });
            }
            let said = tasks.join_all().await;
            assert!(said.iter().all(|id| *id == said[0]), "{said:?}");
            let waiting = handles[1].jobs(Some(JobState::Queued), None, None, 100).await.unwrap();
            assert_eq!(waiting.len(), 1);
            assert_eq!(waiting[0].id, said[0]);
            // The same holds while it runs; once it is done, an equal job is a new one.
            let owner = format!("w{round}");
            claim(&handles[0], &owner, round).await.unwrap();
            let alike = NewJob { dedupe: Some("film".into()), ..job("late") };
            assert_eq!(handles[1].enqueue(&alike, round).await.unwrap(), said[0]);
            assert!(handles[0].complete_job(lease_of(&said[0], 1, &owner), round).await.unwrap());
        }
    });
}

#[test]
fn to_enqueue_the_same_job_again_changes_nothing() {
    on_each_engine(async |url| {
        let library = open(url).await;
        assert_eq!(library.enqueue(&job("j"), 1).await.unwrap(), "j");
        let before = library.job("j").await.unwrap();
        let again = NewJob { payload: "other".into(), ..job("j") };
        assert_eq!(library.enqueue(&again, 2).await.unwrap(), "j");
        assert_eq!(library.job("j").await.unwrap(), before);
    });
}

#[test]
fn the_highest_priority_is_claimed_first_then_what_is_due_longest() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let new = |id: &str, priority, run_at| NewJob { priority, run_at, ..job(id) };
        let other = NewJob { kind: JobKind::Discover, ..new("other", 99, 0) };
        let jobs = [new("a", 0, 5), new("b", 0, 3), new("c", 7, 9), new("d", 7, 8), new("e", 9, 50), new("f", -1, 0)];
        for new in jobs.iter().chain([&other]) {
            library.enqueue(new, 0).await.unwrap();
        }
        let mut claimed = Vec::new();
        while let Some(job) = claim(&library, &format!("w{}", claimed.len()), 20).await {
            claimed.push(job.id);
        }
        assert_eq!(claimed, ["d", "c", "b", "a", "f"]);
        let either = library.claim_job("w", &[JobKind::Import, JobKind::Discover], LEASE, 50).await.unwrap();
        assert_eq!(either.unwrap().id, "other");
        assert_eq!(library.claim_job("w", &[], LEASE, 50).await, Ok(None));
        assert_eq!(claim(&library, "x", 50).await.unwrap().id, "e");
    });
}

#[test]
fn a_job_whose_workers_die_is_dead_in_the_end() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        library.enqueue(&NewJob { max_attempts: 1, run_at: 9 * SHORT, ..job("once") }, 0).await.unwrap();
        for attempt in 1..=2 {
            assert_eq!(claim(&library, "w", i64::from(attempt) * SHORT).await.unwrap().attempt, attempt);
        }
        assert_eq!(claim(&library, "w", 3 * SHORT).await, None);
        let dead = library.job("j").await.unwrap().unwrap();
        assert_eq!((dead.state, dead.attempt, dead.finished), (JobState::Dead, 2, Some(3 * SHORT)));
        assert_eq!(dead.reason.as_deref(), Some("its worker died 2 times: it is not tried again"));
        assert_eq!(claim(&library, "w", 9 * SHORT).await.unwrap().id, "once");
        assert_eq!(claim(&library, "w", 10 * SHORT).await, None);
        let once = library.job("once").await.unwrap().unwrap();
        assert_eq!((once.state, once.attempt), (JobState::Dead, 1));
        assert_eq!(once.reason.as_deref(), Some("its worker died at attempt 1 of 1"));
    });
}

#[test]
fn a_job_that_fails_is_tried_again_until_no_attempt_is_left() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.enqueue(&NewJob { max_attempts: 2, ..job("j") }, 0).await.unwrap();
        claim(&library, "w1", 0).await.unwrap();
        assert!(library.fail_job(lease_of("j", 1, "w1"), "no space", Some(40), 1).await.unwrap());
        let waiting = library.job("j").await.unwrap().unwrap();
        assert_eq!(
            (waiting.state, waiting.run_at, waiting.reason.as_deref()),
            (JobState::Queued, 40, Some("no space"))
        );
        assert_eq!(claim(&library, "w2", 39).await, None);
        claim(&library, "w2", 40).await.unwrap();
        assert!(library.fail_job(lease_of("j", 2, "w2"), "still none", Some(99), 41).await.unwrap());
        let dead = library.job("j").await.unwrap().unwrap();
        assert_eq!((dead.state, dead.reason.as_deref()), (JobState::Dead, Some("still none")));
    });
}

#[test]
fn what_is_cancelled_can_be_tried_again_and_what_runs_is_told() {
    on_each_engine(async |url| {
        let library = open(url).await;
        // Queued: cancelled at once.
        library.enqueue(&NewJob { dedupe: Some("d".into()), ..job("j") }, 0).await.unwrap();
        assert!(library.cancel_job("j", 1).await.unwrap());
        assert_eq!(state(&library, "j").await, JobState::Cancelled);
        assert!(!library.cancel_job("j", 2).await.unwrap());
        assert_eq!(claim(&library, "w", 2).await, None);
        // No retry while an equal job is queued.
        library.enqueue(&NewJob { dedupe: Some("d".into()), ..job("k") }, 0).await.unwrap();
        assert!(!library.retry_job("j", 3).await.unwrap());
        assert!(library.cancel_job("k", 3).await.unwrap());
        assert!(library.retry_job("j", 3).await.unwrap());
        assert!(!library.retry_job("j", 3).await.unwrap());
        // Running: its worker learns of it, and releases the job.
        let running = claim(&library, "w", 4).await.unwrap();
        assert!(library.cancel_job("j", 5).await.unwrap());
        assert_eq!(state(&library, "j").await, JobState::Running);
        assert_eq!(library.renew_job(lease_of("j", running.attempt, "w"), 1, 99, 6).await, Ok(Renewal::Cancelled));
        assert!(library.release_job(lease_of("j", running.attempt, "w"), 7).await.unwrap());
        assert_eq!(state(&library, "j").await, JobState::Cancelled);
        // Its worker is dead: cancelled at once.
        assert!(library.retry_job("j", 8).await.unwrap());
        claim(&library, "w2", 8).await.unwrap();
        assert!(library.cancel_job("j", 8 + SHORT).await.unwrap());
        assert_eq!(state(&library, "j").await, JobState::Cancelled);
        // No such job.
        assert!(!library.cancel_job("none", 9).await.unwrap());
        assert!(!library.retry_job("none", 9).await.unwrap());
    });
}

#[test]
fn a_released_job_is_as_it_was() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.enqueue(&job("j"), 0).await.unwrap();
        let before = library.job("j").await.unwrap().unwrap();
        claim(&library, "w", 1).await.unwrap();
        assert!(library.release_job(lease_of("j", 1, "w"), 2).await.unwrap());
        assert_eq!(library.job("j").await.unwrap().unwrap(), Job { updated: 2, ..before });
    });
}

#[test]
fn pages_give_each_job_once_while_others_come() {
    on_each_engine(async |url| {
        let library = open(url).await;
        // Several jobs have the same time.
        let id = |number: i64| format!("j{:03}", (number * 37) % 100);
        for number in 0..100 {
            library.enqueue(&job(&id(number)), number / 7).await.unwrap();
        }
        let mut wanted: Vec<(i64, String)> = (0..100).map(|number| (number / 7, id(number))).collect();
        wanted.sort();
        wanted.reverse();
        let (mut walked, mut after) = (Vec::new(), None::<String>);
        for page in 0.. {
            let jobs = library.jobs(None, Some("import"), after.as_deref(), 9).await.unwrap();
            let Some(last) = jobs.last() else {
                break;
            };
            // Continue by place or, since the row still exists, by id.
            after = Some(if page % 2 == 0 { last.place() } else { last.id.clone() });
            walked.extend(jobs.into_iter().map(|job| (job.created, job.id)));
            library.enqueue(&job(&format!("new{page}")), 1_000 + page).await.unwrap();
        }
        assert_eq!(walked, wanted);
        assert_eq!(library.jobs(None, None, Some("gone"), 9).await, Err(Error::Place));
        assert_eq!(library.jobs(Some(JobState::Dead), None, None, 9).await, Ok(vec![]));
    });
}

#[test]
fn what_waits_is_counted_and_what_is_over_is_forgotten() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for (id, created) in [("a", 10), ("b", 20), ("c", 30)] {
            library.enqueue(&NewJob { run_at: created + 5, ..job(id) }, created).await.unwrap();
        }
        library.enqueue(&NewJob { kind: JobKind::Discover, ..job("p") }, 40).await.unwrap();
        claim(&library, "w", 100).await.unwrap();
        let depth = |state, count, run_at| QueueDepth { state, count, run_at };
        let wanted = [depth(JobState::Queued, 1, 0), depth(JobState::Queued, 2, 25), depth(JobState::Running, 1, 15)];
        assert_eq!(library.job_depth().await.unwrap(), wanted);
        assert!(library.complete_job(lease_of("a", 1, "w"), 200).await.unwrap());
        assert!(library.cancel_job("b", 300).await.unwrap());
        assert_eq!(library.forget_jobs(200).await, Ok(0));
        assert_eq!(library.forget_jobs(201).await, Ok(1));
        assert_eq!(library.forget_jobs(i64::MAX).await, Ok(1));
        let left = library.jobs(None, None, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["p", "c"]);
    });
}

#[test]
fn who_waits_is_woken_by_what_is_enqueued_also_elsewhere() {
    on_each_engine(async |url| {
        let here = open(url).await;
        let elsewhere = if here.is_shared() { open(url).await } else { here.clone() };
        for round in 0..5 {
            let waiting = here.clone();
            let began = Instant::now();
            let waiter = tokio::spawn(async move {
                // It may wake up without a job.
                while waiting.claim_job("w", IMPORTS, LEASE, 0).await.unwrap().is_none() {
                    waiting.job_woken(Duration::from_secs(30)).await;
                }
            });
            tokio::time::sleep(Duration::from_millis(100)).await;
            elsewhere.enqueue(&job(&format!("j{round}")), 0).await.unwrap();
            waiter.await.unwrap();
            assert!(began.elapsed() < Duration::from_secs(10));
        }
    });
}

#[test]
fn who_waits_in_vain_waits_for_as_long_as_it_has_patience() {
    on_sqlite(async |url| {
        let library = open(url).await;
        let began = Instant::now();
        library.job_woken(Duration::from_millis(50)).await;
        assert!(began.elapsed() >= Duration::from_millis(50));
    });
}

#[test]
fn texts_are_kept_as_they_are_except_with_a_nul() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let odd = "'; DROP TABLE jobs; -- $1 ? \u{1f3ac} \\ \n\t";
        library.enqueue(&NewJob { payload: odd.into(), ..job(odd) }, 0).await.unwrap();
        assert_eq!(library.job(odd).await.unwrap().unwrap().payload, odd);
        let nul = library.enqueue(&NewJob { payload: "a\0b".into(), ..job("k") }, 0).await;
        assert_eq!(nul, Err(Error::Refused { why: "a text has a NUL in it".into() }));
        assert!(matches!(
            library.enqueue(&NewJob { max_attempts: 0, ..job("k") }, 0).await,
            Err(Error::Refused { .. })
        ));
        assert_eq!(library.ping().await, Ok(()));
    });
}

#[test]
fn a_job_that_publishes_outlives_a_server_that_is_killed_again_and_again() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let publishing = NewJob { kind: JobKind::Finish, max_attempts: 30, ..job("upload") };
        library.enqueue(&publishing, 0).await.unwrap();
        let lease = Duration::from_millis(10);
        for death in 0..10 {
            let claimed = library.claim_job("w", &[JobKind::Finish], lease, death * 20).await.unwrap();
            assert_eq!(claimed.map(|job| job.id).as_deref(), Some("upload"), "after {death} deaths");
        }
        assert_eq!(library.claim_job("w", &[JobKind::Finish], lease, 200).await.unwrap(), None);
        assert_eq!(library.job("upload").await.unwrap().unwrap().state, JobState::Dead);
    });
}

#[test]
fn a_job_that_two_workers_died_of_is_given_up_and_one_that_failed_twice_is_not() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for id in ["a poison", "b unlucky"] {
            library.enqueue(&NewJob { max_attempts: 30, ..job(id) }, 0).await.unwrap();
        }
        let lease = Duration::from_millis(10);
        let mut now = 0;
        for number in 0..4 {
            let owner = format!("w{number}");
            let claimed = library.claim_job(&owner, IMPORTS, lease, now).await.unwrap().unwrap();
            assert_eq!(claimed.id, if number < 2 { "a poison" } else { "b unlucky" });
            if number >= 2 {
                assert!(
                    library
                        .fail_job(lease_of(&claimed.id, claimed.attempt, &owner), "busy", Some(now), now)
                        .await
                        .unwrap()
                );
            }
            now += 20;
        }
        let poison = library.job("a poison").await.unwrap().unwrap();
        let why = "its worker died 2 times: it is not tried again";
        assert_eq!((poison.state, poison.attempt, poison.reason.as_deref()), (JobState::Dead, 2, Some(why)));
        assert_eq!(library.job("b unlucky").await.unwrap().unwrap().state, JobState::Queued);
        // An operator can retry it, which allows two more attempts.
        assert!(library.retry_job("a poison", now).await.unwrap());
        assert_eq!(library.job("a poison").await.unwrap().unwrap().state, JobState::Queued);
    });
}
