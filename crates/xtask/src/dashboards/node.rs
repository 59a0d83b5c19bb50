//! What the dashboard of one node shows: what its clients notice, its connections, queues, Redis, the machine.

use super::Dashboard;
use super::fleet::{quantile, rate};
use super::panel::{Panel, Row, figure, graph, heatmap, stack};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "node",
        title: "Fanfare / Node",
        description: "One node: what its clients notice, connections, queues, Redis, the machine.",
        rows: vec![
            Row::new("Now", now()),
            Row::new("What its clients notice", clients()),
            Row::new("Connections", connections()),
            Row::new("Mailboxes, outboxes, writes", queues()),
            Row::new("Redis", redis()),
            Row::new("Channels, presence, other nodes", channels()),
            Row::new("Machine", machine()),
        ],
        is_of_one_node: true,
    }
}

fn now() -> [Panel; 6] {
    [
        figure("Ready", "bool_yes_no", "Whether /readyz is green.")
            .query("max(fanfare_ready{@})", "")
            .bad_below(1.0),
        figure("Time left to drain", "s", "0 while the node does not drain.")
            .query("max(fanfare_drain_remaining_seconds{@})", ""),
        figure("Running since", "dateTimeFromNow", "When the process started.")
            .query("1000 * max(process_start_time_seconds{@})", ""),
        figure("Connections", "percentunit", "Of the most that the node takes on.")
            .query("max(fanfare_connections{@} / fanfare_connections_limit{@})", "")
            .bad_from(0.7, 0.85),
        figure("Memory", "percentunit", "Of what the control group allows, or the machine has.")
            .query("max(process_resident_memory_bytes{@} / fanfare_memory_limit_bytes{@})", "")
            .bad_from(0.7, 0.85),
        figure("Descriptors", "percentunit", "Open files and sockets, of the most that there may be.")
            .query("max(process_open_fds{@} / process_max_fds{@})", "")
            .bad_from(0.8, 0.95),
    ]
}

fn clients() -> [Panel; 6] {
    const BUCKETS: &str = "fanfare_delivery_latency_seconds_bucket{@}";
    [
        graph("Delivery latency, p50", "s", "broker: through Redis. node: within this node. total: both.")
            .query(&quantile("0.5", BUCKETS, "stage"), "{{stage}}"),
        graph("Delivery latency, p99", "s", "broker: through Redis. node: within this node. total: both.")
            .query(&quantile("0.99", BUCKETS, "stage"), "{{stage}}")
            .bad_from(0.25, 0.5),
        heatmap("Deliveries by latency", "short", "From a publication being taken on to the kernel taking it.").query(
            "sum by (le) (increase(fanfare_delivery_latency_seconds_bucket{@, stage=\"total\"}[$__rate_interval]))",
            "{{le}}",
        ),
        graph("Commands, p99", "s", "From a command being taken to its answer being queued; and the whole connect.")
            .query(&quantile("0.99", "fanfare_command_duration_seconds_bucket{@}", ""), "command")
            .query(&quantile("0.99", "fanfare_connect_duration_seconds_bucket{@}", ""), "connect"),
        stack("Commands", "ops", "By what clients ask.")
            .query(&rate("fanfare_commands_total{@}", "command"), "{{command}}"),
        stack("Commands turned down", "ops", "By code; see docs/codes.md.")
            .query(&rate("fanfare_commands_total{@, code!=\"0\"}", "code"), "{{code}}"),
    ]
}

