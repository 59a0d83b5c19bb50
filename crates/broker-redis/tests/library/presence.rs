//! Presence: what is kept of members and for how long, what is refused, and that nothing stays.

use broker_redis::library::{COUNT, ENTER, EXIT, MEMBERS};
use testkit::eventually;

use crate::server::{Server, in_both_forms};

const KEY: &str = "fanfare:ch:news";
const PRESENCE: [&str; 3] = ["fanfare:members:news", "fanfare:until:news", "fanfare:users:news"];
const LONG: &str = "60000";

fn info(client: &str, user: &str) -> String {
    format!("{{\"user\":\"{user}\",\"client\":\"{client}\"}}")
}

fn enter(server: &mut Server, ttl: &str, client: &str, user: &str) -> (u8, u32) {
    let info = info(client, user);
    let args = [ttl, client, user, &info].map(str::as_bytes);
    server.call(ENTER, KEY, &args).expect("an answer")
}

fn count(server: &mut Server) -> (u32, u32) {
    server.call(COUNT, KEY, &[]).expect("an answer")
}

#[test]
fn members_are_kept_beside_the_channel() {
    in_both_forms(|server| {
        assert_eq!(enter(server, LONG, "c1", "alice"), (1, 1));
        assert_eq!(enter(server, LONG, "c2", "alice"), (1, 2));
        assert_eq!(server.tell::<String>(&["HGET", PRESENCE[0], "c1"]), info("c1", "alice"));
        assert_eq!(server.tell::<u32>(&["HGET", PRESENCE[2], "alice"]), 2);
        for key in PRESENCE {
            let millis: i64 = server.tell(&["PTTL", key]);
            assert!((45_000..=76_000).contains(&millis), "{key} lives for {millis}");
        }
        assert_eq!(server.call::<(u8, u32)>(EXIT, KEY, &[b"c1"]).expect("an answer"), (1, 1));
        assert_eq!(server.call::<(u8, u32)>(EXIT, KEY, &[b"c2"]).expect("an answer"), (1, 0));
        assert_eq!(server.kept(), [], "nothing stays");
    });
}

#[test]
fn names_with_a_hash_tag_keep_it() {
    in_both_forms(|server| {
        let args = [LONG, "c", "u", &info("c", "u")].map(str::to_owned);
        let args: Vec<&[u8]> = args.iter().map(String::as_bytes).collect();
        server.call::<(u8, u32)>(ENTER, "p:ch:{a:ch:b}", &args).expect("an answer");
        let keys: Vec<String> = server.kept().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["p:members:{a:ch:b}", "p:until:{a:ch:b}", "p:users:{a:ch:b}"]);
    });
}

#[test]
fn a_list_is_whole_or_its_length() {
    in_both_forms(|server| {
        for number in 0..250 {
            enter(server, LONG, &format!("c{number}"), "alice");
        }
        let listed: (u32, Vec<String>) = {
            let all: Vec<redis::Value> = server.call(MEMBERS, KEY, &[b"250"]).expect("a list");
            let texts = all[1..].iter().map(|value| redis::from_redis_value_ref(value).expect("a text"));
            (redis::from_redis_value_ref(&all[0]).expect("a number"), texts.collect())
        };
        assert_eq!((listed.0, listed.1.len()), (250, 250));
        assert!(listed.1.contains(&info("c249", "alice")));
        assert_eq!(server.call::<Vec<u32>>(MEMBERS, KEY, &[b"249"]).expect("a number"), [250]);
        assert_eq!(server.call::<Vec<u32>>(MEMBERS, "f:ch:none", &[b"9"]).expect("a number"), [0]);
    });
}

