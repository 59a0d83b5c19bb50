//! The memory broker passes the suite, alone and as several nodes; a broker with a mistake does not.

use std::thread;
use std::time::Duration;

use broker::{Broker, MemoryBroker};
use testkit::{Backend, broker_checks, check_broker};

use crate::cluster::Cluster;
use crate::mistaken::{Mistake, Mistaken};

struct Memory;

impl Backend for Memory {
    fn broker(&mut self) -> Box<dyn Broker> {
        Box::new(MemoryBroker::new(1))
    }

    fn is_shared(&self) -> bool {
        false
    }

    #[expect(clippy::disallowed_methods, reason = "the suite waits against the clock")]
    fn wait(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_memory_broker_passes() {
    check_broker(&mut Memory);
}

#[test]
fn several_nodes_whose_broker_reports_late_pass() {
    check_broker(&mut Cluster::new());
}

#[test]
fn a_mistaken_broker_is_found_out() {
    let found_out = [
        (Mistake::AnswersTwice, "every_question_is_answered_once"),
        (Mistake::LosesTags, "what_is_published_arrives_to_the_byte"),
        (Mistake::LosesOne, "publications_come_in_order"),
        (Mistake::HeedsNoLeave, "what_is_left_is_not_heard"),
        (Mistake::KnowsNoKeys, "a_repetition_is_answered_as_the_first_was"),
        (Mistake::KnowsNoKeys, "a_repetition_without_history_is_not_published"),
        (Mistake::KnowsNoKeys, "nodes_share_keys"),
        (Mistake::KnowsNoVersions, "a_version_that_is_not_newer_is_not_published"),
        (Mistake::KnowsNoVersions, "a_version_needs_history"),
        (Mistake::RoundsVersions, "large_versions_are_told_apart"),
        (Mistake::KeepsOneTooMany, "a_history_is_trimmed_to_its_size"),
        (Mistake::ReadsFromSinceOn, "a_range_is_what_was_asked_for"),
        (Mistake::RefusesReads, "a_history_begins_by_being_read"),
        (Mistake::RenewsNothing, "an_epoch_is_renewed_that_has_lost_the_last_ones"),
        (Mistake::RenewsWithoutMarks, "an_epoch_is_renewed_that_has_others_in_their_place"),
        (Mistake::LosesMarks, "marks_are_the_same_wherever_they_are_seen"),
        (Mistake::RenewsNothing, "one_node_alone_renews_an_epoch"),
        (Mistake::KeepsForEver, "what_is_kept_ends_in_time"),
        (Mistake::KnowsForEver, "what_is_kept_ends_in_time"),
        (Mistake::EndsByTheFirst, "what_is_kept_ends_in_time"),
        (Mistake::HidesTheTop, "what_is_removed_still_counts"),
    ]
    .map(|(mistake, check)| {
        let check = broker_checks().find(|known| known.name == check).expect("a check of the suite");
        (check, mistake, thread::spawn(move || check.run(&mut Mistaken(Cluster::new(), mistake))))
    });
    for (check, mistake, run) in found_out {
        assert!(run.join().is_err(), "{} passed a broker with {mistake:?}", check.name);
    }
}
