//! Checks: whom nobody vouches for is forgotten, and nobody before.

use super::PresenceBackend;
use super::visited::{Visited, channel, client, who};

super::checks![whom_nobody_vouches_for_is_forgotten, who_was_forgotten_is_new_again];

fn whom_nobody_vouches_for_is_forgotten(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::brief(backend);
    let (channel, ttl) = (channel("vouched for"), visited.ttl());
    visited.enter(0, &channel, &who(1, "alice"));
    visited.enter(0, &channel, &who(2, "alice"));
    visited.enter(0, &channel, &who(3, "bob"));
    visited.pass(ttl * 2 / 3);
    assert_eq!(visited.count(0, &channel), (3, 2));
    assert_eq!(visited.enter(0, &channel, &who(2, "alice")), (false, 3));
    visited.pass(ttl * 2 / 3);
    assert_eq!(visited.members(0, &channel, 1).map(|found| found[0].client), Ok(client(2)));
    assert_eq!(visited.count(0, &channel), (1, 1));
    assert_eq!(visited.exit(0, &channel, client(1)), (false, 1));
    visited.pass(ttl * 2 / 3);
    assert_eq!(visited.members(0, &channel, 0).map(|found| found.len()), Ok(0));
    assert_eq!(visited.count(0, &channel), (0, 0));
}

fn who_was_forgotten_is_new_again(backend: &mut dyn PresenceBackend) {
    let mut visited = Visited::brief(backend);
    let (channel, ttl) = (channel("forgotten"), visited.ttl());
    visited.enter(0, &channel, &who(1, "alice"));
    visited.pass(ttl * 2 / 3);
    visited.enter(0, &channel, &who(2, "alice"));
    visited.pass(ttl / 2);
    assert_eq!(visited.enter(0, &channel, &who(1, "bob")), (true, 2), "it was forgotten meanwhile");
    assert_eq!(visited.count(0, &channel), (2, 2));
    visited.exit(0, &channel, client(2));
    assert_eq!(visited.count(0, &channel), (1, 1));
}
