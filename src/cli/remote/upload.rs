//! `afflux upload FILE…`: sends each file, resumes uploads that an earlier run left unfinished, and prints where each
//! plays.

use super::api::ApiClient;
use super::args::UploadArgs;
use super::error::Error;
use super::memory::{Memory, UploadIdentity};
use super::sending::{ResumePoint, UploadSession};
use super::tables::size;
use crate::cli::plain::plain;
use crate::ingest::Metadata;
use reqwest::Url;
use serde::Deserialize;
use std::fs::File;
use std::io::{Write as _, stderr, stdout};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The API's report of a published upload.
#[derive(Debug, Deserialize)]
struct PublishedUpload {
    asset: String,
    urls: Option<UploadedUrls>,
}

/// Playback URLs.
#[derive(Debug, Deserialize)]
struct UploadedUrls {
    hls: String,
}

/// A local file with its identity and its name.
struct LocalFile {
    /// Path as the user wrote it, for messages.
    path: PathBuf,
    file: Arc<File>,
    stored: UploadIdentity,
    name: String,
}

/// Sends the files one after the other, and prints a line for each. Exit code 1 if one was refused.
pub(super) async fn upload(api: &ApiClient, args: &UploadArgs) -> Result<ExitCode, Error> {
    let memory = Memory::of_user();
    let mut code = ExitCode::SUCCESS;
    for path in &args.files {
        match one(api, args, path, memory.as_ref()).await {
            Ok(text) => print_published(api, args, &text)?,
            Err(error) if matches!(error, Error::Use(_) | Error::Output(_)) => return Err(error),
            Err(error) => {
                say(path, &error.to_string());
                code = error.code();
                if error.is_for_all() {
                    break;
                }
            }
        }
    }
    Ok(code)
}

/// Sends one file; returns the API's report once it is published.
async fn one(api: &ApiClient, args: &UploadArgs, path: &Path, memory: Option<&Memory>) -> Result<String, Error> {
    let local = open(api, args, path)?;
    let mut sending = UploadSession { api, file: Arc::clone(&local.file), size: local.stored.size, failures: 0 };
    let (url, offset) = begin(&mut sending, args, &local, memory).await?;
    let sent = match sending.send(&url, offset).await {
        Ok(()) => is_same(path, &local.stored).map(|()| sending),
        Err(error) => Err(error),
    };
    let ended = match sent {
        Ok(mut sending) => sending.published(&url).await,
        Err(error) => Err(error),
    };
    // Keep the entry only if the upload can be resumed later.
    let goes_on = ended.as_ref().is_err_and(|error| error.passes() || error.is_for_all() || is_full(error));
    if let Some(memory) = memory.filter(|_| !goes_on) {
        let _ = memory.forget(&local.stored);
    }
    ended
}

/// Whether the server lacks room for the upload for now.
fn is_full(error: &Error) -> bool {
    matches!(error, Error::Refused { status, .. } if status.as_u16() == 507)
}

fn open(api: &ApiClient, args: &UploadArgs, path: &Path) -> Result<LocalFile, Error> {
    let unread = |error: std::io::Error| Error::File(error.to_string());
    let file = File::open(path).map_err(unread)?;
    let about = file.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(Error::File("it is no file".into()));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::File("its name is not UTF-8".into()))?.to_owned();
    let absolute = path.canonicalize().map_err(unread)?;
    let (server, asset) = (api.server().to_owned(), args.asset.clone());
    let stored = UploadIdentity { server, path: absolute, size: about.len(), modified: modified(&about), asset };
    Ok(LocalFile { path: path.to_owned(), file: Arc::new(file), stored, name })
}

fn modified(about: &std::fs::Metadata) -> i64 {
    about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec())
}

/// Checks that the file did not change while it was sent: a mixture of two versions would be neither.
fn is_same(path: &Path, stored: &UploadIdentity) -> Result<(), Error> {
    let about = std::fs::metadata(path).map_err(|error| Error::File(error.to_string()))?;
    let same = about.len() == stored.size && modified(&about) == stored.modified;
    same.then_some(()).ok_or_else(|| Error::File("it was changed while it was sent; send it again".into()))
}

/// The URL and offset to send from: of a remembered upload, or of a new one.
async fn begin(
    sending: &mut UploadSession<'_>,
    args: &UploadArgs,
    local: &LocalFile,
    memory: Option<&Memory>,
) -> Result<(Url, u64), Error> {
    let remembered = memory.and_then(|memory| memory.find(&local.stored)).and_then(|url| Url::parse(&url).ok());
    if let Some(url) = remembered
        && let ResumePoint::At(offset) = sending.fetch_offset(&url).await?
    {
        say(&local.path, &format!("goes on at {} of {}", size(offset), size(local.stored.size)));
        return Ok((url, offset));
    }
    let said =
        [("filename", Some(local.name.as_str())), ("asset", args.asset.as_deref()), ("title", args.title.as_deref())];
    let metadata = Metadata::of(said.into_iter().filter_map(|(key, value)| Some((key, value?))));
    let url = sending.create(&metadata).await?;
    let kept = memory.map_or_else(|| Ok(()), |memory| memory.keep(&local.stored, url.as_str()));
    if let Err(error) = kept {
        say(&local.path, &format!("it cannot be gone on with if it is cut off, as nothing can be remembered: {error}"));
    }
    Ok((url, 0))
}

fn print_published(api: &ApiClient, args: &UploadArgs, text: &str) -> Result<(), Error> {
    if args.remote.json {
        return Ok(writeln!(stdout(), "{text}")?);
    }
    let published: PublishedUpload = api.read(text)?;
    let hls = published.urls.map_or_else(String::new, |urls| format!("  {}", urls.hls));
    Ok(writeln!(stdout(), "{}", plain(&format!("{}{hls}", published.asset)))?)
}

/// Prints a line about a file on standard error. If that is closed, the exit code alone reports failures.
fn say(path: &Path, what: &str) {
    let _ = writeln!(stderr(), "afflux: {}: {what}", plain(&path.display().to_string()));
}
