//! Histories: reading, removing, beginning anew.

use broker_redis::library::{PUBLISH, READ, REMOVE, RENEW};
use redis::{Value, from_redis_value_ref};

use crate::server::{Server, in_both_forms};

const KEY: &str = "fanfare:ch:news";
const META: &str = "fanfare:meta:news";

fn publish(server: &mut Server, count: u32) -> u64 {
    let mut epoch = 0;
    for number in 1..=count {
        let payload = number.to_string();
        (epoch, _) = server.call::<(u64, u64)>(PUBLISH, KEY, &[payload.as_bytes()]).expect("a position");
    }
    epoch
}

/// Epoch, top and the offsets of a page.
fn page(server: &mut Server, since: &str, limit: &str, reverse: &str) -> (u64, u64, Vec<u64>) {
    let args: [&[u8]; 6] =
        [b"10", b"60000", b"90000", since.as_bytes(), limit.as_bytes(), reverse.as_bytes()];
    let found: Vec<Value> = server.call(READ, KEY, &args).expect("a history");
    let (top, entries) = found.split_at(3);
    let number = |value: &Value| from_redis_value_ref::<u64>(value).expect("a number");
    for entry in entries.chunks(2) {
        let body: Vec<u8> = from_redis_value_ref(&entry[1]).expect("a body");
        assert!(body.ends_with(number(&entry[0]).to_string().as_bytes()), "the body of {:?}", entry[0]);
    }
    (number(&top[0]), number(&top[1]), entries.chunks(2).map(|entry| number(&entry[0])).collect())
}

#[test]
fn a_history_is_read_from_any_offset_both_ways() {
    in_both_forms(|server| {
        let epoch = publish(server, 12);
        page(server, "", "0", "0");
        for (since, limit, reverse, expected) in [
            ("", "100", "0", (1..=12).collect::<Vec<u64>>()),
            ("", "3", "0", vec![1, 2, 3]),
            ("", "3", "1", vec![12, 11, 10]),
            ("0", "2", "0", vec![1, 2]),
            ("9", "100", "0", vec![10, 11, 12]),
            ("9", "2", "1", vec![8, 7]),
            ("12", "5", "0", vec![]),
            ("99", "5", "0", vec![]),
            ("99", "1", "1", vec![12]),
            ("1", "5", "1", vec![]),
            ("0", "5", "1", vec![]),
            ("18446744073709551615", "5", "0", vec![]),
            ("18446744073709551615", "1", "1", vec![12]),
            ("", "0", "0", vec![]),
        ] {
            assert_eq!(
                page(server, since, limit, reverse),
                (epoch, 12, expected),
                "{since} {limit} {reverse}"
            );
        }
        publish(server, 1);
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 10, "the reader's rules are remembered");
    });
}

#[test]
fn a_page_can_be_as_long_as_a_history() {
    in_both_forms(|server| {
        let args: [&[u8]; 3] = [b"1", b"size", b"2000"];
        for _ in 0..1100 {
            server.call::<(u32, u64)>(PUBLISH, KEY, &args).expect("a position");
        }
        let args: [&[u8]; 6] = [b"2000", b"60000", b"90000", b"", b"1000", b"0"];
        assert_eq!(server.call::<Vec<Value>>(READ, KEY, &args).expect("a history").len(), 2003);
    });
}

#[test]
fn a_history_begins_by_being_read_and_stays_by_being_read() {
    in_both_forms(|server| {
        let (epoch, top, offsets) = page(server, "", "10", "0");
        assert_ne!(epoch, 0);
        assert_eq!((top, offsets), (0, vec![]));
        server.tell::<u32>(&["PEXPIRE", META, "50000"]);
        assert_eq!(page(server, "", "10", "0").0, epoch);
        let millis: i64 = server.tell(&["PTTL", META]);
        assert!((85_000..=90_000).contains(&millis), "{millis}");
        assert_eq!(publish(server, 1), epoch);
        assert_eq!(page(server, "", "10", "0"), (epoch, 1, vec![1]));
    });
}

#[test]
fn what_an_unknown_epoch_counted_is_dropped() {
    in_both_forms(|server| {
        let epoch = publish(server, 3);
        server.tell::<u32>(&["DEL", META]);
        let (anew, top, offsets) = page(server, "", "10", "0");
        assert_ne!(anew, epoch);
        assert_eq!((top, offsets), (0, vec![]));
        assert_eq!(server.tell::<u32>(&["EXISTS", KEY]), 0);
    });
}

