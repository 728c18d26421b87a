//! The system calls of a server, seen by `strace`.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use super::support::Server;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A server that is being watched.
#[derive(Debug)]
pub(crate) struct Watch {
    strace: Child,
    said: BufReader<ChildStderr>,
    log: tempfile::NamedTempFile,
}

/// What was seen: a call, its arguments and its result as `strace` prints them.
#[derive(Debug)]
pub(crate) struct Calls(Vec<(String, String)>);

impl Watch {
    /// Watches all threads of `server`, those to come included, from now on.
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
        // ptrace(2): it takes root, CAP_SYS_PTRACE, or /proc/sys/kernel/yama/ptrace_scope at 0.
        assert!(line.contains(" attached"), "strace may not watch a process of this user: {line}");
        Self { strace, said, log }
    }

    /// Watches no longer.
    pub(crate) fn stop(mut self) -> Calls {
        let sent = Command::new("kill").args(["-s", "INT", &self.strace.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.strace.wait().unwrap();
        // Kept until here: a pipe without a reader ends it early.
        drop(self.said);
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        Calls(text.lines().filter_map(call).collect())
    }
}

/// `123 read(4, "…", 9) = 9`; the second half of one that another interrupted is not one more.
fn call(line: &str) -> Option<(String, String)> {
    let (_, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then(|| (name.to_owned(), rest.to_owned()))
}

impl Calls {
    /// How often one of `names` was called.
    pub(crate) fn count(&self, names: &[&str]) -> usize {
        self.0.iter().filter(|(name, _)| names.contains(&name.as_str())).count()
    }

    /// How many calls there were.
    pub(crate) fn all(&self) -> usize {
        self.0.len()
    }

    /// Reads from files.
    pub(crate) fn reads(&self) -> usize {
        self.count(&["preadv2", "preadv", "pread64", "readv"])
    }

    /// Writes to sockets.
    pub(crate) fn writes(&self) -> usize {
        self.count(&["writev", "sendto", "sendmsg", "sendfile"])
    }

    /// Times that a thread waited, or woke another: an eventfd is written to for that.
    pub(crate) fn wakes(&self) -> usize {
        self.count(&["futex", "epoll_wait", "epoll_pwait", "epoll_pwait2", "write"])
    }

    /// The most memory that was asked of the system at once: by a map of its own, or by a growth of a heap. Stacks of
    /// threads and reserved addresses are none.
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
                // Above its guard page.
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

    /// What was called, and how often; for who looks into a failure.
    pub(crate) fn table(&self) -> std::collections::BTreeMap<&str, usize> {
        let mut table = std::collections::BTreeMap::new();
        for (name, _) in &self.0 {
            *table.entry(name.as_str()).or_default() += 1;
        }
        table
    }
}
