//! Asks GStreamer about a file, in a child process: it can be killed when it takes too long or the request is
//! cancelled, and a crash harms nobody else. For a playable file the report is a second opinion, added after
//! publication; for a refused file it names the actual format.

use crate::ingest::clock::now;
use crate::ingest::error::Error;
use crate::ingest::random::token;
use crate::ingest::receive::name::path;
use crate::ingest::service::Ingest;
use crate::ingest::task::Task;
use crate::library::{JobKind, NewJob, Settlement, UploadState};
use crate::lint::{Code, Finding};
use crate::store::Draft;
use serde_json::{Map, Value, json};
use std::io::ErrorKind;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest run time. The program itself gives up earlier, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest time for which a refusal waits for the program.
const BRIEF: Duration = Duration::from_secs(10);

/// Largest output of the program, in bytes.
const ANSWER: u64 = 256 << 10;

/// Attempts: few, as the program reports unreadable files at once.
const ATTEMPTS: i32 = 2;

/// Environment variables passed to the program. Credentials are not among them.
const ENVIRONMENT: [&str; 8] = [
    "PATH",
    "HOME",
    "XDG_CACHE_HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_REGISTRY",
];

/// A refused file.
#[derive(Debug, Clone, Copy)]
pub(in crate::ingest) enum RefusedFile<'a> {
    /// Staged, not at its final path.
    Staged(&'a Draft),
    /// Stored at this path.
    Placed(&'a str),
}

impl Ingest {
    /// Enqueues a GStreamer check of a published upload, if the program is available.
    pub(in crate::ingest) async fn look_later(&self, upload: &str) -> Result<(), Error> {
        if self.settings.transcoder.is_none() {
            return Ok(());
        }
        let job = NewJob {
            id: token::<16>(),
            kind: JobKind::Discover,
            subject: upload.into(),
            payload: String::new(),
            priority: -20,
            dedupe: Some(format!("{} {upload}", JobKind::Discover)),
            max_attempts: ATTEMPTS,
            run_at: now(),
        };
        self.library.enqueue(&job, now()).await?;
        Ok(())
    }

    /// Adds GStreamer's findings to the report of the upload of `task`.
    pub(in crate::ingest) async fn discover(&self, task: &Task) -> Result<(), Error> {
        let row = self.upload(&task.subject).await?;
        let report = row.report.as_deref().and_then(|report| serde_json::from_str(report).ok());
        let (UploadState::Published, Some(Value::Object(mut report))) = (row.state, report) else { return Ok(()) };
        if self.catalog.store().seek(&path(&row)).await?.is_none() {
            return Ok(());
        }
        let Some(found) = self.found(&path(&row), PATIENCE).await? else { return Ok(()) };
        if let (Some(error), Some(lint)) = (found.get("error"), report.get_mut("lint").and_then(Value::as_array_mut)) {
            let message = format!("GStreamer reads it with trouble: {}", error.as_str().unwrap_or_default());
            lint.push(json!(Finding::new(Code::Discoverer, message)));
        }
        report.insert("gstreamer".into(), found.into());
        let report = Value::Object(report).to_string();
        let settlement =
            Settlement { report: Some(&report), ..Settlement::plain(UploadState::Published, UploadState::Published) };
        self.library.settle_upload(&row.id, settlement, now()).await?;
        Ok(())
    }

    /// Adds GStreamer's description of the file to `error`, if that refuses the file as unplayable.
    pub(in crate::ingest) async fn explained(&self, error: Error, file: RefusedFile<'_>) -> Error {
        let Error::Unplayable(why) = error else { return error };
        let url = match file {
            RefusedFile::Staged(draft) => self.catalog.store().staged_url(draft),
            RefusedFile::Placed(path) => self.catalog.store().readable(path, BRIEF * 2).await.ok().flatten(),
        };
        let found = match url {
            Some(url) => self.asked_about(&url, BRIEF).await.ok().flatten(),
            None => None,
        };
        Error::Unplayable(match found.and_then(|found| words(&found)) {
            Some(words) => format!("{why} (GStreamer finds {words})"),
            None => why,
        })
    }

    /// GStreamer's report on the file at `path`; `None` without GStreamer, or if the store has no URL for it.
    async fn found(&self, path: &str, patience: Duration) -> Result<Option<Map<String, Value>>, Error> {
        if self.settings.transcoder.is_none() {
            return Ok(None);
        }
        let Some(url) = self.catalog.store().readable(path, patience * 2).await? else { return Ok(None) };
        self.asked_about(&url, patience).await
    }

    /// GStreamer's report on the file at `url`.
    async fn asked_about(&self, url: &str, patience: Duration) -> Result<Option<Map<String, Value>>, Error> {
        let Some(program) = &self.settings.transcoder else { return Ok(None) };
        let asked = timeout(patience, ask(program, url)).await;
        let (status, answer) = asked.map_err(|_| Error::Interrupted("GStreamer takes too long".into()))??;
        match serde_json::from_slice(&answer) {
            Ok(Value::Object(found)) if status.success() => Ok(Some(found)),
            Ok(_) | Err(_) => Err(Error::Interrupted(format!("GStreamer ended without an answer: {status}"))),
        }
    }
}

/// Runs `program` on the media at `url`. Dropping the future kills it.
async fn ask(program: &Path, url: &str) -> Result<(ExitStatus, Vec<u8>), Error> {
    let failed = |error: std::io::Error| Error::Interrupted(format!("{}: {error}", program.display()));
    let mut command = Command::new(program);
    command.arg("discover").env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    // Pass the URL on standard input: a signed URL must not show up in process lists.
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(url.as_bytes()).await {
            // The program ended before it read the URL: its exit status tells more.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.map_err(failed)?,
        }
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(ANSWER).read_to_end(&mut answer).await.map_err(failed)?;
    }
    Ok((child.wait().await.map_err(failed)?, answer))
}

/// Short text with container and codecs; `None` if neither is known.
fn words(found: &Map<String, Value>) -> Option<String> {
    let streams = found.get("streams").and_then(Value::as_array);
    let codecs = streams.into_iter().flatten().filter_map(|stream| stream.get("codec")?.as_str());
    let codecs = codecs.collect::<Vec<_>>().join(", ");
    let container = found.get("container").and_then(Value::as_str);
    match (container, codecs.as_str()) {
        (None, "") => None,
        (None, codecs) => Some(codecs.into()),
        (Some(container), "") => Some(container.into()),
        (Some(container), codecs) => Some(format!("{container}: {codecs}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{ask, words};
    use serde_json::{Value, json};
    use std::path::Path;

    #[test]
    fn what_is_found_is_said_in_a_few_words() {
        let said = |found: Value| words(found.as_object().unwrap());
        let both = json!({"container": "Matroska", "streams": [{"codec": "VP9"}, {"kind": "text"}, {"codec": "Opus"}]});
        assert_eq!(said(both).as_deref(), Some("Matroska: VP9, Opus"));
        assert_eq!(said(json!({"streams": [{"codec": "VP9"}]})).as_deref(), Some("VP9"));
        assert_eq!(said(json!({"container": "AVI", "streams": []})).as_deref(), Some("AVI"));
        assert_eq!(said(json!({"error": "no", "streams": []})), None);
    }

    #[tokio::test]
    async fn a_program_that_ends_before_it_was_told_all_is_told_by_how_it_ended() {
        // Longer than a pipe's buffer: the program is gone before all of it is written.
        let (status, answer) = ask(Path::new("/bin/false"), &"u".repeat(1 << 20)).await.unwrap();
        assert_eq!((status.code(), answer.as_slice()), (Some(1), &b""[..]));
    }
}
