//! Closing every connection of a worker over a window: in no order, at an even pace.

use std::time::Duration;

use model::{CloseReason, Now};

use super::Shard;

/// A worker that stood still makes up for so many ticks at once at most, and then hurries by a quarter: those who
/// are sent away reconnect all together otherwise.
const MADE_UP_TICKS_MAX: usize = 10;

/// Connections that are closed one after the other.
pub(super) struct Drain {
    /// Those still to close, in no order.
    left: Vec<u32>,
    total: usize,
    began: u32,
    ticks: usize,
    /// When some were closed last.
    seen: u32,
}

impl Drain {
    /// How many are to be closed at a tick.
    fn due(&mut self, tick: u32) -> usize {
        let passed = (tick.saturating_sub(self.began) as usize + 1).min(self.ticks);
        let ahead = self.total - self.left.len();
        let behind = (self.total * passed / self.ticks).saturating_sub(ahead);
        let elapsed = (tick.saturating_sub(self.seen) as usize).clamp(1, MADE_UP_TICKS_MAX);
        self.seen = tick;
        behind.min((self.total * elapsed * 5).div_ceil(self.ticks * 4))
    }
}

impl Shard {
    /// Begins to close every connection, evenly over `window`.
    pub(super) fn begin_drain(&mut self, window: Duration, now: Now) {
        let mut left: Vec<u32> = self.tables.connections.iter().map(|(slot, _)| slot).collect();
        for index in (1..left.len()).rev() {
            let other = (self.roll() % (index as u64 + 1)) as usize;
            left.swap(index, other);
        }
        let (began, ticks) = (now.tick(), (now.tick_in(window) - now.tick()).max(1) as usize);
        self.drain = Some(Drain { total: left.len(), left, began, ticks, seen: began });
        self.drain_some(now);
    }

    pub(super) fn drain_some(&mut self, now: Now) {
        let Some(drain) = &mut self.drain else {
            return;
        };
        let keep = drain.left.len() - drain.due(now.tick());
        for slot in drain.left.split_off(keep) {
            self.close(slot, CloseReason::Shutdown, now);
        }
    }
}
