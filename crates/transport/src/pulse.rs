//! Signs of life of a thread.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use model::{Moment, limits};

/// When a thread last ticked. Written by that thread, read by whoever asks after its health.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU32);

impl Pulse {
    /// The thread is alive.
    pub fn beat(&self, now: Moment) {
        self.0.store(now.millis(), Ordering::Relaxed);
    }

    /// Whether the thread ticked within [`limits::THREAD_SILENCE_MAX`].
    pub fn is_alive(&self, now: Moment) -> bool {
        self.silence(now) <= limits::THREAD_SILENCE_MAX
    }

    /// Time since the last tick.
    pub fn silence(&self, now: Moment) -> Duration {
        let silent = now.millis().wrapping_sub(self.0.load(Ordering::Relaxed));
        // Another thread may have read its clock a little earlier than the one that beat.
        if silent > u32::MAX / 2 { Duration::ZERO } else { Duration::from_millis(u64::from(silent)) }
    }
}
