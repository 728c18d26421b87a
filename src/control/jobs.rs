//! Handlers for background jobs: list, get, retry, cancel.

use super::extract::{PathName, QueryParameters, limit};
use super::problem::ApiProblem;
use super::scope::Permission;
use super::state::Control;
use super::views::{JobView, JobsListed, Page};
use crate::http::ProblemKind;
use crate::ingest::{Error, Ingest, now};
use crate::library::{Job, JobState, Library};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

/// Lists jobs, the newest first.
#[utoipa::path(get, path = "/api/jobs", operation_id = "listJobs", tag = "jobs", params(JobsListed), security(("key" = ["read"])), responses((status = 200, description = "A page of jobs", body = Page<JobView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    QueryParameters(listed): QueryParameters<JobsListed>,
) -> Result<Json<Page<JobView>>, ApiProblem> {
    let ingest = everywhere(&control, &headers, Permission::Read).await?;
    let state = listed.state.as_deref().map(|word| {
        JobState::of(word).ok_or_else(|| {
            let allowed = "queued, running, done, dead or cancelled is allowed";
            ApiProblem::new(ProblemKind::BadQuery, format!("`state` is `{word}`; {allowed}"))
        })
    });
    let limit = limit(listed.limit)?;
    let (kind, after) = (listed.kind.as_deref(), listed.after.as_deref().filter(|after| !after.is_empty()));
    let rows = ingest.library().jobs(state.transpose()?, kind, after, limit).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().filter(|_| full).map(Job::place);
    Ok(Json(Page { items: rows.into_iter().map(JobView::from).collect(), next }))
}

/// Returns one job.
#[utoipa::path(get, path = "/api/jobs/{id}", operation_id = "getJob", tag = "jobs", params(("id" = String, Path, description = "The job's id")), security(("key" = ["read"])), responses((status = 200, description = "The job", body = JobView)))]
pub(super) async fn one(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Json<JobView>, ApiProblem> {
    let ingest = everywhere(&control, &headers, Permission::Read).await?;
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

/// Retries a job that is dead or was cancelled.
#[utoipa::path(post, path = "/api/jobs/{id}/retry", operation_id = "retryJob", tag = "jobs", params(("id" = String, Path, description = "The job's id")), security(("key" = ["write"])), responses((status = 200, description = "The job, queued again", body = JobView)))]
pub(super) async fn retry(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Json<JobView>, ApiProblem> {
    let ingest = everywhere(&control, &headers, Permission::Write).await?;
    found(ingest.library(), &id).await?;
    if !ingest.library().retry_job(&id, now()).await? {
        return Err(Error::Conflict("only dead and cancelled jobs are done again".into()).into());
    }
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

/// Cancels a job: a queued one at once, a running one when its worker next renews its lease.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", operation_id = "cancelJob", tag = "jobs", params(("id" = String, Path, description = "The job's id")), security(("key" = ["write"])), responses((status = 200, description = "The job as it is now", body = JobView)))]
pub(super) async fn cancel(
    State(control): State<Control>,
    headers: HeaderMap,
    PathName(id): PathName,
) -> Result<Json<JobView>, ApiProblem> {
    let ingest = everywhere(&control, &headers, Permission::Write).await?;
    found(ingest.library(), &id).await?;
    if !ingest.cancel_job(&id).await? {
        return Err(Error::Conflict("only jobs that wait or are under way can be cancelled".into()).into());
    }
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

/// The ingest service, if the caller has `right` for all assets: a job may concern any asset.
async fn everywhere<'a>(
    control: &'a Control,
    headers: &HeaderMap,
    right: Permission,
) -> Result<&'a Ingest, ApiProblem> {
    let (ingest, caller) = control.allowed(headers, right).await?;
    caller.check_everywhere(right)?;
    Ok(ingest)
}

async fn found(library: &Library, id: &str) -> Result<Job, ApiProblem> {
    Ok(library.job(id).await?.ok_or(Error::NotFound("job"))?)
}
