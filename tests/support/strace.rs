//! The system calls of a server, recorded by `strace`.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use super::support::Server;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A running recording.
#[derive(Debug)]
pub(crate) struct Watch {
    strace: Child,
    said: BufReader<ChildStderr>,
    log: tempfile::NamedTempFile,
}

/// Recorded calls: name, then arguments and result as `strace` prints them.
#[derive(Debug)]
pub(crate) struct Calls(Vec<(String, String)>);

impl Watch {
    /// Starts recording all threads of `server`, including future ones.
    pub(crate) fn new(server: &Server) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut strace = Command::new("strace")
            .args(["-f", "-e", "signal=none", "-o", log.path().to_str().unwrap()])
            .args(["-p", &server.child.id().to_string()])
            .stderr(Stdio::piped())
            .spawn()
            .expect("`strace` is needed: tests/setup.sh installs it");
        let mut said = BufReader::new(strace.stderr.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        // ptrace(2): needs root, CAP_SYS_PTRACE, or /proc/sys/kernel/yama/ptrace_scope at 0.
        assert!(line.contains(" attached"), "strace may not watch a process of this user: {line}");
        Self { strace, said, log }
    }

    /// Stops the recording.
    pub(crate) fn stop(mut self) -> Calls {
        let sent = Command::new("kill").args(["-s", "INT", &self.strace.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.strace.wait().unwrap();
        // Held until here: a pipe without a reader would end strace early.
        drop(self.said);
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        Calls(text.lines().filter_map(call).collect())
    }
}

/// Parses `123 read(4, "…", 9) = 9`; `None` for the second half of an interrupted call.
fn call(line: &str) -> Option<(String, String)> {
    let (_, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then(|| (name.to_owned(), rest.to_owned()))
}

impl Calls {
    /// Number of calls of any of `names`.
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).count()
    }

    /// Number of all calls.
    pub(crate) fn all(&self) -> usize {
        self.0.len()
    }

    /// Number of reads from files.
    pub(crate) fn reads(&self) -> usize {
        self.count(&["preadv2", "preadv", "pread64", "readv"])
    }

    /// Number of writes to sockets.
    pub(crate) fn writes(&self) -> usize {
        self.count(&["writev", "sendto", "sendmsg", "sendfile"])
    }

    /// Number of times that a thread waited, or woke another by writing to an eventfd.
    pub(crate) fn wakes(&self) -> usize {
        self.count(&["futex", "epoll_wait", "epoll_pwait", "epoll_pwait2", "write"])
    }

    /// Largest amount of memory requested from the system at once: by a separate mapping, or by growth of a heap.
    /// Thread stacks and reserved addresses do not count.
    pub(crate) fn largest(&self) -> u64 {
        let number = |text: &str| match text.trim().strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).unwrap_or(0),
            None => text.trim().parse().unwrap_or(0),
        };
        let (mut most, mut end) = (0, None);
        let mut stacks: Vec<u64> = Vec::new();
        for (name, rest) in &self.0 {
            let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, ""));
            let parts: Vec<&str> = arguments.split(',').collect();
            match name.as_str() {
                "mmap" if arguments.contains("MAP_STACK") => stacks.push(number(result)),
                "mmap" if !arguments.contains("PROT_NONE") => most = most.max(number(parts[1])),
                // A stack above its guard page.
                "mprotect" if !stacks.iter().any(|stack| number(parts[0]).wrapping_sub(*stack) < 1 << 16) => {
                    most = most.max(number(parts[1]));
                }
                "brk" => {
                    let now = number(result);
                    most = most.max(now.saturating_sub(end.unwrap_or(now)));
                    end = Some(now);
                }
                _ => {}
            }
        }
        most
    }

    /// Number of calls by name, for failure messages.
    pub(crate) fn table(&self) -> std::collections::BTreeMap<&str, usize> {
        let mut table = std::collections::BTreeMap::new();
        for (name, _) in &self.0 {
            *table.entry(name.as_str()).or_default() += 1;
        }
        table
    }
}
