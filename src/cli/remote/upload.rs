//! `afflux upload FILE…`: each file sent, gone on with where an earlier run was cut off, and where it plays.

use super::api::Api;
use super::args::UploadArgs;
use super::error::Error;
use super::memory::{Memory, Stored};
use super::sending::{Found, Sending};
use super::tables::size;
use crate::cli::plain::plain;
use crate::ingest::Metadata;
use reqwest::Url;
use serde::Deserialize;
use std::fs::File;
use std::io::{Write as _, stderr, stdout};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// What is told of an upload that is published.
#[derive(Debug, Deserialize)]
struct Published {
    asset: String,
    urls: Option<Urls>,
}

/// Where it plays.
#[derive(Debug, Deserialize)]
struct Urls {
    hls: String,
}

/// A file, and what it is called here and there.
struct Local {
    file: Arc<File>,
    stored: Stored,
    name: String,
}

/// Sends the files, one after the other; a line for each. Exit code 1 when one was refused.
pub(super) async fn upload(api: &Api, args: &UploadArgs) -> Result<ExitCode, Error> {
    let memory = Memory::of_user();
    let mut code = ExitCode::SUCCESS;
    for path in &args.files {
        match one(api, args, (path, memory.as_ref())).await {
            Ok(text) => told(api, args, &text)?,
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

/// Sends one file: what is told of it once it is published.
async fn one(api: &Api, args: &UploadArgs, (path, memory): (&Path, Option<&Memory>)) -> Result<String, Error> {
    let local = open(api, args, path)?;
    let mut sending = Sending { api, file: Arc::clone(&local.file), size: local.stored.size, failures: 0 };
    let (url, offset) = begin(&mut sending, args, (path, &local, memory)).await?;
    let sent = match sending.send(&url, offset).await {
        Ok(()) => is_same(path, &local.stored).map(|()| sending),
        Err(error) => Err(error),
    };
    let ended = match sent {
        Ok(mut sending) => sending.published(&url).await,
        Err(error) => Err(error),
    };
    // What may go on later is remembered; what has arrived or never will is not.
    let goes_on = ended.as_ref().is_err_and(|error| error.passes() || error.is_for_all() || is_full(error));
    if let Some(memory) = memory.filter(|_| !goes_on) {
        let _ = memory.forget(&local.stored);
    }
    ended
}

/// Whether there is no room for it now.
fn is_full(error: &Error) -> bool {
    matches!(error, Error::Refused { status, .. } if status.as_u16() == 507)
}

fn open(api: &Api, args: &UploadArgs, path: &Path) -> Result<Local, Error> {
    let unread = |error: std::io::Error| Error::File(error.to_string());
    let file = File::open(path).map_err(unread)?;
    let about = file.metadata().map_err(unread)?;
    if !about.is_file() {
        return Err(Error::File("it is no file".into()));
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::File("its name is not UTF-8".into()))?.to_owned();
    let path = path.canonicalize().map_err(unread)?;
    let (server, asset) = (api.server().to_owned(), args.asset.clone());
    let stored = Stored { server, path, size: about.len(), modified: modified(&about), asset };
    Ok(Local { file: Arc::new(file), stored, name })
}

fn modified(about: &std::fs::Metadata) -> i64 {
    about.mtime().saturating_mul(1_000_000_000).saturating_add(about.mtime_nsec())
}

/// A file that was written to meanwhile has arrived as none that ever was.
fn is_same(path: &Path, stored: &Stored) -> Result<(), Error> {
    let about = std::fs::metadata(path).map_err(|error| Error::File(error.to_string()))?;
    let same = about.len() == stored.size && modified(&about) == stored.modified;
    same.then_some(()).ok_or_else(|| Error::File("it was changed while it was sent; send it again".into()))
}

/// Where the file goes, and from which byte on: an upload that is under way, or a new one.
async fn begin(
    sending: &mut Sending<'_>,
    args: &UploadArgs,
    (path, local, memory): (&Path, &Local, Option<&Memory>),
) -> Result<(Url, u64), Error> {
    let remembered = memory.and_then(|memory| memory.find(&local.stored)).and_then(|url| Url::parse(&url).ok());
    if let Some(url) = remembered
        && let Found::At(offset) = sending.look(&url).await?
    {
        say(path, &format!("goes on at {} of {}", size(offset), size(local.stored.size)));
        return Ok((url, offset));
    }
    let said =
        [("filename", Some(local.name.as_str())), ("asset", args.asset.as_deref()), ("title", args.title.as_deref())];
    let metadata = Metadata::of(said.into_iter().filter_map(|(key, value)| Some((key, value?))));
    let url = sending.create(&metadata).await?;
    let kept = memory.map_or_else(|| Ok(()), |memory| memory.keep(&local.stored, url.as_str()));
    if let Err(error) = kept {
        say(path, &format!("it cannot be gone on with if it is cut off, as nothing can be remembered: {error}"));
    }
    Ok((url, 0))
}

fn told(api: &Api, args: &UploadArgs, text: &str) -> Result<(), Error> {
    if args.remote.json {
        return Ok(writeln!(stdout(), "{text}")?);
    }
    let published: Published = api.read(text)?;
    let hls = published.urls.map_or_else(String::new, |urls| format!("  {}", urls.hls));
    Ok(writeln!(stdout(), "{}", plain(&format!("{}{hls}", published.asset)))?)
}

/// A line about a file. A closed standard error leaves the exit code to speak.
fn say(path: &Path, what: &str) {
    let _ = writeln!(stderr(), "afflux: {}: {what}", plain(&path.display().to_string()));
}
