//! Fingerprints of texts that publishers choose: their size is not ours to bound, so they are not kept.

use std::hash::{BuildHasher, Hash, RandomState};

use crate::Version;

/// Makes fingerprints that nobody outside can aim at.
pub(super) struct Prints([RandomState; 2]);

/// Stands for a text: 128 bits of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Print([u64; 2]);

/// A version as it is kept: of any epoch, or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VersionPrint {
    pub(super) number: u64,
    pub(super) epoch: Option<Print>,
}

impl Prints {
    pub(super) fn new() -> Self {
        Self([RandomState::new(), RandomState::new()])
    }

    pub(super) fn of(&self, text: impl Hash) -> Print {
        Print(self.0.each_ref().map(|hasher| hasher.hash_one(&text)))
    }

    pub(super) fn of_version(&self, version: &Version) -> VersionPrint {
        let epoch = (!version.epoch.is_empty()).then(|| self.of(&version.epoch));
        VersionPrint { number: version.number, epoch }
    }
}

impl VersionPrint {
    /// Whether a publication of this version may follow one of `last`.
    pub(super) fn is_newer_than(&self, last: &Self) -> bool {
        let is_comparable = self.epoch.is_none() || self.epoch == last.epoch;
        !is_comparable || self.number > last.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_different_epochs_are_not_compared() {
        let prints = Prints::new();
        let version = |number, epoch: &str| prints.of_version(&Version { number, epoch: epoch.into() });
        for (next, last, is_newer) in [
            (version(2, ""), version(1, ""), true),
            (version(1, ""), version(1, ""), false),
            (version(1, "a"), version(1, "a"), false),
            (version(1, "b"), version(1, "a"), true),
            (version(1, "a"), version(1, ""), true),
            (version(1, ""), version(1, "a"), false),
            (version(2, ""), version(1, "a"), true),
            (version(u64::MAX, ""), version(u64::MAX - 1, ""), true),
        ] {
            assert_eq!(next.is_newer_than(&last), is_newer, "{next:?} after {last:?}");
        }
    }
}
