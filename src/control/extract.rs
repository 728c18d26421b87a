//! What requests say, understood before a handler sees it; what is not is a problem as all others are.

use super::problem::Problem;
use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// What a body says, as JSON.
#[derive(Debug)]
pub(super) struct Said<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let said = Json::<T>::from_request(request, state).await;
        said.map(|Json(said)| Self(said)).map_err(|refusal| Problem::new(refusal.status(), refusal.body_text()))
    }
}

/// What a query asks for.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = Query::<T>::from_request_parts(parts, state).await;
        asked.map(|Query(asked)| Self(asked)).map_err(|refusal| Problem::new(refusal.status(), refusal.body_text()))
    }
}
