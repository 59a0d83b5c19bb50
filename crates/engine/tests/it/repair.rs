//! What the broker loses, repeats or holds up never becomes a silent gap.

use std::time::Duration;

use engine::RepairOutcome;
use model::{Epoch, Mark, Marks, Moment, Position};

use crate::faulty_broker::Faults;
use crate::kept::{
    NEWS, ended, heard, name, publication, publish, publish_only, repairs, said, subscribed, world,
};
use crate::world::World;

#[test]
fn what_the_broker_loses_is_read_from_the_history() {
    let (mut world, _) = subscribed();
    publish(&mut world, ["1", "\"lost\"", "\"lost\""]);
    assert_eq!(heard(&mut world, 0), ["kept:news says 1"], "nobody can know yet");
    publish(&mut world, ["4", "5"]);
    assert_eq!(said(&mut world, 0), ["\"lost\"", "\"lost\"", "4", "5"]);
    assert_eq!(repairs(&mut world), [1, 1, 0, 0], "the first join, and this one");
    world.end();
}

#[test]
fn what_the_broker_repeats_is_dropped_and_counted() {
    let (mut world, _) = subscribed();
    publish(&mut world, ["1", "\"twice\"", "3", "\"twice\"", "5"]);
    assert_eq!(said(&mut world, 0), ["1", "\"twice\"", "3", "\"twice\"", "5"]);
    assert_eq!(world.count_node().duplicates, 2);
    world.end();
}

#[test]
fn the_last_lost_one_of_a_quiet_channel_is_found_by_comparing() {
    let (mut world, _) = subscribed();
    publish(&mut world, ["1", "\"lost\""]);
    assert_eq!(said(&mut world, 0), ["1"]);
    world.pass_for_all(Duration::from_secs(41));
    assert_eq!(said(&mut world, 0), ["\"lost\""]);
    assert_eq!(repairs(&mut world), [1, 1, 0, 0]);
    world.end();
}

#[test]
fn each_channel_is_compared_once_in_its_time_however_few_there_are() {
    let (mut world, faults) = world(1);
    for number in 0..3 {
        world.send(0, &format!("{} subscribe kept:{number}", number + 2));
    }
    world.settle();
    faults.reads();
    for turn in 1..=3 {
        world.pass_for_all(Duration::from_secs(40));
        assert_eq!(faults.reads(), 3, "of three channels, in turn {turn}");
    }
    world.end();
}

#[test]
fn what_comes_while_the_history_is_read_waits_its_turn() {
    let (mut world, faults) = subscribed();
    faults.read_late(true);
    publish(&mut world, ["1", "\"lost\"", "3", "4", "\"twice\""]);
    assert_eq!(said(&mut world, 0), ["1"]);
    faults.read_late(false);
    world.settle();
    assert_eq!(said(&mut world, 0), ["\"lost\"", "3", "4", "\"twice\""]);
    publish(&mut world, ["6"]);
    assert_eq!(said(&mut world, 0), ["6"]);
    world.end();
}

#[test]
fn a_broken_connection_costs_subscribers_nothing() {
    let (mut world, faults) = subscribed();
    let channel = name(NEWS);
    publish(&mut world, ["1"]);
    faults.sever(&channel);
    faults.cannot_hand_on(true);
    publish(&mut world, ["2", "3"]);
    let late = world.connect(0);
    world.send(late, "2 subscribe kept:news");
    world.settle();
    assert!(heard(&mut world, late).is_empty(), "nobody new may rely on the channel");
    faults.cannot_hand_on(false);
    faults.join(&channel);
    world.settle();
    assert_eq!(said(&mut world, 0), ["1", "2", "3"]);
    assert_eq!(heard(&mut world, late), ["2 subscribed at 3"]);
    publish(&mut world, ["4"]);
    assert_eq!((said(&mut world, 0), said(&mut world, late)), (vec!["4".into()], vec!["4".into()]));
    world.end();
}

