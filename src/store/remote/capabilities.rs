//! Optional abilities of an object store: multipart uploads, signed URLs, a list of unfinished uploads, paged listings.

use super::uploads::Uploads;
use object_store::list::PaginatedListStore;
use object_store::multipart::MultipartStore;
use object_store::signer::Signer;
use std::sync::Arc;

/// Smallest part in bytes, except the last one. S3 requires 5 MiB.
const PART: u64 = 8 << 20;

/// Optional abilities of an object store; `None` where it lacks one.
#[derive(Clone)]
pub(in crate::store) struct Capabilities {
    /// Smallest part in bytes, except the last one.
    pub(in crate::store) part: u64,
    /// Multipart uploads, which may take any time.
    pub(in crate::store) parts: Option<Arc<dyn MultipartStore>>,
    /// Lists names page by page, by any prefix.
    pub(in crate::store) pages: Option<Arc<dyn PaginatedListStore>>,
    /// Signs URLs for clients that have no credentials.
    pub(in crate::store) signer: Option<Arc<dyn Signer>>,
    /// Lists unfinished multipart uploads.
    pub(in crate::store) uploads: Option<Arc<Uploads>>,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self { part: PART, parts: None, pages: None, signer: None, uploads: None }
    }
}
