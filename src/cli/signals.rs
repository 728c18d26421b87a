//! Signals that stop the program: the first SIGTERM, SIGINT or SIGHUP stops gently, a second SIGTERM or SIGINT at once.

use std::fs::read_to_string;
use std::future::pending;
use std::io;
use std::process::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: work was left unfinished.
const KILLED: i32 = 1;

/// The signals that stop the program.
#[derive(Debug)]
pub(super) struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
    /// SIGHUP, for a closed terminal; `None` if the parent had it ignored, as `nohup` does.
    hang_up: Option<Signal>,
}

impl StopSignals {
    /// Installs the handlers, so that the signals do not end the program by themselves. Needs a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let hang_up = (!ignores_hang_up()).then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())?, hang_up })
    }

    /// Cancels `stop` at the first signal, and ends the program at the second.
    pub(super) async fn cancel(mut self, stop: CancellationToken) {
        let mut hang_up = self.hang_up.take();
        tokio::select! {
            () = self.asked() => {}
            () = hung_up(hang_up.as_mut()) => {}
        }
        stop.cancel();
        // A closing terminal may send SIGHUP more than once: ignore further ones.
        self.asked().await;
        tracing::warn!("stopped at once, by a second signal");
        exit(KILLED);
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn hung_up(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            let _ = signal.recv().await;
        }
        None => pending().await,
    }
}

/// Whether SIGHUP, the first bit of the `SigIgn` mask, is ignored.
fn ignores_hang_up() -> bool {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}
