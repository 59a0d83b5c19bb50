//! What may be published: what passes the library passes the nodes.

use broker_redis::library::{PUBLISH, READ};
use model::Payload;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::server::{Form, Server, in_both_forms, text_of};

const KEY: &str = "fanfare:ch:news";

fn is_taken(server: &mut Server, payload: &[u8]) -> bool {
    match server.call::<redis::Value>(PUBLISH, KEY, &[payload]) {
        Ok(_) => true,
        Err(error) => {
            let text = text_of(&error);
            assert!(
                text.starts_with("FANFARE the payload must be one JSON value: put a text into"),
                "{text}"
            );
            false
        }
    }
}

#[test]
fn a_plain_payload_is_one_json_value() {
    in_both_forms(|server| {
        for payload in [
            "1",
            "null",
            "\"hello\"",
            "{\n  \"a\": [1.5, -2e-7, 0.0],\r\n\t\"b\": \"..-.\"\n}\n",
            "\"\\n é \u{1f600} \\u00e9 \u{7f} 1. \\\" -. \\\\\"",
            "[-0,1E+5,\"\",\".\"]",
        ] {
            assert!(Payload::parse_json(payload.as_bytes()).is_ok(), "{payload}");
            assert!(is_taken(server, payload.as_bytes()), "{payload}");
        }
        let before = server.kept();
        for payload in [
            &b""[..],
            b" ",
            b"hello",
            b"{}}",
            b"{}}\n{\"push\":{}}",
            b"{} {}",
            b"nan",
            b"[NaN]",
            b"-Infinity",
            b"[inf]",
            b"0x10",
            b"01",
            b"+1",
            b"1.",
            b"[1.]",
            b"-.5",
            b"[-.5,\"-.5\"]",
            b"1e",
            b"\"a\nb\"",
            b"\"a\tb\"",
            b"{\"a\x01\":1}",
            b"\"\xff\"",
            b"\"\xc0\x80\"",
            b"\"\xed\xa0\x80\"",
            b"\"\xf4\x90\x80\x80\"",
            b"\"\xe2\x82\"",
            b"{}\0",
            b"{}\0{}",
            b"\0",
            b"1\0",
            b"\xef\xbb\xbf1",
            b"\xf91",
        ] {
            assert!(Payload::parse_json(payload).is_err(), "{payload:?}");
            assert!(!is_taken(server, payload), "{payload:?}");
        }
        assert_eq!(server.kept(), before);
    });
}

fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let atom = prop_oneof![
        "-?[0-9.]{1,4}([eE][+-]?[0-9]{1,2})?",
        Just("null".to_owned()),
        any::<String>().prop_map(|text| format!("\"{text}\"")),
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("JSON")),
        "(nan|inf|-?0x[0-9]|true|\\\\u00)",
    ];
    let tree = atom.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|parts| format!("[{}]", parts.join(",\n"))),
            (any::<String>(), inner).prop_map(|(name, value)| {
                format!("{{{}:{value}}}", serde_json::to_string(&name).expect("JSON"))
            }),
        ]
    });
    let flip = prop::option::weighted(0.5, (any::<prop::sample::Index>(), any::<u8>()));
    (tree, flip).prop_map(|(text, flip)| {
        let mut bytes = text.into_bytes();
        if let Some((place, byte)) = flip {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

#[test]
fn nothing_passes_the_library_that_the_nodes_would_drop() {
    let mut server = Server::start(Form::Functions);
    let mut taken = 0;
    let config = Config { cases: 3000, failure_persistence: None, ..Config::default() };
    let connection = std::cell::RefCell::new((&mut server, &mut taken));
    let outcome = TestRunner::new(config).run(&nearly_json(), |bytes| {
        let (server, taken) = &mut *connection.borrow_mut();
        if bytes.first() != Some(&0xfa) && is_taken(server, &bytes) {
            **taken += 1;
            prop_assert!(Payload::parse_json(&bytes).is_ok(), "{:?}", String::from_utf8_lossy(&bytes));
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    assert!(taken > 300, "only {taken} were JSON");
}

#[test]
fn tags_travel_in_the_body() {
    in_both_forms(|server| {
        let tags = br#"{"a":"1","b":""}"#;
        server.call::<(u32, u64)>(PUBLISH, KEY, &[b"1", b"tags", tags]).expect("a position");
        server.call::<(u32, u64)>(PUBLISH, KEY, &[b"1", b"tags", b"{}"]).expect("a position");
        let page: (u32, u64, u32, u64, Vec<u8>, u64, Vec<u8>) =
            server.call(READ, KEY, &[b"", b"", b"", b"", b"9", b"0"]).expect("a history");
        assert_eq!(page.4[15..], [&b"\x01\0\0\0\x011\x02\0\0\0\x10"[..], tags].concat());
        assert_eq!(page.6[15..], *b"\x01\0\0\0\x011\x02\0\0\0\x02{}");
        let before = server.kept();
        for wrong in
            [&b""[..], b"[]", b"[\"a\"]", b"{\"a\":1}", b"{\"a\":null}", b"\"a\"", b"{\"a\":\"\x01\"}"]
        {
            let outcome = server.call::<redis::Value>(PUBLISH, KEY, &[b"1", b"tags", wrong]);
            let text = text_of(&outcome.expect_err("a refusal"));
            assert!(text.starts_with("FANFARE tags must be a JSON object of texts"), "{text}");
        }
        assert_eq!(server.kept(), before);
    });
}

#[test]
fn an_envelope_is_kept_as_it_is_behind_its_mark() {
    in_both_forms(|server| {
        let body = b"\xfa\x01\x01\0\0\0\x011\x05\0\0\0\x02n1\xf0\0\0\0\0";
        server.call::<(u32, u64)>(PUBLISH, KEY, &[body]).expect("a position");
        let page: (u32, u64, u32, u64, Vec<u8>) =
            server.call(READ, KEY, &[b"", b"", b"", b"", b"9", b"0"]).expect("a history");
        let marks = [page.2.to_be_bytes(), [0; 4]].concat();
        assert_eq!(page.4, [b"\xfa\x01\x09\0\0\0\x08", &marks[..], &body[2..]].concat());
        let before = server.kept();
        let tagged: [&[u8]; 3] = [body, b"tags", b"{}"];
        for (args, expected) in [
            (&tagged[..], "tags belong into the envelope"),
            (&[b"\xfa"], "the envelope is of an unknown version"),
            (&[b"\xfa\0\x01\0\0\0\x011"], "the envelope is of an unknown version"),
            (&[b"\xfa\x01"], "the envelope has no payload"),
            (&[b"\xfa\x01\x01\0\0\0"], "the envelope is cut short"),
            (&[b"\xfa\x01\x01\0\0\0\x021"], "the envelope is cut short"),
            (&[b"\xfa\x01\x01\xff\xff\xff\xff1"], "the envelope is cut short"),
            (&[b"\xfa\x01\x01\0\0\0\x011\x05"], "the envelope is cut short"),
            (&[b"\xfa\x01\0\0\0\0\0\x01\0\0\0\x011"], "the envelope has a position already"),
            (&[b"\xfa\x01\x09\0\0\0\0\x01\0\0\0\x011"], "the envelope has a position already"),
            (&[b"\xfa\x01\x05\0\0\0\x02n1"], "the envelope has no payload"),
        ] {
            let outcome = server.call::<redis::Value>(PUBLISH, KEY, args);
            let text = text_of(&outcome.expect_err("a refusal"));
            assert!(text.starts_with(&format!("FANFARE {expected}")), "{text} instead of {expected}");
        }
        assert_eq!(server.kept(), before);
    });
}
