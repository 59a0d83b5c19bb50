//! What goes into an envelope comes out of it, and nothing else does.

use model::{Secret, TraceParent};
use proptest::prelude::*;

use super::*;

const PAYLOAD_BYTES_MAX: usize = 1024;
const KEY: &str = "a key that no more than the nodes have";

fn terms() -> Terms {
    Terms {
        version: FormatVersion::new(VERSION),
        origin: "n1".to_owned(),
        payload_bytes_max: Box::new(|| PAYLOAD_BYTES_MAX),
        signing: None,
    }
}

/// Of a node that signs. It takes what is not signed in `open:…`.
fn signing(key: &str, previous: &str) -> Terms {
    let accepts_unsigned = Box::new(|channel: &ChannelName| channel.namespace() == Some("open"));
    let signing = Signing::new(&Secret::new(key), &Secret::new(previous), accepts_unsigned);
    Terms { version: FormatVersion::new(2), signing: Some(signing), ..terms() }
}

fn named(name: &str) -> ChannelName {
    ChannelName::parse(name).expect("a name")
}

fn channel() -> ChannelName {
    named("news")
}

fn opened(bytes: &[u8]) -> Opened {
    publication_in(open(&terms(), &channel(), bytes, Moment::default()).expect("well formed"))
}

#[test]
fn a_publication_was_under_way_since_it_was_taken_on_unless_the_clocks_differ() {
    for (accepted, now, travel, is_skewed) in
        [(10_u64, 25, 15, false), (25, 25, 0, false), (26, 25, 0, true), (0, 1 << 40, u32::MAX, false)]
    {
        let mut found = opened(&envelope(&[(1, b"1"), (4, &accepted.to_be_bytes())]));
        assert_eq!((found.note_travel(now), found.publication.travel_micros), (is_skewed, travel));
    }
    let mut plain = opened(b"1");
    assert_eq!((plain.note_travel(25), plain.publication.travel_micros), (false, 0));
}

fn publication_in(content: Content) -> Opened {
    match content {
        Content::Publication(opened) => opened,
        Content::Movement(movement, _) => panic!("{movement:?} is no publication"),
    }
}

fn refused(bytes: &[u8]) -> Malformed {
    open(&terms(), &channel(), bytes, Moment::default()).expect_err("no publication")
}

fn envelope(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = vec![MAGIC, VERSION];
    fields.iter().for_each(|(id, bytes)| append(*id, bytes, &mut out));
    out
}

