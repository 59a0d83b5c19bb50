//! Pauses between attempts: longer each time, up to a bound, and never the same on two nodes.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use model::limits;

/// How long to wait before the next attempt.
pub(crate) struct Pause {
    dice: RandomState,
    attempts: u32,
}

impl Pause {
    /// Nothing was attempted yet.
    pub(crate) fn new() -> Self {
        Self { dice: RandomState::new(), attempts: 0 }
    }

    /// The last attempt succeeded.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The wait after one more attempt that failed: half of it is left to chance.
    pub(crate) fn next(&mut self) -> Duration {
        self.attempts = self.attempts.saturating_add(1);
        let doubled = limits::REDIS_PAUSE_MIN * (1 << (self.attempts - 1).min(16));
        let whole = doubled.min(limits::REDIS_PAUSE_MAX);
        let chance = self.dice.hash_one(self.attempts) as u32;
        whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_again_after_success() {
        let mut pause = Pause::new();
        for _ in 0..2 {
            for attempt in 0..100 {
                let whole = (limits::REDIS_PAUSE_MIN * (1 << attempt.min(8))).min(limits::REDIS_PAUSE_MAX);
                let wait = pause.next();
                assert!(whole / 2 <= wait && wait <= whole, "attempt {attempt}: {wait:?}");
            }
            pause.reset();
        }
    }
}
