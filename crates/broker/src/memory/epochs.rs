//! Which epoch comes next: each is another one, and who knows the seed knows them all.

use model::Epoch;

/// Numbers that look random and do not repeat within 2³² of them.
pub(super) struct Epochs {
    seed: u32,
    count: u32,
}

impl Epochs {
    pub(super) fn new(seed: u32) -> Self {
        Self { seed, count: 0 }
    }

    pub(super) fn next(&mut self) -> Epoch {
        self.count = self.count.wrapping_add(1);
        if self.current() == 0 {
            self.count = self.count.wrapping_add(1);
        }
        Epoch::new(self.current())
    }

    fn current(&self) -> u32 {
        scatter(scatter(self.count) ^ self.seed)
    }
}

/// Each number becomes another one: an odd factor and a shifted exclusive or can both be undone.
fn scatter(number: u32) -> u32 {
    let number = (number ^ (number >> 16)).wrapping_mul(0x9e37_79b1);
    let number = (number ^ (number >> 15)).wrapping_mul(0x7feb_352d);
    number ^ (number >> 16)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn epochs_differ_from_each_other_and_between_seeds() {
        let epochs = |seed: u32| -> Vec<Epoch> {
            let mut epochs = Epochs::new(seed);
            (0..10_000).map(|_| epochs.next()).collect()
        };
        let (one, two) = (epochs(1), epochs(2));
        assert_eq!(one, epochs(1), "no dice");
        assert_eq!(one.iter().copied().collect::<HashSet<_>>().len(), one.len());
        assert!(one.iter().zip(&two).all(|(one, two)| one != two));
        assert!(two.windows(2).any(|pair| pair[0].number() > pair[1].number()), "they do not count up");
    }

    #[test]
    fn the_number_that_stands_for_none_is_left_out() {
        let seed = scatter(1);
        assert_eq!(Epochs { seed, count: 1 }.current(), 0);
        let (mut one, mut two) = (Epochs::new(seed), Epochs { seed, count: 1 });
        assert_eq!(one.next(), two.next());
        assert_ne!(one.next(), Epoch::new(1));
    }
}
