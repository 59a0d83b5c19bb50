//! Medians, spreads and ratios of the few samples a bench takes.

use serde::Serialize;

/// The median of a few samples, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle sample, or the mean of the two middle ones.
    pub median: f64,
    /// The smallest sample.
    pub min: f64,
    /// The largest sample.
    pub max: f64,
    /// How many there were.
    pub samples: usize,
}

impl Spread {
    /// `None` without samples: no figure is better than a zero that reads as one.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let upper = sorted.len() / 2;
        let lower = (sorted.len() - 1) / 2;
        Some(Self { median: f64::midpoint(sorted[lower], sorted[upper]), min, max, samples: sorted.len() })
    }

    /// The spread of `measured[i] / floor[i]`: each pair was taken in the same minute, so the machine's mood
    /// cancels out. Not the ratio of the medians.
    pub(crate) fn of_ratios(measured: &[f64], floor: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = measured.iter().zip(floor).map(|(ours, raw)| ours / raw).collect();
        Self::of(&ratios)
    }
}

/// Per-item cost; the counts of a bench are far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of one run are far below 2^52")]
pub(crate) fn per(total: u64, count: u64) -> f64 {
    total as f64 / count.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_is_between() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.median, spread.min, spread.max, spread.samples), (2.5, 1.0, 4.0, 4));
        assert_eq!(Spread::of(&[7.0]).unwrap().median, 7.0);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_pair_by_pair() {
        let ratio = Spread::of_ratios(&[10.0, 30.0, 22.0], &[10.0, 20.0, 20.0]).unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (1.1, 1.0, 1.5));
    }

    #[test]
    fn a_count_of_zero_does_not_divide() {
        assert_eq!(per(10, 0), 10.0);
        assert_eq!(per(10, 4), 2.5);
    }
}
