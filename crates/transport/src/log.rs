//! Log lines that a client could cause any number of: each kind is written now and then, with a count.

use std::time::Duration;

use engine::{Denial, Notice};
use model::{CloseReason, Moment};

/// Between two lines of one kind.
const PAUSE: Duration = Duration::from_secs(10);

/// Lets a line of each kind through every ten seconds.
pub struct Throttle<const KINDS: usize> {
    kinds: [(Option<Moment>, u32); KINDS],
}

impl<const KINDS: usize> Throttle<KINDS> {
    /// Nothing was written yet.
    pub fn new() -> Self {
        Self { kinds: [(None, 0); KINDS] }
    }

    /// Whether a line of this kind may be written; if so, how many were not since the last.
    pub fn admit(&mut self, kind: usize, now: Moment) -> Option<u32> {
        let (last, unsaid) = &mut self.kinds[kind];
        if last.is_some_and(|last| now.since(last) < PAUSE) {
            *unsaid += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

impl<const KINDS: usize> Default for Throttle<KINDS> {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes what happened to a connection.
pub(crate) fn write(notice: Notice, throttle: &mut Throttle<{ Denial::COUNT }>, now: Moment) {
    match notice {
        Notice::Denied(denial) => {
            let Some(unsaid) = throttle.admit(denial.index(), now) else {
                return;
            };
            let (reason, setting, hint) = (denial.label(), denial.setting(), denial.hint());
            tracing::warn!(reason, setting, hint, unsaid, "token refused");
        }
        Notice::Closed { client, reason: reason @ CloseReason::Gone } => {
            tracing::debug!(%client, code = reason.code(), "connection closed by its client");
        }
        Notice::Closed { client, reason } => {
            tracing::info!(%client, code = reason.code(), reason = %reason.text(), "connection closed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_each_kind_is_let_through_now_and_then_with_a_count() {
        let mut throttle = Throttle::<2>::new();
        for (kind, second, admitted) in [
            (0, 0, Some(0)),
            (0, 0, None),
            (0, 5, None),
            (1, 5, Some(0)),
            (0, 9, None),
            (1, 12, None),
            (0, 10, Some(3)),
            (0, 19, None),
            (1, 15, Some(1)),
            (0, 60, Some(1)),
            (0, 70, Some(0)),
        ] {
            let now = Moment::after_start(Duration::from_secs(second));
            assert_eq!(throttle.admit(kind, now), admitted, "{kind} after {second} s");
        }
    }
}