#[test]
fn a_movement_names_who_moved() {
    let member = ClientInfo {
        user: "alice".into(),
        client: ClientId::new(7),
        connection: Some(RawJson::from_string("[1]".to_owned()).expect("JSON")),
        subscription: None,
    };
    for which in [Movement::Join, Movement::Leave] {
        let mut body = Vec::new();
        encode_movement(&terms(), &channel(), which, &member, &mut body);
        match open(&terms(), &channel(), &body, Moment::default()) {
            Ok(Content::Movement(movement, who)) => {
                assert_eq!((movement, &*who.user, who.client), (which, "alice", member.client));
                assert_eq!(who.connection.as_ref().map(|info| info.get()), Some("[1]"));
            }
            other => panic!("{other:?}"),
        }
        assert!(open_kept(&terms(), &channel(), &body, Moment::default()).is_err());
    }
    let nobody: &[(u8, &[u8])] = &[(8, &[JOIN])];
    let neither: &[(u8, &[u8])] = &[(8, &[3]), (3, br#"{"user":"","client":"x"}"#)];
    for wrong in [nobody, neither] {
        assert_eq!(refused(&envelope(wrong)), Malformed::Field);
    }
}

#[test]
fn a_body_is_what_the_page_says() {
    let payload = Payload::parse_json(b"{}").expect("a payload");
    let publication = Publication::new(payload, Moment::default());
    let mut out = vec![7];
    encode_body(&terms(), &channel(), &publication, 258, &mut out);
    let expected = b"\x07\xfa\x01\x01\0\0\0\x02{}\x04\0\0\0\x08\0\0\0\0\0\0\x01\x02\x05\0\0\0\x02n1";
    assert_eq!(out, expected);
}

#[test]
fn what_has_no_envelope_is_a_payload() {
    let plain = opened(b" {\"a\":\n1}");
    assert!(plain.is_plain);
    assert_eq!(plain.publication.payload.as_bytes(), b"{\"a\":1}");
    assert_eq!((plain.position, plain.accepted_unix_micros), (None, None));
    for text in [&b""[..], b"hello", b"{}}\n{\"push\":{}}", b"\xf9", b"\"\xfa\""] {
        assert_eq!(refused(text), Malformed::NotJson);
    }
    let largest = format!("\"{}\"", "x".repeat(PAYLOAD_BYTES_MAX - 2));
    assert_eq!(opened(largest.as_bytes()).publication.payload.size(), PAYLOAD_BYTES_MAX);
    assert_eq!(refused(format!("{largest} ").as_bytes()), Malformed::TooLarge);
}

#[test]
fn what_nodes_tell_each_other_has_a_bound_of_its_own() {
    let largest = format!("\"{}\"", "x".repeat(NODE_PAYLOAD_BYTES_MAX - 2));
    let read = |channel: &ChannelName, payload: &str| {
        let (terms, whole) = (terms(), envelope(&[(1, payload.as_bytes())]));
        open(&terms, channel, &whole, Moment::default())
            .map(|content| publication_in(content).publication.payload.size())
    };
    for channel in [ChannelName::of_nodes(), ChannelName::of_node(ClientId::new(1))] {
        assert_eq!(read(&channel, &largest), Ok(NODE_PAYLOAD_BYTES_MAX));
        assert_eq!(read(&channel, &format!("{largest} ")), Err(Malformed::TooLarge));
    }
    assert_eq!(read(&channel(), &largest), Err(Malformed::TooLarge));
}

#[test]
fn a_position_comes_first_and_is_of_some_epoch() {
    let at = |epoch: u32, offset: u64| [&epoch.to_be_bytes()[..], &offset.to_be_bytes()].concat();
    let found = opened(&envelope(&[(0, &at(7, 1 << 40)), (1, b"[1]"), (10, b"later"), (10, b"again")]));
    assert_eq!(found.position, Some(Position { epoch: Epoch::new(7), offset: 1 << 40 }));
    assert!(!found.is_plain);
    assert_eq!(found.marks, Marks::default());
    let marks: &[u8] = &[0, 0, 1, 2, 0, 0, 0, 0];
    let found = opened(&envelope(&[(0, &at(7, 1)), (9, marks), (1, b"[1]")]));
    assert_eq!(found.marks, Marks { own: Mark::new(258), previous: None });
    assert_eq!(refused(&envelope(&[(0, &at(0, 1)), (1, b"[1]")])), Malformed::Field);
    assert_eq!(refused(&envelope(&[(0, &at(7, 1)[1..]), (1, b"[1]")])), Malformed::Field);
}

#[test]
fn a_wrong_envelope_is_told_apart_from_a_wrong_payload() {
    let long = "x".repeat(PAYLOAD_BYTES_MAX);
    let tags = format!("{{\"a\":\"{long}\"}}");
    let info = format!("{{\"user\":\"{}\"}}", "x".repeat(publisher_bytes_max(PAYLOAD_BYTES_MAX)));
    for (bytes, why) in [
        (vec![MAGIC], Malformed::Truncated),
        (vec![MAGIC, 0], Malformed::Version),
        (vec![MAGIC, 2, 1], Malformed::Version),
        (vec![MAGIC, VERSION], Malformed::Field),
        (vec![MAGIC, VERSION, 1, 0, 0, 0], Malformed::Truncated),
        (b"\xfa\x01\x01\0\0\0\x03[]".to_vec(), Malformed::Truncated),
        (b"\xfa\x01\x01\xff\xff\xff\xff[]".to_vec(), Malformed::Truncated),
        (envelope(&[(1, b"hello")]), Malformed::NotJson),
        (envelope(&[(1, b"")]), Malformed::NotJson),
        (envelope(&[(1, long.as_bytes()), (1, b"[]")]), Malformed::Field),
        (envelope(&[(1, format!("{long} ").as_bytes())]), Malformed::TooLarge),
        (envelope(&[(1, b"[]"), (2, tags.as_bytes())]), Malformed::TooLarge),
        (envelope(&[(1, b"[]"), (3, info.as_bytes())]), Malformed::TooLarge),
        (envelope(&[(1, b"[]"), (4, b"1")]), Malformed::Field),
        (envelope(&[(1, b"[]"), (5, &[b'n'; 65])]), Malformed::Field),
        (envelope(&[(1, b"[]"), (5, b"\xff")]), Malformed::Field),
        (envelope(&[(1, b"[]"), (9, &[0; 7])]), Malformed::Field),
        (envelope(&[(1, &b"[]"[..])]).repeat(2), Malformed::Truncated),
        (
            [envelope(&[(1, b"[]")]), envelope(&[(10, &b""[..]); 40])[2..].to_vec()].concat(),
            Malformed::TooLarge,
        ),
    ] {
        assert_eq!(refused(&bytes), why, "{:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn tags_are_an_object_of_strings() {
    for wrong in ["[]", "{\"a\":1}", "{\"a\":null}", "{}{}", "", "{\"a\":\"\u{1}\"}"] {
        assert_eq!(refused(&envelope(&[(1, b"[]"), (2, wrong.as_bytes())])), Malformed::Field, "{wrong}");
    }
    let found = opened(&envelope(&[(1, b"[]"), (2, b"{\"b\":\"2\",\n\"a\":\"1\"}")]));
    assert_eq!(found.publication.tags.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    assert!(opened(&envelope(&[(1, b"[]"), (2, b"{}")])).publication.tags.is_empty());
}

#[test]
fn a_publisher_is_a_user_on_a_connection() {
    const CLIENT: &str = "\"client\":\"12345678-9abc-4ef0-9122-334455667788\"";
    let publisher = |json: &str| envelope(&[(1, b"[]"), (3, json.as_bytes())]);
    for wrong in [
        format!("{{{CLIENT}}}"),
        "{\"user\":\"a\"}".to_owned(),
        "{\"user\":\"a\",\"client\":\"12345678\"}".to_owned(),
        format!("{{\"user\":1,{CLIENT}}}"),
        format!("{{\"user\":\"a\",\"user\":\"b\",{CLIENT}}}"),
        format!("{{\"user\":\"a\",{CLIENT},\"conn_info\":1,\"conn_info\":2}}"),
        format!("{{\"user\":\"a\",{CLIENT},\"conn_info\":hello}}"),
        format!("{{\"user\":\"a\",{CLIENT}}}}}"),
    ] {
        assert_eq!(refused(&publisher(&wrong)), Malformed::Field, "{wrong}");
    }
    let json = format!("{{\"later\":[],\"user\":\"\\u00e9\",{CLIENT},\"conn_info\":{{\"a\":\r\n1}}}}");
    let found = opened(&publisher(&json)).publication.publisher.expect("a publisher");
    assert_eq!(&*found.user, "é");
    assert_eq!(found.connection.as_deref().map(RawJson::get), Some("{\"a\":1}"));
    assert!(found.subscription.is_none());
}

#[test]
fn every_kind_has_a_label_of_its_own() {
    for (index, kind) in Malformed::ALL.into_iter().enumerate() {
        assert_eq!(kind.index(), index);
        assert_eq!(Malformed::ALL.iter().filter(|other| other.label() == kind.label()).count(), 1);
    }
}

fn member() -> ClientInfo {
    ClientInfo { user: "alice".into(), client: ClientId::new(7), connection: None, subscription: None }
}

fn body(terms: &Terms, channel: &ChannelName) -> Vec<u8> {
    let tags = BTreeMap::from([("lang".to_owned(), "en".to_owned())]);
    let payload = Payload::parse_json(b"[1]").expect("a payload");
    let (publisher, trace) = (Some(Arc::new(member())), TraceParent::new(5, 6, 1, "a=1").map(Arc::new));
    let publication = Publication::new(payload, Moment::default());
    let publication = Publication { publisher, tags: tags.into(), trace, ..publication };
    let mut body = Vec::new();
    encode_body(terms, channel, &publication, 1, &mut body);
    body
}

fn why(terms: &Terms, channel: &ChannelName, bytes: &[u8]) -> Option<Malformed> {
    open(terms, channel, bytes, Moment::default()).err()
}

#[test]
fn what_is_signed_is_opened_by_whoever_has_the_key() {
    let (news, signs) = (channel(), signing(KEY, ""));
    let mut movement = Vec::new();
    encode_movement(&signs, &news, Movement::Join, &member(), &mut movement);
    let signed = body(&signs, &news);
    let mut placed = signed.clone();
    placed.splice(2..2, *b"\0\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\x09\x09\0\0\0\x08\0\0\0\x01\0\0\0\x02");
    for bytes in [&signed, &movement, &placed] {
        assert_eq!(why(&signs, &news, bytes), None);
        assert_eq!(why(&signing("the next key", KEY), &news, bytes), None, "the keys are being changed");
        assert_eq!(why(&terms(), &news, bytes), None, "it does not look at signatures");
        assert_eq!(why(&signing("another key", ""), &news, bytes), Some(Malformed::Signature));
        assert_eq!(why(&signs, &named("others"), bytes), Some(Malformed::Signature), "it was moved");
    }
}

#[test]
fn what_is_not_signed_or_was_changed_is_turned_down() {
    let (news, signs) = (channel(), signing(KEY, ""));
    let unsigned = body(&terms(), &news);
    let signed = body(&signs, &news);
    let more = [&signed[..], &envelope(&[(200, b"later")])[2..]].concat();
    for forged in [b"[1]".to_vec(), envelope(&[(1, b"[1]")]), unsigned, more] {
        assert_eq!(why(&signs, &news, &forged), Some(Malformed::Signature));
    }
    for at in 1..signed.len() {
        for bit in 0..8 {
            let mut changed = signed.clone();
            changed[at] ^= 1 << bit;
            assert!(why(&signs, &news, &changed).is_some(), "bit {bit} of byte {at}");
        }
    }
    let german = signed.windows(2).position(|two| two == b"en").expect("a tag");
    let mut tagged = signed;
    tagged[german..german + 2].copy_from_slice(b"de");
    assert_eq!(why(&signs, &news, &tagged), Some(Malformed::Signature));
}

#[test]
fn a_wrong_trace_context_is_left_out_and_the_publication_is_not() {
    let sampled = [&[0; 16][..], &[7], &[0; 7], &[8, 1]].concat();
    for (field, is_read) in [(&sampled[..], true), (&sampled[..25], false), (b"", false)] {
        let found = opened(&envelope(&[(1, b"1"), (6, field)]));
        assert_eq!(found.publication.trace.is_some(), is_read, "{field:?}");
    }
}

#[test]
fn where_none_is_needed_backends_do_not_sign_but_cannot_pass_for_nodes_or_clients() {
    let (open, signs) = (named("open:a"), signing(KEY, ""));
    assert_eq!(why(&signs, &open, b"[1]"), None);
    assert_eq!(why(&signs, &open, &envelope(&[(1, b"[1]"), (2, b"{\"a\":\"b\"}")])), None);
    let who = client_as_json(&member());
    for forged in [
        envelope(&[(1, b"[1]"), (3, &who)]),
        envelope(&[(1, b"[1]"), (5, b"n2")]),
        envelope(&[(8, &[JOIN]), (3, &who)]),
        envelope(&[(1, b"[1]"), (7, &[0; 32])]),
        body(&signing("another key", ""), &open),
    ] {
        assert_eq!(why(&signs, &open, &forged), Some(Malformed::Signature));
    }
}

#[test]
fn the_version_before_is_read_and_written_until_all_read_the_newest() {
    let newer = Terms { version: FormatVersion::new(VERSION + 1), ..terms() };
    let older = body(&newer, &channel());
    assert_eq!((why(&terms(), &channel(), &older), why(&newer, &channel(), &older)), (None, None));
    newer.version.settle(true);
    let newest = body(&newer, &channel());
    assert_eq!(why(&newer, &channel(), &newest), None);
    assert_eq!(why(&terms(), &channel(), &newest), Some(Malformed::Version));
}

fn json() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>().prop_map(|text| serde_json::to_string(&text).expect("JSON")),
        "\\{\"[a-z]{0,9}\":-?[1-9]{1,6}\\.5e7\\}",
        Just("null".to_owned()),
    ]
}

fn client_info() -> impl Strategy<Value = ClientInfo> {
    let raw = || prop::option::of(json().prop_map(|text| RawJson::from_string(text).expect("JSON")));
    (any::<String>(), any::<u128>(), raw(), raw()).prop_map(|(user, random, connection, subscription)| {
        ClientInfo { user: user.into(), client: ClientId::new(random), connection, subscription }
    })
}

type Shape = (String, ClientId, Option<String>, Option<String>);

fn shape(publication: &Publication) -> (Vec<u8>, Vec<(String, String)>, Option<Shape>) {
    let tags = publication.tags.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    let text = |raw: &Option<Box<RawJson>>| raw.as_ref().map(|raw| raw.get().to_owned());
    let publisher = publication
        .publisher
        .as_ref()
        .map(|who| (who.user.to_string(), who.client, text(&who.connection), text(&who.subscription)));
    (publication.payload.as_bytes().to_vec(), tags, publisher)
}

proptest! {
    #[test]
    fn what_goes_in_comes_out(
        payload in json(),
        tags in prop::collection::btree_map(any::<String>(), any::<String>(), 0..3),
        publisher in prop::option::of(client_info()),
        accepted_unix_micros in any::<u64>(),
        position in prop::option::of((1_u32.., any::<u64>())),
        trace in any::<(u128, u64)>(),
    ) {
        let payload = Payload::parse_json(payload.as_bytes()).expect("a payload");
        let publication = Publication {
            publisher: publisher.map(Arc::new),
            tags: tags.into(),
            trace: TraceParent::new(trace.0, trace.1, 1, "").map(Arc::new),
            ..Publication::new(payload, Moment::default())
        };
        let mut body = Vec::new();
        let terms = Terms { payload_bytes_max: Box::new(|| 1 << 16), ..terms() };
        encode_body(&terms, &channel(), &publication, accepted_unix_micros, &mut body);
        let position = position.map(|(epoch, offset)| Position { epoch: Epoch::new(epoch), offset });
        if let Some(position) = position {
            let bytes = [&position.epoch.number().to_be_bytes()[..], &position.offset.to_be_bytes()].concat();
            body.splice(2..2, envelope(&[(0, &bytes)])[2..].iter().copied());
        }
        let found = publication_in(open(&terms, &channel(), &body, Moment::default()).expect("well formed"));
        prop_assert_eq!(shape(&found.publication), shape(&publication));
        prop_assert_eq!(&found.publication.trace, &publication.trace);
        prop_assert_eq!(found.position, position);
        prop_assert_eq!(found.accepted_unix_micros, Some(accepted_unix_micros));
        prop_assert!(!found.is_plain);
    }

    #[test]
    fn arbitrary_bytes_are_opened_or_refused(
        head in prop_oneof![Just(vec![]), Just(vec![MAGIC]), Just(vec![MAGIC, VERSION])],
        fields in prop::collection::vec((0_u8..11, prop_oneof![json().prop_map(String::into_bytes), any::<Vec<u8>>()]), 0..4),
        rest in any::<Vec<u8>>(),
    ) {
        let mut bytes = head;
        fields.iter().for_each(|(id, field)| append(*id, field, &mut bytes));
        bytes.extend(rest);
        if let Ok(Content::Publication(found)) = open(&terms(), &channel(), &bytes, Moment::default()) {
            prop_assert!(found.publication.payload.size() <= PAYLOAD_BYTES_MAX);
            prop_assert_eq!(found.is_plain, bytes[0] != MAGIC);
        }
    }
}
