//! Requests to an object store: their number, their bytes, and the longest chain of dependent round trips.

use std::sync::Mutex;
use std::time::Instant;

/// Kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    List,
    Head,
    Get,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    /// Size of the response body, in bytes.
    pub(crate) bytes: u64,
    pub(crate) arrived: Instant,
    pub(crate) answered: Instant,
}

/// Requests since the last `take`.
#[derive(Debug, Default)]
pub(crate) struct Log {
    asked: Mutex<Vec<Asked>>,
}

impl Log {
    pub(crate) fn push(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.asked.lock().unwrap().is_empty()
    }

    pub(crate) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Length of the longest chain of requests that arrived before `until`, each after the response to the one before: the
/// most round trips that a response begun at `until` can have waited for.
pub(crate) fn chain(asked: &[Asked], until: Instant) -> usize {
    let mut asked: Vec<Asked> = asked.iter().copied().filter(|asked| asked.arrived < until).collect();
    asked.sort_by_key(|asked| asked.answered);
    let mut last: Option<Instant> = None;
    let mut length = 0;
    for Asked { arrived, answered, .. } in asked {
        if last.is_none_or(|last| arrived >= last) {
            (last, length) = (Some(answered), length + 1);
        }
    }
    length
}

/// Formats requests as `1 LIST, 2 GET`.
pub(crate) fn format_requests(asked: &[Asked]) -> String {
    let count = |kind: Kind| asked.iter().filter(|asked| asked.kind == kind).count();
    let counts = [("LIST", count(Kind::List)), ("HEAD", count(Kind::Head)), ("GET", count(Kind::Get))];
    let counts = counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}