#[test]
fn a_removed_history_leaves_epoch_and_top() {
    in_both_forms(|server| {
        let epoch = publish(server, 3);
        assert_eq!(server.call::<u8>(REMOVE, KEY, &[]).expect("an answer"), 1);
        assert_eq!(server.call::<u8>(REMOVE, KEY, &[]).expect("an answer"), 0);
        assert_eq!(page(server, "", "10", "0"), (epoch, 3, vec![]));
        publish(server, 1);
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 1);
    });
}

/// Epoch, top and its mark.
fn renew(server: &mut Server, epoch: u64, offset: u64, mark: u64) -> (u64, u64, u64) {
    let [epoch, offset, mark] = [epoch, offset, mark].map(|number| number.to_string());
    let args: [&[u8]; 6] = [epoch.as_bytes(), offset.as_bytes(), mark.as_bytes(), b"10", b"60000", b"90000"];
    server.call(RENEW, KEY, &args).expect("a position")
}

/// The mark of the last publication.
fn mark(server: &mut Server) -> u64 {
    let args: [&[u8]; 6] = [b"10", b"60000", b"90000", b"", b"0", b"0"];
    server.call::<Vec<u64>>(READ, KEY, &args).expect("a history")[2]
}

#[test]
fn an_epoch_is_renewed_where_it_lacks_what_was_handed_out() {
    in_both_forms(|server| {
        let epoch = publish(server, 2);
        server.call::<(u32, u64)>(PUBLISH, KEY, &[b"3", b"version", b"9"]).expect("a position");
        let last = mark(server);
        assert_ne!(last, 0);
        assert_eq!(renew(server, epoch, 3, 0), (epoch, 3, last));
        assert_eq!(renew(server, epoch, 3, last), (epoch, 3, last));
        assert_eq!(renew(server, epoch + 1, 4, last ^ 1), (epoch, 3, last));
        assert_eq!(page(server, "", "10", "0"), (epoch, 3, vec![1, 2, 3]));
        let (renewed, top, none) = renew(server, epoch, 4, 0);
        assert_ne!(renewed, epoch);
        assert_eq!((top, none), (0, 0));
        assert_eq!(
            renew(server, epoch, 4, 0),
            (renewed, 0, 0),
            "the second to find the loss changes nothing"
        );
        assert_eq!(page(server, "", "10", "0"), (renewed, 0, vec![]));
        let lower: Vec<u64> = server.call(PUBLISH, KEY, &[b"1", b"version", b"1"]).expect("a position");
        assert_eq!(lower, [renewed, 1], "no version is known of a new epoch");
    });
}

#[test]
fn an_epoch_is_renewed_where_another_stands_in_the_place_of_what_was_handed_out() {
    in_both_forms(|server| {
        let epoch = publish(server, 3);
        let last = mark(server);
        publish(server, 9);
        assert_eq!(renew(server, epoch, 3, last).0, epoch);
        server.tell::<u32>(&["XTRIM", KEY, "MINID", "4"]);
        assert_eq!(renew(server, epoch, 3, last).0, epoch);
        server.tell::<u32>(&["XTRIM", KEY, "MINID", "5"]);
        assert_eq!(renew(server, epoch, 3, last ^ 1).0, epoch, "nobody knows any more");
        let last = mark(server);
        publish(server, 1);
        assert_eq!(renew(server, epoch, 12, last).0, epoch);
        assert_ne!(renew(server, epoch, 12, last ^ 1).0, epoch, "the one behind it tells");
    });
}

#[test]
fn a_lost_epoch_is_followed_by_another() {
    in_both_forms(|server| {
        let epoch = publish(server, 2);
        server.tell::<u32>(&["DEL", META]);
        let (renewed, top, _) = renew(server, epoch, 2, 0);
        assert_ne!(renewed, epoch);
        assert_eq!(top, 0);
        assert_eq!(server.tell::<u32>(&["EXISTS", KEY]), 0);
        assert_eq!(page(server, "", "10", "0"), (renewed, 0, vec![]));
    });
}
