//! Publishing: position, history, rules, what subscribers hear.

use broker_redis::library::{PUBLISH, READ, VERSION};

use crate::server::{Form, Server, heard, in_both_forms};

const KEY: &str = "fanfare:ch:news";
const META: &str = "fanfare:meta:news";

#[test]
fn the_library_knows_its_number() {
    let mut server = Server::start(Form::Functions);
    for command in ["FCALL", "FCALL_RO"] {
        assert_eq!(server.tell::<u32>(&[command, "fanfare_library", "0"]), VERSION);
    }
}

#[test]
fn the_library_can_be_loaded_over_itself() {
    let mut server = Server::start(Form::Functions);
    let name: String = server.tell(&["FUNCTION", "LOAD", "REPLACE", broker_redis::library::FUNCTIONS]);
    assert_eq!(name, broker_redis::library::NAME);
}

#[test]
fn subscribers_hear_the_position_before_the_payload() {
    in_both_forms(|server| {
        for (command, kind, key) in
            [("SUBSCRIBE", "message", KEY), ("SSUBSCRIBE", "smessage", "fanfare:ch:{news}")]
        {
            let mut socket = server.subscribe(command, key);
            let (epoch, offset): (u32, u64) = server.call(PUBLISH, key, &[b"{\"a\":1}"]).expect("a position");
            assert_eq!(offset, 1);
            let (_, top, mark, at, kept): (u32, u64, u32, u64, Vec<u8>) =
                server.call(READ, key, &[b"", b"", b"", b"", b"10", b"0"]).expect("a history");
            assert_eq!((top, at), (1, 1));
            let marks = [mark.to_be_bytes(), [0; 4]].concat();
            let fields = [b"\x09\0\0\0\x08", &marks[..], b"\x01\0\0\0\x07{\"a\":1}"].concat();
            assert_eq!(kept, [b"\xfa\x01", &fields[..]].concat());
            let mut body = b"\xfa\x01\0\0\0\0\x0c".to_vec();
            body.extend(epoch.to_be_bytes());
            body.extend(offset.to_be_bytes());
            body.extend(fields);
            let head =
                format!("*3\r\n${}\r\n{kind}\r\n${}\r\n{key}\r\n${}\r\n", kind.len(), key.len(), body.len());
            let expected = [head.as_bytes(), &body, b"\r\n"].concat();
            assert_eq!(heard(&mut socket, expected.len()), expected);
        }
    });
}

#[test]
fn the_keys_of_a_channel_share_its_hash_tag() {
    in_both_forms(|server| {
        let args: [&[u8]; 3] = [b"1", b"key", b"once"];
        server.call::<(u32, u64)>(PUBLISH, "a:b:ch:{news:ch:x}", &args).expect("a position");
        let keys: Vec<String> = server.kept().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a:b:ch:{news:ch:x}", "a:b:meta:{news:ch:x}", "a:b:once:{news:ch:x}:once:9"]);
    });
}

#[test]
fn offsets_count_within_one_epoch_and_the_oldest_makes_room() {
    in_both_forms(|server| {
        let mut epochs = Vec::new();
        for expected in 1..=5_u64 {
            let (epoch, offset): (u32, u64) =
                server.call(PUBLISH, KEY, &[b"1", b"size", b"3"]).expect("a position");
            assert_eq!(offset, expected);
            epochs.push(epoch);
        }
        epochs.dedup();
        assert_eq!(epochs.len(), 1);
        assert_ne!(epochs, [0]);
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 3);
        server.tell::<u32>(&["DEL", KEY]);
        let after: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("a position");
        assert_eq!(after, (epochs[0], 6), "the position outlives the history");
        server.tell::<u32>(&["DEL", META]);
        let anew: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("a position");
        assert_ne!(anew.0, epochs[0]);
        assert_eq!(anew.1, 1);
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 1, "what an old epoch counted is gone");
    });
}

