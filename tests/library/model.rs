//! Jobs against a model: after any sequence of operations each row matches the model.

use crate::scene::{job, lease_of, on_each_engine, open};
use afflux::library::{Job, JobKind, JobState, Library, NewJob, Renewal};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::time::Duration;

/// Lease length: a few steps.
const LEASE: i64 = 6;

/// Cases per engine.
const CASES: u32 = 40;

/// An operation. Numbers choose among the existing jobs or claims.
#[derive(Debug, Clone)]
enum Step {
    Enqueue { priority: i16, like: Option<u8>, attempts: i32, later: i64 },
    Claim { kinds: usize },
    Renew { claim: usize, progress: i32 },
    Complete { claim: usize },
    Fail { claim: usize, later: Option<i64> },
    Release { claim: usize },
    Cancel { job: usize },
    Retry { job: usize },
    Forget { ago: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let enqueue = (-1..2_i16, prop::option::of(0..2_u8), 1..4_i32, 0..4_i64);
    prop_oneof![
        3 => enqueue.prop_map(|(priority, like, attempts, later)| Step::Enqueue { priority, like, attempts, later }),
        4 => (0..KINDS.len()).prop_map(|kinds| Step::Claim { kinds }),
        1 => (any::<usize>(), 0..1_000).prop_map(|(claim, progress)| Step::Renew { claim, progress }),
        1 => any::<usize>().prop_map(|claim| Step::Complete { claim }),
        2 => (any::<usize>(), prop::option::of(0..4_i64)).prop_map(|(claim, later)| Step::Fail { claim, later }),
        1 => any::<usize>().prop_map(|claim| Step::Release { claim }),
        2 => any::<usize>().prop_map(|job| Step::Cancel { job }),
        1 => any::<usize>().prop_map(|job| Step::Retry { job }),
        1 => (0..20_i64).prop_map(|ago| Step::Forget { ago }),
    ]
}

/// Kinds of jobs that workers claim.
const KINDS: [&[JobKind]; 3] = [&[JobKind::Import], &[JobKind::Purge], &[JobKind::Import, JobKind::Purge]];

/// All jobs and all claims.
#[derive(Debug, Default)]
struct Model {
    jobs: Vec<Job>,
    enqueued: usize,
    /// Workers that died, by job id.
    deaths: BTreeMap<String, u32>,
    /// Job, attempt and owner of each claim.
    claims: Vec<(String, i32, String)>,
    now: i64,
}

fn chosen<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number.checked_rem(all.len())?)
}

impl Model {
    fn is_open(job: &Job) -> bool {
        matches!(job.state, JobState::Queued | JobState::Running)
    }

    fn find(&mut self, id: &str) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.id == id)
    }

    /// The job of a claim, if the claim still holds it.
    fn held(&mut self, (id, attempt, owner): &(String, i32, String)) -> Option<&mut Job> {
        self.find(id).filter(|job| {
            job.state == JobState::Running && job.attempt == *attempt && job.lease_owner.as_ref() == Some(owner)
        })
    }

    fn enqueue(&mut self, new: &NewJob) -> String {
        let alike = |job: &&Job| new.dedupe.is_some() && job.dedupe == new.dedupe && Self::is_open(job);
        if let Some(alike) = self.jobs.iter().find(alike) {
            return alike.id.clone();
        }
        let new = new.clone();
        self.jobs.push(Job {
            id: new.id.clone(),
            kind: new.kind,
            subject: new.subject,
            payload: new.payload,
            priority: new.priority,
            dedupe: new.dedupe,
            max_attempts: new.max_attempts,
            run_at: new.run_at,
            state: JobState::Queued,
            attempt: 0,
            lease_owner: None,
            lease_until: 0,
            progress: 0,
            reason: None,
            cancel: false,
            created: self.now,
            updated: self.now,
            finished: None,
        });
        new.id
    }

    fn take_back(&mut self) {
        let now = self.now;
        let late = |job: &&mut Job| job.state == JobState::Running && job.lease_until <= now;
        for job in self.jobs.iter_mut().filter(late) {
            (job.updated, job.lease_owner, job.lease_until) = (now, None, 0);
            let deaths = self.deaths.entry(job.id.clone()).or_default();
            *deaths += 1;
            if job.cancel {
                end(job, JobState::Cancelled, now);
            } else if *deaths >= 2 {
                job.reason = Some(format!("its worker died {deaths} times: it is not tried again"));
                end(job, JobState::Dead, now);
            } else if job.attempt >= job.max_attempts {
                job.reason = Some(format!("its worker died at attempt {} of {}", job.attempt, job.max_attempts));
                end(job, JobState::Dead, now);
            } else {
                job.state = JobState::Queued;
            }
        }
    }

    fn claim(&mut self, owner: &str, kinds: &[JobKind]) -> Option<Job> {
        self.take_back();
        let now = self.now;
        let due = |job: &&mut Job| job.state == JobState::Queued && job.run_at <= now && kinds.contains(&job.kind);
        let first = self.jobs.iter_mut().filter(due);
        let job = first.min_by_key(|job| (-job.priority, job.run_at, job.id.clone()))?;
        (job.state, job.attempt, job.progress) = (JobState::Running, job.attempt + 1, 0);
        (job.lease_owner, job.lease_until, job.updated) = (Some(owner.into()), now + LEASE, now);
        Some(job.clone())
    }
}

