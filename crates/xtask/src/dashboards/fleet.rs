//! What the dashboard of all nodes shows: what users notice first, then load, Redis, and the nodes side by side.

use super::Dashboard;
use super::panel::{Panel, Row, figure, graph, stack};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "fleet",
        title: "Fanfare / Fleet",
        description: "All nodes of a cluster: what users notice, load, Redis, nodes.",
        rows: vec![
            Row::new("Now", now()),
            Row::new("What users notice", users()),
            Row::new("Load", load()),
            Row::new("Redis", redis()),
            Row::new("Nodes", nodes()),
        ],
        is_of_one_node: false,
    }
}

fn now() -> [Panel; 6] {
    [
        figure("Nodes ready", "short", "Nodes whose /readyz is green.")
            .query("sum(fanfare_ready{@})", "")
            .bad_below(1.0),
        figure("Connections", "short", "Connections that are open or closing.")
            .query("sum(fanfare_connections{@})", ""),
        figure("Deliveries", "ops", "Publications taken by the kernel for a subscriber, per second.")
            .query("sum(rate(fanfare_deliveries_total{@}[$__rate_interval]))", ""),
        figure("Delivery, p99", "s", "From a publication being taken on to the kernel taking it for a subscriber.")
            .query(&quantile("0.99", "fanfare_delivery_latency_seconds_bucket{@, stage=\"total\"}", ""), "")
            .bad_from(0.25, 0.5),
        figure("Turned away", "percentunit", "Of those who connect, the share that meets a limit or overload.")
            .query(
                "sum(rate(fanfare_connections_refused_total{@, reason=~\"connection_limit|connect_rate|overload\"}\
                 [$__rate_interval])) / (sum(rate(fanfare_connections_opened_total{@}[$__rate_interval])) + \
                 sum(rate(fanfare_connections_refused_total{@, reason=~\"connection_limit|connect_rate|overload\"}\
                 [$__rate_interval])) > 0)",
                "",
            )
            .bad_from(0.001, 0.01),
        figure("Lost in this time", "short", "Publications that subscribers did not get, in the time shown.")
            .query("sum(increase(fanfare_publications_lost_total{@}[$__range]))", "")
            .bad_from(1.0, 100.0),
    ]
}

fn users() -> [Panel; 9] {
    const TOTAL: &str = "fanfare_delivery_latency_seconds_bucket{@, stage=\"total\"}";
    [
        graph(
            "Delivery latency",
            "s",
            "From a publication being taken on by a node to the kernel taking it.",
        )
        .query(&quantile("0.5", TOTAL, ""), "p50")
        .query(&quantile("0.99", TOTAL, ""), "p99")
        .query(&quantile("0.999", TOTAL, ""), "p99.9")
        .bad_from(0.25, 0.5),
        graph(
            "Delivery latency by stage, p99",
            "s",
            "broker: through Redis. node: within the node that delivers. total: both.",
        )
        .query(&quantile("0.99", "fanfare_delivery_latency_seconds_bucket{@}", "stage"), "{{stage}}"),
        graph(
            "Time to connect, p99",
            "s",
            "From a socket's handshake to its connect command being granted; the client's network counts.",
        )
        .query(&quantile("0.99", "fanfare_connect_duration_seconds_bucket{@}", ""), "connect")
        .query(&quantile("0.99", "fanfare_command_duration_seconds_bucket{@}", ""), "command"),
        stack(
            "Lost publications",
            "ops",
            "mailbox: a worker cannot keep up. unplaced: published plainly to a channel with history.",
        )
        .query(&rate("fanfare_publications_lost_total{@}", "reason"), "{{reason}}"),
        graph(
            "Subscriptions that lapsed",
            "ops",
            "Subscribers told that publications are missing; they come back by themselves.",
        )
        .query("sum(rate(fanfare_subscriptions_lapsed_total{@}[$__rate_interval]))", "lapsed"),
        stack(
            "Commands turned down",
            "ops",
            "By code: 100 is a fault or a bound of ours, the others are the client's. See docs/codes.md.",
        )
        .query(&rate("fanfare_commands_total{@, code!=\"0\"}", "code"), "{{code}}"),
        stack("Connections refused", "ops", "Before their protocol was spoken.")
            .query(&rate("fanfare_connections_refused_total{@}", "reason"), "{{reason}}"),
        stack(
            "Tokens refused",
            "ops",
            "By reason; docs/operate/runbooks/FanfareTokensRefused.md explains each.",
        )
        .query(&rate("fanfare_tokens_refused_total{@}", "reason"), "{{reason}}"),
        stack(
            "Slow consumers closed",
            "ops",
            "connection: its own outbox was full. node: all outboxes together were.",
        )
        .query(&rate("fanfare_outbox_overflows_total{@}", "bound"), "{{bound}}"),
    ]
}

