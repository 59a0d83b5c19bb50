//! The clocks: the one place below the engine where time is read.

use std::time::{Duration, Instant, SystemTime};

use model::{Moment, Now, UnixTime};

/// Reads both clocks. Copies agree on when the process began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The monotonic clock.
    pub fn moment(&self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since_epoch.as_ref().map_or(0, Duration::as_secs);
        Now { moment: self.moment(), unix: UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX)) }
    }
}