#[test]
fn large_offsets_stay_exact() {
    in_both_forms(|server| {
        let top = (1_u64 << 52) + 7;
        server.tell::<u32>(&["HSET", META, "e", "4294967295", "t", &top.to_string()]);
        let mut socket = server.subscribe("SUBSCRIBE", KEY);
        let found: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("a position");
        assert_eq!(found, (u32::MAX, top + 1));
        let head = format!("*3\r\n$7\r\nmessage\r\n${}\r\n{KEY}\r\n$38\r\n", KEY.len());
        let push = heard(&mut socket, head.len() + 38);
        assert_eq!(push[..head.len()], *head.as_bytes());
        assert_eq!(push[head.len() + 11..][..8], (top + 1).to_be_bytes());
        let since = top.to_string();
        let page: (u32, u64, u32, u64, Vec<u8>) =
            server.call(READ, KEY, &[b"", b"", b"", since.as_bytes(), b"9", b"0"]).expect("a history");
        assert_eq!((page.1, page.3), (top + 1, top + 1));
    });
}

fn expires_in(server: &mut Server, key: &str) -> u64 {
    let millis: i64 = server.tell(&["PTTL", key]);
    u64::try_from(millis).unwrap_or_else(|_| panic!("{key} does not expire"))
}

#[test]
fn rules_are_those_given_else_remembered_else_the_defaults() {
    in_both_forms(|server| {
        let publish = |server: &mut Server, args: &[&[u8]]| {
            server.call::<(u32, u64)>(PUBLISH, KEY, &[&[&b"1"[..]], args].concat()).expect("a position");
            (expires_in(server, KEY), expires_in(server, META))
        };
        let near = |found: u64, millis: u64| (millis - 5_000..=millis).contains(&found);
        let (history, meta) = publish(server, &[]);
        assert!(near(history, 300_000) && near(meta, 2_592_000_000), "{history} {meta}");
        let (history, meta) = publish(server, &[b"size", b"2", b"ttl", b"60000", b"meta_ttl", b"90000"]);
        assert!(near(history, 60_000) && near(meta, 90_000), "{history} {meta}");
        let (history, meta) = publish(server, &[b"ttl", b"70000"]);
        assert!(near(history, 70_000) && near(meta, 90_000), "{history} {meta}");
        let (history, _) = publish(server, &[]);
        assert!(near(history, 70_000), "{history}");
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 2);
        server.call::<Vec<u64>>(READ, KEY, &[b"5", b"80000", b"95000", b"", b"0", b"0"]).expect("a page");
        let (history, meta) = publish(server, &[]);
        assert!(near(history, 80_000) && near(meta, 95_000), "{history} {meta}");
    });
}

#[test]
fn a_hundred_are_kept_unless_somebody_says_otherwise() {
    in_both_forms(|server| {
        for _ in 0..103 {
            server.call::<(u32, u64)>(PUBLISH, KEY, &[b"1"]).expect("a position");
        }
        assert_eq!(server.tell::<u32>(&["XLEN", KEY]), 100);
    });
}

#[test]
fn with_size_zero_it_is_published_and_not_kept() {
    in_both_forms(|server| {
        let mut socket = server.subscribe("SUBSCRIBE", KEY);
        let found: (u32, u64) = server.call(PUBLISH, KEY, &[b"1", b"size", b"0"]).expect("an answer");
        assert_eq!(found, (0, 0));
        let expected = [
            format!("*3\r\n$7\r\nmessage\r\n${}\r\n{KEY}\r\n$8\r\n", KEY.len()).as_bytes(),
            b"\xfa\x01\x01\0\0\0\x011\r\n",
        ]
        .concat();
        assert_eq!(heard(&mut socket, expected.len()), expected);
        assert_eq!(server.tell::<u32>(&["EXISTS", KEY]), 0);
        let kept: (u32, u64) = server.call(PUBLISH, KEY, &[b"1"]).expect("an answer");
        assert_eq!(kept.1, 1, "zero holds for that call alone");
    });
}
