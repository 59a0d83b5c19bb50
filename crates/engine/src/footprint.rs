//! What one idle connection with a user, a token's info and a channel of its own costs in this crate's tables:
//! `cargo test -p engine footprint -- --nocapture` prints the account that docs/benchmarks.md quotes.

use crate::{channels, connection, node, slab, users, wheel};

/// The written budget of all tables together, strings aside.
const BYTES_MAX: usize = 480;
/// A hash table holds one index of four bytes and one control byte per place, and is at least 7/16 full.
const INDEX_BYTES: usize = 5 * 16 / 7;

#[test]
fn footprint() {
    let account = [
        ("session: the connection's entry", slab::place_bytes::<connection::Connection>()),
        ("timer wheel", wheel::TIMER_BYTES),
        ("user: entry", users::USER_BYTES),
        ("user: index, at most", INDEX_BYTES),
        ("shard: subscription", slab::place_bytes::<channels::Subscription>()),
        ("shard: channel", slab::place_bytes::<channels::Channel>()),
        ("shard: index, at most", INDEX_BYTES),
        ("node: channel", node::CHANNEL_BYTES),
        ("node: index, at most", INDEX_BYTES),
    ];
    for (what, bytes) in account {
        println!("{bytes:>5}  {what}");
    }
    let total: usize = account.iter().map(|(_, bytes)| bytes).sum();
    println!("{total:>5}  in all");
    assert!(total <= BYTES_MAX, "{total} bytes");
}
