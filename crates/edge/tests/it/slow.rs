//! Clients that do not read, or do not finish what they send: they cost at most their bound, and nobody else
//! notices.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use model::ByteSize;
use testkit::{Client, Received, eventually};

use crate::edge::{Running, edge};
use crate::user::User;

const OUTBOX: u64 = 512 * 1024;

#[test]
fn a_client_that_never_reads_is_closed_at_its_bound_and_disturbs_nobody() {
    for workers in [1, 4] {
        let edge = with_outbox().workers(workers).start();
        let mut readers = edge.crowd();
        readers.iter_mut().for_each(|reader| reader.subscribe("news"));
        let mut lazy = edge.client("lazy");
        lazy.subscribe("news");
        let (mut published, mut waiting_max) = (0, 0.0_f64);
        while closed_as_slow(&edge) == 0.0 {
            assert!(published < 400, "the kernel cannot hold so much");
            for _ in 0..4 {
                edge.publish("news", &payload(published));
                published += 1;
            }
            for reader in &mut readers {
                (published - 4..published).for_each(|number| assert_eq!(number_of(reader), number));
            }
            waiting_max = waiting_max.max(edge.metrics().value("fanfare_outbox_bytes"));
        }
        assert!(waiting_max <= OUTBOX as f64, "{waiting_max}");
        edge.settles("fanfare_outbox_bytes", 0.0);
        edge.settles("fanfare_connections", readers.len() as f64);
        edge.publish("news", "\"after\"");
        for reader in &mut readers {
            assert_eq!(reader.publication().1, "\"after\"");
        }
        let metrics = edge.metrics();
        assert_eq!(metrics.value("fanfare_outbox_overflows_total{bound=\"connection\"}"), 1.0);
        // It never took its close frame.
        assert_eq!(metrics.value("fanfare_connections_unannounced_total"), 1.0);
    }
}

#[test]
fn a_client_that_reads_too_slowly_is_told_why_it_is_closed() {
    let edge = with_outbox().start();
    let mut slow = edge.client("slow");
    slow.subscribe("news");
    let mut slow = slow.into_client();
    let is_closed = AtomicBool::new(false);
    thread::scope(|scope| {
        let reading = scope.spawn(|| read_slowly(&mut slow, &is_closed));
        for number in 0.. {
            edge.publish("news", &payload(number));
            if number % 4 == 0 && closed_as_slow(&edge) > 0.0 {
                break;
            }
            assert!(number < 2000, "it keeps up");
        }
        is_closed.store(true, Ordering::Release);
        let received = reading.join().expect("a reader");
        let close = Received::Close(3008, "slow".to_owned());
        assert!(ends_with_frame(&received, &close), "it ends without the code");
    });
    edge.settles("fanfare_connections", 0.0);
    assert_eq!(edge.metrics().value("fanfare_connections_unannounced_total"), 0.0);
}

#[test]
fn all_outboxes_together_stay_within_their_bound() {
    const TOTAL: u64 = 3 * OUTBOX;
    let edge = with_outbox().with(|config| config.client.outbox_total = ByteSize(TOTAL)).start();
    let mut lazy: Vec<User> = (0..12).map(|number| edge.client(&format!("lazy{number}"))).collect();
    // Channels of their own, for what they shared would be held once.
    lazy.iter_mut().enumerate().for_each(|(number, user)| user.subscribe(&format!("lazy{number}")));
    let mut reader = edge.client("reader");
    reader.subscribe("news");
    for number in 0..400 {
        edge.publish("news", &payload(number));
        (0..lazy.len()).for_each(|user| edge.publish(&format!("lazy{user}"), &payload(number)));
        assert_eq!(number_of(&mut reader), number);
        let metrics = edge.metrics();
        assert!(metrics.value("fanfare_outbox_bytes") <= TOTAL as f64);
        if metrics.value("fanfare_outbox_overflows_total{bound=\"node\"}") > 0.0 {
            drop(lazy);
            edge.settles("fanfare_outbox_bytes", 0.0);
            return edge.settles("fanfare_connections", 1.0);
        }
    }
    panic!("the node's bound was never reached");
}

#[test]
fn unfinished_messages_of_all_clients_stay_within_the_same_bound() {
    const TOTAL: u64 = 2 * OUTBOX;
    let edge = with_outbox().with(|config| config.client.outbox_total = ByteSize(TOTAL)).start();
    let mut witness = edge.client("witness");
    let unfinished = &Client::frame(0x81, &[b'x'; 70 * 1024])[..64 * 1024];
    let mut hoarders: Vec<Client> = (0..40).map(|_| edge.client("hoarder").into_client()).collect();
    for hoarder in &mut hoarders {
        // Those that come last may find themselves closed.
        drop(hoarder.send_raw(unfinished));
    }
    let fitting = (TOTAL / (64 * 1024)) as usize;
    eventually("what is too much is closed", || closed_as_slow(&edge) as usize >= 40 - fitting);
    assert!(witness.has_nothing(), "others are not disturbed");
    assert!(closed_as_slow(&edge) < 40.0, "not everybody is closed");
    drop(hoarders);
    edge.settles("fanfare_connections", 1.0);
}

fn with_outbox() -> crate::edge::Setup {
    edge().with(|config| {
        config.client.outbox_size = ByteSize(OUTBOX);
        config.client.publication_size = ByteSize::kib(64);
        config.api.publication_size = ByteSize::kib(128);
    })
}

fn payload(number: usize) -> String {
    format!("\"{number:06}{}\"", "x".repeat(100 * 1024))
}

fn number_of(user: &mut User) -> usize {
    user.publication().1[1..7].parse().expect("a number")
}

fn closed_as_slow(edge: &Running) -> f64 {
    edge.metrics().value("fanfare_connections_closed_total{code=\"3008\"}")
}

fn read_slowly(client: &mut Client, is_closed: &AtomicBool) -> Vec<u8> {
    let (mut received, mut buffer) = (Vec::new(), [0; 64 * 1024]);
    client.stream().set_read_timeout(Some(testkit::PATIENCE)).expect("a socket");
    loop {
        let is_hurried = is_closed.load(Ordering::Acquire);
        let part = if is_hurried { &mut buffer[..] } else { &mut buffer[..2048] };
        match client.stream().read(part) {
            Ok(0) | Err(_) => return received,
            Ok(count) => received.extend_from_slice(&part[..count]),
        }
        if !is_hurried {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn ends_with_frame(received: &[u8], close: &Received) -> bool {
    let Received::Close(code, text) = close else {
        return false;
    };
    let payload = [&code.to_be_bytes(), text.as_bytes()].concat();
    received.ends_with(&[&[0x88, payload.len() as u8], payload.as_slice()].concat())
}
