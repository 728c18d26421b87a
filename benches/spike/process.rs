//! Figures from the kernel about a server: processor time, memory and reads, and the memory of all sockets.

use std::fs;

/// Ticks per second in the kernel's accounts: Linux reports 100 to user space on every relevant architecture.
const TICKS: f64 = 100.0;

/// Page size in bytes, the unit of `/proc/net/sockstat`.
const PAGE: u64 = 4_096;

/// A server's process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Processor time so far, in seconds: user and system, all threads, including ended ones.
    pub(crate) fn seconds(self) -> f64 {
        let stat = self.read("stat");
        // proc(5): after the name in parentheses, utime and stime are the 12th and 13th field.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
        ticks / TICKS
    }

    /// Resident bytes.
    pub(crate) fn memory(self) -> u64 {
        kibibytes(&self.read("status"), "VmRSS:")
    }

    /// Peak of resident bytes since the start, or since [`Process::forget_peak`].
    pub(crate) fn peak(self) -> u64 {
        kibibytes(&self.read("status"), "VmHWM:")
    }

    /// Resets the peak to the current value.
    pub(crate) fn forget_peak(self) {
        // proc(5): 5 resets VmHWM. If the file is not writable, peaks count from the start.
        let _ = fs::write(format!("/proc/{}/clear_refs", self.0), "5");
    }

    /// Bytes read from files so far, including the page cache.
    pub(crate) fn bytes_read(self) -> u64 {
        let io = self.read("io");
        io.lines().find_map(|line| line.strip_prefix("rchar: ")).map_or(0, |bytes| bytes.trim().parse().unwrap())
    }

    /// Its child processes.
    pub(crate) fn children(self) -> Vec<Self> {
        let parent = |pid: u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse::<u32>().ok()
        };
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|pid| parent(*pid) == Some(self.0)).map(Self).collect()
    }

    fn read(self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.0)).expect("the server process must still run")
    }
}

/// Processor time of this program, in seconds.
pub(crate) fn own_seconds() -> f64 {
    Process(std::process::id()).seconds()
}

/// Bytes of kernel memory for all TCP sockets of the machine, both sides of each.
pub(crate) fn socket_memory() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = line.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    pages.map_or(0, |pages| pages.parse::<u64>().unwrap()) * PAGE
}

fn kibibytes(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) << 10
}