#[test]
fn what_nobody_has_any_longer_is_told_at_a_bounded_rate() {
    let (mut world, faults) = world(5);
    for client in 0..5 {
        world.send(client, "2 subscribe kept:news");
    }
    world.settle();
    faults.cannot_hand_on(true);
    let payloads: Vec<String> = (1..=20).map(|number| number.to_string()).collect();
    publish(&mut world, payloads.iter().map(String::as_str));
    faults.cannot_hand_on(false);
    publish(&mut world, ["21"]);
    let told = |world: &mut World| -> usize {
        world.pass_for_all(Moment::TICK);
        (0..5).map(|client| ended(world, client)).sum()
    };
    (0..5).for_each(|client| assert_eq!(heard(&mut world, client), ["2 subscribed at 0"]));
    assert_eq!((told(&mut world), told(&mut world), told(&mut world)), (2, 2, 1));
    assert_eq!(repairs(&mut world)[RepairOutcome::Broken.index()], 1);
    assert_eq!(world.count().lapses, 5);
    publish(&mut world, ["22"]);
    assert!(heard(&mut world, 0).is_empty(), "what follows a gap is not sent");
    world.send(0, "3 recover kept:news 21");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["3 subscribed at 21 whole [22]"]);
    world.end();
}

#[test]
fn who_unsubscribes_or_comes_back_first_is_not_told_of_a_gap() {
    let (mut world, faults) = world(2);
    for client in 0..2 {
        world.send(client, "2 subscribe kept:news");
    }
    world.settle();
    heard(&mut world, 0);
    heard(&mut world, 1);
    faults.cannot_hand_on(true);
    let payloads: Vec<String> = (1..=20).map(|number| number.to_string()).collect();
    publish(&mut world, payloads.iter().map(String::as_str));
    faults.cannot_hand_on(false);
    publish(&mut world, ["21"]);
    world.send(0, "3 unsubscribe kept:news");
    world.send(1, "3 recover kept:news 0");
    world.settle();
    world.pass_for_all(Duration::from_secs(1));
    assert_eq!(heard(&mut world, 0), ["3 unsubscribed"]);
    assert_eq!(heard(&mut world, 1), ["3 subscribed at 21 failed"]);
    world.end();
}

#[test]
fn a_history_that_begins_anew_is_told() {
    let (mut world, faults) = subscribed();
    publish(&mut world, ["1"]);
    said(&mut world, 0);
    let position = Position { epoch: Epoch::new(77), offset: 1 };
    faults.forge(&name(NEWS), Some(position), Marks::default(), publication("\"of another epoch\""));
    world.settle();
    // The history knows nothing of that epoch, so it was never anybody's.
    publish(&mut world, ["2"]);
    assert_eq!(said(&mut world, 0), ["2"]);
    // Meta data that were lost are made anew.
    world.pass_for_all(Duration::from_secs(1));
    assert!(heard(&mut world, 0).is_empty());
    world.end();
}

/// A world in which 1 is published, and "lost" was handed on as the second publication, which then is "new".
fn with_another_in_its_place() -> (World, Faults, Position) {
    let (mut world, faults) = subscribed();
    let mut outcome = world.publish(NEWS, "1");
    world.settle();
    let first = outcome.try_recv().expect("it is answered").expect("it is accepted").expect("it is kept");
    let marks = Marks { own: Mark::new(1), previous: faults.mark() };
    let position = Position { offset: 2, ..first };
    faults.forge(&name(NEWS), Some(position), marks, publication("\"lost\""));
    world.settle();
    faults.cannot_hand_on(true);
    publish(&mut world, ["\"new\""]);
    faults.cannot_hand_on(false);
    assert_eq!(said(&mut world, 0), ["1", "\"lost\""]);
    (world, faults, position)
}

type Way<'w> = &'w dyn Fn(&mut World, &Faults, Position);

