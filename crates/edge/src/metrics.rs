//! Metrics: the counters of every thread, gathered at each scrape and put into Prometheus families. The names
//! are a public contract; labels come from closed sets.

mod broker;
mod families;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use engine::{Denial, NodeCounters, OUTCOMES, Order, RepairOutcome, ShardCounters, Waiting};
use families::{Family, counter, gauge, histogram};
use model::{CloseReason, Histogram, Refusal};
use prometheus::TextEncoder;
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use protocol::CommandKind;
use transport::{Admission, Rejection, memory_limit, processor_time};

use crate::api::Tally;
use crate::broker_thread::BrokerLink;
use crate::control::Control;
use crate::handle::Handle;
use crate::health::Health;
use crate::nodes::directives::Directives;
use crate::reload::Reloads;
use crate::spans::Spans;

/// Kubernetes gives every target a label `namespace` of its own.
const NAMESPACE: &str = "channel_namespace";

/// Builds the page that Prometheus scrapes.
#[derive(Clone)]
pub(crate) struct Scrape(Arc<Sources>);

struct Sources {
    handle: Handle,
    health: Health,
    admission: Arc<Admission>,
    variants: Vec<String>,
    version: &'static str,
    memory_limit: u64,
    tally: Arc<Tally>,
    /// What each worker and the broker thread answered last: a thread that does not answer keeps its counts.
    last: Mutex<(Vec<ShardCounters>, NodeCounters)>,
    broker: BrokerLink,
    directives: Directives,
    spans: Spans,
    reloads: Arc<Reloads>,
}

impl Scrape {
    pub(crate) fn new(control: &Control, tally: Arc<Tally>, broker: BrokerLink) -> Self {
        let (workers, namespaces) = (control.handle.workers().len(), control.handle.rules().count());
        // A thread that hangs from the start has its series, too.
        let shard = ShardCounters { deliveries_by_namespace: vec![0; namespaces], ..Default::default() };
        let node = NodeCounters { publications: vec![[0; 2]; namespaces], ..Default::default() };
        Self(Arc::new(Sources {
            handle: control.handle.clone(),
            health: control.health.clone(),
            admission: Arc::clone(&control.targets.admission),
            variants: control.encoders.labels().collect(),
            version: control.version,
            memory_limit: memory_limit(),
            tally,
            last: Mutex::new((vec![shard; workers], node)),
            broker,
            directives: control.directives.clone(),
            spans: control.spans.clone(),
            reloads: control.reload.told(),
        }))
    }

    /// `/metrics`.
    pub(crate) fn router(self) -> Router {
        Router::new().route("/metrics", get(async move || self.page().await))
    }

    async fn page(&self) -> Response {
        let sources = &self.0;
        // Before the questions of this scrape wait there, too.
        let waiting = sources.handle.waiting();
        let gathered = sources.handle.gather(Order::Count).await;
        let node = sources.handle.count_node().await;
        let (shards, node) = {
            let mut last = sources.last.lock().unwrap_or_else(PoisonError::into_inner);
            if !gathered.is_partial {
                last.0 = gathered.answers;
            }
            if let Some(node) = node {
                last.1 = node;
            }
            last.clone()
        };
        let families = sources.families(&shards, &node, waiting);
        let mut page = String::new();
        match TextEncoder::new().encode_utf8(&families, &mut page) {
            Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], page).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        }
    }
}

impl Sources {
    fn families(
        &self,
        shards: &[ShardCounters],
        node: &NodeCounters,
        waiting: [Waiting; 2],
    ) -> Vec<MetricFamily> {
        let mut total = ShardCounters::default();
        shards.iter().for_each(|shard| total.merge(shard));
        let mut families = self.of_node();
        families.extend(of_connections(&total));
        families.extend(of_reloads(&self.reloads));
        families.extend(of_presence(node));
        families.extend(of_commands(&total));
        families.extend(self.of_publications(&total, node));
        families.extend(of_outboxes(&total));
        let status = self.broker.status();
        families.push(of_latency(&total, status.redis.as_ref().map(|(counters, _)| &counters.latency)));
        families.extend(of_mailboxes(waiting));
        families.extend(broker::families(&status));
        families.push(broker::of_directives(self.directives.counts()));
        let spans = counter("fanfare_spans_total", "Spans of traces, by what became of them.");
        families.push(spans.values("outcome", Spans::OUTCOMES, self.spans.counts()));
        let mut families: Vec<MetricFamily> = families.into_iter().map(Family::build).collect();
        families.extend(of_process());
        families
    }

