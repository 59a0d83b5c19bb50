//! Checks: what is kept ends in time, and not before. They wait for real seconds, all of them together.

use std::time::{Duration, Instant};

use model::{ChannelName, HistoryRules, Position};

use super::Backend;
use super::driven::Driven;
use super::samples::{ALL, TOP, channel, kept_by, numbered, offsets};

super::checks![what_is_kept_ends_in_time];

const STEP: Duration = Duration::from_millis(500);
/// Of what has to end within the check.
const SHORT: Duration = Duration::from_secs(1);
/// Of what is used at every step: so late that a busy machine does not end it.
const MEDIUM: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(300);
const STEPS: u64 = 8;

fn what_is_kept_ends_in_time(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let once = |ttl, meta_ttl| HistoryRules { size: 100, ttl, meta_ttl };
    let (short, medium) = (once(SHORT, LONG), once(MEDIUM, LONG));
    let (forgotten, used) = (once(SHORT, SHORT), once(SHORT, MEDIUM));

    let ending = begin(&mut driven, "ending", short);
    let dropped = begin(&mut driven, "forgotten", forgotten);
    let again = begin(&mut driven, "published again", medium);
    let by_reads = begin(&mut driven, "known by reads", used);
    let by_removals = begin(&mut driven, "known by removals", used);
    let by_renewals = begin(&mut driven, "known by refused renewals", used);
    let begun = Instant::now();
    for step in 1..=STEPS {
        let next = STEP * u32::try_from(step).expect("few steps");
        driven.watch(next.saturating_sub(begun.elapsed()));
        driven.publish(0, &again.0, &numbered(step), kept_by(medium)).expect("it is kept");
        assert_eq!(driven.read(0, &by_reads.0, used, TOP).top, by_reads.1, "reading is a use");
        driven.remove(0, &by_removals.0);
        let whole = (by_renewals.1, None);
        assert_eq!(driven.renew(0, &by_renewals.0, used, whole), by_renewals.1, "so is this");
    }

    let page = driven.read(0, &ending.0, short, ALL);
    assert_eq!((page.top, page.entries.len()), (ending.1, 0), "publications end, the top stays");
    let position = driven.publish(0, &ending.0, &numbered(2), kept_by(short)).expect("it is kept");
    assert_eq!(position, Some(Position { offset: 2, ..ending.1 }));

    let page = driven.read(0, &dropped.0, forgotten, ALL);
    assert_ne!(page.top.epoch, dropped.1.epoch, "what was forgotten begins anew");
    assert_eq!((page.top.offset, page.entries.len()), (0, 0));

    let page = driven.read(0, &again.0, medium, ALL);
    assert_eq!(offsets(&page), (1..=STEPS + 1).collect::<Vec<u64>>(), "each publication keeps them all");
    assert_eq!(driven.read(0, &by_removals.0, used, TOP).top, by_removals.1, "removing is a use");
}

/// A channel with one publication, and its position.
fn begin(driven: &mut Driven<'_>, name: &str, rules: HistoryRules) -> (ChannelName, Position) {
    let channel = channel(name);
    let position = driven.publish(0, &channel, &numbered(1), kept_by(rules)).expect("it is kept");
    (channel, position.expect("what is kept has a position"))
}