#[test]
fn a_number_that_was_lost_and_given_again_is_noticed_by_its_mark() {
    let connect_anew = |world: &mut World, faults: &Faults, _: Position| {
        faults.sever(&name(NEWS));
        faults.join(&name(NEWS));
        world.settle();
    };
    let compare = |world: &mut World, _: &Faults, _: Position| world.pass_for_all(Duration::from_secs(41));
    let publish_one = |world: &mut World, _: &Faults, _: Position| publish(world, ["3"]);
    let connect_after_more = |world: &mut World, faults: &Faults, second: Position| {
        faults.cannot_hand_on(true);
        publish(world, ["3", "4"]);
        faults.cannot_hand_on(false);
        connect_anew(world, faults, second);
    };
    let hear_the_other = |world: &mut World, faults: &Faults, second: Position| {
        let marks = Marks { own: Mark::new(2), previous: None };
        faults.forge(&name(NEWS), Some(second), marks, publication("\"new\""));
        world.settle();
    };
    let recover = |world: &mut World, _: &Faults, _: Position| {
        let other = world.connect(0);
        world.send(other, "2 recover kept:news 1");
        world.settle();
    };
    let ways: [(&str, Way<'_>); 6] = [
        ("joined anew", &connect_anew),
        ("compared", &compare),
        ("published to", &publish_one),
        ("told of the other", &hear_the_other),
        ("joined anew, with more than before", &connect_after_more),
        ("read for somebody else", &recover),
    ];
    for (way, notice) in ways {
        let (mut world, faults, second) = with_another_in_its_place();
        notice(&mut world, &faults, second);
        world.pass_for_all(Duration::from_secs(1));
        assert_eq!(heard(&mut world, 0), ["kept:news ended 2500"], "{way}");
        world.send(0, "3 recover kept:news 2");
        world.settle();
        assert_eq!(heard(&mut world, 0), ["3 subscribed at 0 failed"], "{way}: it counts anew");
        publish(&mut world, ["5"]);
        assert_eq!(said(&mut world, 0), ["5"], "{way}");
        world.end();
    }
}

#[test]
fn who_guesses_a_position_does_not_take_the_place_of_a_publication() {
    let (mut world, faults) = subscribed();
    let mut outcome = world.publish(NEWS, "1");
    world.settle();
    let first = outcome.try_recv().expect("it is answered").expect("it is accepted").expect("it is kept");
    let second = Some(Position { offset: 2, ..first });
    for marks in [Marks::default(), Marks { own: Mark::new(1), previous: None }] {
        faults.forge(&name(NEWS), second, marks, publication("\"forged\""));
        world.settle();
    }
    publish(&mut world, ["2", "3"]);
    assert_eq!(said(&mut world, 0), ["1", "2", "3"]);
    world.end();
}

#[test]
fn a_history_that_cannot_be_read_holds_its_channel_up_and_then_subscribers_are_told() {
    let (mut world, faults) = subscribed();
    faults.cannot_read(true);
    publish(&mut world, ["1", "\"lost\"", "3"]);
    world.pass_for_all(Duration::from_secs(9));
    assert_eq!(said(&mut world, 0), ["1"]);
    world.pass_for_all(Duration::from_secs(2));
    assert_eq!(ended(&mut world, 0), 1);
    world.send(0, "3 recover kept:news 1");
    world.settle();
    world.pass_for_all(Duration::from_millis(3300));
    assert_eq!(heard(&mut world, 0), ["3 refused 100"]);
    faults.cannot_read(false);
    world.pass_for_all(Duration::from_secs(1));
    world.send(0, "4 recover kept:news 1");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["4 subscribed at 1 whole [\"lost\" 3]"]);
    world.end();
}

#[test]
fn a_plain_publication_has_no_place_in_a_history() {
    let (mut world, faults) = subscribed();
    faults.forge(&name(NEWS), None, Marks::default(), publication("\"plain\""));
    world.settle();
    assert!(heard(&mut world, 0).is_empty());
    assert_eq!(world.count_node().unplaced, 1);
    world.end();
}

#[test]
fn a_client_reads_a_history() {
    let (mut world, _) = world(1);
    publish(&mut world, ["1", "2", "3"]);
    for (question, answer) in [
        ("2 history kept:news", "2 history 3 [1 2 3]"),
        ("3 history kept:news 1", "3 history 3 [2 3]"),
        ("4 history kept:news 1@0000abcd", "4 refused 112"),
        ("5 history news", "5 refused 108"),
    ] {
        world.send(0, question);
        world.settle();
        assert_eq!(heard(&mut world, 0), [answer]);
    }
    world.end();
}

#[test]
fn a_worker_that_stood_still_is_told_what_it_missed() {
    let (mut world, _) = subscribed();
    world.fill_mailbox(0);
    publish_only(&mut world, "1");
    world.serve_node();
    world.settle();
    world.pass_for_all(3 * Moment::TICK);
    assert_eq!(ended(&mut world, 0), 1);
    world.send(0, "3 recover kept:news 0");
    world.settle();
    assert_eq!(heard(&mut world, 0), ["3 subscribed at 0 whole [1]"]);
    world.end();
}
