//! Checks: what is kept, how it is numbered, how it is asked for, how it is dropped.

use model::{Epoch, HistoryEntry, HistoryPage, HistoryRange, HistoryRules, Mark, Position, limits};

use super::Backend;
use super::driven::Driven;
use super::samples::{ALL, RULES, TOP, assert_same, channel, kept, kept_by, numbered, offsets};

super::checks![
    a_history_begins_by_being_read,
    a_history_is_trimmed_to_its_size,
    a_range_is_what_was_asked_for,
    a_page_has_its_bound,
    what_is_removed_still_counts,
    marks_are_the_same_wherever_they_are_seen,
    an_epoch_is_renewed_that_has_lost_the_last_ones,
    an_epoch_is_renewed_that_has_others_in_their_place,
    an_epoch_is_not_renewed_that_is_whole,
];

fn a_history_begins_by_being_read(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let (read, published) = (channel("read"), channel("published"));
    let first = driven.read(0, &read, RULES, ALL);
    assert_eq!((first.top.offset, first.entries.len()), (0, 0));
    for _ in 0..3 {
        assert_eq!(driven.read(0, &read, RULES, TOP).top, first.top, "the epoch stays");
    }
    let position = driven.publish(0, &read, &numbered(1), kept()).expect("it is kept");
    assert_eq!(position, Some(Position { offset: 1, ..first.top }));
    let position = driven.publish(0, &published, &numbered(1), kept()).expect("it is kept");
    let top = driven.read(0, &published, RULES, TOP).top;
    assert_eq!((Some(top), top.offset), (position, 1));
    assert_ne!(top.epoch, first.top.epoch, "each channel has its own");
}

fn a_history_is_trimmed_to_its_size(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("trimmed");
    let rules = |size| HistoryRules { size, ..RULES };
    for number in 1..=25 {
        driven.publish(0, &channel, &numbered(number), kept_by(rules(10))).expect("it is kept");
        let page = driven.read(0, &channel, rules(10), ALL);
        assert_eq!(offsets(&page), (number.saturating_sub(9).max(1)..=number).collect::<Vec<u64>>());
        assert_eq!(page.top.offset, number);
    }
    driven.publish(0, &channel, &numbered(26), kept_by(rules(3))).expect("it is kept");
    assert_eq!(
        offsets(&driven.read(0, &channel, rules(3), ALL)),
        [24, 25, 26],
        "a smaller size cuts at once"
    );
    for number in 27..=30 {
        driven.publish(0, &channel, &numbered(number), kept_by(rules(1))).expect("it is kept");
    }
    let page = driven.read(0, &channel, rules(1), ALL);
    assert_eq!((offsets(&page), page.top.offset), (vec![30], 30));
    assert_same(&page.entries[0].publication, &numbered(30));
}

fn a_range_is_what_was_asked_for(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("ranges");
    let rules = HistoryRules { size: 6, ..RULES };
    for number in 1..=10 {
        driven.publish(0, &channel, &numbered(number), kept_by(rules)).expect("it is kept");
    }
    // Kept are 5 to 10.
    let cases: [(Option<u64>, u32, bool, &[u64]); 26] = [
        (None, 100, false, &[5, 6, 7, 8, 9, 10]),
        (None, 2, false, &[5, 6]),
        (None, 0, false, &[]),
        (Some(0), 100, false, &[5, 6, 7, 8, 9, 10]),
        (Some(3), 2, false, &[5, 6]),
        (Some(4), 1, false, &[5]),
        (Some(5), 100, false, &[6, 7, 8, 9, 10]),
        (Some(7), 2, false, &[8, 9]),
        (Some(9), 2, false, &[10]),
        (Some(9), 0, false, &[]),
        (Some(10), 100, false, &[]),
        (Some(11), 100, false, &[]),
        (Some(u64::MAX), 100, false, &[]),
        (None, 100, true, &[10, 9, 8, 7, 6, 5]),
        (None, 2, true, &[10, 9]),
        (None, 0, true, &[]),
        (Some(u64::MAX), 2, true, &[10, 9]),
        (Some(11), 2, true, &[10, 9]),
        (Some(10), 2, true, &[9, 8]),
        (Some(7), 100, true, &[6, 5]),
        (Some(7), 1, true, &[6]),
        (Some(6), 100, true, &[5]),
        (Some(5), 100, true, &[]),
        (Some(1), 100, true, &[]),
        (Some(0), 100, true, &[]),
        (Some(7), 0, true, &[]),
    ];
    for (since, limit, reverse, expected) in cases {
        let page = driven.read(0, &channel, rules, HistoryRange { since, limit, reverse });
        assert_eq!(offsets(&page), expected, "since {since:?}, limit {limit}, reverse {reverse}");
        assert_eq!(page.top.offset, 10, "the top comes with every page");
        for entry in &page.entries {
            assert_same(&entry.publication, &numbered(entry.offset));
        }
    }
}

fn a_page_has_its_bound(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("bound");
    let bound = u64::from(limits::HISTORY_PUBLICATIONS_MAX);
    let count = bound + 7;
    let tickets: Vec<_> =
        (1..=count).map(|number| driven.begin_publish(0, &channel, &numbered(number), kept())).collect();
    for ticket in tickets {
        driven.answer(0, ticket);
    }
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!(offsets(&page), (1..=bound).collect::<Vec<u64>>());
    assert_eq!(page.top.offset, count);
    let page = driven.read(0, &channel, RULES, HistoryRange { reverse: true, ..ALL });
    assert_eq!(offsets(&page), (8..=count).rev().collect::<Vec<u64>>());
}

