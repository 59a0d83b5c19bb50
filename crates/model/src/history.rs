//! Positions, and what is kept of a channel's publications.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::Publication;

/// Identity of a channel's history: changes when what was counted is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(NonZeroU32);

impl Epoch {
    /// An epoch from any number; 0, which stands for none, becomes 1.
    pub fn new(number: u32) -> Self {
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0.get()
    }

    /// Parses the form that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let number = u32::from_str_radix(text, 16).ok().and_then(NonZeroU32::new).map(Self)?;
        (number.to_string() == text).then_some(number)
    }
}

/// Eight digits, as clients keep it.
impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Which history, and where in it. Positions of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which history.
    pub epoch: Epoch,
    /// Number within the history; the first publication has 1, and 0 stands before it.
    pub offset: u64,
}

/// A position as somebody outside remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Number of the last publication that was seen.
    pub offset: u64,
    /// Of which history.
    pub epoch: ClaimedEpoch,
}

/// The epoch that somebody outside names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimedEpoch {
    /// None was named: whatever the present one is.
    Any,
    /// This one.
    Of(Epoch),
    /// A text that was never an epoch of ours.
    Foreign,
}

impl ClaimedEpoch {
    /// Reads what was named; an empty text names none.
    pub fn parse(text: &str) -> Self {
        match (text, Epoch::parse(text)) {
            ("", _) => Self::Any,
            (_, Some(epoch)) => Self::Of(epoch),
            (_, None) => Self::Foreign,
        }
    }

    /// Whether it can be `epoch` that was meant.
    pub fn allows(self, epoch: Epoch) -> bool {
        match self {
            Self::Any => true,
            Self::Of(claimed) => claimed == epoch,
            Self::Foreign => false,
        }
    }
}

/// How much of a channel's publications is kept, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRules {
    /// Most publications kept; at least 1.
    pub size: u32,
    /// How long they are kept after the last one; at least a second.
    pub ttl: Duration,
    /// How long epoch and top are known after the last use of the history; at least `ttl`.
    pub meta_ttl: Duration,
}

/// Which part of a history is asked for. The top comes with every part, and alone with a limit of 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryRange {
    /// What follows this offset, or what precedes it in reverse. Absent: from the oldest, or from the newest.
    pub since: Option<u64>,
    /// Most publications; at most [`crate::limits::HISTORY_PUBLICATIONS_MAX`].
    pub limit: u32,
    /// From new to old.
    pub reverse: bool,
}

/// A part of a channel's history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// Epoch, and the last offset that was given away; both exist from the first question on.
    pub top: Position,
    /// What was asked for, in the order asked for.
    pub entries: Vec<HistoryEntry>,
}

/// A publication in a history.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// Its number.
    pub offset: u64,
    /// What was published.
    pub publication: Publication,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_survives_its_text() {
        for number in [1, 0xab, u32::MAX] {
            let epoch = Epoch::new(number);
            assert_eq!(Epoch::parse(&epoch.to_string()), Some(epoch));
        }
        for wrong in ["", "0", "00000000", "1", "+0000001", "0000000G", "000000AB", "000000001"] {
            assert_eq!(Epoch::parse(wrong), None, "{wrong}");
        }
        assert_eq!(size_of::<Option<Position>>(), 16);
    }

    #[test]
    fn a_claimed_epoch_is_none_ours_or_foreign() {
        let epoch = Epoch::new(7);
        assert!(ClaimedEpoch::parse("").allows(epoch));
        assert!(ClaimedEpoch::parse("00000007").allows(epoch));
        assert!(!ClaimedEpoch::parse("00000008").allows(epoch));
        assert!(!ClaimedEpoch::parse("xyz").allows(epoch));
    }
}