fn connections() -> [Panel; 6] {
    [
        graph("Connections", "short", "And their subscriptions.")
            .query("fanfare_connections{@}", "connections")
            .query("fanfare_subscriptions{@}", "subscriptions"),
        graph("Opened", "ops", "Connections per second.")
            .query("rate(fanfare_connections_opened_total{@}[$__rate_interval])", "opened"),
        stack("Closed, by code", "ops", "3000: by the client. 3001: by a drain. See docs/codes.md.")
            .query(&rate("fanfare_connections_closed_total{@}", "code"), "{{code}}"),
        stack("Refused", "ops", "Before their protocol was spoken.")
            .query(&rate("fanfare_connections_refused_total{@}", "reason"), "{{reason}}"),
        stack("Tokens refused", "ops", "By reason.")
            .query(&rate("fanfare_tokens_refused_total{@}", "reason"), "{{reason}}"),
        graph(
            "Closed without ceremony",
            "ops",
            "Reset before their close frame was taken; and closed by a fault of ours.",
        )
        .query("rate(fanfare_connections_unannounced_total{@}[$__rate_interval])", "unannounced")
        .query("rate(fanfare_connection_panics_total{@}[$__rate_interval])", "panics"),
    ]
}

fn queues() -> [Panel; 8] {
    [
        graph("Mailbox entries", "short", "What waits for the broker thread, and for the worker for which most does.")
            .query("max by (owner) (fanfare_mailbox_entries{@})", "{{owner}}")
            .bad_from(8192.0, 32768.0),
        graph("Mailbox bytes", "bytes", "Bytes of publications among them.")
            .query("max by (owner) (fanfare_mailbox_bytes{@})", "{{owner}}")
            .bad_from(8_388_608.0, 33_554_432.0),
        stack("Lost publications", "ops", "mailbox: a worker cannot keep up. unplaced: published plainly to a channel with history.")
            .query(&rate("fanfare_publications_lost_total{@}", "reason"), "{{reason}}"),
        graph("Outboxes", "bytes", "Memory of the frames that wait for clients.").query("fanfare_outbox_bytes{@}", "waiting"),
        stack("Slow consumers closed", "ops", "connection: its own outbox was full. node: all outboxes together were.")
            .query(&rate("fanfare_outbox_overflows_total{@}", "bound"), "{{bound}}"),
        graph("Deliveries per write", "short", "Publications that leave in one call: the more, the busier.").query(
            "sum(rate(fanfare_deliveries_total{@}[$__rate_interval])) / (sum(rate(fanfare_writes_total{@}[$__rate_interval])) > 0)",
            "deliveries",
        ),
        stack("Encodes", "ops", "Publications turned into bytes, once for all subscribers of a variant.")
            .query(&rate("fanfare_encodes_total{@}", "variant"), "{{variant}}"),
        graph("Traffic to clients", "Bps", "Bytes that the kernel took.")
            .query("rate(fanfare_sent_bytes_total{@}[$__rate_interval])", "sent"),
    ]
}

fn redis() -> [Panel; 9] {
    [
        graph(
            "Age of the last probe",
            "s",
            "Since the node's own probe came back from Redis: above 10 s it is deaf.",
        )
        .query("fanfare_redis_probe_age_seconds{@}", "age")
        .bad_from(5.0, 10.0),
        graph("Probe", "s", "Through Redis and back.")
            .query(&quantile("0.5", "fanfare_redis_probe_duration_seconds_bucket{@}", ""), "p50")
            .query(&quantile("0.99", "fanfare_redis_probe_duration_seconds_bucket{@}", ""), "p99"),
        graph(
            "Silent connections",
            "ops",
            "Probes not handed on; connections made anew because of that; channels that went with one.",
        )
        .query("rate(fanfare_redis_probes_missed_total{@}[$__rate_interval])", "probes missed")
        .query("rate(fanfare_redis_rebuilds_total{@}[$__rate_interval])", "rebuilds")
        .query("rate(fanfare_redis_channels_severed_total{@}[$__rate_interval])", "channels severed"),
        graph("Commands", "ops", "And the pipelines that carry them.")
            .query("rate(fanfare_redis_commands_total{@}[$__rate_interval])", "commands")
            .query("rate(fanfare_redis_pipelines_total{@}[$__rate_interval])", "pipelines"),
        graph("Commands not answered yet", "short", "At 65,536 further ones are refused.")
            .query("fanfare_redis_commands_open{@}", "open")
            .bad_from(8192.0, 32768.0),
        stack("Commands that failed", "ops", "By how.")
            .query(&rate("fanfare_redis_failures_total{@}", "reason"), "{{reason}}"),
        graph("Taken in", "ops", "Publications that Redis handed on.")
            .query("rate(fanfare_redis_publications_total{@}[$__rate_interval])", "publications")
            .query("rate(fanfare_redis_clock_skews_total{@}[$__rate_interval])", "from a clock ahead"),
        graph("Traffic from Redis", "Bps", "Bytes that Redis handed on.")
            .query("rate(fanfare_redis_read_bytes_total{@}[$__rate_interval])", "read"),
        stack(
            "What is no publication",
            "ops",
            "Dropped, by reason; and connections given up for speaking nonsense.",
        )
        .query(&rate("fanfare_redis_malformed_total{@}", "reason"), "{{reason}}")
        .query("rate(fanfare_redis_protocol_errors_total{@}[$__rate_interval])", "nonsense"),
    ]
}

