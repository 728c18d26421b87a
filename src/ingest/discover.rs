//! What GStreamer makes of a file, asked of a program of its own: it is killed when it takes too long or nobody wants to
//! know any more, and takes nobody with it when it crashes. Of what plays it is a second opinion, had when it plays
//! already; of what does not, it says what it is instead.

use super::append::path;
use super::error::Error;
use super::random::token;
use super::service::{Ingest, now};
use super::worker::{DISCOVER, Task};
use crate::library::{NewJob, UploadState};
use crate::lint::{Code, Finding};
use crate::store::Draft;
use serde_json::{Map, Value, json};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

/// What the program is called.
const NAME: &str = "afflux-transcode";

/// How long it may take. It gives up by itself before, but for when it hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a refusal waits for it.
const BRIEF: Duration = Duration::from_secs(10);

/// Bytes of its answer at most.
const ANSWER: u64 = 256 << 10;

/// Attempts: what it cannot read it says at once.
const ATTEMPTS: i32 = 2;

/// What it is told of where it runs. Credentials are not its business.
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

/// The program: the one that is `configured`, else beside this one.
pub(super) fn program(configured: &Path) -> Option<PathBuf> {
    if configured.as_os_str().is_empty() {
        let beside = std::env::current_exe().ok()?.with_file_name(NAME);
        return beside.is_file().then_some(beside);
    }
    if !configured.is_file() {
        tracing::warn!("jobs.transcoder: there is no program at {}", configured.display());
        return None;
    }
    Some(configured.into())
}

/// A file that is refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum RefusedFile<'a> {
    /// It is not in its place.
    Staged(&'a Draft),
    /// It is at this path.
    Placed(&'a str),
}

impl Ingest {
    /// Has an upload that is published looked at, if there is somebody who can.
    pub(super) async fn look_later(&self, upload: &str) -> Result<(), Error> {
        if self.settings.transcoder.is_none() {
            return Ok(());
        }
        let job = NewJob {
            id: token::<16>(),
            kind: DISCOVER.into(),
            subject: upload.into(),
            payload: String::new(),
            priority: -20,
            dedupe: Some(format!("{DISCOVER} {upload}")),
            max_attempts: ATTEMPTS,
            run_at: now(),
        };
        self.library.enqueue(&job, now()).await?;
        Ok(())
    }

    /// Adds what GStreamer finds to what is told of the upload that `task` is about.
    pub(super) async fn discover(&self, task: &Task) -> Result<(), Error> {
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
        let (report, at) = (Value::Object(report).to_string(), UploadState::Published);
        self.library.settle_upload(&row.id, &[at], at, None, Some(&report), now()).await?;
        Ok(())
    }

    /// `error`, which refuses a file, and what that is instead.
    pub(super) async fn explained(&self, error: Error, file: RefusedFile<'_>) -> Error {
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

    /// What GStreamer finds in the file at `path`; `None` where there is no GStreamer, or no way to the file for it.
    async fn found(&self, path: &str, patience: Duration) -> Result<Option<Map<String, Value>>, Error> {
        if self.settings.transcoder.is_none() {
            return Ok(None);
        }
        let Some(url) = self.catalog.store().readable(path, patience * 2).await? else { return Ok(None) };
        self.asked_about(&url, patience).await
    }

    /// What GStreamer finds in the file at `url`.
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

/// Runs `program` on the media at `url`. It is killed when this is dropped.
async fn ask(program: &Path, url: &str) -> Result<(ExitStatus, Vec<u8>), Error> {
    let failed = |error: std::io::Error| Error::Interrupted(format!("{}: {error}", program.display()));
    let mut command = Command::new(program);
    command.arg("discover").env_clear();
    command.envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    // By standard input: what is signed is not for everybody who lists processes.
    if let Some(mut input) = child.stdin.take() {
        match input.write_all(url.as_bytes()).await {
            // It ended before it read that: how it ended is what there is to tell.
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

/// A container and its codecs, in a few words; `None` where neither is known.
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
        // More than a pipe holds: it is gone before that is written.
        let (status, answer) = ask(Path::new("/bin/false"), &"u".repeat(1 << 20)).await.unwrap();
        assert_eq!((status.code(), answer.as_slice()), (Some(1), &b""[..]));
    }
}
