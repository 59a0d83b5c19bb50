//! Where a node listens, and what keeps it from starting.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use edge::StartError;
use edge::config::Config;
use model::Secret;
use testkit::{Metrics, http};

use crate::edge::{API_KEY, Running, Setup, edge};
use crate::user::User;

#[test]
fn a_port_in_use_is_named_with_its_setting_also_where_workers_share_it() {
    for workers in [1, 4] {
        let first = edge().workers(workers).start();
        let public = first.address();
        let second = edge().workers(workers).with(|config| config.public.address = written(public));
        let expected = format!(
            "public.address: {public} is in use by another process: stop it or choose another address"
        );
        assert_eq!(start_error(second), expected);

        let internal = first.internal();
        let third = edge().workers(workers).with(|config| config.internal.address = written(internal));
        assert!(start_error(third).starts_with(&format!("internal.address: {internal} is in use")));
        assert!(first.client("alice").has_nothing(), "the first is not disturbed");
    }
}

#[test]
fn an_address_of_somebody_else_is_named_with_its_setting() {
    let elsewhere = edge().with(|config| {
        config.public.address = "192.0.2.1:0".parse().expect("an address");
    });
    assert!(start_error(elsewhere).starts_with("public.address: cannot listen on 192.0.2.1:0: "));
}

#[test]
fn a_node_that_nobody_could_connect_to_does_not_start() {
    let keyless = edge().with(|config| config.token.hmac_secret = Secret::default());
    let error = start_error(keyless);
    assert!(error.contains("token.hmac_secret") && error.contains("FANFARE__TOKEN__HMAC_SECRET"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    let insecure = edge().with(|config| {
        config.token.hmac_secret = Secret::default();
        config.client.insecure = true;
    });
    let edge = insecure.start();
    let mut anybody = User::new(edge.stranger());
    assert!(anybody.ask("\"connect\":{}")["connect"]["client"].is_string());
    anybody.subscribe("news");
    anybody.publish("news", "1");
    assert_eq!(anybody.publication().1, "1");
}

#[test]
fn localhost_is_both_loopback_addresses_on_one_port() {
    for workers in [1, 4] {
        let edge = edge()
            .workers(workers)
            .with(|config| config.public.address = "localhost:0".parse().expect("an address"))
            .start();
        let port = edge.address().port();
        let expected =
            [SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
        assert_eq!(edge.addresses(), expected);
        let mut users = expected.map(|address| User::connect(address, edge::NATIVE_PATH, "alice"));
        users.iter_mut().for_each(|user| user.subscribe("news"));
        edge.publish("news", "1");
        users.iter_mut().for_each(|user| assert_eq!(user.publication().1, "1"));
    }
}

#[test]
fn one_address_for_both_listeners_serves_everything() {
    for workers in [1, 4] {
        let edge = on_one_address(workers);
        assert_eq!(edge.address(), edge.internal());
        let mut alice = edge.client("alice");
        alice.subscribe("news");
        // Enough requests that every worker hands some on.
        for number in 0..32 {
            edge.publish("news", &number.to_string());
            assert_eq!(alice.publication().1, number.to_string());
            assert_eq!(Metrics::scrape(edge.address()).value("fanfare_connections"), 1.0);
        }
        for path in ["/livez", "/readyz", "/startupz", "/health"] {
            assert_eq!(http::get(edge.address(), path).expect("an answer").status, 200, "{path}");
        }
        assert_eq!(http::get(edge.address(), "/elsewhere").expect("an answer").status, 404);
        let unknown = http::post(edge.address(), "/api/publish", "X-API-Key: wrong\r\n", "{}");
        assert_eq!(unknown.expect("an answer").status, 401);
    }
}

#[test]
fn the_public_listener_serves_clients_alone() {
    let edge = edge().with(|config| config.console.enabled = true).workers(4).start();
    for path in ["/metrics", "/livez", "/readyz", "/health", "/demo", "/console", "/api/info"] {
        assert_eq!(http::get(edge.address(), path).expect("an answer").status, 404, "{path}");
    }
    let key = format!("X-API-Key: {API_KEY}\r\n");
    assert_eq!(http::post(edge.address(), "/api/info", &key, "{}").expect("an answer").status, 404);
    for (path, status) in [(edge::NATIVE_PATH, 404), ("/demo", 404), ("/console", 200)] {
        assert_eq!(http::get(edge.internal(), path).expect("an answer").status, status, "{path}");
    }
}

/// A port of choice cannot be asked for twice, so this takes one that was free a moment ago.
fn on_one_address(workers: u16) -> Running {
    loop {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = written(free.expect("a free port"));
        let one = |config: &mut Config| {
            (config.public.address, config.internal.address) = (address, address);
        };
        match edge().workers(workers).with(one).try_start() {
            Ok(edge) => return edge,
            Err(StartError::Bind { error, .. }) if error.is_taken() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn start_error(setup: Setup) -> String {
    setup.try_start().err().expect("a start error").to_string()
}

fn written(address: SocketAddr) -> transport::ListenAddress {
    address.to_string().parse().expect("an address")
}
