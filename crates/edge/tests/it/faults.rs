//! Faults of ours: a panic over one connection costs that connection, a panic of a thread's loop the process.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::ByteSize;
use testkit::{Client, Echo, FaultyProtocol, Process, Received};

use crate::edge::{edge, faulty};
use crate::user::User;

#[test]
fn a_panic_over_one_connection_ends_it_and_no_other() {
    for workers in [1, 4] {
        let edge = edge()
            .workers(workers)
            .composed(|parts| parts.with_protocol("/panicky", Arc::new(FaultyProtocol::panicking(Echo))))
            .start();
        let mut users = edge.crowd();
        users.iter_mut().for_each(|user| user.subscribe("news"));
        let mut neighbour = Client::connect(edge.address(), "/panicky");
        let whole = Client::frame(0x81, b"panic");
        let fragments = [Client::frame(0x01, b"pan"), Client::frame(0x80, b"ic")].concat();
        let behind_another = [Client::frame(0x81, b"calm"), whole.clone()].concat();
        for (panics, bytes) in [whole, fragments, behind_another].iter().enumerate() {
            let mut victim = Client::connect(edge.address(), "/panicky");
            victim.send("hello");
            assert_eq!(victim.text(), "hello");
            victim.send_raw(bytes).expect("the server reads");
            assert_eq!(victim.closed(), (3004, "internal server error".to_owned()));
            assert_eq!(victim.receive(), Received::End);
            assert_eq!(edge.metrics().value("fanfare_connection_panics_total"), (panics + 1) as f64);
        }
        neighbour.send("still here");
        assert_eq!(neighbour.text(), "still here");
        edge.publish("news", "1");
        for user in &mut users {
            assert_eq!(user.publication().1, "1");
        }
        let metrics = edge.metrics();
        assert_eq!(metrics.value("fanfare_connections_closed_total{code=\"3004\"}"), 3.0);
        drop((users, neighbour));
        edge.settles("fanfare_connections", 0.0);
    }
}

#[test]
fn what_panics_is_forgotten_with_all_that_it_held() {
    const OUTBOX: ByteSize = ByteSize::kib(256);
    let edge = edge()
        .with(|config| {
            config.client.publication_size = ByteSize::kib(64);
            config.api.publication_size = ByteSize::kib(64);
            (config.client.outbox_size, config.client.outbox_total) = (OUTBOX, OUTBOX);
        })
        .composed(|parts| parts.with_protocol("/panicky", Arc::new(FaultyProtocol::panicking(Echo))))
        .start();
    let mut witness = edge.client("witness");
    let (first, second) = (b"panic".repeat(8 * 1024), b"!".repeat(10));
    for _ in 0..20 {
        let mut victim = Client::connect(edge.address(), "/panicky");
        victim.send_raw(&Client::frame(0x01, &first)).expect("the server reads");
        // The answer to a ping shows that the fragment was kept.
        victim.send_raw(&Client::frame(0x89, b"")).expect("the server reads");
        assert_eq!(victim.receive(), Received::Pong(Vec::new()));
        victim.send_raw(&Client::frame(0x80, &second)).expect("the server reads");
        assert_eq!(victim.closed().0, 3004);
    }
    let command = Client::frame(0x81, b"{\"id\":9,\"rpc\":{}}");
    let (first, second) = command.split_at(9);
    witness.send_raw(first).expect("the server reads");
    edge.settles("fanfare_connections", 1.0);
    witness.send_raw(second).expect("the server reads");
    assert!(witness.text().contains("\"code\":108"));
}

#[test]
fn a_panic_of_the_broker_thread_ends_the_process() {
    ends_within_a_second("broker", "", edge::NATIVE_PATH, |_, alice| {
        alice.send("{\"id\":9,\"publish\":{\"channel\":\"panic\",\"data\":1}}");
    });
}

#[test]
fn a_panic_of_a_workers_own_loop_ends_the_process() {
    ends_within_a_second("worker-0", "", "/panicky", |_, alice| {
        alice.send("{\"id\":9,\"publish\":{\"channel\":\"news\",\"data\":\"panic\"}}");
    });
}

#[test]
fn a_panic_of_the_control_thread_ends_the_process() {
    ends_within_a_second("control", "panicky-log", edge::NATIVE_PATH, |node, _| node.signal("TERM"));
}

#[test]
fn a_signal_drains_a_process_and_it_ends_well() {
    let mut node = Process::start(&mut faulty()).expect("a process");
    let alice = User::connect(node.address("public"), edge::NATIVE_PATH, "alice");
    node.signal("TERM");
    assert_eq!(alice.into_client().closed(), (3001, "shutdown".to_owned()));
    let status = node.ended_within(testkit::PATIENCE).expect("the process ends");
    assert_eq!(status.code(), Some(0), "{}", node.log());
}

#[test]
fn a_signal_during_the_start_is_not_missed() {
    let mut node = Process::start(&mut faulty()).expect("a process");
    let status = format!("/proc/{}/status", node.id());
    // Bit 14 is that of the signal to end, 15.
    let is_heard = || {
        let text = fs::read_to_string(&status).expect("it runs");
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a line");
        u64::from_str_radix(caught.trim(), 16).expect("a number") & (1 << 14) != 0
    };
    let deadline = Instant::now() + testkit::PATIENCE;
    while !is_heard() {
        assert!(Instant::now() < deadline, "the node is deaf");
        std::thread::yield_now();
    }
    node.signal("TERM");
    let status = node.ended_within(testkit::PATIENCE).expect("the process ends");
    assert_eq!(status.code(), Some(0), "{}", node.log());
}

/// A node that serves somebody until `fault` makes `thread` panic.
fn ends_within_a_second(thread: &str, argument: &str, path: &str, fault: impl Fn(&Process, &mut User)) {
    /// A machine that is busy with other tests may hold a process up, but hardly again and again.
    const ATTEMPTS: usize = 5;
    let mut all_took = Vec::new();
    for _ in 0..ATTEMPTS {
        // Names for a backtrace are looked up for longer than all else takes.
        let mut command = faulty();
        command.arg(argument).env("RUST_BACKTRACE", "0");
        let mut node = Process::start(&mut command).expect("a process");
        let mut alice = User::connect(node.address("public"), path, "alice");
        alice.subscribe("news");
        alice.publish("news", "1");
        assert_eq!(alice.publication().1, "1");
        let begun = Instant::now();
        fault(&node, &mut alice);
        let status = node.ended_within(testkit::PATIENCE).expect("the process ends");
        let took = begun.elapsed();
        assert_eq!(status.code(), Some(70), "{}", node.log());
        let line = node.line(&format!("fanfare: thread {thread} ended"));
        assert_eq!(line, format!("fanfare: thread {thread} ended: it panicked; the process ends with it"));
        if took < Duration::from_secs(1) {
            println!("the process ended after {took:?}");
            return;
        }
        all_took.push(took);
    }
    panic!("the process ended after {all_took:?}");
}