fn load() -> [Panel; 9] {
    [
        stack("Connections", "short", "By node, and the most that all nodes take on.")
            .query("sum by (instance) (fanfare_connections{@})", "{{instance}}"),
        graph("Connections opened and closed", "ops", "Far apart for long: connections are gained or lost.")
            .query("sum(rate(fanfare_connections_opened_total{@}[$__rate_interval]))", "opened")
            .query("sum(rate(fanfare_connections_closed_total{@}[$__rate_interval]))", "closed"),
        stack(
            "Connections closed, by code",
            "ops",
            "3000: by the client. 3001: by a drain. See docs/codes.md.",
        )
        .query(&rate("fanfare_connections_closed_total{@}", "code"), "{{code}}"),
        stack("Publications", "ops", "By the namespace of their channel.")
            .query(&rate("fanfare_publications_total{@}", "channel_namespace"), "{{channel_namespace}}"),
        stack(
            "Publications, by source",
            "ops",
            "Who published; what backends publish in Redis is not among them.",
        )
        .query(&rate("fanfare_publications_total{@}", "source"), "{{source}}"),
        stack("Deliveries", "ops", "By the namespace of their channel.")
            .query(&rate("fanfare_deliveries_total{@}", "channel_namespace"), "{{channel_namespace}}"),
        graph("Subscriptions", "short", "And the channels that have a subscriber, each once per node.")
            .query("sum(fanfare_subscriptions{@})", "subscriptions")
            .query("sum(fanfare_channels{@})", "channels"),
        stack("Server API", "ops", "Requests of backends, by method.")
            .query(&rate("fanfare_api_requests_total{@}", "method"), "{{method}}"),
        stack(
            "Server API, not carried out",
            "ops",
            "By outcome; docs/operate/runbooks/FanfareApiFailing.md explains each.",
        )
        .query(&rate("fanfare_api_requests_total{@, outcome!=\"answered\"}", "outcome"), "{{outcome}}"),
    ]
}

fn redis() -> [Panel; 9] {
    [
        graph(
            "Nodes that can use Redis",
            "short",
            "Nodes that publish and hear; docs/redis.md says what is verified.",
        )
        .query("sum(fanfare_broker_up{@, broker=\"redis\"})", "up")
        .query("count(fanfare_broker_up{@, broker=\"redis\"})", "all"),
        graph(
            "Age of the last probe",
            "s",
            "Since a node's own probe came back from Redis: above 10 s it is deaf.",
        )
        .query("fanfare_redis_probe_age_seconds{@}", "{{instance}}")
        .bad_from(5.0, 10.0),
        graph("Probe, p99", "s", "Through Redis and back.")
            .query(&quantile("0.99", "fanfare_redis_probe_duration_seconds_bucket{@}", ""), "p99")
            .bad_from(0.1, 0.25),
        graph("Commands", "ops", "Commands sent to Redis.")
            .query(&rate("fanfare_redis_commands_total{@}", "instance"), "{{instance}}"),
        stack(
            "Commands that failed",
            "ops",
            "By how; docs/operate/runbooks/FanfareRedisFailing.md explains each.",
        )
        .query(&rate("fanfare_redis_failures_total{@}", "reason"), "{{reason}}"),
        graph(
            "Connections made and lost",
            "ops",
            "Lines that stay above 0: connections break again and again.",
        )
        .query(&rate("fanfare_redis_connects_total{@}", "purpose"), "made for {{purpose}}")
        .query(&rate("fanfare_redis_losses_total{@}", "purpose"), "lost for {{purpose}}"),
        graph("Publications from Redis", "ops", "What each node takes in.")
            .query(&rate("fanfare_redis_publications_total{@}", "instance"), "{{instance}}"),
        stack(
            "Channels repaired",
            "ops",
            "filled: read from the history. broken: it was gone. unreadable: it could not be read.",
        )
        .query(&rate("fanfare_channel_repairs_total{@}", "outcome"), "{{outcome}}"),
        stack("What is no publication", "ops", "What came from Redis and was dropped.")
            .query(&rate("fanfare_redis_malformed_total{@}", "reason"), "{{reason}}"),
    ]
}