fn channels() -> [Panel; 6] {
    [
        graph(
            "Channels",
            "short",
            "With a subscriber here; and those held back until their publications follow each other.",
        )
        .query("fanfare_channels{@}", "channels")
        .query("fanfare_channels_repairing{@}", "repairing"),
        stack(
            "Channels repaired",
            "ops",
            "filled: read from the history. broken: it was gone. unreadable: it could not be read.",
        )
        .query(&rate("fanfare_channel_repairs_total{@}", "outcome"), "{{outcome}}"),
        graph(
            "Subscribers told of gaps",
            "ops",
            "Lapsed subscriptions; and what came twice and was dropped.",
        )
        .query("rate(fanfare_subscriptions_lapsed_total{@}[$__rate_interval])", "lapsed")
        .query("rate(fanfare_publications_duplicate_total{@}[$__rate_interval])", "duplicates"),
        graph("Presence waiting", "short", "Members of whom the presence is yet to be told something.")
            .query("fanfare_presence_waiting{@}", "waiting"),
        graph(
            "Presence held back",
            "ops",
            "Calls that were refused; joins and leaves not told in crowded channels.",
        )
        .query(&rate("fanfare_presence_refused_total{@}", "outcome"), "refused, {{outcome}}")
        .query("rate(fanfare_movements_hushed_total{@}[$__rate_interval])", "hushed"),
        stack("Directives", "ops", "What backends ordered at other nodes, by what became of it here.")
            .query(&rate("fanfare_directives_total{@}", "outcome"), "{{outcome}}"),
    ]
}

fn machine() -> [Panel; 6] {
    [
        graph("CPU", "short", "Cores in use.")
            .query("rate(process_cpu_seconds_total{@}[$__rate_interval])", "cores"),
        graph("Threads", "short", "Workers, the broker thread, the control thread, and few others.")
            .query("process_threads{@}", "threads"),
        graph("Memory", "bytes", "And what the control group allows, or the machine has.")
            .query("process_resident_memory_bytes{@}", "resident")
            .query("fanfare_memory_limit_bytes{@}", "limit"),
        graph("Descriptors", "short", "Open files and sockets, and the most that there may be.")
            .query("process_open_fds{@}", "open")
            .query("process_max_fds{@}", "limit"),
        graph(
            "Settings",
            "short",
            "0 for reload: changed files were refused. 1 for restart: a change awaits one.",
        )
        .query("fanfare_config_reload_ok{@}", "reload")
        .query("fanfare_config_restart_needed{@}", "restart"),
        stack("Spans", "ops", "Of traces: sent to their collector, failed there, dropped here.")
            .query(&rate("fanfare_spans_total{@}", "outcome"), "{{outcome}}"),
    ]
}
