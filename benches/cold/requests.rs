//! What an object store was asked for: how often, how many bytes, and how many round trips one behind the other.

use std::sync::Mutex;
use std::time::Instant;

/// What a request is.
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
    /// Bytes of the answer's body.
    pub(crate) bytes: u64,
    pub(crate) arrived: Instant,
    pub(crate) answered: Instant,
}

/// Requests since they were last taken.
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

/// The longest chain of requests that arrived before `until`, each after the answer to the one before: what an answer
/// that was begun then had to wait for at most.
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

/// `1 LIST, 2 GET`.
pub(crate) fn told(asked: &[Asked]) -> String {
    let count = |kind: Kind| asked.iter().filter(|asked| asked.kind == kind).count();
    let counts = [("LIST", count(Kind::List)), ("HEAD", count(Kind::Head)), ("GET", count(Kind::Get))];
    let counts = counts.iter().filter(|(_, count)| *count > 0).map(|(name, count)| format!("{count} {name}"));
    counts.collect::<Vec<_>>().join(", ")
}