    fn of_node(&self) -> Vec<Family> {
        let build = gauge("fanfare_build_info", "Version of the running binary; always 1.");
        let limit = gauge("fanfare_connections_limit", "Most connections that the node takes on.");
        let nodes = gauge("fanfare_nodes", "Nodes that are known, this one included.");
        let others = self.handle.roster().others(self.handle.clock().moment()).len();
        let ready = gauge("fanfare_ready", "1 while `/readyz` says that the node should get traffic.");
        let draining = gauge("fanfare_draining", "1 from the signal to end until the node has ended.");
        let memory = gauge(
            "fanfare_memory_limit_bytes",
            "Memory that the node's control group allows, or that the machine has.",
        );
        let remaining = gauge(
            "fanfare_drain_remaining_seconds",
            "About how long a drain still takes, by its delay, its window and the connections that are left; 0 \
             when the node does not drain.",
        );
        let (drain, now) = (self.health.drain(), self.handle.clock().moment());
        let rejected = counter(
            "fanfare_connections_refused_total",
            "Connections refused before their protocol was spoken.",
        );
        let dropped =
            counter("fanfare_log_lines_dropped_total", "Log lines dropped because standard error was stuck.");
        let mut requests = counter("fanfare_api_requests_total", "Requests to the server API, by outcome.");
        for (method, outcome, count) in self.tally.counts() {
            requests = requests.value(&[("method", method), ("outcome", outcome)], count);
        }
        vec![
            requests,
            build.value(&[("version", self.version)], 1),
            nodes.value(&[], 1 + others as u64),
            limit.value(&[], u64::from(self.admission.connection_limit())),
            ready.value(&[], u64::from(self.health.is_ready())),
            memory.value(&[], self.memory_limit),
            draining.value(&[], u64::from(drain.is_draining())),
            remaining.value(&[], drain.remaining(now).as_secs_f64().ceil() as u64),
            rejected.values("reason", Rejection::LABELS, self.admission.rejections()),
            dropped.value(&[], crate::log::dropped()),
        ]
    }

    fn of_publications(&self, total: &ShardCounters, node: &NodeCounters) -> Vec<Family> {
        let rules = self.handle.rules();
        let mut published = counter("fanfare_publications_total", "Publications accepted, by who published.");
        let mut delivered =
            counter("fanfare_deliveries_total", "Publications that the kernel took for a subscriber.");
        for (id, name) in rules.names() {
            let [clients, api] = node.publications_in(id);
            published = published.value(&[(NAMESPACE, name), ("source", "client")], clients);
            published = published.value(&[(NAMESPACE, name), ("source", "api")], api);
            let count = total.deliveries_by_namespace.get(id.index()).copied().unwrap_or_default();
            delivered = delivered.value(&[(NAMESPACE, name)], count);
        }
        let encodes = counter("fanfare_encodes_total", "Publications encoded, by variant.");
        let variants = self.variants.iter().map(String::as_str);
        let channels = gauge("fanfare_channels", "Channels with a subscriber on this node.");
        let lost = counter("fanfare_publications_lost_total", "Publications that subscribers did not get.");
        let repairs = counter(
            "fanfare_channel_repairs_total",
            "Channels whose publications did not follow each other, by how that ended.",
        );
        let repairing = gauge(
            "fanfare_channels_repairing",
            "Channels held back until their publications follow each other.",
        );
        let lapses = counter(
            "fanfare_subscriptions_lapsed_total",
            "Subscribers told that publications are missing, so that they come back.",
        );
        let duplicates =
            counter("fanfare_publications_duplicate_total", "Publications that the broker handed on twice.");
        vec![
            published,
            delivered,
            encodes.values("variant", variants, total.encodes),
            channels.value(&[], node.channels),
            lost.values("reason", ["mailbox", "unplaced"], [node.lost, node.unplaced]),
            repairs.values("outcome", RepairOutcome::LABELS, node.repairs),
            repairing.value(&[], node.repairing),
            lapses.value(&[], total.lapses),
            duplicates.value(&[], node.duplicates),
        ]
    }
}

/// The library counts processor time in whole seconds: too coarse for a rate.
fn of_process() -> impl Iterator<Item = MetricFamily> {
    const PROCESSOR: &str = "process_cpu_seconds_total";
    let processor = counter(PROCESSOR, "Total user and system CPU time spent in seconds.");
    let others = ProcessCollector::for_self().collect().into_iter();
    others.filter(|family| family.name() != PROCESSOR).chain([processor.seconds(processor_time()).build()])
}

fn of_reloads(reloads: &Reloads) -> Vec<Family> {
    let ok = gauge("fanfare_config_reload_ok", "1 unless the settings that were read last cannot be used.");
    let counts = counter("fanfare_config_reloads_total", "Times that settings were read anew, by outcome.");
    let waiting = gauge(
        "fanfare_config_restart_needed",
        "1 while settings were read that take effect after a restart.",
    );
    vec![
        ok.value(&[], u64::from(reloads.is_ok())),
        counts.values("outcome", ["applied", "refused"], reloads.counts()),
        waiting.value(&[], u64::from(reloads.is_restart_needed())),
    ]
}

