//! The machine: cores for server and client, the descriptor limit, and a line that describes the hardware.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::fs;

/// Descriptors that a thousand clients and their server need at most.
const DESCRIPTORS: u64 = 16_384;

/// Cores of server and client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cores {
    pub(crate) server: usize,
    pub(crate) client: usize,
}

impl Cores {
    /// Takes two of the cores that this process may use, and pins itself to the client's. With a single core both share
    /// it, and latency figures say little.
    pub(crate) fn take() -> Self {
        let allowed = sched_getaffinity(None).unwrap();
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let cores = Self { server: *cores.last().unwrap(), client: cores[0] };
        let mut own = CpuSet::new();
        own.set(cores.client);
        sched_setaffinity(None, &own).unwrap();
        cores
    }
}

/// Raises the descriptor limit to the system's maximum; child processes inherit it.
pub(crate) fn raise_descriptors() {
    let limits = getrlimit(Resource::Nofile);
    let most = limits.maximum.unwrap_or(DESCRIPTORS).max(limits.current.unwrap_or(0));
    let wanted = most.min(DESCRIPTORS.max(limits.current.unwrap_or(DESCRIPTORS)));
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limits.maximum }).unwrap();
    if wanted < DESCRIPTORS {
        println!("only {wanted} descriptors are allowed: scenes of 1,000 clients may fail");
    }
}

/// Facts that figures are worthless without: processor, cores, memory, kernel.
pub(crate) fn describe(cores: Cores) -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} ({}), {count} core for the client (core {}), 1 for the server (core {}); Linux {}; Afflux {}.",
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        cores.client,
        cores.server,
        kernel.trim(),
        env!("CARGO_PKG_VERSION"),
    )
}

/// A short form for a document: processor and kernel.
pub(crate) fn in_short() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<&str> = kernel.split('.').take(2).collect();
    format!("{}, Linux {}", field("/proc/cpuinfo", "model name"), version.join("."))
}

/// Value of `name` in `file`.
fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split(':').nth(1).unwrap_or("unknown").trim().to_owned()
}
