//! Jobs: what is being done behind requests, done again, or given up.

use super::desk::Control;
use super::extract::Asked;
use super::keys::Scope;
use super::problem::Problem;
use super::uploads::limit;
use super::views::{JobView, Listed, Page};
use crate::ingest::{Error, now};
use crate::library::{Job, JobState, Library};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};

/// Jobs, the newest first.
#[utoipa::path(get, path = "/api/jobs", tag = "jobs", params(Listed), security(("key" = [])), responses((status = 200, body = Page<JobView>)))]
pub(super) async fn list(
    State(control): State<Control>,
    headers: HeaderMap,
    Asked(listed): Asked<Listed>,
) -> Result<Json<Page<JobView>>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Read).await?;
    let state = listed.state.as_deref().map(|word| {
        JobState::of(word).ok_or_else(|| {
            let allowed = "queued, running, done, dead or cancelled is allowed";
            Problem::new(StatusCode::BAD_REQUEST, format!("`state` is `{word}`; {allowed}"))
        })
    });
    let limit = limit(listed.limit)?;
    let (kind, after) = (listed.kind.as_deref(), listed.after.as_deref());
    let rows = ingest.library().jobs(state.transpose()?, kind, after, limit).await?;
    let full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
    let next = rows.last().filter(|_| full).map(Job::place);
    Ok(Json(Page { items: rows.into_iter().map(JobView::from).collect(), next }))
}

/// One job.
#[utoipa::path(get, path = "/api/jobs/{id}", tag = "jobs", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, body = JobView), (status = 404)))]
pub(super) async fn one(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Read).await?;
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

/// Does a job again that is dead or was cancelled.
#[utoipa::path(post, path = "/api/jobs/{id}/retry", tag = "jobs", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, body = JobView), (status = 404), (status = 409)))]
pub(super) async fn retry(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    found(ingest.library(), &id).await?;
    if !ingest.library().retry_job(&id, now()).await? {
        return Err(Error::Conflict("only dead and cancelled jobs are done again".into()).into());
    }
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

/// Cancels a job: one that waits at once, one under way as soon as its worker hears of it.
#[utoipa::path(post, path = "/api/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path)), security(("key" = [])), responses((status = 200, body = JobView), (status = 404), (status = 409)))]
pub(super) async fn cancel(
    State(control): State<Control>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<JobView>, Problem> {
    let (ingest, _) = control.allowed(&headers, Scope::Write).await?;
    found(ingest.library(), &id).await?;
    if !ingest.library().cancel_job(&id, now()).await? {
        return Err(Error::Conflict("only jobs that wait or are under way can be cancelled".into()).into());
    }
    Ok(Json(found(ingest.library(), &id).await?.into()))
}

async fn found(library: &Library, id: &str) -> Result<Job, Problem> {
    Ok(library.job(id).await?.ok_or(Error::NotFound("job"))?)
}
