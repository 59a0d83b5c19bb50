//! Publications that their publisher may repeat: what the first one was answered.

use std::collections::{HashMap, VecDeque};

use model::{Moment, Position, limits};

use super::prints::Print;

/// Most remembered keys that one call forgets because their time is over.
const FORGOTTEN_PER_CALL_MAX: usize = 4;

/// The answers of the last [`limits::IDEMPOTENCY_PERIOD`], at most so many: the oldest makes room.
pub(super) struct Repeats {
    first_by_print: HashMap<Print, First>,
    oldest_first: VecDeque<(Print, Moment)>,
    keys_max: usize,
}

struct First {
    until: Moment,
    position: Option<Position>,
}

impl Repeats {
    pub(super) fn new(keys_max: usize) -> Self {
        Self { first_by_print: HashMap::new(), oldest_first: VecDeque::new(), keys_max }
    }

    /// What the first publication with this print was answered, if there was one.
    pub(super) fn first(&mut self, now: Moment, print: Print) -> Option<Option<Position>> {
        for _ in 0..FORGOTTEN_PER_CALL_MAX {
            match self.oldest_first.front() {
                Some((_, until)) if *until <= now => self.drop_oldest(),
                Some(_) | None => break,
            }
        }
        self.first_by_print.get(&print).filter(|first| first.until > now).map(|first| first.position)
    }

    pub(super) fn remember(&mut self, now: Moment, print: Print, position: Option<Position>) {
        if self.oldest_first.len() >= self.keys_max {
            self.drop_oldest();
        }
        let until = now + limits::IDEMPOTENCY_PERIOD;
        self.first_by_print.insert(print, First { until, position });
        self.oldest_first.push_back((print, until));
    }

    fn drop_oldest(&mut self) {
        let Some((print, until)) = self.oldest_first.pop_front() else { return };
        // A key whose time was over may have been used again since.
        if self.first_by_print.get(&print).is_some_and(|first| first.until == until) {
            self.first_by_print.remove(&print);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::prints::Prints;
    use super::*;

    #[test]
    fn a_key_is_forgotten_after_its_period_or_for_newer_ones() {
        let (prints, mut repeats) = (Prints::new(), Repeats::new(8));
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let over = limits::IDEMPOTENCY_PERIOD.as_secs();
        for key in 0..10 {
            repeats.remember(at(key), prints.of(key), None);
        }
        let known = |repeats: &mut Repeats, now, key: u64| repeats.first(at(now), prints.of(key)).is_some();
        assert!(!known(&mut repeats, 9, 0) && !known(&mut repeats, 9, 1), "they made room");
        assert!(known(&mut repeats, over + 1, 2) && !known(&mut repeats, over + 2, 2));
        assert!(!known(&mut repeats, over + 9, 9), "over, though it was not yet forgotten");
        repeats.remember(at(over + 9), prints.of(9_u64), None);
        for _ in 0..8 {
            assert!(known(&mut repeats, over + 10, 9), "used again");
        }
        assert_eq!((repeats.oldest_first.len(), repeats.first_by_print.len()), (1, 1));
    }
}