impl Model {
    fn cancel(&mut self, id: &str) -> bool {
        let now = self.now;
        let Some(job) = self.find(id).filter(|job| Self::is_open(job)) else {
            return false;
        };
        (job.cancel, job.updated) = (true, now);
        if job.state == JobState::Queued || job.lease_until <= now {
            end(job, JobState::Cancelled, now);
        }
        true
    }

    fn retry(&mut self, id: &str) -> bool {
        let now = self.now;
        let open: Vec<String> =
            self.jobs.iter().filter(|job| Self::is_open(job)).filter_map(|job| job.dedupe.clone()).collect();
        let is_over = |job: &Job| matches!(job.state, JobState::Dead | JobState::Cancelled);
        let is_alone = |job: &Job| job.dedupe.as_ref().is_none_or(|dedupe| !open.contains(dedupe));
        let Some(job) = self.find(id).filter(|job| is_over(job) && is_alone(job)) else {
            return false;
        };
        (job.state, job.attempt, job.cancel, job.progress) = (JobState::Queued, 0, false, 0);
        (job.run_at, job.lease_owner, job.lease_until) = (now, None, 0);
        (job.finished, job.updated) = (None, now);
        self.deaths.remove(id);
        true
    }
}

fn end(job: &mut Job, state: JobState, now: i64) {
    (job.state, job.finished) = (state, Some(now));
}

/// Applies the step to library and model; both must return the same.
async fn both(library: &Library, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let now = model.now;
    match step {
        Step::Enqueue { priority, like, attempts, later } => {
            let number = model.enqueued;
            model.enqueued += 1;
            let new = NewJob {
                kind: KINDS[number % 2][0],
                priority: *priority,
                dedupe: like.map(|like| format!("like {like}")),
                max_attempts: *attempts,
                run_at: now + later,
                ..job(&format!("j{number:03}"))
            };
            prop_assert_eq!(library.enqueue(&new, now).await.unwrap(), model.enqueue(&new));
        }
        Step::Claim { kinds } => {
            let owner = format!("w{}", model.claims.len());
            let lease = Duration::from_millis(LEASE.unsigned_abs());
            let claimed = library.claim_job(&owner, KINDS[*kinds], lease, now).await.unwrap();
            prop_assert_eq!(&claimed, &model.claim(&owner, KINDS[*kinds]));
            model.claims.extend(claimed.map(|job| (job.id, job.attempt, owner)));
        }
        Step::Cancel { job } => {
            if let Some(Job { id, .. }) = chosen(&model.jobs, *job).cloned() {
                prop_assert_eq!(library.cancel_job(&id, now).await.unwrap(), model.cancel(&id));
            }
        }
        Step::Retry { job } => {
            if let Some(Job { id, .. }) = chosen(&model.jobs, *job).cloned() {
                prop_assert_eq!(library.retry_job(&id, now).await.unwrap(), model.retry(&id));
            }
        }
        Step::Forget { ago } => {
            let before = model.jobs.len();
            model.jobs.retain(|job| job.finished.is_none_or(|finished| finished >= now - ago));
            let gone = u64::try_from(before - model.jobs.len()).unwrap();
            prop_assert_eq!(library.forget_jobs(now - ago).await.unwrap(), gone);
        }
        Step::Renew { claim, .. } | Step::Complete { claim } | Step::Fail { claim, .. } | Step::Release { claim } => {
            if let Some(claim) = chosen(&model.claims, *claim).cloned() {
                return held(library, model, step, &claim).await;
            }
        }
    }
    Ok(())
}