#[test]
fn the_longest_stay_decides_how_long_keys_live() {
    in_both_forms(|server| {
        enter(server, LONG, "c1", "alice");
        enter(server, "1", "c2", "bob");
        eventually("the short stay ends", || count(server) == (1, 1));
        for key in PRESENCE {
            assert!(server.tell::<i64>(&["PTTL", key]) > 55_000, "{key}");
        }
        assert_eq!(server.tell::<u32>(&["HLEN", PRESENCE[0]]), 1, "who is forgotten takes no room");
    });
}

#[test]
fn members_whom_nobody_vouches_for_are_gone_without_a_call() {
    in_both_forms(|server| {
        for number in 0..100 {
            enter(server, "50", &format!("c{number}"), "alice");
        }
        eventually("the keys end", || server.tell::<u32>(&["DBSIZE"]) == 0);
    });
}

#[test]
fn one_call_forgets_so_many_and_the_next_goes_on() {
    in_both_forms(|server| {
        enter(server, LONG, "staying", "bob");
        for number in 0..2500 {
            enter(server, "1", &format!("c{number}"), &format!("u{}", number % 7));
        }
        let is_over = |server: &mut Server| {
            server.call::<Vec<redis::Value>>(MEMBERS, KEY, &[b"9"]).expect("a list").len() == 2
        };
        eventually("all stays but one end", || is_over(server));
        // Some were forgotten while others entered; those at the end were not, for certain.
        let mut left: u32 = server.tell(&["ZCARD", PRESENCE[1]]);
        while left > 1 {
            let (clients, users) = count(server);
            assert_eq!((clients, users), (1, 1), "those who are not forgotten yet are not counted");
            let now: u32 = server.tell(&["ZCARD", PRESENCE[1]]);
            assert_eq!(now, left.saturating_sub(1000).max(1));
            left = now;
        }
        assert_eq!(server.tell::<Vec<String>>(&["HKEYS", PRESENCE[0]]), ["staying"]);
        assert_eq!(server.tell::<Vec<String>>(&["HGETALL", PRESENCE[2]]), ["bob", "1"]);
    });
}

#[test]
fn large_infos_are_forgotten_in_smaller_parts() {
    in_both_forms(|server| {
        for number in 0..300 {
            let client = format!("c{number}");
            let info = format!(
                "{{\"user\":\"u\",\"client\":\"{client}\",\"conn_info\":\"{}\"}}",
                "x".repeat(16 << 10)
            );
            let args = [LONG, &client, "u", &info].map(str::as_bytes);
            server.call::<(u8, u32)>(ENTER, KEY, &args).expect("an answer");
        }
        enter(server, LONG, "staying", "bob");
        // All of these stays end at once.
        for number in 0..300 {
            server.tell::<u32>(&["ZADD", PRESENCE[1], "1", &format!("c{number}")]);
        }
        assert_eq!(count(server), (1, 1));
        let left: u32 = server.tell(&["ZCARD", PRESENCE[1]]);
        assert!((2..=300).contains(&left), "{left} are left");
        while server.tell::<u32>(&["ZCARD", PRESENCE[1]]) > 1 {
            assert_eq!(count(server), (1, 1));
        }
        assert_eq!(server.tell::<Vec<String>>(&["HKEYS", PRESENCE[2]]), ["bob"]);
    });
}

