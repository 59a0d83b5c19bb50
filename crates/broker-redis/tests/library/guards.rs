//! What is published once, what is not newer, what is refused: without a trace.

use broker_redis::library::{PUBLISH, READ, REMOVE, RENEW};

use crate::server::in_both_forms;

const KEY: &str = "fanfare:ch:news";
const META: &str = "fanfare:meta:news";

#[test]
fn the_same_idempotency_key_stands_for_the_first() {
    in_both_forms(|server| {
        let (epoch, offset): (u32, u64) =
            server.call(PUBLISH, KEY, &[b"1", b"key", b"k"]).expect("a position");
        server.call::<(u32, u64)>(PUBLISH, KEY, &[b"2"]).expect("a position");
        let before = server.kept();
        let again: (u32, u64, u8) = server.call(PUBLISH, KEY, &[b"3", b"key", b"k"]).expect("a position");
        assert_eq!(again, (epoch, offset, 1));
        assert_eq!(server.kept(), before);
        let millis: i64 = server.tell(&["PTTL", "fanfare:once:news:k:4"]);
        assert!((295_000..=300_000).contains(&millis), "{millis}");
        let unkept: (u32, u64) =
            server.call(PUBLISH, "p:ch:x", &[b"1", b"size", b"0", b"key", b"k"]).expect("an answer");
        let again: (u32, u64, u8) = server.call(PUBLISH, "p:ch:x", &[b"1", b"key", b"k"]).expect("an answer");
        assert_eq!((unkept, again), ((0, 0), (0, 0, 1)));
    });
}

#[test]
fn idempotency_keys_of_different_channels_are_different() {
    in_both_forms(|server| {
        for (key, once) in [("f:ch:a", "b:c"), ("f:ch:a:b", "c"), ("f:ch:a", "b:c:3"), ("f:ch:a:b:c", "3")] {
            let found: Vec<u64> = server.call(PUBLISH, key, &[b"1", b"key", once.as_bytes()]).expect("one");
            assert_eq!(found.len(), 2, "{key} {once}");
        }
    });
}

#[test]
fn only_what_is_newer_is_published() {
    in_both_forms(|server| {
        let steps: [(&str, Option<&str>, bool); 14] = [
            ("0", None, true),
            ("0", None, false),
            ("9", None, true),
            ("09", None, false),
            ("10", None, true),
            ("9", None, false),
            ("9", Some("a"), true),
            ("9", Some("a"), false),
            ("9", Some(""), false),
            ("8", Some("b"), true),
            ("8", None, false),
            ("18446744073709551614", None, true),
            ("18446744073709551615", None, true),
            ("18446744073709551614", None, false),
        ];
        let mut top = 0;
        for (number, epoch, is_newer) in steps {
            let mut args: Vec<&[u8]> = vec![b"1", b"version", number.as_bytes()];
            if let Some(epoch) = epoch {
                args.extend([b"version_epoch", epoch.as_bytes()]);
            }
            let found: Vec<u64> = server.call(PUBLISH, KEY, &args).expect("an answer");
            top += u64::from(is_newer);
            let expected = if is_newer { vec![found[0], top] } else { vec![found[0], top, 1] };
            assert_eq!(found, expected, "{number} {epoch:?}");
        }
        assert_eq!(server.tell::<u64>(&["XLEN", KEY]), top);
        let without: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("a position");
        assert_eq!(without.1, top + 1);
        let older: Vec<u64> = server.call(PUBLISH, KEY, &[b"1", b"version", b"1"]).expect("an answer");
        assert_eq!(older[1..], [top + 1, 1], "what has no version changes none");
    });
}

