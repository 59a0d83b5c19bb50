//! What is silent for ten seconds: clients that begin something and do not go on, a thread that hangs, refusals
//! that the log has told already. All of them wait at the same time, so that the suite waits once.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use testkit::{Client, FaultyBroker, Process, Received, eventually, http};

use crate::edge::{Running, edge, faulty};
use crate::logs;
use crate::user::User;

const DEADLINE: Duration = Duration::from_secs(10);
/// How much later than its deadline something may end on a busy machine.
const LATE: Duration = Duration::from_secs(5);

#[test]
fn who_begins_and_does_not_go_on_is_left_after_ten_seconds() {
    let edge = edge().workers(4).start();
    let edge = &edge;
    thread::scope(|scope| {
        scope.spawn(|| a_socket_that_says_nothing_is_closed(edge));
        scope.spawn(|| a_request_that_stays_unfinished_is_closed(edge));
        scope.spawn(a_proxy_that_says_nothing_is_left);
        scope.spawn(|| a_request_that_comes_too_slowly_is_closed(edge));
        scope.spawn(|| a_silent_connection_is_stale(edge));
        scope.spawn(|| a_connection_that_only_pings_is_stale(edge));
        scope.spawn(|| a_refused_connect_makes_a_connection_stale(edge));
        scope.spawn(|| a_message_that_stays_unfinished_is_given_up(edge));
        scope.spawn(|| a_message_that_comes_too_slowly_is_given_up(edge));
        scope.spawn(|| many_messages_in_pieces_are_no_slow_message(edge));
        scope.spawn(|| who_does_not_close_is_reset(edge));
        scope.spawn(a_thread_that_hangs_is_not_live);
        scope.spawn(logs::a_refusal_that_repeats_is_logged_again_later_with_a_count);
    });
    edge.settles("fanfare_connections", 0.0);
    let metrics = edge.metrics();
    let closed = |code: &str| metrics.value(&format!("fanfare_connections_closed_total{{code=\"{code}\"}}"));
    assert_eq!((closed("3502"), closed("3008")), (3.0, 2.0));
    assert_eq!(metrics.value("fanfare_outbox_bytes"), 0.0);
}

#[test]
fn who_does_not_answer_pings_is_closed_and_who_does_is_not() {
    let edge = edge()
        .workers(4)
        .with(|config| {
            config.client.ping_interval = model::Period::seconds(2);
            config.client.pong_timeout = model::Period::seconds(1);
        })
        .start();
    let mut present = edge.client("present");
    present.subscribe("news");
    let mut absent = edge.client("absent").into_client();
    let edge = &edge;
    thread::scope(|scope| {
        // Answers pings while it waits.
        let heard = scope.spawn(move || present.publication().1);
        assert_eq!(absent.text(), "{}");
        assert_eq!(absent.closed(), (3012, "no pong".to_owned()));
        edge.publish("news", "1");
        assert_eq!(heard.join().expect("a publication"), "1");
    });
}

fn a_socket_that_says_nothing_is_closed(edge: &Running) {
    let client = Client::open(edge.address()).expect("a socket");
    assert_left(client, Instant::now());
}

fn a_proxy_that_says_nothing_is_left() {
    let edge = edge().with(|config| config.public.proxy_protocol = true).start();
    let mut client = Client::open(edge.address()).expect("a socket");
    client.send_raw(b"PROXY TCP4 198.51.100.7 ").expect("the server reads");
    assert_left(client, Instant::now());
}

fn a_request_that_stays_unfinished_is_closed(edge: &Running) {
    let mut client = Client::open(edge.address()).expect("a socket");
    client.send_raw(b"GET /connection/websocket HTTP/1.1\r\nHost: te").expect("the server reads");
    assert_left(client, Instant::now());
}

fn a_request_that_comes_too_slowly_is_closed(edge: &Running) {
    let mut client = Client::open(edge.address()).expect("a socket");
    let begun = Instant::now();
    client.send_raw(b"GET /connection/websocket HTTP/1.1\r\n").expect("the server reads");
    while begun.elapsed() < DEADLINE + LATE && client.send_raw(b"X-More: and more\r\n").is_ok() {
        thread::sleep(Duration::from_millis(250));
    }
    assert_in_time(begun);
}

fn a_silent_connection_is_stale(edge: &Running) {
    let begun = Instant::now();
    assert_eq!(edge.stranger().closed(), (3502, "stale".to_owned()));
    assert_in_time(begun);
}

fn a_connection_that_only_pings_is_stale(edge: &Running) {
    let (mut client, begun) = (edge.stranger(), Instant::now());
    let closed = loop {
        client.send_raw(&Client::frame(0x89, b"")).expect("the server reads");
        match client.receive_within(Duration::from_millis(300)) {
            Some(Received::Pong(_)) | None => thread::sleep(Duration::from_millis(300)),
            Some(other) => break other,
        }
    };
    assert_eq!(closed, Received::Close(3502, "stale".to_owned()));
    assert_in_time(begun);
}

