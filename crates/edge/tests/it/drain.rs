//! The end of a node: first it is not ready, then it closes clients over a window, then it is gone.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use model::Period;
use testkit::{Client, PATIENCE, Received, eventually, http};

use crate::edge::{Running, edge};
use crate::user::User;

const DELAY: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(2);

#[test]
fn a_draining_node_serves_until_the_delay_is_over_and_then_sends_clients_away() {
    for workers in [1, 4] {
        let edge = draining(workers, DELAY, WINDOW);
        let mut alice = edge.client("alice");
        alice.subscribe("news");
        assert_eq!(status(&edge, "/readyz"), 200);
        assert_eq!(edge.metrics().value("fanfare_drain_remaining_seconds"), 0.0);
        let told = Instant::now();
        edge.stop();
        eventually("readiness turns red", || status(&edge, "/readyz") == 503);
        let mut late = edge.client("late");
        late.subscribe("news");
        edge.publish("news", "\"during the delay\"");
        assert_eq!(alice.publication().1, "\"during the delay\"");
        assert_eq!(late.publication().1, "\"during the delay\"");
        assert!(told.elapsed() < DELAY, "the machine is too slow for this test");
        assert_eq!((status(&edge, "/livez"), status(&edge, "/readyz")), (200, 503));
        let metrics = edge.metrics();
        assert_eq!((metrics.value("fanfare_draining"), metrics.value("fanfare_ready")), (1.0, 0.0));
        let remaining = edge.metrics().value("fanfare_drain_remaining_seconds");
        assert!((2.0..=3.0).contains(&remaining), "{remaining}");
        eventually("it tells how far it is", || {
            let answer = http::get(edge.internal(), "/readyz").expect("an answer");
            answer.body.contains("\"2 of 2 left, about ")
        });

        eventually("new clients are sent away", || {
            let mut new = Client::connect(edge.address(), edge::NATIVE_PATH);
            matches!(new.receive_within(Duration::from_millis(50)), Some(close) if close == shutdown())
        });
        assert!(told.elapsed() >= DELAY);
        edge.publish("news", "\"during the window\"");
        assert_eq!(alice.publication().1, "\"during the window\"", "one of so few is closed last");
        for mut user in [alice.into_client(), late.into_client()] {
            let mut next = user.receive();
            while let Received::Text(_) = next {
                next = user.receive();
            }
            assert_eq!(next, shutdown());
            assert!(told.elapsed() >= DELAY + WINDOW / 4, "a window, not a moment");
            assert_eq!(user.receive(), Received::End);
        }
        let address = edge.address();
        assert!(edge.ends_within(PATIENCE));
        assert!(TcpStream::connect(address).is_err(), "the listener is closed");
    }
}

#[test]
fn clients_are_sent_away_evenly_and_hear_everything_until_then() {
    const CLIENTS: usize = 40;
    for workers in [1, 4] {
        let edge = draining(workers, Duration::ZERO, WINDOW);
        let mut users: Vec<User> = (0..CLIENTS).map(|number| edge.client(&format!("{number}"))).collect();
        users.iter_mut().for_each(|user| user.subscribe("news"));
        let internal = edge.internal();
        let told = Instant::now();
        edge.stop();
        let mut ends: Vec<(Duration, usize)> = thread::scope(|scope| {
            let spawn = |user: User| scope.spawn(move || listen(user.into_client(), told));
            let listening: Vec<_> = users.into_iter().map(spawn).collect();
            let mut number = 0;
            while listening.iter().any(|user| !user.is_finished()) {
                edge.publish("news", &number.to_string());
                number += 1;
            }
            listening.into_iter().map(|user| user.join().expect("a listener")).collect()
        });
        ends.sort_unstable();
        let ((first, _), (last, heard)) = (ends[0], ends[CLIENTS - 1]);
        assert!(last - first >= WINDOW / 2, "{first:?} to {last:?}");
        assert!(heard > ends[0].1, "the last heard {heard}, the first {}", ends[0].1);
        let early = ends.iter().filter(|(at, _)| *at < WINDOW / 2).count();
        assert!(early <= CLIENTS * 3 / 4, "{early} of {CLIENTS} in the first half");
        assert!(edge.ends_within(PATIENCE));
        assert!(TcpStream::connect(internal).is_err(), "the internal listener is closed, too");
    }
}

#[test]
fn told_a_second_time_a_node_ends_at_once() {
    let long = Duration::from_secs(600);
    for workers in [1, 4] {
        for (delay, window) in [(long, long), (Duration::ZERO, long)] {
            let edge = draining(workers, delay, window);
            let mut alice = edge.client("alice");
            edge.stop();
            eventually("it drains", || status(&edge, "/readyz") == 503);
            assert!(alice.has_nothing());
            edge.stop();
            assert!(edge.ends_within(Duration::from_secs(5)));
            let end = alice.into_client().receive();
            assert!(matches!(end, Received::End | Received::Reset), "{end:?}");
        }
    }
}

#[test]
fn told_twice_before_it_has_begun_a_node_ends_at_once() {
    let long = Duration::from_secs(600);
    for _ in 0..20 {
        let edge = draining(4, long, long);
        edge.stop();
        edge.stop();
        assert!(edge.ends_within(Duration::from_secs(5)));
    }
}

#[test]
fn a_node_without_clients_ends_when_the_delay_is_over() {
    let edge = draining(4, Duration::ZERO, Duration::from_secs(600));
    let (public, internal) = (edge.address(), edge.internal());
    edge.stop();
    // It answers probes to the last.
    eventually("the internal listener is closed", || TcpStream::connect(internal).is_err());
    assert!(TcpStream::connect(public).is_err(), "the public listener was closed before");
    assert!(edge.ends_within(Duration::from_secs(5)));
}

fn draining(workers: u16, delay: Duration, window: Duration) -> Running {
    edge()
        .workers(workers)
        .with(|config| (config.drain.delay, config.drain.window) = (Period(delay), Period(window)))
        .start()
}

/// When a client is sent away, and how much it heard until then. What it heard has no hole.
fn listen(mut client: Client, told: Instant) -> (Duration, usize) {
    let mut heard = 0;
    let mut next = client.receive();
    while let Received::Text(push) = next {
        assert!(push.contains(&format!("\"data\":{heard}}}")), "{push} instead of {heard}");
        heard += 1;
        next = client.receive();
    }
    assert_eq!(next, shutdown());
    (told.elapsed(), heard)
}

fn shutdown() -> Received {
    Received::Close(3001, "shutdown".to_owned())
}

fn status(edge: &Running, path: &str) -> u16 {
    http::get(edge.internal(), path).expect("an answer").status
}
