//! Placeholders in what clients send: tokens signed as they are sent, ids that differ in every run, long texts.
//!
//! `{{token sub=alice exp=+60s channels=a,b info={"n":1}}}`, `{{subtoken sub=alice channel=$a}}`, each with
//! `key=other` for another key's signature; `{{alg-none}}`; `{{client}}` or `{{client bob}}`; `{{x 300}}`; `{{c 3}}`
//! for the channels `c1,c2,c3`.

use auth::{Algorithm, Claims, Signer};
use model::{ChannelName, RawJson, Secret, UnixTime};

use crate::script::period;
use crate::settings::SECRET;

/// An unsigned token: `{"alg":"none"}`, then `{"sub":"alice"}`.
const UNSIGNED: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.";

/// A text with its placeholders filled. `client` tells the id of a client by name.
pub(crate) fn fill(text: &str, now: UnixTime, client: &dyn Fn(&str) -> String) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let end = start + length(&rest[start..]);
        filled.push_str(&rest[..start]);
        let inside = &rest[start + 2..end - 2];
        let (word, arguments) = inside.split_once(' ').unwrap_or((inside, ""));
        match word {
            "token" | "subtoken" => filled.push_str(&token(word, &fill(arguments, now, client), now)),
            "c" => filled.push_str(&channels(arguments.parse().expect("a count"))),
            "alg-none" => filled.push_str(UNSIGNED),
            "client" => filled.push_str(&client(arguments)),
            "x" => filled.push_str(&"x".repeat(arguments.parse().expect("a count"))),
            _ => panic!("there is no placeholder {word}"),
        }
        rest = &rest[end..];
    }
    filled + rest
}

fn channels(count: usize) -> String {
    let names: Vec<String> = (1..=count).map(|number| format!("c{number}")).collect();
    names.join(",")
}

/// A text with its long runs of `x` as placeholders.
pub(crate) fn shorten(text: &str) -> String {
    const LONG: usize = 40;
    let mut short = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(&"x".repeat(LONG)) {
        let length = rest[start..].find(|symbol| symbol != 'x').unwrap_or(rest.len() - start);
        short.push_str(&rest[..start]);
        short.push_str(&format!("{{{{x {length}}}}}"));
        rest = &rest[start + length..];
    }
    short + rest
}

/// How long a placeholder is, braces included.
fn length(text: &str) -> usize {
    let mut depth = 0;
    for (at, symbol) in text.char_indices() {
        match symbol {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    panic!("{text} has no end")
}

fn token(kind: &str, arguments: &str, now: UnixTime) -> String {
    let argument = |name: &str| {
        let mut words = arguments.split(' ').filter_map(|word| word.split_once('='));
        words.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let user = argument("sub").unwrap_or("");
    let mut claims = match kind {
        "subtoken" => Claims::subscription(user, &channel(argument("channel").expect("a channel"))),
        _ => Claims::connection(user),
    };
    if let Some(at) = argument("exp") {
        claims = claims.expires(time(at, now));
    }
    if let Some(info) = argument("info") {
        claims = claims.info(RawJson::from_string(info.to_owned()).expect("info is JSON"));
    }
    let channels: Vec<ChannelName> =
        argument("channels").into_iter().flat_map(|list| list.split(',')).map(channel).collect();
    let secret = match argument("key") {
        Some(_) => Secret::new("another secret, just as long as ours is"),
        None => Secret::new(SECRET),
    };
    Signer::hmac(&secret, Algorithm::HS256).expect("a key").sign(&claims.channels(&channels))
}

/// A channel's name.
pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// `+60s` or `-60s` from now.
pub(crate) fn time(text: &str, now: UnixTime) -> UnixTime {
    let (sign, span) = text.split_at(1);
    let seconds = period(span).as_secs() as i64;
    UnixTime(if sign == "-" { now.0 - seconds } else { now.0 + seconds })
}