fn what_is_removed_still_counts(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let (unknown, channel) = (channel("unknown"), channel("removed"));
    driven.remove(0, &unknown);
    assert_eq!(driven.read(0, &unknown, RULES, ALL).top.offset, 0);
    for number in 1..=3 {
        driven.publish(0, &channel, &numbered(number), kept()).expect("it is kept");
    }
    let before = driven.read(0, &channel, RULES, ALL);
    for _ in 0..2 {
        driven.remove(0, &channel);
        let HistoryPage { top, entries, .. } = driven.read(0, &channel, RULES, ALL);
        assert_eq!((top, entries.len()), (before.top, 0));
    }
    let position = driven.publish(0, &channel, &numbered(4), kept()).expect("it is kept");
    assert_eq!(position, Some(Position { offset: 4, ..before.top }));
    assert_eq!(offsets(&driven.read(0, &channel, RULES, ALL)), [4]);
}

fn marks_are_the_same_wherever_they_are_seen(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("marked");
    driven.join(0, &channel);
    let rules = HistoryRules { size: 3, ..RULES };
    assert_eq!(driven.read(0, &channel, rules, TOP).mark, None, "nothing was published");
    let mut previous = None;
    for number in 1..=5 {
        driven.publish(0, &channel, &numbered(number), kept_by(rules)).expect("it is kept");
        let marks = driven.hear(0, &channel).marks;
        assert!(marks.own.is_some());
        assert_eq!(marks.previous, previous);
        let page = driven.read(0, &channel, rules, ALL);
        assert_eq!((page.mark, page.entries.last().map(|last| last.marks)), (marks.own, Some(marks)));
        let is_chained = |pair: &[HistoryEntry]| pair[1].marks.previous == pair[0].marks.own;
        assert!(page.entries.windows(2).all(is_chained), "{page:?}");
        previous = marks.own;
    }
    driven.remove(0, &channel);
    assert_eq!(driven.read(0, &channel, rules, TOP).mark, previous, "what is dropped was published");
}

fn an_epoch_is_renewed_that_has_lost_the_last_ones(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("renewed");
    let empty = driven.read(0, &channel, RULES, TOP).top;
    let begun = driven.renew(0, &channel, RULES, (Position { offset: 1, ..empty }, None));
    assert_ne!(begun.epoch, empty.epoch);
    assert_eq!(begun.offset, 0);
    for number in 1..=2 {
        driven.publish(0, &channel, &numbered(number), kept()).expect("it is kept");
    }
    let found = driven.read(0, &channel, RULES, TOP).top;
    assert_eq!(found, Position { offset: 2, ..begun });
    let lost = (Position { offset: 7, ..found }, None);
    let renewed = driven.renew(0, &channel, RULES, lost);
    assert_eq!(driven.renew(0, &channel, RULES, lost), renewed, "who finds it second changes nothing");
    assert!(![empty.epoch, begun.epoch].contains(&renewed.epoch));
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!((page.top, page.entries.len()), (Position { offset: 0, ..renewed }, 0));
    let position = driven.publish(0, &channel, &numbered(3), kept()).expect("it is kept");
    assert_eq!(position, Some(Position { offset: 1, ..renewed }), "it counts anew");
    assert_eq!(offsets(&driven.read(0, &channel, RULES, ALL)), [1]);
}

fn an_epoch_is_renewed_that_has_others_in_their_place(backend: &mut dyn Backend) {
    for offset in 1..=3 {
        let mut driven = Driven::new(backend, 1);
        let channel = channel("others");
        for number in 1..=3 {
            driven.publish(0, &channel, &numbered(number), kept()).expect("it is kept");
        }
        let page = driven.read(0, &channel, RULES, ALL);
        let own = page.entries[offset - 1].marks.own.expect("it has a mark");
        let position = Position { offset: offset as u64, ..page.top };
        assert_eq!(driven.renew(0, &channel, RULES, (position, Some(own))), page.top);
        let renewed = driven.renew(0, &channel, RULES, (position, Mark::new(own.number() ^ 1)));
        assert_eq!((renewed.offset, renewed.epoch != page.top.epoch), (0, true));
    }
}

fn an_epoch_is_not_renewed_that_is_whole(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let (unknown, channel) = (channel("never used"), channel("not renewed"));
    let elsewhere = Position { epoch: Epoch::new(7), offset: 0 };
    let begun = driven.renew(0, &unknown, RULES, (elsewhere, None));
    assert_eq!(begun.offset, 0);
    assert_eq!(driven.read(0, &unknown, RULES, TOP).top, begun, "the question began it");
    for number in 1..=3 {
        driven.publish(0, &channel, &numbered(number), kept()).expect("it is kept");
    }
    let top = driven.read(0, &channel, RULES, TOP).top;
    let other = Epoch::new(top.epoch.number() ^ 1);
    for last in [
        Position { offset: 3, ..top },
        Position { offset: 2, ..top },
        Position { offset: 0, ..top },
        Position { epoch: other, offset: 4 },
    ] {
        assert_eq!(driven.renew(0, &channel, RULES, (last, None)), top, "{last:?}");
    }
    let elsewhere = (Position { epoch: other, ..top }, Mark::new(1));
    assert_eq!(driven.renew(0, &channel, RULES, elsewhere), top, "of another epoch");
    assert_eq!(offsets(&driven.read(0, &channel, RULES, ALL)), [1, 2, 3]);
}
