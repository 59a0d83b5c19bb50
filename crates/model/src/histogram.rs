//! A latency histogram as a plain struct: one owner counts, whoever scrapes merges copies.

use std::time::Duration;

/// Counts of durations in fixed buckets from 100 µs to 10 s.
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    counts: [u64; Self::BOUNDS.len() + 1],
    sum_nanos: u64,
}

/// What is compared for each delivery.
const BOUNDS_NANOS: [u64; Histogram::BOUNDS.len()] = {
    let (mut nanos, mut at) = ([0; Histogram::BOUNDS.len()], 0);
    while at < nanos.len() {
        nanos[at] = Histogram::BOUNDS[at].as_nanos() as u64;
        at += 1;
    }
    nanos
};

impl Histogram {
    /// Upper bounds of the buckets, inclusive; one more bucket has no bound.
    pub const BOUNDS: [Duration; 16] = [
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_millis(1),
        Duration::from_micros(2500),
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(25),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(250),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_millis(2500),
        Duration::from_secs(5),
        Duration::from_secs(10),
    ];

    /// Counts one duration.
    pub fn observe(&mut self, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.iter().position(|bound| nanos <= *bound).unwrap_or(BOUNDS_NANOS.len());
        self.counts[bucket] += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// Adds what another owner counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            *mine += theirs;
        }
        self.sum_nanos = self.sum_nanos.saturating_add(other.sum_nanos);
    }

    /// How many durations were at most each bound, in the order of [`Self::BOUNDS`].
    pub fn cumulative(&self) -> impl Iterator<Item = (Duration, u64)> {
        let mut below = 0;
        Self::BOUNDS.iter().zip(self.counts).map(move |(bound, count)| {
            below += count;
            (*bound, below)
        })
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos)
    }
}
