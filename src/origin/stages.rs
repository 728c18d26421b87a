//! Records how long a request waited in each stage, for the `Server-Timing` header.

use super::error::Error;
use crate::metrics::Outcome;
use std::future::Future;
use std::time::{Duration, Instant};

/// The stages of one request; `None` for stages that it did not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Time to find the asset, and to read its indexes if they are not loaded.
    pub open: Option<Duration>,
    /// Outcome of the cache lookup for the content.
    pub cache: Option<Outcome>,
    /// Time waited for content that was not cached to be built, by this request or by one that it joined.
    pub make: Option<Duration>,
}

impl Stages {
    /// Waits for `work`, which opens an asset, and records the time.
    pub(super) async fn opening<T>(&mut self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = work.await;
        self.open = Some(self.open.unwrap_or_default() + start.elapsed());
        done
    }

    /// Waits for `lookup` in a cache, and records its outcome and time. Of several lookups, the last outcome counts.
    pub(super) async fn looking<T, E>(
        &mut self,
        lookup: impl Future<Output = Result<(T, Outcome), E>>,
    ) -> Result<T, E> {
        let start = Instant::now();
        let looked = lookup.await;
        self.cache = looked.as_ref().ok().map(|(_, outcome)| *outcome);
        if self.cache != Some(Outcome::Hit) {
            self.make = Some(self.make.unwrap_or_default() + start.elapsed());
        }
        looked.map(|(value, _)| value)
    }

    /// Records a cache lookup that began at `start`, with its result and outcome.
    pub(super) fn looked<T>(&mut self, result: &Result<T, Error>, outcome: Outcome, start: Instant) {
        self.cache = match result {
            Ok(_) => Some(outcome),
            Err(Error::Busy(_)) => Some(Outcome::Shed),
            Err(_) => None,
        };
        if self.cache != Some(Outcome::Hit) {
            self.make = Some(self.make.unwrap_or_default() + start.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stages;
    use crate::metrics::Outcome;
    use std::future::ready;

    #[tokio::test]
    async fn only_what_is_not_kept_is_waited_for() {
        let mut stages = Stages::default();
        assert_eq!(stages.looking(ready(Ok::<_, ()>((7, Outcome::Hit)))).await, Ok(7));
        assert_eq!((stages.open, stages.cache, stages.make), (None, Some(Outcome::Hit), None));
        assert_eq!(stages.looking(ready(Ok::<_, ()>((8, Outcome::Joined)))).await, Ok(8));
        assert_eq!((stages.cache, stages.make.is_some()), (Some(Outcome::Joined), true));
        assert_eq!(stages.looking(ready(Err::<((), Outcome), _>("lost"))).await, Err("lost"));
        assert_eq!((stages.cache, stages.make.is_some()), (None, true));
    }
}
