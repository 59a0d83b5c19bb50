//! Limits over time.

use crate::Moment;

/// How many per second, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Sustained, per second.
    pub per_second: u32,
    /// At once, after a pause.
    pub burst: u32,
}

/// What is left of a [`Rate`]: eight bytes, so that every connection can have one.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    milli_tokens: u32,
    filled_at_millis: u32,
}

impl TokenBucket {
    /// A full bucket.
    pub fn full(rate: Rate, now: Moment) -> Self {
        Self { milli_tokens: rate.burst.saturating_mul(1000), filled_at_millis: now.millis() }
    }

    /// Takes one token, or says that there is none.
    pub fn take(&mut self, rate: Rate, now: Moment) -> Option<()> {
        let passed = now.millis().wrapping_sub(self.filled_at_millis);
        let gained = u64::from(passed) * u64::from(rate.per_second);
        let full = u64::from(rate.burst.saturating_mul(1000));
        self.milli_tokens =
            u32::try_from((u64::from(self.milli_tokens) + gained).min(full)).unwrap_or(u32::MAX);
        self.filled_at_millis = now.millis();
        self.milli_tokens = self.milli_tokens.checked_sub(1000)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_allows_its_burst_then_its_rate() {
        let rate = Rate { per_second: 10, burst: 3 };
        let start = Moment::after_start(Duration::from_secs(5));
        let mut bucket = TokenBucket::full(rate, start);
        let taken =
            |bucket: &mut TokenBucket, now| (0..100).take_while(|_| bucket.take(rate, now).is_some()).count();
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(200)), 2);
        assert_eq!(taken(&mut bucket, start + Duration::from_secs(60)), 3);
    }
}
