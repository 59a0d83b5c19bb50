//! What one publication from Redis costs before it is sequenced: parsing the push, opening the body.
//! Run it with `cargo run --release -p broker-redis --example intake`; it prints nanoseconds, the best of ten.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use model::{ChannelName, ClientId, ClientInfo, Moment, Payload, Publication, Tags};

#[expect(dead_code, reason = "a part of the crate is measured alone")]
#[path = "../src/envelope.rs"]
mod envelope;
#[path = "../src/fields.rs"]
mod fields;
#[expect(dead_code, unreachable_pub, reason = "a part of the crate is measured alone")]
#[path = "../src/format_version.rs"]
mod format_version;
#[expect(dead_code, reason = "a part of the crate is measured alone")]
#[path = "../src/malformed.rs"]
mod malformed;
#[expect(dead_code, reason = "a part of the crate is measured alone")]
#[path = "../src/names.rs"]
mod names;
#[path = "../src/resp.rs"]
mod resp;
#[expect(dead_code, reason = "a part of the crate is measured alone")]
#[path = "../src/signing.rs"]
mod signing;

use envelope::Terms;
use format_version::FormatVersion;
use names::Names;
use resp::{Parsed, Push};

const ROUNDS: usize = 10;
const BUFFER_BYTES: usize = 256 * 1024;
const PAYLOAD_BYTES: usize = 128;
const PAYLOAD_BYTES_MAX: usize = 64 * 1024;

fn main() {
    let terms = Terms {
        version: FormatVersion::new(envelope::VERSION),
        origin: "node-1".to_owned(),
        payload_bytes_max: PAYLOAD_BYTES_MAX,
        signing: None,
    };
    let names = Names { prefix: "fanfare".to_owned(), is_cluster: false };
    let channel = ChannelName::parse("news:europe-4711").expect("a name");
    let text = "x".repeat(PAYLOAD_BYTES - "{\"id\":1234567,\"text\":\"\"}".len());
    let plain = format!("{{\"id\":1234567,\"text\":\"{text}\"}}").into_bytes();
    let pushes = pushes(&names.channel_key(&channel), &plain);
    let count = count(&pushes);
    measure("parse a push of 128 bytes", count, || self::count(&pushes));
    measure("parse it, find the channel's name, open the plain payload", count, || {
        take_in(&names, &terms, &channel, &pushes)
    });

    let payload = Payload::parse_json(&plain).expect("a payload");
    let mut publication = Publication {
        payload,
        publisher: None,
        tags: Tags::default(),
        accepted: Moment::default(),
        travel_micros: 0,
    };
    let bare = body(&terms, &channel, &publication);
    publication.publisher = Some(Arc::new(ClientInfo {
        user: "alice".into(),
        client: ClientId::new(1 << 90),
        connection: None,
        subscription: None,
    }));
    let whole = body(&terms, &channel, &publication);
    for (what, bytes) in [
        ("open a plain payload of 128 bytes", &plain),
        ("open an envelope with position, payload, time, origin", &bare),
        ("open an envelope with a publisher, too", &whole),
    ] {
        measure(what, 100_000, || {
            (0..100_000)
                .filter(|_| envelope::open(&terms, &channel, black_box(bytes), Moment::default()).is_ok())
                .count()
        });
    }
    let mut out = Vec::with_capacity(4096);
    measure("encode a body with a publisher", 100_000, || {
        for _ in 0..100_000 {
            out.clear();
            envelope::encode_body(&terms, &channel, black_box(&publication), 1, &mut out);
        }
        out.len()
    });
}

fn pushes(channel: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut push = format!("*3\r\n$7\r\nmessage\r\n${}\r\n", channel.len()).into_bytes();
    push.extend([channel, b"\r\n"].concat());
    push.extend(format!("${}\r\n", payload.len()).bytes());
    push.extend([payload, b"\r\n"].concat());
    push.repeat(BUFFER_BYTES / push.len())
}

/// A body to which the script gave a position.
fn body(terms: &Terms, channel: &ChannelName, publication: &Publication) -> Vec<u8> {
    let mut body = Vec::new();
    envelope::encode_body(terms, channel, publication, 1_790_000_000_000_000, &mut body);
    body.splice(2..2, *b"\0\0\0\0\x0c\0\0\0\x07\0\0\0\0\0\0\0\x09");
    body
}

fn each_payload(buffer: &[u8], mut take: impl FnMut(&[u8], &[u8])) {
    let mut rest = black_box(buffer);
    while let Ok(Parsed::Push { push, consumed }) = resp::parse(rest, PAYLOAD_BYTES_MAX) {
        if let Push::Published { channel, payload } = push {
            take(channel, payload);
        }
        rest = &rest[consumed..];
    }
    assert!(rest.is_empty(), "all of the buffer is pushes");
}

fn count(buffer: &[u8]) -> usize {
    let mut count = 0;
    each_payload(buffer, |channel, payload| {
        black_box((channel, payload));
        count += 1;
    });
    count
}

fn take_in(names: &Names, terms: &Terms, name: &ChannelName, buffer: &[u8]) -> usize {
    let mut count = 0;
    each_payload(buffer, |channel, payload| {
        drop(black_box(names.parse(channel)));
        let opened = envelope::open(terms, name, payload, Moment::default());
        count += usize::from(black_box(opened).is_ok());
    });
    count
}

fn measure(what: &str, count: usize, mut run: impl FnMut() -> usize) {
    let nanos = (0..ROUNDS).map(|_| {
        let begun = Instant::now();
        black_box(run());
        begun.elapsed().as_nanos() as f64 / count as f64
    });
    println!("{:8.1} ns  {what}", nanos.fold(f64::INFINITY, f64::min));
}
