//! Checks: what keeps a publication from being published twice, or after a newer one.

use broker::{PublishTerms, Version};
use model::{HistoryRules, Refusal};

use super::Backend;
use super::driven::Driven;
use super::samples::{ALL, RULES, assert_same, channel, kept, kept_by, numbered, offsets, passing};

super::checks![
    a_repetition_is_answered_as_the_first_was,
    a_repetition_without_history_is_not_published,
    a_key_belongs_to_its_channel,
    a_version_that_is_not_newer_is_not_published,
    versions_of_different_epochs_are_not_compared,
    large_versions_are_told_apart,
    a_version_needs_history,
];

fn a_repetition_is_answered_as_the_first_was(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("repeated");
    driven.join(0, &channel);
    let first = driven.publish(0, &channel, &numbered(1), keyed(kept(), "k")).expect("it is kept");
    let second = driven.publish(0, &channel, &numbered(2), keyed(kept(), "other")).expect("it is kept");
    assert_eq!(driven.publish(0, &channel, &numbered(3), keyed(kept(), "k")), Ok(first));
    assert_eq!(driven.publish(0, &channel, &numbered(4), keyed(kept(), "other")), Ok(second));
    let odd = "\u{0}\r\n\"é ".repeat(500);
    let third = driven.publish(0, &channel, &numbered(5), keyed(kept(), &odd)).expect("it is kept");
    assert_eq!(driven.publish(0, &channel, &numbered(6), keyed(kept(), &odd)), Ok(third));
    for (offset, number) in [(1, 1), (2, 2), (3, 5)] {
        let heard = driven.hear(0, &channel);
        assert_eq!(heard.position.map(|position| position.offset), Some(offset));
        assert_same(&heard.publication, &numbered(number));
    }
    assert_eq!(offsets(&driven.read(0, &channel, RULES, ALL)), [1, 2, 3]);
    driven.expect_silence();
}

fn a_repetition_without_history_is_not_published(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("repeated in passing");
    driven.join(0, &channel);
    for number in 1..=3 {
        assert_eq!(driven.publish(0, &channel, &numbered(number), keyed(passing(), "k")), Ok(None));
    }
    assert_eq!(driven.publish(0, &channel, &numbered(4), keyed(passing(), "k2")), Ok(None));
    for number in [1, 4] {
        assert_same(&driven.hear(0, &channel).publication, &numbered(number));
    }
    driven.expect_silence();
}

fn a_key_belongs_to_its_channel(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    for name in ["one", "two"] {
        let channel = channel(name);
        driven.join(0, &channel);
        let position = driven.publish(0, &channel, &numbered(1), keyed(kept(), "k")).expect("it is kept");
        assert_eq!(driven.hear(0, &channel).position, position);
    }
    driven.expect_silence();
}

fn a_version_that_is_not_newer_is_not_published(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("versions");
    let rules = HistoryRules { size: 2, ..RULES };
    driven.join(0, &channel);
    let mut last = None;
    for (number, epoch, is_newer) in [
        (5, "", true),
        (5, "", false),
        (4, "", false),
        (0, "", false),
        (6, "", true),
        (7, "a", true),
        (7, "a", false),
        (6, "a", false),
        (6, "", false),
        (8, "", true),
    ] {
        let terms = versioned(kept_by(rules), number, epoch);
        let position = driven.publish(0, &channel, &numbered(number), terms).expect("it is answered");
        if is_newer {
            let heard = driven.hear(0, &channel);
            assert_eq!(heard.position, position, "{number} {epoch:?}");
            assert_same(&heard.publication, &numbered(number));
            assert_ne!(position, last);
            last = position;
        } else {
            assert_eq!(position, last, "{number} {epoch:?} is answered with the top");
        }
    }
    let unversioned = driven.publish(0, &channel, &numbered(1), kept_by(rules)).expect("it is kept");
    assert_eq!(driven.hear(0, &channel).position, unversioned);
    driven.remove(0, &channel);
    let terms = versioned(kept_by(rules), 8, "");
    let outcome = driven.publish(0, &channel, &numbered(8), terms);
    assert_eq!(outcome, Ok(unversioned), "the last version outlives what was kept");
    driven.expect_silence();
}

fn versions_of_different_epochs_are_not_compared(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("version epochs");
    for (offset, (number, epoch)) in (1..).zip([(9, "a"), (1, "b"), (1, "a"), (2, ""), (1, "é\u{0}\n")]) {
        let terms = versioned(kept(), number, epoch);
        let position = driven.publish(0, &channel, &numbered(number), terms).expect("it is kept");
        assert_eq!(position.map(|position| position.offset), Some(offset), "{number} {epoch:?}");
    }
}

fn large_versions_are_told_apart(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("large versions");
    let far = 1 << 53;
    let numbers = [9, 10, 99, 100, far, far + 1, far + 2, u64::MAX - 1, u64::MAX];
    for (offset, number) in (1..).zip(numbers) {
        for _ in 0..2 {
            let terms = versioned(kept(), number, "");
            let position = driven.publish(0, &channel, &numbered(1), terms).expect("it is answered");
            assert_eq!(position.map(|position| position.offset), Some(offset), "{number}");
        }
    }
}

fn a_version_needs_history(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("versions in passing");
    driven.join(0, &channel);
    let outcome = driven.publish(0, &channel, &numbered(1), versioned(passing(), 1, ""));
    assert_eq!(outcome, Err(Refusal::NotAvailable));
    driven.expect_silence();
}

fn keyed(terms: PublishTerms, key: &str) -> PublishTerms {
    PublishTerms { idempotency_key: Some(key.into()), ..terms }
}

fn versioned(terms: PublishTerms, number: u64, epoch: &str) -> PublishTerms {
    PublishTerms { version: Some(Version { number, epoch: epoch.into() }), ..terms }
}
