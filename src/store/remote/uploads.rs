//! Lists the unfinished multipart uploads of an S3 bucket (ListMultipartUploads). `object_store` has no such request,
//! but it signs the URL, and we fetch it.
//!
//! Other clouds get no such request: Azure drops uncommitted parts after a week, and a bucket of Google may have a rule
//! that aborts old uploads (`AbortIncompleteMultipartUpload`), as one of S3 may.

use super::fault::between;
use super::http::CONNECT;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use object_store::{Error, ObjectMeta, Result};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

/// How long a signed URL is valid.
const LIFETIME: Duration = Duration::from_mins(5);

/// Longest answer in bytes: a thousand uploads with the longest names take fewer.
const ANSWER: usize = 8 << 20;

/// Lists the multipart uploads of an S3 bucket.
#[derive(Debug)]
pub(in crate::store) struct Uploads {
    store: Arc<AmazonS3>,
    /// Certificates to trust in addition to the system's, as PEM.
    roots: Option<Vec<u8>>,
    client: OnceLock<reqwest::Client>,
}

/// Start of a page; the default marks the first page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    key: String,
    id: String,
}

/// A page of uploads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UploadPage {
    pub(in crate::store) begun: Vec<OngoingUpload>,
    /// Start of the next page; `None` on the last one.
    pub(in crate::store) next: Option<Marker>,
}

/// An unfinished upload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OngoingUpload {
    pub(in crate::store) key: String,
    pub(in crate::store) id: String,
    pub(in crate::store) since: SystemTime,
}

impl Uploads {
    pub(in crate::store) fn new(store: Arc<AmazonS3>, roots: Option<Vec<u8>>) -> Self {
        Self { store, roots, client: OnceLock::new() }
    }

    /// Requests a page of the uploads of objects whose keys begin with `prefix`.
    pub(super) async fn page(&self, prefix: &str, from: &Marker) -> Result<UploadPage> {
        let asked = [("uploads", ""), ("prefix", prefix), ("key-marker", &from.key), ("upload-id-marker", &from.id)];
        // `uploads` has no value; other parameters are left out if they are empty.
        let asked = asked.into_iter().filter(|(name, value)| *name == "uploads" || !value.is_empty());
        let options = SignedUrlOptions::default().with_query(asked);
        let url = self.store.signed_url_opts(Method::GET, &Path::default(), LIFETIME, &options).await?;
        let mut answer = self.client()?.get(url).send().await.map_err(generic)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(generic)? {
            if body.len() + chunk.len() > ANSWER {
                return Err(generic("a list of uploads is longer than any"));
            }
            body.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&body);
        let said = || format!("{} {text}", answer.status()).into();
        match answer.status().as_u16() {
            200 => UploadPage::parse(&text).ok_or_else(|| generic("no list of uploads")),
            501 | 405 => Err(Error::NotSupported { source: said() }),
            401 | 403 => Err(Error::PermissionDenied { path: prefix.into(), source: said() }),
            404 => Err(Error::NotFound { path: prefix.into(), source: said() }),
            _ => Err(Error::Generic { store: "S3", source: said() }),
        }
    }

    fn client(&self) -> Result<&reqwest::Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT);
        if let Some(pem) = &self.roots {
            builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem).map_err(generic)?);
        }
        let client = builder.build().map_err(generic)?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl UploadPage {
    /// Parses an answer; `None` if it is not a list of uploads.
    fn parse(text: &str) -> Option<Self> {
        let list = between(text, "<ListMultipartUploadsResult", "</ListMultipartUploadsResult>")?;
        let begun: Option<Vec<OngoingUpload>> = list.split("<Upload>").skip(1).map(OngoingUpload::parse).collect();
        let more = between(list, "<IsTruncated>", "</IsTruncated>").is_some_and(|more| more.trim() == "true");
        let marker = || {
            let key = plain(between(list, "<NextKeyMarker>", "</NextKeyMarker>")?);
            let id = plain(between(list, "<NextUploadIdMarker>", "</NextUploadIdMarker>")?);
            Some(Marker { key, id })
        };
        Some(Self { begun: begun?, next: more.then(marker).flatten() })
    }
}

impl OngoingUpload {
    fn parse(text: &str) -> Option<Self> {
        let key = plain(between(text, "<Key>", "</Key>")?);
        let id = plain(between(text, "<UploadId>", "</UploadId>")?);
        let since = time(between(text, "<Initiated>", "</Initiated>")?)?;
        Some(Self { key, id, since })
    }
}

/// Parses a time in the format of the store's own listings.
fn time(text: &str) -> Option<SystemTime> {
    let last_modified = text.parse().ok()?;
    let meta = ObjectMeta { location: Path::default(), last_modified, size: 0, e_tag: None, version: None };
    Some(meta.last_modified.into())
}

/// Replaces the entities in a text of XML.
fn plain(text: &str) -> String {
    let marks = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&apos;", "'"), ("&#39;", "'")];
    let plain = marks.iter().fold(text.to_owned(), |text, (name, mark)| text.replace(name, mark));
    plain.replace("&amp;", "&")
}

fn generic(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic { store: "S3", source: error.into() }
}

#[cfg(test)]
mod tests {
    use super::{Marker, OngoingUpload, UploadPage};
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_list_of_uploads_is_read() {
        let text = "<?xml version=\"1.0\"?>\n<ListMultipartUploadsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Bucket>b</Bucket><KeyMarker></KeyMarker><NextKeyMarker>a &amp;amp;.mp4</NextKeyMarker>\
            <NextUploadIdMarker>two</NextUploadIdMarker><IsTruncated>true</IsTruncated>\
            <Upload><Key>a &amp;amp;.mp4</Key><UploadId>two</UploadId><Owner><ID>x</ID></Owner>\
            <Initiated>2010-11-10T20:48:33.000Z</Initiated></Upload></ListMultipartUploadsResult>";
        let since = UNIX_EPOCH + Duration::from_secs(1_289_422_113);
        let begun = vec![OngoingUpload { key: "a &amp;.mp4".into(), id: "two".into(), since }];
        let next = Some(Marker { key: "a &amp;.mp4".into(), id: "two".into() });
        assert_eq!(UploadPage::parse(text), Some(UploadPage { begun, next }));
        let last = text.replace("true", "false").replace("<Upload>", "<No>");
        assert_eq!(UploadPage::parse(&last), Some(UploadPage::default()));
        for end in 0..text.len() {
            assert_eq!(UploadPage::parse(&text[..end]), None, "{end}");
        }
        assert_eq!(UploadPage::parse(&text.replace("2010-11", "2010-13")), None);
    }
}
