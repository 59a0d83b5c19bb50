//! Checks: who is a member, who was one, how many there are.

use std::collections::HashSet;

use broker::Ticket;
use model::{ClientInfo, Refusal};

use super::PresenceBackend;
use super::visited::{Visited, channel, client, who, with_infos};

super::checks![
    who_enters_is_counted_until_it_exits,
    a_stranger_cannot_exit,
    who_enters_again_is_counted_once,
    clients_of_one_user_are_one_user,
    clients_without_a_user_are_one_user,
    a_client_can_become_another_users,
    users_are_told_apart_to_the_byte,
    what_is_shown_arrives_to_the_byte,
    what_is_shown_last_is_shown,
    members_are_listed_up_to_a_limit,
    nobody_is_in_an_unknown_channel,
    channels_have_members_of_their_own,
    every_call_is_answered_once,
    nodes_share_members,
];

fn who_enters_is_counted_until_it_exits(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("counted");
    assert_eq!(visited.enter(0, &channel, &who(1, "alice")), (true, 1));
    assert_eq!(visited.enter(0, &channel, &who(2, "bob")), (true, 2));
    assert_eq!(visited.count(0, &channel), (2, 2));
    assert_eq!(visited.exit(0, &channel, client(1)), (true, 1));
    assert_eq!(visited.count(0, &channel), (1, 1));
    assert_eq!(visited.exit(0, &channel, client(2)), (true, 0));
    assert_eq!(visited.count(0, &channel), (0, 0));
    assert_eq!(visited.enter(0, &channel, &who(1, "alice")), (true, 1));
    visited.expect_silence();
}

fn a_stranger_cannot_exit(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("strangers");
    assert_eq!(visited.exit(0, &channel, client(1)), (false, 0));
    visited.enter(0, &channel, &who(1, "alice"));
    assert_eq!(visited.exit(0, &channel, client(2)), (false, 1));
    assert_eq!(visited.exit(0, &channel, client(1)), (true, 0));
    assert_eq!(visited.exit(0, &channel, client(1)), (false, 0));
}

fn who_enters_again_is_counted_once(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("again");
    assert_eq!(visited.enter(0, &channel, &who(1, "alice")), (true, 1));
    for _ in 0..3 {
        assert_eq!(visited.enter(0, &channel, &who(1, "alice")), (false, 1));
    }
    assert_eq!(visited.count(0, &channel), (1, 1));
    assert_eq!(visited.exit(0, &channel, client(1)), (true, 0));
}

fn clients_of_one_user_are_one_user(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("users");
    for (number, user) in [(1, "alice"), (2, "alice"), (3, "bob"), (4, "alice")] {
        visited.enter(0, &channel, &who(number, user));
    }
    assert_eq!(visited.count(0, &channel), (4, 2));
    visited.exit(0, &channel, client(1));
    visited.exit(0, &channel, client(3));
    assert_eq!(visited.count(0, &channel), (2, 1));
    visited.exit(0, &channel, client(2));
    visited.exit(0, &channel, client(4));
    assert_eq!(visited.count(0, &channel), (0, 0));
}

fn clients_without_a_user_are_one_user(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("anonymous");
    for (number, user) in [(1, ""), (2, ""), (3, "alice")] {
        visited.enter(0, &channel, &who(number, user));
    }
    assert_eq!(visited.count(0, &channel), (3, 2));
    visited.exit(0, &channel, client(1));
    assert_eq!(visited.count(0, &channel), (2, 2));
    visited.exit(0, &channel, client(2));
    assert_eq!(visited.count(0, &channel), (1, 1));
}

fn a_client_can_become_another_users(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("changed");
    visited.enter(0, &channel, &who(1, "alice"));
    visited.enter(0, &channel, &who(2, "bob"));
    assert_eq!(visited.enter(0, &channel, &who(1, "bob")), (false, 2));
    assert_eq!(visited.count(0, &channel), (2, 1));
    assert_eq!(visited.enter(0, &channel, &who(2, "")), (false, 2));
    assert_eq!(visited.count(0, &channel), (2, 2));
    visited.exit(0, &channel, client(1));
    assert_eq!(visited.count(0, &channel), (1, 1));
    visited.exit(0, &channel, client(2));
    assert_eq!(visited.count(0, &channel), (0, 0));
}

const USERS: [&str; 9] = [
    "a",
    "A",
    "\"a\"",
    "a\\",
    "\u{e9}",
    "e\u{301}",
    "a\0b",
    "\n",
    "{\"user\":\"a\",\"client\":\"\u{1F980}\"}",
];

fn users_are_told_apart_to_the_byte(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("odd users");
    for (number, user) in (0..).zip(USERS) {
        assert_eq!(visited.enter(0, &channel, &who(2 * number, user)), (true, 2 * number + 1));
        assert_eq!(visited.enter(0, &channel, &who(2 * number + 1, user)), (true, 2 * number + 2));
        assert_eq!(visited.count(0, &channel), (2 * number + 2, number + 1), "{user:?}");
    }
    for number in 0..USERS.len() as u32 {
        visited.exit(0, &channel, client(2 * number));
        assert_eq!(visited.count(0, &channel).1 as usize, USERS.len() - number as usize);
        visited.exit(0, &channel, client(2 * number + 1));
        assert_eq!(visited.count(0, &channel).1 as usize, USERS.len() - number as usize - 1);
    }
}