/// Like `both`, for a worker's calls about a job that it holds or held.
async fn held(
    library: &Library,
    model: &mut Model,
    step: &Step,
    claim: &(String, i32, String),
) -> Result<(), TestCaseError> {
    let now = model.now;
    let (id, attempt, owner) = (claim.0.as_str(), claim.1, claim.2.as_str());
    let job = model.held(claim);
    let answer = match step {
        Step::Renew { progress, .. } => {
            let wanted = match &job {
                None => Renewal::Lost,
                Some(job) if job.cancel => Renewal::Cancelled,
                Some(_) => Renewal::Held,
            };
            let said = library.renew_job(lease_of(id, attempt, owner), *progress, now + LEASE, now).await.unwrap();
            prop_assert_eq!(said, wanted);
            said != Renewal::Lost
        }
        Step::Complete { .. } => library.complete_job(lease_of(id, attempt, owner), now).await.unwrap(),
        Step::Fail { later, .. } => {
            let retry_at = later.map(|later| now + later);
            library.fail_job(lease_of(id, attempt, owner), "bad", retry_at, now).await.unwrap()
        }
        _ => library.release_job(lease_of(id, attempt, owner), now).await.unwrap(),
    };
    prop_assert_eq!(answer, job.is_some());
    let Some(job) = job else {
        return Ok(());
    };
    job.updated = now;
    match step {
        Step::Renew { progress, .. } => (job.progress, job.lease_until) = (*progress, now + LEASE),
        Step::Complete { .. } => {
            (job.progress, job.reason, job.lease_until) = (1_000, None, 0);
            end(job, JobState::Done, now);
        }
        Step::Fail { later, .. } => {
            (job.reason, job.lease_until) = (Some("bad".into()), 0);
            job.run_at = later.map_or(job.run_at, |later| now + later);
            match (job.cancel, later.is_none() || job.attempt >= job.max_attempts) {
                (true, _) => end(job, JobState::Cancelled, now),
                (false, true) => end(job, JobState::Dead, now),
                (false, false) => job.state = JobState::Queued,
            }
        }
        _ => {
            (job.attempt, job.lease_owner, job.lease_until, job.progress) = (job.attempt - 1, None, 0, 0);
            if job.cancel {
                end(job, JobState::Cancelled, now);
            } else {
                job.state = JobState::Queued;
            }
        }
    }
    Ok(())
}

/// Applies all steps; after each one, every row must match the model.
async fn walk(library: &Library, steps: &[(Step, i64)]) -> Result<(), TestCaseError> {
    // Remove the jobs of the previous case.
    library.forget_jobs(i64::MAX).await.unwrap();
    for job in library.jobs(None, None, None, 1_000).await.unwrap() {
        library.cancel_job(&job.id, i64::MAX - 1).await.unwrap();
    }
    library.forget_jobs(i64::MAX).await.unwrap();
    let mut model = Model::default();
    for (step, pause) in steps {
        model.now += pause;
        both(library, &mut model, step).await?;
        let mut wanted = model.jobs.clone();
        wanted.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        prop_assert_eq!(library.jobs(None, None, None, 1_000).await.unwrap(), wanted, "after {:?}", step);
    }
    Ok(())
}

#[test]
fn whatever_is_done_to_jobs_their_rows_are_as_the_model_says() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
        let steps = prop::collection::vec((step(), 0..4_i64), 1..60);
        let handle = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runner.run(&steps, |steps| handle.block_on(walk(&library, &steps))).unwrap();
        });
    });
}
