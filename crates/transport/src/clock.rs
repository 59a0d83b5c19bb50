//! The clocks: the one place below the engine where time is read.

use std::time::{Duration, Instant, SystemTime};

use model::{Moment, Now, UnixTime};

/// Reads both clocks. Copies agree on when the process began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// The wall clock at the start, in microseconds since 1970.
    start_unix_micros: u64,
}

impl Clock {
    /// A clock that begins now.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let micros = since_epoch.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        Self { start: Instant::now(), start_unix_micros: micros }
    }

    /// The monotonic clock.
    pub fn moment(&self) -> Moment {
        Moment::after_start(self.start.elapsed())
    }

    /// What the wall clock shows at a moment, in microseconds since 1970, if nobody has set it since the start.
    pub fn unix_micros(&self, moment: Moment) -> u64 {
        let passed = moment.since(Moment::default()).as_micros();
        self.start_unix_micros.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = since_epoch.as_ref().map_or(0, Duration::as_secs);
        Now { moment: self.moment(), unix: UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX)) }
    }
}
