//! What the system tells of a process and of its sockets.

#![allow(dead_code, reason = "each test crate uses a part of it")]

/// Bytes of a MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// Bytes of a process that are in memory.
pub(crate) fn rss(pid: u32) -> u64 {
    status(pid, "VmRSS:") << 10
}

/// The most that [`rss`] ever was.
pub(crate) fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:") << 10
}

/// Threads of a process.
pub(crate) fn threads(pid: u32) -> u64 {
    status(pid, "Threads:")
}

fn status(pid: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Descriptors that a process has open.
pub(crate) fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64
}

/// Bytes that the kernel holds for all TCP connections of this machine, both ways; it tells of pages of 4 KiB.
pub(crate) fn kernel_buffers() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap();
    let (_, pages) = line.split_once(" mem ").unwrap();
    pages.trim().parse::<u64>().unwrap() * 4_096
}

/// Lets this process, and those that it starts, open as many descriptors as the system allows.
pub(crate) fn many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Hundredths of a second of processor time that a process has taken.
pub(crate) fn processor(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc_pid_stat(5): behind the name, fields 3 and on; user and system time are 14 and 15.
    let (_, fields) = text.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}
