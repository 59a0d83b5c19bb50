//! Log lines that Redis or its users could cause any number of: each kind is written now and then, with a count.

use std::time::Duration;

use tokio::time::Instant;

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// What is told now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// A connection could not be made.
    Unreachable,
    /// Redis turned a command down.
    Refused,
    /// Redis turned a subscription down.
    Unsubscribable,
    /// Something in a channel was no publication.
    Malformed,
    /// Something in a channel was not signed, or wrongly.
    Unsigned,
    /// The primaries were not found.
    Unknown,
}

const LINES: usize = Line::Unknown as usize + 1;

/// Lets a line of each kind through every ten seconds.
pub(crate) struct Throttle {
    kinds: [(Option<Instant>, u32); LINES],
}

impl Throttle {
    /// Nothing was written yet.
    pub(crate) fn new() -> Self {
        Self { kinds: [(None, 0); LINES] }
    }

    /// Whether a line of this kind may be written; if so, how many were not since the last.
    pub(crate) fn admit(&mut self, line: Line, now: Instant) -> Option<u32> {
        let (last, unsaid) = &mut self.kinds[line as usize];
        if last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            *unsaid += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}
