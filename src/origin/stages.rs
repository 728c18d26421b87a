//! What a request passed on its way to an answer, and how long it waited there: what `Server-Timing` tells.

use super::error::Error;
use crate::metrics::Outcome;
use std::future::Future;
use std::time::{Duration, Instant};

/// The stages of one request; those it did not come to are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages {
    /// Finding the asset, and reading what is not known of it yet.
    pub open: Option<Duration>,
    /// How the cache answered that had what was asked for.
    pub cache: Option<Outcome>,
    /// Waiting for what was not kept to be made, by this request or by one that it joined.
    pub make: Option<Duration>,
}

impl Stages {
    /// Waits for `work`, which finds an asset.
    pub(super) async fn opening<T>(&mut self, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        let done = work.await;
        self.open = Some(self.open.unwrap_or_default() + start.elapsed());
        done
    }

    /// Waits for `lookup` in a cache. Where several are asked in a row, the last has the answer.
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

    /// A cache was asked from `start` on, and answered so.
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
