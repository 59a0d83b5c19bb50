//! One timer per connection slot in a wheel of buckets: setting, moving and clearing are O(1) and allocate
//! nothing. Knows slots and ticks, not what they are for.

use crate::slab::NONE;

/// Buckets of one tick each; what is due later waits in its bucket for further turns.
const BUCKETS: usize = 512;

/// Due ticks by slot.
pub(crate) struct Wheel {
    timers: Vec<Timer>,
    heads: Box<[u32; BUCKETS]>,
    tick: u32,
}

/// `due` is [`NONE`] while no timer is set.
#[derive(Clone, Copy)]
struct Timer {
    due: u32,
    previous: u32,
    next: u32,
}

#[cfg(test)]
pub(crate) const TIMER_BYTES: usize = size_of::<Timer>();

impl Wheel {
    pub(crate) fn new(tick: u32) -> Self {
        Self { timers: Vec::new(), heads: Box::new([NONE; BUCKETS]), tick }
    }

    /// Sets or moves the timer of `slot`. A tick that has passed fires at the next advance.
    pub(crate) fn set(&mut self, slot: u32, due: u32) {
        let due = due.max(self.tick + 1);
        self.clear(slot);
        if self.timers.len() <= slot as usize {
            self.timers.resize(slot as usize + 1, Timer { due: NONE, previous: NONE, next: NONE });
        }
        let head = &mut self.heads[due as usize % BUCKETS];
        let next = std::mem::replace(head, slot);
        self.timers[slot as usize] = Timer { due, previous: NONE, next };
        if next != NONE {
            self.timers[next as usize].previous = slot;
        }
    }

    /// Clears the timer of `slot`, if one is set.
    pub(crate) fn clear(&mut self, slot: u32) {
        let Some(timer) = self.timers.get(slot as usize).copied().filter(|timer| timer.due != NONE) else {
            return;
        };
        if timer.previous == NONE {
            self.heads[timer.due as usize % BUCKETS] = timer.next;
        } else {
            self.timers[timer.previous as usize].next = timer.next;
        }
        if timer.next != NONE {
            self.timers[timer.next as usize].previous = timer.previous;
        }
        self.timers[slot as usize].due = NONE;
    }

    /// Moves on to `tick` and appends every slot that is due; their timers are cleared.
    pub(crate) fn advance(&mut self, tick: u32, fired: &mut Vec<u32>) {
        let buckets = (tick.saturating_sub(self.tick) as usize).min(BUCKETS);
        for step in 1..=buckets {
            let bucket = (self.tick as usize + step) % BUCKETS;
            let first = fired.len();
            let mut slot = self.heads[bucket];
            while slot != NONE {
                let timer = self.timers[slot as usize];
                if timer.due <= tick {
                    fired.push(slot);
                }
                slot = timer.next;
            }
            fired[first..].iter().for_each(|slot| self.clear(*slot));
        }
        self.tick = self.tick.max(tick);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wheel_fires_what_a_sorted_map_would(steps in prop::collection::vec((0_u32..40, 0_u32..1500, 0_u32..700), 1..200)) {
            let mut wheel = Wheel::new(7);
            let mut naive: BTreeMap<u32, u32> = BTreeMap::new();
            let mut tick = 7;
            for (slot, ahead, step) in steps {
                if ahead == 0 {
                    wheel.clear(slot);
                    naive.remove(&slot);
                } else {
                    wheel.set(slot, tick + ahead);
                    naive.insert(slot, tick + ahead);
                }
                tick += step;
                let mut fired = Vec::new();
                wheel.advance(tick, &mut fired);
                fired.sort_unstable();
                let expected: Vec<u32> = naive.iter().filter(|(_, due)| **due <= tick).map(|(slot, _)| *slot).collect();
                naive.retain(|_, due| *due > tick);
                prop_assert_eq!(fired, expected);
            }
        }
    }
}