fn nodes() -> [Panel; 12] {
    [
        graph("Ready", "short", "1 while a node should get traffic.")
            .query("fanfare_ready{@}", "{{instance}}"),
        graph("Nodes that each node knows", "short", "Lines that differ: nodes do not see each other.")
            .query("fanfare_nodes{@}", "{{instance}}"),
        graph("Draining: time left", "s", "Until the node has closed its connections and ends.")
            .query("fanfare_drain_remaining_seconds{@}", "{{instance}}"),
        graph("CPU", "short", "Cores in use.")
            .query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}}"),
        graph("Memory", "percentunit", "Of what the control group allows, or the machine has.")
            .query("process_resident_memory_bytes{@} / fanfare_memory_limit_bytes{@}", "{{instance}}")
            .bad_from(0.7, 0.85),
        graph("Room for connections", "percentunit", "Connections, of the most that the node takes on.")
            .query("fanfare_connections{@} / fanfare_connections_limit{@}", "{{instance}}")
            .bad_from(0.7, 0.85),
        graph(
            "Mailboxes",
            "short",
            "Entries that wait for a thread: the broker's, and the worker's for which most do.",
        )
        .query("max by (instance, owner) (fanfare_mailbox_entries{@})", "{{instance}} {{owner}}")
        .bad_from(8192.0, 32768.0),
        graph("Outboxes", "bytes", "What waits for clients.")
            .query("fanfare_outbox_bytes{@}", "{{instance}}"),
        graph("Traffic to clients", "Bps", "Bytes that the kernel took.")
            .query(&rate("fanfare_sent_bytes_total{@}", "instance"), "{{instance}}"),
        stack("Versions", "short", "Nodes by version.")
            .query("count by (version) (fanfare_build_info{@})", "{{version}}"),
        graph(
            "Settings",
            "short",
            "0 for reload: changed files were refused. 1 for restart: a change awaits one.",
        )
        .query("min(fanfare_config_reload_ok{@})", "reload")
        .query("max(fanfare_config_restart_needed{@})", "restart")
        .query(&rate("fanfare_config_reloads_total{@}", "outcome"), "{{outcome}}"),
        stack("Spans", "ops", "Of traces: sent to their collector, failed there, dropped here.")
            .query(&rate("fanfare_spans_total{@}", "outcome"), "{{outcome}}"),
    ]
}

/// A rate per second, summed by a label.
pub(super) fn rate(series: &str, by: &str) -> String {
    format!("sum by ({by}) (rate({series}[$__rate_interval]))")
}

/// A quantile of a histogram, by a label or over all.
pub(super) fn quantile(quantile: &str, buckets: &str, by: &str) -> String {
    let by = if by.is_empty() { "le".to_owned() } else { format!("{by}, le") };
    format!("histogram_quantile({quantile}, sum by ({by}) (rate({buckets}[$__rate_interval])))")
}
