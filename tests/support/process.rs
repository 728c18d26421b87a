//! System figures of a process and of its sockets.

#![allow(dead_code, reason = "each test crate uses a part of it")]

/// Bytes in a MiB.
pub(crate) const MIB: u64 = 1 << 20;

/// Resident bytes of a process.
pub(crate) fn rss(pid: u32) -> u64 {
    status(pid, "VmRSS:") << 10
}

/// Peak of [`rss`] so far.
pub(crate) fn peak(pid: u32) -> u64 {
    status(pid, "VmHWM:") << 10
}

/// Number of threads of a process.
pub(crate) fn threads(pid: u32) -> u64 {
    status(pid, "Threads:")
}

fn status(pid: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Number of open descriptors of a process.
pub(crate) fn descriptors(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64
}

/// Bytes of kernel buffers for all TCP connections of this machine, both directions; counted in pages of 4 KiB.
pub(crate) fn kernel_buffers() -> u64 {
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap();
    let (_, pages) = line.split_once(" mem ").unwrap();
    pages.trim().parse::<u64>().unwrap() * 4_096
}

/// Raises the descriptor limit of this process and its children to the system's maximum.
pub(crate) fn many_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// Processor time of a process, in hundredths of a second.
pub(crate) fn processor(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // proc_pid_stat(5): after the name, fields 3 and on; user and system time are 14 and 15.
    let (_, fields) = text.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}
