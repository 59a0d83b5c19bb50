//! Checks: who joined a channel hears what is published to it, all of it, as it was, and nothing else.

use model::{ChannelName, ClientInfo, Movement, Publication, RawJson, limits};

use super::Backend;
use super::driven::{Answer, Driven};
use super::samples::{
    ALL, RULES, TOP, assert_same, channel, kept, numbered, passing, publication, publisher, signed,
};

super::checks![
    a_joined_channel_hears_what_is_published,
    publications_come_in_order,
    a_channel_that_nobody_joined_accepts_publications,
    channels_do_not_mix,
    any_name_is_but_a_name,
    what_is_published_arrives_to_the_byte,
    what_is_left_is_not_heard,
    every_question_is_answered_once,
    who_comes_and_goes_is_told_in_order,
];

fn who_comes_and_goes_is_told_in_order(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let (channel, elsewhere) = (channel("movements"), channel("movements elsewhere"));
    driven.join(0, &channel);
    let who = || publisher("alice", Some(r#"{"name":"Alice"}"#), Some("[1]"));
    driven.announce(0, &elsewhere, Movement::Join, who());
    for movement in [Movement::Join, Movement::Leave] {
        driven.announce(0, &channel, movement, who());
    }
    for movement in [Movement::Join, Movement::Leave] {
        let (told, what, member) = driven.witness(0);
        assert_eq!((&told, what), (&channel, movement));
        let texts = |info: &ClientInfo| {
            let text = |raw: &Option<Box<RawJson>>| raw.as_ref().map(|raw| raw.get().to_owned());
            (info.user.clone(), info.client, text(&info.connection), text(&info.subscription))
        };
        assert_eq!(texts(&member), texts(&who()));
    }
    driven.expect_silence();
}

fn a_joined_channel_hears_what_is_published(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("heard");
    driven.join(0, &channel);
    for number in 1..=3 {
        let passed = driven.publish(0, &channel, &numbered(number), passing());
        assert_eq!(passed, Ok(None), "without history there is no position");
        let heard = driven.hear(0, &channel);
        assert_eq!(heard.position, None);
        assert_same(&heard.publication, &numbered(number));

        let position = driven.publish(0, &channel, &numbered(10 * number), kept()).expect("it is kept");
        assert_eq!(position.map(|position| position.offset), Some(number));
        let heard = driven.hear(0, &channel);
        assert_eq!(heard.position, position);
        assert_same(&heard.publication, &numbered(10 * number));
    }
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!(page.top.offset, 3, "what has no position is not kept");
    driven.expect_silence();
}

fn publications_come_in_order(backend: &mut dyn Backend) {
    const COUNT: u64 = 500;
    let mut driven = Driven::new(backend, 1);
    let channel = channel("ordered");
    driven.join(0, &channel);
    let begin = |number| {
        let terms = if number % 5 == 0 { passing() } else { kept() };
        driven.begin_publish(0, &channel, &numbered(number), terms)
    };
    let tickets: Vec<_> = (1..=COUNT).map(begin).collect();
    let mut last = 0;
    for (number, ticket) in (1..=COUNT).zip(tickets) {
        let Answer::Published(Ok(position)) = driven.answer(0, ticket) else {
            panic!("publication {number} was not accepted");
        };
        if let Some(position) = position {
            last += 1;
            assert_eq!(position.offset, last, "of publication {number}");
        }
        let heard = driven.hear(0, &channel);
        assert_same(&heard.publication, &numbered(number));
        assert_eq!(heard.position, position);
    }
    assert_eq!(last, COUNT - COUNT / 5);
    driven.expect_silence();
}

fn a_channel_that_nobody_joined_accepts_publications(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("unheard");
    assert_eq!(driven.publish(0, &channel, &numbered(1), passing()), Ok(None));
    let position = driven.publish(0, &channel, &numbered(2), kept()).expect("it is kept");
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!(Some(page.top), position);
    assert_eq!(page.entries.len(), 1);
    assert_same(&page.entries[0].publication, &numbered(2));
    driven.join(0, &channel);
    driven.expect_silence();
}

fn channels_do_not_mix(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channels: Vec<ChannelName> = (0..20).map(|number| channel(&format!("mixed{number}"))).collect();
    for channel in channels.iter().step_by(2) {
        driven.join(0, channel);
    }
    let mut tickets = Vec::new();
    for round in 0..5 {
        for (number, channel) in (0..).zip(&channels) {
            tickets.push(driven.begin_publish(0, channel, &numbered(100 * round + number), kept()));
        }
    }
    for ticket in tickets {
        assert!(matches!(driven.answer(0, ticket), Answer::Published(Ok(Some(_)))));
    }
    for (number, channel) in (0..).zip(&channels) {
        let page = driven.read(0, channel, RULES, ALL);
        assert_eq!((page.top.offset, page.entries.len()), (5, 5));
        for (round, entry) in (0..).zip(&page.entries) {
            assert_same(&entry.publication, &numbered(100 * round + number));
            if number % 2 == 0 {
                let heard = driven.hear(0, channel);
                assert_eq!(heard.position.map(|position| position.offset), Some(round + 1));
                assert_same(&heard.publication, &numbered(100 * round + number));
            }
        }
    }
    driven.expect_silence();
}

fn any_name_is_but_a_name(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let printable: String = (b' '..=b'~').map(char::from).filter(|sign| !matches!(sign, '{' | '}')).collect();
    let short = channel("").as_str().len();
    let longest = "x".repeat(limits::CHANNEL_NAME_BYTES_MAX - short - 8);
    let names = ["a*", "ab", "a?", "[a-z]", "\\", "a b\"'", "$x:y#1,2", "", "%s%00", &printable, &longest];
    let channels: Vec<ChannelName> = names.iter().map(|name| channel(name)).collect();
    for channel in &channels {
        driven.join(0, channel);
    }
    for (number, channel) in (0..).zip(&channels) {
        driven.publish(0, channel, &numbered(number), passing()).expect("it is accepted");
        assert_same(&driven.hear(0, channel).publication, &numbered(number));
        driven.publish(0, channel, &numbered(number), kept()).expect("it is kept");
        assert_same(&driven.hear(0, channel).publication, &numbered(number));
        assert_eq!(driven.read(0, channel, RULES, ALL).top.offset, 1, "{channel}");
    }
    driven.expect_silence();
}

fn what_is_published_arrives_to_the_byte(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let channel = channel("bytes");
    driven.join(0, &channel);
    let publications = odd_publications();
    for (number, published) in (1..).zip(&publications) {
        driven.publish(0, &channel, published, passing()).expect("it is accepted");
        assert_same(&driven.hear(0, &channel).publication, published);
        let position = driven.publish(0, &channel, published, kept()).expect("it is kept");
        assert_eq!(position.map(|position| position.offset), Some(number));
        assert_same(&driven.hear(0, &channel).publication, published);
    }
    let page = driven.read(0, &channel, RULES, ALL);
    assert_eq!(page.entries.len(), publications.len());
    for (entry, published) in page.entries.iter().zip(&publications) {
        assert_same(&entry.publication, published);
    }
    driven.expect_silence();
}

fn odd_publications() -> Vec<Publication> {
    let large = format!("\"{}\"", "x".repeat(65_534));
    let escapes = r#"{"\"\\\/\b\f\n\r\t":"\u0000\u001f\u007f\u2028\ud83d\ude00 é 😀 \u00e9","":null}"#;
    let spaced = "[ 1 ,\t2.50e+300 , -0.0, {\"a\":1,\"a\":2} ]";
    let jsons = ["7", "\"\"", "{}", "null", &large, escapes, spaced, "123456789012345678901234567890"];
    let mut publications: Vec<_> = jsons.into_iter().map(publication).collect();
    let tags = [("", ""), ("a\"\\", "\u{0}\u{1f}\n\r\t"), ("é", "😀"), ("k", "0"), ("long", &large[..9000])];
    let publishers: [ClientInfo; 4] = [
        publisher("", None, None),
        publisher("alice", Some(escapes), None),
        publisher("\u{0}é\r\n\"", None, Some(spaced)),
        publisher("bob", Some("1"), Some("null")),
    ];
    for (count, publisher) in publishers.into_iter().enumerate() {
        publications.push(signed(escapes, &tags[..count + 2], publisher));
    }
    publications.push(signed("1", &[], publisher("nobody", None, None)));
    publications
}

fn what_is_left_is_not_heard(backend: &mut dyn Backend) {
    let mut driven = Driven::new(backend, 1);
    let (left, other) = (channel("left"), channel("other"));
    driven.join(0, &left);
    driven.join(0, &other);
    driven.publish(0, &left, &numbered(1), kept()).expect("it is kept");
    driven.hear(0, &left);
    driven.leave(0, &left);
    driven.publish(0, &left, &numbered(2), kept()).expect("it is kept");
    driven.publish(0, &other, &numbered(3), passing()).expect("it is accepted");
    assert_same(&driven.hear(0, &other).publication, &numbered(3));
    driven.expect_silence();
    assert_eq!(driven.read(0, &left, RULES, ALL).entries.len(), 2, "its history goes on");
    driven.join(0, &left);
    driven.publish(0, &left, &numbered(4), kept()).expect("it is kept");
    let heard = driven.hear(0, &left);
    assert_eq!(heard.position.map(|position| position.offset), Some(3), "and is heard when joined again");
    driven.expect_silence();
}

fn every_question_is_answered_once(backend: &mut dyn Backend) {
    const ROUNDS: usize = 100;
    let mut driven = Driven::new(backend, 1);
    let channel = channel("asked");
    let mut asked = Vec::new();
    for number in 0..ROUNDS as u64 {
        asked.push(driven.begin_publish(0, &channel, &numbered(number), kept()));
        asked.push(driven.begin_read(0, &channel, RULES, TOP));
        asked.push(driven.begin_publish(0, &channel, &numbered(number), passing()));
        asked.push(driven.begin_remove(0, &channel));
    }
    for (index, ticket) in asked.iter().enumerate() {
        let answer = driven.answer(0, *ticket);
        let is_of_its_kind = match &answer {
            Answer::Published(outcome) => index % 2 == 0 && outcome.is_ok(),
            Answer::Read(outcome) => index % 4 == 1 && outcome.is_ok(),
            Answer::Removed(outcome) => index % 4 == 3 && outcome.is_ok(),
        };
        assert!(is_of_its_kind, "question {index} was answered {answer:?}");
    }
    driven.expect_silence();
    assert_eq!(driven.answered(0).len(), asked.len());
}
