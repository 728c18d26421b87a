//! Starts the workers and the periodic tasks of a process.

use super::worker::KINDS;
use crate::ingest::service::Ingest;
use crate::library::JobKind;

impl Ingest {
    /// Starts the workers and the periodic cleanup.
    pub fn begin(&self) {
        for number in 0..self.settings.workers {
            let owner = format!("{}-{number}", self.name);
            self.tasks.spawn(self.clone().work(owner, &KINDS));
        }
        if self.settings.workers > 0 {
            // Discovery has a worker of its own: nobody waits for it, so it must not delay other jobs.
            if self.settings.transcoder.is_some() {
                self.tasks.spawn(self.clone().work(format!("{}-look", self.name), &[JobKind::Discover]));
            }
            self.tasks.spawn(self.clone().tidy());
        }
        self.tasks.spawn(self.clone().watch());
    }
}
