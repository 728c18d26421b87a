//! The first look at what was uploaded, in a process of its own: a file may be made so that to read and to plan it takes
//! more memory than there is. That process has bounds, and it is the one that ends; the upload is refused.
//!
//! ```text
//! us    ─ {"size":…,"target_millis":…,"memory":…} ─► `afflux trial`     which sets its own bounds, and reads nothing itself
//!       ◄─ 4096 65536 ──────────────────────────────┤  "65,536 bytes from byte 4,096"
//!       ─ these bytes ──────────────────────────────►  … until it knows
//!       ◄─ done ────────────────────────────────────┘  it fits; whether it plays is found out here
//! ```

use super::error::Error;
use super::service::Ingest;
use crate::media::ByteRange;
use crate::store::Object;
use serde_json::json;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long the process may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Bytes that are read and handed over at a time.
const PART: u64 = 256 << 10;

/// Bytes of a line that it says, at most.
const LINE: u64 = 64;

/// The word for which the process ends in good order.
const DONE: &str = "done";

/// The process that looks first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// `afflux` itself.
    pub program: PathBuf,
    /// Bytes of memory that it may take.
    pub memory: u64,
}

impl Ingest {
    /// Has a process of its own read and plan `object`: an error where that takes more than it may.
    pub(super) async fn check_cost(&self, object: &Object) -> Result<(), Error> {
        let Some(trial) = &self.settings.trial else { return Ok(()) };
        let target = self.catalog.target_millis();
        let begun = json!({"size": object.size(), "target_millis": target, "memory": trial.memory});
        let mut child = match begin(trial) {
            Ok(child) => child,
            Err(error) => {
                // An upgrade may have taken the program away from under us.
                tracing::warn!("uploads are not tried in a process of their own: {}: {error}", trial.program.display());
                return Ok(());
            }
        };
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { return Ok(()) };
        let mut talk = Dialogue { input, output: BufReader::new(output) };
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
    // It needs nothing that the environment says, credentials least of all.
    command.arg("trial").env_clear().kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

/// Both ends of what is said.
struct Dialogue {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Answers until the process is done; `false` where it ended before.
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

    /// Hands over the bytes of `range`; `false` where nobody takes them any more.
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
