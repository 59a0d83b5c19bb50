//! The metrics page: its names are a contract, its labels come from closed sets, its figures agree with what
//! happened.

use std::collections::BTreeSet;

use testkit::Metrics;

use crate::edge::edge;
use crate::user::User;

const FAMILIES: [(&str, &str); 39] = [
    ("fanfare_build_info", "gauge"),
    ("fanfare_channels", "gauge"),
    ("fanfare_command_duration_seconds", "histogram"),
    ("fanfare_commands_total", "counter"),
    ("fanfare_connect_duration_seconds", "histogram"),
    ("fanfare_connection_panics_total", "counter"),
    ("fanfare_connections", "gauge"),
    ("fanfare_connections_closed_total", "counter"),
    ("fanfare_connections_limit", "gauge"),
    ("fanfare_connections_opened_total", "counter"),
    ("fanfare_connections_refused_total", "counter"),
    ("fanfare_connections_unannounced_total", "counter"),
    ("fanfare_deliveries_total", "counter"),
    ("fanfare_delivery_latency_seconds", "histogram"),
    ("fanfare_draining", "gauge"),
    ("fanfare_drain_remaining_seconds", "gauge"),
    ("fanfare_encodes_total", "counter"),
    ("fanfare_log_lines_dropped_total", "counter"),
    ("fanfare_mailbox_bytes", "gauge"),
    ("fanfare_mailbox_entries", "gauge"),
    ("fanfare_memory_limit_bytes", "gauge"),
    ("fanfare_movements_hushed_total", "counter"),
    ("fanfare_outbox_bytes", "gauge"),
    ("fanfare_outbox_overflows_total", "counter"),
    ("fanfare_publications_duplicate_total", "counter"),
    ("fanfare_publications_lost_total", "counter"),
    ("fanfare_publications_total", "counter"),
    ("fanfare_ready", "gauge"),
    ("fanfare_sent_bytes_total", "counter"),
    ("fanfare_subscriptions", "gauge"),
    ("fanfare_tokens_refused_total", "counter"),
    ("fanfare_writes_total", "counter"),
    ("process_cpu_seconds_total", "counter"),
    ("process_max_fds", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_start_time_seconds", "gauge"),
    ("process_threads", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
];

#[test]
fn the_page_has_the_names_that_operators_rely_on() {
    let edge = edge().workers(4).start();
    let metrics = edge.metrics();
    for (family, kind) in FAMILIES {
        assert_eq!(metrics.kind(family), Some(kind), "{family}");
    }
    for series in [
        "fanfare_connections_closed_total{code=\"3008\"}",
        "fanfare_commands_total{command=\"subscribe\",code=\"103\"}",
        "fanfare_publications_total{channel_namespace=\"chat\",source=\"api\"}",
        "fanfare_deliveries_total{channel_namespace=\"chat\"}",
        "fanfare_encodes_total{variant=\"centrifugal_json_websocket\"}",
        "fanfare_build_info{version=\"test\"}",
    ] {
        assert!(metrics.value(series) >= 0.0);
    }
    let stages = ["broker", "node", "total"].map(|stage| ("delivery_latency", format!("stage=\"{stage}\",")));
    let others = ["command_duration", "connect_duration"].map(|name| (name, String::new()));
    for (histogram, labels) in stages.into_iter().chain(others) {
        for bound in ["0.0001", "0.001", "0.01", "0.1", "1", "10", "+Inf"] {
            let series = format!("fanfare_{histogram}_seconds_bucket{{{labels}le=\"{bound}\"}}");
            assert_eq!(metrics.value(&series), 0.0);
        }
    }
}

#[test]
fn what_is_counted_is_what_was_done() {
    for workers in [1, 4] {
        let edge = edge().workers(workers).start();
        let mut users = edge.crowd();
        let count = users.len();
        users.iter_mut().for_each(|user| user.subscribe("news"));
        users.iter_mut().take(2).for_each(|user| user.subscribe("chat:a"));
        assert_eq!(users[0].ask("\"subscribe\":{\"channel\":\"news\"}")["error"]["code"], 105);
        assert_eq!(users[0].ask("\"subscribe\":{\"channel\":\"$private\"}")["error"]["code"], 103);
        assert_eq!(users[0].ask("\"subscribe\":{\"channel\":\"no:such\"}")["error"]["code"], 102);
        assert_eq!(users[0].ask("\"subscribe\":{\"channel\":\"a{b}\"}")["error"]["code"], 107);
        users[1].publish("news", "1");
        users[1].publish("chat:a", "2");
        (0..3).for_each(|number| edge.publish("news", &number.to_string()));
        edge.publish("chat:nobody", "3");
        for (index, user) in users.iter_mut().enumerate() {
            let expected = if index < 2 { 5 } else { 4 };
            (0..expected).for_each(|_| drop(user.publication()));
            assert!(user.has_nothing());
        }
        let metrics = edge.metrics();
        let value = |series: &str| metrics.value(&format!("fanfare_{series}")) as usize;
        assert_eq!((value("connections"), value("connections_opened_total")), (count, count));
        assert_eq!((value("subscriptions"), value("channels")), (count + 2, 2));
        assert_eq!(value("commands_total{command=\"connect\",code=\"0\"}"), count);
        assert_eq!(value("commands_total{command=\"subscribe\",code=\"0\"}"), count + 2);
        for code in [102, 103, 105, 107] {
            assert_eq!(value(&format!("commands_total{{command=\"subscribe\",code=\"{code}\"}}")), 1);
        }
        assert_eq!(value("commands_total{command=\"publish\",code=\"0\"}"), 2);
        assert_eq!(value("commands_total{command=\"rpc\",code=\"108\"}"), count);
        assert_eq!(value("publications_total{channel_namespace=\"\",source=\"client\"}"), 1);
        assert_eq!(value("publications_total{channel_namespace=\"chat\",source=\"client\"}"), 1);
        assert_eq!(value("publications_total{channel_namespace=\"\",source=\"api\"}"), 3);
        assert_eq!(value("publications_total{channel_namespace=\"chat\",source=\"api\"}"), 1);
        assert_eq!(value("deliveries_total{channel_namespace=\"\"}"), 4 * count);
        assert_eq!(value("deliveries_total{channel_namespace=\"chat\"}"), 2);
        for (stage, observed) in [("broker", 0), ("node", 4 * count + 2), ("total", 4 * count + 2)] {
            let series = format!("delivery_latency_seconds_count{{stage=\"{stage}\"}}");
            assert_eq!(value(&series), observed, "{stage}");
        }
        assert_eq!(value("connect_duration_seconds_count"), count);
        assert_eq!(value("ready"), 1);
        assert!(metrics.value("process_cpu_seconds_total").fract() > 0.0);
        assert!(metrics.value("process_resident_memory_bytes") < metrics.value("fanfare_memory_limit_bytes"));
        assert_eq!(metrics.sum("fanfare_encodes_total"), 5.0);
        drop(users);
        edge.settles("fanfare_connections", 0.0);
        edge.settles("fanfare_channels", 0.0);
        let metrics = edge.metrics();
        for gauge in ["subscriptions", "outbox_bytes", "mailbox_entries", "mailbox_bytes"] {
            assert_eq!(metrics.sum(&format!("fanfare_{gauge}")), 0.0, "{gauge}");
        }
        assert_eq!(metrics.sum("fanfare_connections_closed_total") as usize, count);
    }
}

#[test]
fn who_comes_and_goes_untold_is_counted() {
    let room = |config: &mut edge::config::Config| {
        let chat = config.channels.clone();
        let room = engine::NamespaceConfig { presence: true, join_leave: true, ..chat };
        config
            .namespaces
            .insert("room".to_owned(), engine::NamespaceConfig { presence_members_max: 1, ..room });
    };
    let edge = edge().with(room).start();
    let mut users = ["alice", "bob", "carol"].map(|name| edge.client(name));
    users.iter_mut().for_each(|user| user.subscribe("room:a"));
    edge.settles("fanfare_movements_hushed_total", 2.0);
    drop(users);
    // The last one's going is told, to nobody.
    edge.settles("fanfare_movements_hushed_total", 4.0);
}

#[test]
fn nothing_that_clients_choose_becomes_a_label() {
    let edge = edge().workers(4).start();
    let before = series(&edge.metrics());
    for number in 0..60 {
        let name = format!("zebra{number}");
        let mut user: User = edge.client(&name);
        user.subscribe(&name);
        user.subscribe(&format!("chat:{name}"));
        user.ask(&format!("\"subscribe\":{{\"channel\":\"unknown{number}:{name}\"}}"));
        user.publish(&name, "1");
        edge.publish(&format!("chat:{name}"), "2");
        user.ask(&format!("\"history\":{{\"channel\":\"{name}\"}}"));
        user.into_client().close(4000 + number, &name);
        let mut stranger = edge.stranger();
        stranger.send(&format!("{{\"id\":1,\"connect\":{{\"token\":\"{name}.b.c\"}}}}"));
        assert_eq!(stranger.closed().0, 3500);
    }
    edge.settles("fanfare_connections", 0.0);
    let after = series(&edge.metrics());
    assert_eq!(before, after);
    assert!(after.iter().all(|series| !series.contains("zebra")));
}

fn series(metrics: &Metrics) -> BTreeSet<String> {
    metrics.series().map(str::to_owned).collect()
}