fn a_refused_connect_makes_a_connection_stale(edge: &Running) {
    let (mut client, begun) = (edge.stranger(), Instant::now());
    client.send(&format!("{{\"id\":1,\"connect\":{{\"token\":\"{}\"}}}}", crate::edge::expired_token()));
    assert!(client.text().contains("\"code\":109"));
    assert_eq!(client.closed(), (3502, "stale".to_owned()));
    assert_in_time(begun);
}

fn a_message_that_stays_unfinished_is_given_up(edge: &Running) {
    let mut client = edge.client("alice").into_client();
    let begun = Instant::now();
    client.send_raw(&Client::frame(0x81, &[b'x'; 1000])[..500]).expect("the server reads");
    assert_eq!(client.closed(), (3008, "slow".to_owned()));
    assert_in_time(begun);
}

/// Neither pings between its fragments nor more of them make a message any younger.
fn a_message_that_comes_too_slowly_is_given_up(edge: &Running) {
    let mut client = edge.client("alice").into_client();
    let begun = Instant::now();
    client.send_raw(&Client::frame(0x01, b" ")).expect("the server reads");
    let closed = loop {
        let part = [Client::frame(0x00, b" "), Client::frame(0x89, b""), Client::frame(0x00, b" ")].concat();
        client.send_raw(&part).expect("the server reads");
        match client.receive_within(Duration::from_millis(300)) {
            Some(Received::Pong(_)) | None => thread::sleep(Duration::from_millis(300)),
            Some(other) => break other,
        }
    };
    assert_eq!(closed, Received::Close(3008, "slow".to_owned()));
    assert_in_time(begun);
}

/// Whenever the server looks, some message is unfinished; but each is whole soon enough.
fn many_messages_in_pieces_are_no_slow_message(edge: &Running) {
    let mut alice = edge.client("alice");
    let message = Client::frame(0x81, b"{\"id\":99,\"rpc\":{}}");
    let (first, second) = message.split_at(8);
    alice.send_raw(first).expect("the server reads");
    let begun = Instant::now();
    while begun.elapsed() < DEADLINE + Duration::from_secs(2) {
        alice.send_raw(&[second, first].concat()).expect("the server reads");
        assert!(alice.text().contains("\"code\":108"));
        thread::sleep(Duration::from_millis(200));
    }
    alice.send_raw(second).expect("the server reads");
    assert!(alice.text().contains("\"code\":108"));
    assert!(alice.has_nothing());
}

/// A closed connection's peer has five seconds to close its side.
fn who_does_not_close_is_reset(edge: &Running) {
    let mut client = edge.client("alice").into_client();
    client.send("no JSON");
    assert_eq!(client.closed(), (3501, "bad request".to_owned()));
    assert_eq!(client.receive(), Received::End);
    let begun = Instant::now();
    while client.send_raw(b"more").is_ok() {
        assert!(begun.elapsed() < DEADLINE, "never reset");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The process is judged by its threads: whoever asks is answered by one that works.
fn a_thread_that_hangs_is_not_live() {
    let node = Process::start(&mut faulty()).expect("a process");
    let internal = node.address("internal");
    let live = || {
        let answer = http::get(internal, "/livez").expect("an answer");
        let report: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
        let checks = report["checks"].as_array().expect("checks");
        let failing = checks.iter().filter(|check| check["ok"] == false);
        let failing = failing.filter_map(|check| check["name"].as_str().map(str::to_owned));
        (answer.status, failing.collect::<Vec<String>>())
    };
    let mut alice = User::connect(node.address("public"), edge::NATIVE_PATH, "alice");
    assert_eq!(live(), (200, vec![]));
    let begun = Instant::now();
    alice.send("{\"id\":9,\"publish\":{\"channel\":\"hang\",\"data\":1}}");
    eventually("what waits for it shows", || {
        let mut bob = User::connect(node.address("public"), edge::NATIVE_PATH, "bob");
        bob.send("{\"id\":9,\"publish\":{\"channel\":\"news\",\"data\":12345}}");
        let metrics = testkit::Metrics::scrape(internal);
        let waits = |what: &str| metrics.value(&format!("fanfare_mailbox_{what}{{owner=\"broker\"}}"));
        waits("entries") >= 1.0 && waits("bytes") >= 5.0
    });
    eventually("the node is not live", || live() != (200, vec![]));
    assert_eq!(live(), (503, vec!["broker-thread".to_owned()]));
    // The thread may have given its last sign of life a second before it began to hang.
    let red = begun.elapsed();
    assert!(red > DEADLINE - Duration::from_millis(1500) && red < FaultyBroker::HANG, "after {red:?}");
    eventually("the node is live again", || live() == (200, vec![]));
    assert!(begun.elapsed() >= FaultyBroker::HANG);
}

fn assert_left(client: Client, begun: Instant) {
    client.stream().set_read_timeout(Some(DEADLINE + LATE)).expect("a socket");
    let mut answer = Vec::new();
    client.stream().read_to_end(&mut answer).expect("an end, not a reset");
    assert_in_time(begun);
}

fn assert_in_time(begun: Instant) {
    let took = begun.elapsed();
    assert!(took > DEADLINE - Duration::from_millis(500) && took < DEADLINE + LATE, "after {took:?}");
}
