//! State that the API's handlers share: the ingest service, once the library is open, and the checks of its callers.

use super::access::Caller;
use super::players::Players;
use super::problem::ApiProblem;
use super::scope::Permission;
use crate::http::ProblemKind;
use crate::ingest::Ingest;
use crate::library::Upload;
use axum::http::{HeaderMap, HeaderValue};
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// State that the handlers share. Clones share the same state.
#[derive(Debug, Clone)]
pub struct Control {
    /// Empty until the library is open.
    ingest: Arc<OnceLock<Ingest>>,
    origins: Arc<[String]>,
    players: Arc<Players>,
}

impl Control {
    /// An API that prints media URLs below `players`, and that pages of `origins` may call.
    #[must_use]
    pub fn new(players: Players, origins: &[String]) -> Self {
        Self { ingest: Arc::default(), origins: origins.into(), players: Arc::new(players) }
    }

    /// Whether pages of `origin` may call the API.
    pub(super) fn is_listed(&self, origin: &HeaderValue) -> bool {
        self.origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    }

    /// Base of media URLs, for the caller who sent `headers`.
    pub(super) fn players(&self, headers: &HeaderMap) -> Cow<'_, str> {
        self.players.url(headers)
    }

    /// Supplies the service once the library is open; handlers answer 503 until then. Only the first call counts.
    pub fn open(&self, ingest: Ingest) {
        // A second call changes nothing.
        let _ = self.ingest.set(ingest);
    }

    /// The ingest service; an error until the library is open.
    pub(super) fn ingest(&self) -> Result<&Ingest, ApiProblem> {
        let away = || ApiProblem::new(ProblemKind::LibraryAway, "the library does not answer yet");
        self.ingest.get().ok_or_else(away)
    }

    /// The ingest service and the caller who sent `headers`, if it has `right` for at least some assets.
    pub(super) async fn allowed(
        &self,
        headers: &HeaderMap,
        right: Permission,
    ) -> Result<(&Ingest, Caller), ApiProblem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        caller.check(right)?;
        Ok((ingest, caller))
    }

    /// The ingest service and the upload `id`, if the caller who sent `headers` has `right` to it or created it.
    pub(super) async fn upload(
        &self,
        headers: &HeaderMap,
        id: &str,
        right: Permission,
    ) -> Result<(&Ingest, Upload), ApiProblem> {
        let ingest = self.ingest()?;
        let caller = Caller::identify(ingest.library(), headers).await?;
        if caller.check(right).is_err() {
            caller.check(Permission::Upload)?;
        }
        let upload = ingest.upload(id).await?;
        caller.check_upload(right, &upload)?;
        Ok((ingest, upload))
    }
}