fn what_is_shown_arrives_to_the_byte(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("shown");
    let infos = [
        Some(
            "{ \"name\" : \"\u{e9}\u{1F980}\\u00e9\\/\" , \"name\":[1.50, -0, 1e400, 12345678901234567890] }",
        ),
        Some("null"),
        None,
        Some("\"\\ud83e\\udd80\\u0000\\n\""),
        Some("{\"user\":\"mallory\",\"client\":\"x\"}"),
    ];
    let mut members = Vec::new();
    for (at, connection) in infos.into_iter().enumerate() {
        for (by, subscription) in infos.into_iter().enumerate() {
            let number = (at * infos.len() + by) as u32;
            let user = USERS[number as usize % USERS.len()];
            members.push(with_infos(number, user, connection, subscription));
        }
    }
    for member in &members {
        visited.enter(0, &channel, member);
    }
    let found = visited.members(0, &channel, 100).expect("a list");
    let found: Vec<_> = found.iter().map(|member| shown(member)).collect();
    let mut entered: Vec<_> = members.iter().map(shown).collect();
    entered.sort_by_key(|(_, client, ..)| client.clone());
    assert_eq!(found, entered);
}

fn what_is_shown_last_is_shown(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("shown last");
    let members =
        [with_infos(1, "alice", Some("1"), None), with_infos(1, "alice", None, Some("2")), who(1, "bob")];
    for (is_first, member) in [true, false, false].into_iter().zip(&members) {
        assert_eq!(visited.enter(0, &channel, member), (is_first, 1));
        let found = visited.members(0, &channel, 1).expect("a list");
        assert_eq!((found.len(), shown(&found[0])), (1, shown(member)));
    }
}

fn shown(member: &ClientInfo) -> (String, String, Option<String>, Option<String>) {
    let ClientInfo { user, client, connection, subscription } = member;
    let text = |info: &Option<Box<model::RawJson>>| info.as_ref().map(|info| info.get().to_owned());
    (user.to_string(), client.to_string(), text(connection), text(subscription))
}

fn members_are_listed_up_to_a_limit(backend: &mut dyn PresenceBackend) {
    const COUNT: u32 = 250;
    let mut visited = Visited::new(backend, 1);
    let channel = channel("listed");
    for number in 0..COUNT {
        visited.begin_enter(0, &channel, &who(number, "alice"));
    }
    visited.enter(0, &channel, &who(0, "alice"));
    for limit in [COUNT, COUNT + 1, u32::MAX] {
        let found = visited.members(0, &channel, limit).expect("a list");
        let clients: HashSet<_> = found.iter().map(|member| member.client).collect();
        assert_eq!(clients, (0..COUNT).map(client).collect::<HashSet<_>>());
    }
    for limit in [COUNT - 1, 1, 0] {
        assert_eq!(visited.members(0, &channel, limit).map(drop), Err(Refusal::LimitExceeded), "{limit}");
    }
    assert_eq!(visited.count(0, &channel), (COUNT, 1));
    visited.exit(0, &channel, client(7));
    assert_eq!(visited.members(0, &channel, COUNT - 1).map(|found| found.len()), Ok(COUNT as usize - 1));
}

fn nobody_is_in_an_unknown_channel(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let channel = channel("unknown");
    for limit in [0, 100] {
        assert_eq!(visited.members(0, &channel, limit).map(|found| found.len()), Ok(0));
    }
    assert_eq!(visited.count(0, &channel), (0, 0));
}

fn channels_have_members_of_their_own(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::new(backend, 1);
    let (first, second) = (channel("one"), channel("two"));
    assert_eq!(visited.enter(0, &first, &who(1, "alice")), (true, 1));
    assert_eq!(visited.enter(0, &second, &who(1, "alice")), (true, 1));
    assert_eq!(visited.enter(0, &second, &who(2, "bob")), (true, 2));
    assert_eq!(visited.exit(0, &second, client(1)), (true, 1));
    assert_eq!((visited.count(0, &first), visited.count(0, &second)), ((1, 1), (1, 1)));
    let found = visited.members(0, &first, 9).expect("a list");
    assert_eq!((found.len(), &*found[0].user), (1, "alice"));
}

fn every_call_is_answered_once(backend: &mut dyn PresenceBackend) {
    const COUNT: u32 = 500;
    let mut visited = Visited::new(backend, 1);
    let channel = channel("answered");
    let entered: Vec<Ticket> =
        (0..COUNT).map(|number| visited.begin_enter(0, &channel, &who(number, ""))).collect();
    let exited: Vec<Ticket> =
        (0..COUNT).map(|number| visited.begin_exit(0, &channel, client(number))).collect();
    for (members, ticket) in (1..).zip(entered) {
        assert_eq!(visited.change(0, ticket), (true, members), "calls are carried out in their order");
    }
    for (members, ticket) in (0..COUNT).rev().zip(exited) {
        assert_eq!(visited.change(0, ticket), (true, members), "calls are carried out in their order");
    }
    visited.expect_silence();
}

fn nodes_share_members(backend: &mut dyn PresenceBackend) {
    if !backend.is_shared() {
        return;
    }
    let mut visited = Visited::new(backend, 2);
    let channel = channel("shared");
    assert_eq!(visited.enter(0, &channel, &who(1, "alice")), (true, 1));
    assert_eq!(visited.enter(1, &channel, &who(2, "alice")), (true, 2));
    assert_eq!(visited.enter(1, &channel, &who(1, "alice")), (false, 2), "whoever vouches for it");
    for node in 0..2 {
        assert_eq!(visited.count(node, &channel), (2, 1));
        assert_eq!(visited.members(node, &channel, 2).map(|found| found.len()), Ok(2));
    }
    assert_eq!(visited.exit(1, &channel, client(1)), (true, 1));
    assert_eq!(visited.exit(0, &channel, client(1)), (false, 1));
    assert_eq!(visited.exit(0, &channel, client(2)), (true, 0));
    visited.expect_silence();
}