#[test]
fn wrong_arguments_are_named_and_leave_no_trace() {
    in_both_forms(|server| {
        enter(server, "1", "stale", "alice");
        let good = info("c", "u");
        let cases: [(&[&[u8]], &str); 13] = [
            (&[b"1", b"c", b"u"], "enter takes"),
            (&[b"0", b"c", b"u", good.as_bytes()], "ttl must be"),
            (&[b"86400001", b"c", b"u", good.as_bytes()], "ttl must be"),
            (&[b"1e3", b"c", b"u", good.as_bytes()], "ttl must be"),
            (&[b"1", b"", b"u", good.as_bytes()], "client must have"),
            (&[b"1", &[b'c'; 65], b"u", good.as_bytes()], "client must have"),
            (&[b"1", b"d", b"u", good.as_bytes()], "info must be"),
            (&[b"1", b"c", b"v", good.as_bytes()], "info must be"),
            (&[b"1", b"c", b"u", b"hello"], "info must be"),
            (&[b"1", b"c", b"u", b"[1]"], "info must be"),
            (&[b"1", b"c", b"u", b"{\"user\":\"u\",\"client\":\"c\"}x"], "info must be"),
            (&[b"1", b"c", b"u", b"{\"user\":\"v\",\"client\":\"c\",\"user\":\"u\"}"], "info must be"),
            (&[b"1", b"c", b"\xff", b"{\"user\":\"\xff\",\"client\":\"c\"}"], "info must be"),
        ];
        for (args, expected) in cases {
            let text = server.refuses(ENTER, KEY, args);
            assert!(text.starts_with(&format!("FANFARE {expected}")), "{text} instead of {expected}");
        }
        for (function, args, expected) in [
            (EXIT, &[][..], "exit takes"),
            (EXIT, &[&b""[..]][..], "client must have"),
            (MEMBERS, &[], "members takes"),
            (MEMBERS, &[b"-1"], "limit must be"),
            (COUNT, &[b"1"], "count takes"),
        ] {
            let text = server.refuses(function, KEY, args);
            assert!(text.starts_with(&format!("FANFARE {expected}")), "{text} instead of {expected}");
            let text = server.refuses(function, "news", &[b"1"]);
            assert!(text.starts_with("FANFARE "), "{text}");
        }
    });
}

#[test]
fn foreign_values_at_our_keys_are_not_touched() {
    in_both_forms(|server| {
        let info = info("c", "alice");
        let entering = [LONG, "c", "alice", &info].map(str::as_bytes);
        for key in PRESENCE {
            server.tell::<()>(&["SET", key, "mine"]);
            assert!(server.refuses(ENTER, KEY, &entering).starts_with("WRONGTYPE"), "{key}");
            server.call::<redis::Value>(EXIT, KEY, &[b"c"]).ok();
            server.call::<redis::Value>(COUNT, KEY, &[]).ok();
            server.call::<redis::Value>(MEMBERS, KEY, &[b"9"]).ok();
            assert_eq!(server.tell::<String>(&["GET", key]), "mine");
            server.tell::<u32>(&["DEL", key]);
        }
        server.tell::<u32>(&["HSET", PRESENCE[2], "alice", "many"]);
        server.tell::<u32>(&["HSET", PRESENCE[0], "c", "{not json", "other", "[]"]);
        assert_eq!(enter(server, LONG, "c", "alice"), (1, 1), "what makes no sense is as good as nothing");
        assert_eq!(count(server), (1, 1));
        assert_eq!(server.call::<(u8, u32)>(EXIT, KEY, &[b"c"]).expect("an answer"), (1, 0));
        assert_eq!(server.kept(), []);
    });
}

#[test]
fn without_memory_nobody_enters_and_everybody_can_leave() {
    in_both_forms(|server| {
        enter(server, LONG, "c1", "alice");
        enter(server, LONG, "c2", "alice");
        server.tell::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
        let shown = info("c3", "bob");
        let args = [LONG, "c3", "bob", &shown].map(str::as_bytes);
        assert!(server.refuses(ENTER, KEY, &args).starts_with("OOM"));
        assert_eq!(count(server), (2, 1));
        assert_eq!(server.call::<Vec<redis::Value>>(MEMBERS, KEY, &[b"9"]).expect("a list").len(), 3);
        assert_eq!(server.call::<(u8, u32)>(EXIT, KEY, &[b"c1"]).expect("an answer"), (1, 1));
        assert_eq!(count(server), (1, 1));
        assert_eq!(server.call::<(u8, u32)>(EXIT, KEY, &[b"c2"]).expect("an answer"), (1, 0));
        assert_eq!(server.kept(), []);
    });
}
