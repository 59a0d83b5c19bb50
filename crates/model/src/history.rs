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

impl Position {
    /// Whether it comes right after `last`.
    pub fn follows(self, last: Self) -> bool {
        self.epoch == last.epoch && last.offset.checked_add(1) == Some(self.offset)
    }

    /// Whether it comes after `last`, or is of another history.
    pub fn is_beyond(self, last: Self) -> bool {
        self.epoch != last.epoch || self.offset > last.offset
    }
}

/// Tells a publication apart from another one that was given the same number after the first was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(NonZeroU32);

impl Mark {
    /// A mark from its number; 0 stands for none.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

/// The marks of a publication and of the one before it, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// Its own.
    pub own: Option<Mark>,
    /// That of the publication before it.
    pub previous: Option<Mark>,
}

impl Marks {
    /// Whether the publication before it may be the one with the mark `last`.
    pub fn follow(self, last: Option<Mark>) -> bool {
        last.is_none() || self.previous.is_none() || last == self.previous
    }
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
    /// Mark of the last publication, if it is known.
    pub mark: Option<Mark>,
    /// What was asked for, in the order asked for.
    pub entries: Vec<HistoryEntry>,
}

impl HistoryPage {
    /// Whether the page shows that the publication with a number is another than the one with `mark`.
    pub fn has_another(&self, offset: u64, mark: Option<Mark>) -> bool {
        if offset == self.top.offset {
            return self.mark.is_some() && mark.is_some() && self.mark != mark;
        }
        let next = self.entries.iter().find(|entry| entry.offset.checked_sub(1) == Some(offset));
        next.is_some_and(|next| !next.marks.follow(mark))
    }
}

/// A publication in a history.
#[derive(Debug, Clone)]
pub struct HistoryEntry {
    /// Its number.
    pub offset: u64,
    /// What tells it apart from another one with that number.
    pub marks: Marks,
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
    fn a_position_follows_the_one_before_it_in_the_same_epoch() {
        let at = |epoch, offset| Position { epoch: Epoch::new(epoch), offset };
        assert!(at(7, 1).follows(at(7, 0)));
        assert!(at(7, u64::MAX).follows(at(7, u64::MAX - 1)));
        for (position, last) in
            [((7, 1), (7, 1)), ((7, 0), (7, 1)), ((7, 3), (7, 1)), ((8, 2), (7, 1)), ((7, 0), (7, u64::MAX))]
        {
            assert!(!at(position.0, position.1).follows(at(last.0, last.1)), "{position:?} after {last:?}");
        }
    }

    #[test]
    fn a_page_shows_another_publication_where_both_marks_are_known() {
        let (mine, other) = (Mark::new(1), Mark::new(2));
        let page = |mark, previous| {
            let payload = crate::Payload::parse_json(b"1").expect("a payload");
            let publication = Publication::new(payload, Default::default());
            let entry = HistoryEntry { offset: 4, marks: Marks { own: mark, previous }, publication };
            HistoryPage { top: Position { epoch: Epoch::new(7), offset: 4 }, mark, entries: vec![entry] }
        };
        assert!(page(other, None).has_another(4, mine), "at the top");
        assert!(page(None, other).has_another(3, mine), "before what was published since");
        for (page, offset, mark) in [
            (page(mine, mine), 4, mine),
            (page(mine, mine), 3, mine),
            (page(None, None), 4, mine),
            (page(None, None), 3, mine),
            (page(other, other), 4, None),
            (page(other, other), 3, None),
            (page(other, other), 2, mine),
            (page(other, other), 5, mine),
        ] {
            assert!(!page.has_another(offset, mark), "{page:?} at {offset}, {mark:?}");
        }
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
