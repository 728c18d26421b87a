//! Progress display on standard error for long work: only on a terminal, and only after the first second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// Delay before progress is shown.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Progress of work on a file.
#[derive(Debug)]
pub(super) struct ProgressDisplay {
    bar: ProgressBar,
    /// Draw target, held back until the bar is first drawn; `None` after that.
    target: Option<ProgressDrawTarget>,
}

impl ProgressDisplay {
    /// Progress over a file of `bytes` bytes, drawn at `target`.
    pub(super) fn over(bytes: u64, target: ProgressDrawTarget) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} to go");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, target: Some(target) }
    }

    /// Moves the progress to byte `position`. `elapsed` is the time since the work began.
    pub(super) fn at(&mut self, position: u64, elapsed: Duration) {
        self.bar.set_position(position);
        if elapsed >= PATIENCE
            && let Some(target) = self.target.take()
        {
            self.bar.set_draw_target(target);
            self.bar.tick();
        }
    }
}

impl Drop for ProgressDisplay {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Waits for `work` of unknown length, and shows `what` as a label if it takes longer than `PATIENCE`.
pub(super) async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    if let Ok(done) = tokio::time::timeout(PATIENCE, work.as_mut()).await {
        return done;
    }
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(PATIENCE / 4);
    let done = work.await;
    spinner.finish_and_clear();
    done
}

#[cfg(test)]
mod tests {
    use super::{PATIENCE, ProgressDisplay, waiting};
    use indicatif::{InMemoryTerm, ProgressDrawTarget};
    use std::time::Duration;

    #[test]
    fn nothing_is_shown_in_the_first_second_and_nothing_stays() {
        let terminal = InMemoryTerm::new(4, 60);
        let mut progress = ProgressDisplay::over(2_048, ProgressDrawTarget::term_like(Box::new(terminal.clone())));
        progress.at(512, Duration::from_millis(999));
        assert_eq!(terminal.contents(), "");
        progress.at(1_024, Duration::from_secs(1));
        assert!(terminal.contents().contains("1.00 KiB of 2.00 KiB"), "{}", terminal.contents());
        drop(progress);
        assert_eq!(terminal.contents(), "");
    }

    #[tokio::test]
    async fn what_lasts_is_waited_for() {
        let work = async {
            tokio::time::sleep(PATIENCE + Duration::from_millis(300)).await;
            7
        };
        assert_eq!(waiting("reading", work).await, 7);
    }
}