#[test]
fn wrong_arguments_are_named_and_leave_no_trace() {
    in_both_forms(|server| {
        let cases: [(&str, &[&[u8]], &str); 22] = [
            (KEY, &[], "there is no payload"),
            (KEY, &[b"1", b"sizee", b"1"], "unknown argument 'sizee'"),
            (KEY, &[b"1", b"a\r\n-b", b"1"], "unknown argument 'a??-b'"),
            (KEY, &[b"1", b"size"], "size has no value"),
            (KEY, &[b"1", b"size", b"1", b"size", b"1"], "size is given twice"),
            (KEY, &[b"1", b"size", b"-1"], "size must be a whole number from 0 to 4294967295"),
            (KEY, &[b"1", b"size", b"1e3"], "size must be"),
            (KEY, &[b"1", b"size", b"4294967296"], "size must be"),
            (KEY, &[b"1", b"ttl", b"0"], "ttl must be a whole number from 1 to 315360000000"),
            (KEY, &[b"1", b"ttl", b"99999999999999999999999"], "ttl must be"),
            (KEY, &[b"1", b"meta_ttl", b"x"], "meta_ttl must be"),
            (KEY, &[b"1", b"key", b""], "key must have 1 to 4096 bytes"),
            (KEY, &[b"1", b"key", &[b'k'; 4097]], "key must have 1 to 4096 bytes"),
            (KEY, &[b"1", b"version", b"18446744073709551616"], "version must be a whole number"),
            (KEY, &[b"1", b"version_epoch", b"a"], "version_epoch needs version"),
            (KEY, &[b"1", b"version", b"1", b"version_epoch", &[b'e'; 256]], "version_epoch must have"),
            (KEY, &[b"1", b"version", b"1", b"size", b"0"], "version needs a history"),
            ("news", &[b"1"], "the key must be PREFIX:ch:CHANNEL"),
            (":ch:news", &[b"1"], "the key must be"),
            ("fanfare:ch:", &[b"1"], "the key must be"),
            ("fanfare:ch:{a}b", &[b"1"], "the key must be"),
            ("fanfare:ch:{}", &[b"1"], "the key must be"),
        ];
        for (key, args, expected) in cases {
            let text = server.refuses(PUBLISH, key, args);
            assert!(text.starts_with(&format!("FANFARE {expected}")), "{text} instead of {expected}");
        }
        let long = format!("fanfare:ch:{}", "x".repeat(256));
        assert!(server.refuses(PUBLISH, &long, &[b"1"]).starts_with("FANFARE the key must be"));
        for (function, args, expected) in [
            (READ, &[&b"1"[..], b"1", b"1", b"", b"1"][..], "read takes"),
            (READ, &[b"1", b"1", b"1", b"x", b"1", b"0"], "since must be"),
            (READ, &[b"1", b"1", b"1", b"", b"1001", b"0"], "limit must be"),
            (READ, &[b"1", b"1", b"1", b"", b"", b"0"], "limit must be"),
            (READ, &[b"1", b"1", b"1", b"", b"1", b"yes"], "reverse must be"),
            (READ, &[b"x", b"1", b"1", b"", b"1", b"0"], "size must be"),
            (REMOVE, &[b"1"], "remove takes"),
            (RENEW, &[b"1", b"1"], "renew takes"),
            (RENEW, &[b"x", b"1", b"0", b"1", b"1", b"1"], "epoch, offset and mark must be"),
            (RENEW, &[b"1", b"1", b"-1", b"1", b"1", b"1"], "epoch, offset and mark must be"),
            (RENEW, &[b"1", b"1", b"1", b"1", b"0", b"1"], "ttl must be"),
        ] {
            let text = server.refuses(function, KEY, args);
            assert!(text.starts_with(&format!("FANFARE {expected}")), "{text} instead of {expected}");
        }
    });
}

#[test]
fn foreign_values_at_our_keys_are_not_touched() {
    in_both_forms(|server| {
        server.tell::<()>(&["SET", META, "mine"]);
        for (function, args) in [
            (PUBLISH, &[&b"1"[..]][..]),
            (READ, &[b"1", b"1", b"1", b"", b"1", b"0"]),
            (RENEW, &[b"1", b"1", b"1", b"1", b"1", b"1"]),
        ] {
            assert!(server.refuses(function, KEY, args).starts_with("WRONGTYPE"));
        }
        server.tell::<u32>(&["DEL", META]);
        server.tell::<u32>(&["HSET", META, "e", "7", "t", "x"]);
        assert!(server.refuses(PUBLISH, KEY, &[b"1"]).starts_with("FANFARE the hash beside"));
        server.tell::<u32>(&["HSET", META, "t", "3"]);
        server.tell::<()>(&["SET", KEY, "mine"]);
        assert!(server.refuses(PUBLISH, KEY, &[b"1"]).starts_with("WRONGTYPE"));
        assert!(server.refuses(READ, KEY, &[b"1", b"1", b"1", b"", b"1", b"0"]).starts_with("WRONGTYPE"));
        server.tell::<u32>(&["DEL", KEY]);
        server.tell::<u32>(&["LPUSH", "fanfare:once:news:k:4", "mine"]);
        assert!(server.refuses(PUBLISH, KEY, &[b"1", b"key", b"k"]).starts_with("WRONGTYPE"));
        server.tell::<u32>(&["HSET", META, "s", "-5", "l", "nan", "m", "1e9"]);
        let found: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("a position");
        assert_eq!(found, (7, 4), "rules that make no sense are as good as none");
    });
}

#[test]
fn without_memory_nothing_is_written_and_what_is_there_can_be_read() {
    in_both_forms(|server| {
        let first: (u32, u64) = server.call(PUBLISH, KEY, &[b"1", b"size", b"9"]).expect("a position");
        server.tell::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        for key in [KEY, "fanfare:ch:other"] {
            let args: [&[u8]; 5] = [b"2", b"size", b"8", b"key", b"k"];
            assert!(server.refuses(PUBLISH, key, &args).starts_with("OOM"));
        }
        let args: [&[u8]; 6] = [b"9", b"60000", b"90000", b"", b"10", b"0"];
        let page: (u32, u64, u32, u64, Vec<u8>) = server.call(READ, KEY, &args).expect("a history");
        assert_eq!((page.0, page.1, page.3), (first.0, 1, 1));
        assert_eq!(server.call::<u8>(REMOVE, KEY, &[]).expect("an answer"), 1);
        let epoch = first.0.to_string();
        let args: [&[u8]; 6] = [epoch.as_bytes(), b"2", b"0", b"9", b"60000", b"90000"];
        let renewed: (u32, u64, u32) = server.call(RENEW, KEY, &args).expect("a position");
        assert!(renewed.0 != first.0 && renewed.1 == 0);
        server.tell::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
        let after: (u32, u64) = server.call(PUBLISH, KEY, &[b"2"]).expect("a position");
        assert_eq!(after, (renewed.0, 1));
    });
}