fn of_presence(node: &NodeCounters) -> Vec<Family> {
    let waiting =
        gauge("fanfare_presence_waiting", "Members of whom the presence is yet to be told something.");
    let refused =
        counter("fanfare_presence_refused_total", "Calls that the presence refused, by what became of them.");
    let hushed = counter(
        "fanfare_movements_hushed_total",
        "Joins and leaves not told because a channel has too many members.",
    );
    vec![
        waiting.value(&[], node.visits),
        refused.values("outcome", ["repeated", "dropped"], node.visits_refused),
        hushed.value(&[], node.movements_hushed),
    ]
}

/// Nothing is received from elsewhere by the memory broker.
fn of_latency(total: &ShardCounters, received: Option<&Histogram>) -> Family {
    let latency = histogram(
        "fanfare_delivery_latency_seconds",
        "From a publication being taken on by a node to this one receiving it by Redis (`broker`, once for each), \
         from there to the kernel taking the last byte for a subscriber (`node`), and both (`total`). Without \
         Redis there is no `broker`; what says not when it was taken on is measured from its arrival.",
    );
    let nothing = Histogram::default();
    latency
        .counts(&[("stage", "broker")], received.unwrap_or(&nothing))
        .counts(&[("stage", "node")], &total.delivery_latency.node)
        .counts(&[("stage", "total")], &total.delivery_latency.total)
}

fn of_mailboxes(waiting: [Waiting; 2]) -> Vec<Family> {
    const OWNERS: [&str; 2] = ["broker", "worker"];
    let entries = gauge(
        "fanfare_mailbox_entries",
        "Entries that wait for the broker thread; those that wait for the worker for which most do.",
    );
    let bytes = gauge("fanfare_mailbox_bytes", "Bytes of publications among them, likewise.");
    vec![
        entries.values("owner", OWNERS, waiting.map(|waiting| waiting.entries as u64)),
        bytes.values("owner", OWNERS, waiting.map(|waiting| waiting.bytes as u64)),
    ]
}

fn of_connections(total: &ShardCounters) -> Vec<Family> {
    let closed = counter("fanfare_connections_closed_total", "Connections closed, by close code.");
    let denials = counter("fanfare_tokens_refused_total", "Tokens turned down, by reason.");
    vec![
        gauge("fanfare_connections", "Connections that are open or closing.").value(&[], total.connections),
        counter("fanfare_connections_opened_total", "Connections opened.").value(&[], total.opened),
        closed.values("code", CloseReason::LABELS, total.closed),
        counter(
            "fanfare_connections_unannounced_total",
            "Connections reset without their close frame being taken.",
        )
        .value(&[], total.closed_unannounced),
        counter("fanfare_connection_panics_total", "Connections closed because handling them panicked.")
            .value(&[], total.panics),
        gauge("fanfare_subscriptions", "Subscriptions.").value(&[], total.subscriptions),
        denials.values("reason", Denial::labels(), total.denials),
        histogram(
            "fanfare_connect_duration_seconds",
            "From a socket's handshake to its connect command being granted.",
        )
        .counts(&[], &total.connect_duration),
    ]
}

fn of_commands(total: &ShardCounters) -> Vec<Family> {
    let codes: Vec<String> = std::iter::once("0".to_owned())
        .chain(Refusal::ALL.map(|refusal| refusal.code().to_string()))
        .collect();
    debug_assert_eq!(codes.len(), OUTCOMES);
    let mut commands = counter(
        "fanfare_commands_total",
        "Commands of clients, by the code they were answered with; 0 is granted.",
    );
    for (command, outcomes) in CommandKind::LABELS.iter().zip(&total.commands) {
        for (code, count) in codes.iter().zip(outcomes) {
            commands = commands.value(&[("command", command), ("code", code)], *count);
        }
    }
    let duration = histogram(
        "fanfare_command_duration_seconds",
        "From a command being taken to its answer being queued.",
    );
    vec![commands, duration.counts(&[], &total.command_duration)]
}

fn of_outboxes(total: &ShardCounters) -> Vec<Family> {
    let overflows =
        counter("fanfare_outbox_overflows_total", "Connections closed for outboxes at their bound.");
    vec![
        gauge("fanfare_outbox_bytes", "Memory that waiting frames take up, each counted once per worker.")
            .value(&[], total.outbox_bytes),
        overflows.values("bound", ["connection", "node"], [total.overflows, total.overflows_total]),
        counter("fanfare_writes_total", "Writes to client sockets.").value(&[], total.writes),
        counter("fanfare_sent_bytes_total", "Bytes that the kernel took for clients.")
            .value(&[], total.sent_bytes),
    ]
}
