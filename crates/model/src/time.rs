//! Time as a parameter: a monotonic moment and the wall clock's second.

use std::ops::Add;
use std::time::Duration;

/// Nanoseconds on a monotonic clock that began with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// The timers' grain.
    pub const TICK: Duration = Duration::from_nanos(Self::NANOS_PER_TICK);
    const NANOS_PER_TICK: u64 = 100_000_000;

    /// The moment `elapsed` after the process began; the clock's end is 584 years away.
    pub fn after_start(elapsed: Duration) -> Self {
        Self(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Time passed since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole tenths of a second since the process began: what timers count in.
    pub fn ticks(self) -> u32 {
        (self.0 / Self::NANOS_PER_TICK) as u32
    }

    /// Whole milliseconds since the process began, as compact state keeps them. Wraps after 49 days: compare
    /// by difference.
    pub fn millis(self) -> u32 {
        (self.0 / 1_000_000) as u32
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Seconds since 1970 on the wall clock, as tokens count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixTime(pub i64);

/// Both clocks, read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// The monotonic clock.
    pub moment: Moment,
    /// The wall clock.
    pub unix: UnixTime,
}

impl Now {
    /// The timers' tick.
    pub fn tick(self) -> u32 {
        self.moment.ticks()
    }

    /// The tick that lies `ahead` of now.
    pub fn tick_in(self, ahead: Duration) -> u32 {
        (self.moment + ahead).ticks()
    }

    /// The tick at which the wall clock will show `at`, as far as it can be told now.
    pub fn tick_at(self, at: UnixTime) -> u32 {
        let ahead = u64::try_from(at.0.saturating_sub(self.unix.0)).unwrap_or(0);
        self.tick_in(Duration::from_secs(ahead.min(u64::from(u32::MAX))))
    }
}
