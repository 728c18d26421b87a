//! What an object store can do beside what all can: take objects in parts, let others write by a URL, tell what was begun,
//! list a page at a time.

use super::uploads::Uploads;
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use std::sync::Arc;

/// Bytes of a part at least, but for the last. S3 wants 5 MiB.
const PART: u64 = 8 << 20;

/// What an object store can do beside what all can.
#[derive(Clone)]
pub(super) struct Skills {
    /// Bytes of a part at least, but for the last.
    pub(super) part: u64,
    /// Takes objects in parts, over any time.
    pub(super) parts: Option<Arc<dyn MultipartStore>>,
    /// Lists a page of names, whatever they begin with.
    pub(super) pages: Option<Arc<dyn PaginatedListStore>>,
    /// Signs URLs for those who have no credentials.
    pub(super) signer: Option<Arc<dyn Signer>>,
    /// Tells which objects are being taken in parts.
    pub(super) uploads: Option<Arc<Uploads>>,
}

impl Default for Skills {
    fn default() -> Self {
        Self { part: PART, parts: None, pages: None, signer: None, uploads: None }
    }
}
