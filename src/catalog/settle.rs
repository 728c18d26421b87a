//! Holds back half-copied files: decides by listings which files of a folder are complete.
//!
//! ```text
//! complete before with this stamp ──────────────────────────────────► complete
//! in a store that replaces objects atomically ──────────────────────► complete
//! last written `settle` ago or longer (moved here, or old) ─────────► complete
//! first seen with this stamp `settle` ago or longer ────────────────► complete: covers clocks that disagree
//! else: held back; if complete before with another stamp ───────────► that version stays
//! gone from the listing ────────────────────────────────────────────► gone
//! ```
//!
//! A copy counts as complete when nothing was written for `settle`: one that pauses longer appears as it is by then.

use crate::store::Stamp;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// A file's name in its folder, and its version.
pub(super) type StampedFile = (String, Stamp);

/// A file that is still being written, as far as we can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnsettledFile {
    /// Its name in its folder.
    pub(super) name: String,
    stamp: Stamp,
    since: Instant,
}

impl UnsettledFile {
    /// Stamp of the version that was seen last.
    pub(super) const fn stamp(&self) -> Stamp {
        self.stamp
    }
}

/// The files of a folder, divided by whether they are complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Believed {
    /// Complete files, sorted by name.
    pub(super) media: Vec<StampedFile>,
    /// Files that are being written, sorted by name. Their earlier versions may be among the complete files.
    pub(super) held: Vec<UnsettledFile>,
}

/// The time of a listing, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    /// The monotonic clock of this process.
    pub(super) instant: Instant,
    /// The system clock, which file times come from.
    pub(super) system: SystemTime,
}

/// The file called `name` among those that are `held`.
pub(super) fn held_as<'a>(held: &'a [UnsettledFile], name: &str) -> Option<&'a UnsettledFile> {
    held.binary_search_by(|file| file.name.as_str().cmp(name)).ok().and_then(|at| held.get(at))
}

/// Whether `name` is among the files that are `held`.
pub(super) fn is_held(held: &[UnsettledFile], name: &str) -> bool {
    held_as(held, name).is_some()
}

impl Believed {
    /// The next state, after a listing with the files `listed`, sorted by name.
    pub(super) fn next(&self, listed: Vec<StampedFile>, now: Clocks, settle: Duration) -> Self {
        let mut next = Self::default();
        for (name, stamp) in listed {
            let before = self.media.binary_search_by(|(each, _)| each.cmp(&name)).ok();
            let before = before.and_then(|at| self.media.get(at)).map(|(_, stamp)| *stamp);
            let since = self.since(&name, stamp).unwrap_or(now.instant);
            let seen = now.instant.saturating_duration_since(since);
            let whole =
                before == Some(stamp) || stamp.is_atomic() || stamp.age(now.system).is_some_and(|age| age >= settle);
            if whole || seen >= settle {
                next.media.push((name, stamp));
                continue;
            }
            next.media.extend(before.map(|before| (name.clone(), before)));
            next.held.push(UnsettledFile { name, stamp, since });
        }
        next
    }

    /// Since when `name` has been seen with this stamp and no other.
    fn since(&self, name: &str, stamp: Stamp) -> Option<Instant> {
        self.held.iter().find(|held| held.name == name && held.stamp == stamp).map(|held| held.since)
    }
}

#[cfg(test)]
mod tests {
    use super::{Believed, Clocks, StampedFile, is_held};
    use crate::store::{Stamp, Store};
    use std::time::{Duration, SystemTime};
    use tokio::time::Instant;

    const SETTLE: Duration = Duration::from_secs(2);

    /// The stamp of a file of `size` bytes that was written `ago` seconds before now; after now if negative.
    async fn stamp(size: usize, ago: i32) -> Stamp {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.mp4");
        std::fs::write(&path, vec![0; size]).unwrap();
        let span = Duration::from_secs(ago.unsigned_abs().into());
        let time = if ago < 0 { SystemTime::now() + span } else { SystemTime::now() - span };
        std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        Store::open_folder(root.path()).unwrap().stat("a.mp4").await.unwrap()
    }

    fn listed(stamp: Stamp) -> Vec<StampedFile> {
        vec![("a.mp4".into(), stamp)]
    }

    fn after(seconds: u64) -> Clocks {
        let span = Duration::from_secs(seconds);
        Clocks { instant: Instant::now() + span, system: SystemTime::now() }
    }

    /// Stamps of the complete files, and whether `a.mp4` is held back.
    fn summary(believed: &Believed) -> (Vec<Stamp>, bool) {
        (believed.media.iter().map(|(_, stamp)| *stamp).collect(), is_held(&believed.held, "a.mp4"))
    }

    #[tokio::test]
    async fn what_was_written_long_ago_appears_at_once_and_what_is_new_does_not() {
        let (old, new) = (stamp(1, 60).await, stamp(1, 0).await);
        assert_eq!(summary(&Believed::default().next(listed(old), after(0), SETTLE)), (vec![old], false));
        assert_eq!(summary(&Believed::default().next(listed(new), after(0), SETTLE)), (vec![], true));
        assert_eq!(summary(&Believed::default().next(listed(new), after(0), Duration::ZERO)), (vec![new], false));
    }

    #[tokio::test]
    async fn two_looks_that_agree_are_enough_whatever_the_clock_says() {
        let (ahead, grown) = (stamp(1, -3_600).await, stamp(2, -3_600).await);
        let first = Believed::default().next(listed(ahead), after(0), SETTLE);
        assert_eq!(summary(&first), (vec![], true));
        assert_eq!(summary(&first.next(listed(ahead), after(3), SETTLE)), (vec![ahead], false));
        let second = first.next(listed(grown), after(3), SETTLE);
        assert_eq!(summary(&second), (vec![], true));
        assert_eq!(summary(&second.next(listed(grown), after(4), SETTLE)), (vec![], true));
        assert_eq!(summary(&second.next(listed(grown), after(6), SETTLE)), (vec![grown], false));
    }

    #[tokio::test]
    async fn a_file_that_is_written_over_is_believed_as_it_was_until_it_holds() {
        let (old, new) = (stamp(1, 60).await, stamp(2, 0).await);
        let first = Believed::default().next(listed(old), after(0), SETTLE);
        let second = first.next(listed(new), after(1), SETTLE);
        assert_eq!(summary(&second), (vec![old], true));
        assert_eq!(summary(&second.next(listed(new), after(4), SETTLE)), (vec![new], false));
        assert_eq!(summary(&second.next(listed(old), after(2), SETTLE)), (vec![old], false));
        assert_eq!(summary(&second.next(vec![], after(2), SETTLE)), (vec![], false));
    }
}
