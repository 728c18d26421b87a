//! Tries an upload in a child process first: a malicious file may need more memory to read and plan than the machine
//! has. The child has resource limits, so only the child dies; the upload is then refused.
//!
//! ```text
//! us    ─ {"size":…,"target_millis":…,"memory":…} ─► `afflux trial`     which limits itself, and reads no files
//!       ◄─ 4096 65536 ──────────────────────────────┤  "65,536 bytes from byte 4,096"
//!       ─ these bytes ──────────────────────────────►  … until it has read enough
//!       ◄─ done ────────────────────────────────────┘  it fits; the server checks itself whether it plays
//! ```

use crate::ingest::error::Error;
use crate::ingest::service::Ingest;
use crate::ingest::settings::Trial;
use crate::media::ByteRange;
use crate::store::Object;
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Longest run time of the child.
const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes read and handed over at a time.
const PART: u64 = 256 << 10;

/// Longest line that the child may send, in bytes.
const LINE: u64 = 64;

/// The line with which the child reports success.
const DONE: &str = "done";

impl Ingest {
    /// Has a child process read and plan `object`. An error if that exceeds its limits.
    pub(in crate::ingest) async fn check_cost(&self, object: &Object) -> Result<(), Error> {
        let Some(trial) = &self.settings.trial else { return Ok(()) };
        let target = self.catalog.target_millis();
        let begun = json!({"size": object.size(), "target_millis": target, "memory": trial.memory});
        let mut child = match begin(trial) {
            Ok(child) => child,
            Err(error) => {
                // An upgrade may have removed the executable: skip the trial.
                tracing::warn!("uploads are read without a trial process: {}: {error}", trial.program.display());
                return Ok(());
            }
        };
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
        let mut talk = TrialPipes { input, output: BufReader::new(output) };
        let talked = timeout(PATIENCE, talk.through(object, &begun.to_string())).await;
        match talked {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Error::Unplayable(format!(
                "{}: to read and to plan it takes more than {} bytes of memory (jobs.trial_memory): its tables are larger \
                 than those of any film",
                object.path(),
                trial.memory
            ))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Unplayable(format!(
                "{}: to read and to plan it takes longer than {} s",
                object.path(),
                PATIENCE.as_secs()
            ))),
        }
    }
}

fn begin(trial: &Trial) -> std::io::Result<Child> {
    let mut command = Command::new(&trial.program);
    // The child needs nothing from the environment, credentials least of all.
    command.arg("trial").env_clear().kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// The pipes to and from the child.
struct TrialPipes {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl TrialPipes {
    /// Answers the child's requests until it is done; `false` if it ended early.
    async fn through(&mut self, object: &Object, begun: &str) -> Result<bool, Error> {
        if self.input.write_all(format!("{begun}\n").as_bytes()).await.is_err() {
            return Ok(false);
        }
        loop {
            let mut line = String::new();
            let read = (&mut self.output).take(LINE).read_line(&mut line).await;
            if line.trim_end() == DONE {
                return Ok(true);
            }
            let asked = line.trim_end().split_once(' ').and_then(|(start, len)| {
                let range = ByteRange::new(start.parse().ok()?, len.parse().ok()?)?;
                (range.end() <= object.size()).then_some(range)
            });
            let (Ok(_), Some(range)) = (read, asked) else { return Ok(false) };
            if !self.answer(object, range).await? {
                return Ok(false);
            }
        }
    }

    /// Sends the bytes of `range` to the child; `false` if it does not read them.
    async fn answer(&mut self, object: &Object, range: ByteRange) -> Result<bool, Error> {
        object.expect(&[range]);
        let mut rest = Some(range);
        while let Some(part) = rest.and_then(|rest| rest.slice(0, PART)) {
            let bytes = object.read(part).await?;
            if self.input.write_all(&bytes).await.is_err() {
                return Ok(false);
            }
            rest = rest.and_then(|rest| rest.slice(PART, rest.len()));
        }
        Ok(true)
    }
}
