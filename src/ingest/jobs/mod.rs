//! Runs the background work of a process: jobs of the library, and periodic cleanup.
//!
//! `start` begins the tasks, `worker` leases and runs jobs, `import` is the job that fetches a file, `stranded` settles
//! uploads whose jobs are over, `tidy` is the cleanup.

pub(super) mod import;
pub(super) mod start;
pub(super) mod stranded;
pub(super) mod tidy;
pub(super) mod worker;
