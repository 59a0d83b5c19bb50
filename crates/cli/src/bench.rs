//! `fanfare bench`: flags onto the load generator's options, and tokens as a backend would sign them.

use std::net::SocketAddr;
use std::path::PathBuf;

use ::bench::{BenchError, Options, PublisherKind, Traffic, Workload};
use auth::{Claims, Config, Signer};
use clap::{Args, ValueEnum};
use model::{Period, RawJson, UnixTime};

use crate::credential::ApiKey;
use crate::failure::Failure;
use crate::settings::Sources;
use crate::{signing, text};

/// Longer than any run.
const TOKEN_SECONDS: i64 = 24 * 3600;

#[derive(Args)]
pub(crate) struct Flags {
    /// What to measure; nothing means everything
    #[arg(value_enum, value_name = "WORKLOAD")]
    workloads: Vec<WorkloadName>,
    #[command(flatten)]
    node: NodeUnderTest,
    #[command(flatten)]
    pace: Pace,
    #[command(flatten)]
    memory: Memory,
    #[command(flatten)]
    deliveries: Deliveries,
    #[command(flatten)]
    publishes: Publishes,
    /// Writes the report here as JSON too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Args)]
#[command(next_help_heading = "The node")]
struct NodeUnderTest {
    /// The node's process
    #[arg(long)]
    pid: u32,
    /// Where clients connect; several, separated by commas, are taken in turn
    #[arg(long, value_name = "ADDRESS,…", value_delimiter = ',', default_value = "127.0.0.1:8000")]
    servers: Vec<SocketAddr>,
    /// Where the server API and the metrics are
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    api: SocketAddr,
    #[command(flatten)]
    key: ApiKey,
    /// A file with the secret that the node verifies tokens with, instead of token.hmac_secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    #[command(flatten)]
    sources: Sources,
    /// The path where the native protocol is spoken
    #[arg(long)]
    path: Option<String>,
    /// The Origin header to connect with
    #[arg(long)]
    origin: Option<String>,
    /// What the names of all channels begin with
    #[arg(long, value_name = "TEXT")]
    channel_prefix: Option<String>,
}

#[derive(Args)]
#[command(next_help_heading = "Pace")]
struct Pace {
    /// Connections that are being established at a time
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Most connections opened per second
    #[arg(long, value_name = "N")]
    connects_per_second: Option<u32>,
    /// How often connect, publish and unicast are repeated
    #[arg(long, value_name = "N")]
    repeats: Option<usize>,
    /// How many pairs of node and floor fanout and rate take
    #[arg(long, value_name = "N")]
    pairs: Option<usize>,
    /// The CPU that receives
    #[arg(long, value_name = "CPU")]
    client_cpu: Option<usize>,
    /// The CPU of the floor's sender
    #[arg(long, value_name = "CPU")]
    floor_cpu: Option<usize>,
    /// How long a stage may receive nothing
    #[arg(long, value_name = "PERIOD")]
    patience: Option<Period>,
    /// How long a stage may take
    #[arg(long, value_name = "PERIOD")]
    stage_limit: Option<Period>,
}

#[derive(Args)]
#[command(next_help_heading = "Connections: memory, connect")]
struct Memory {
    /// memory: how many connections
    #[arg(long, value_name = "N")]
    connections: Option<usize>,
    /// memory: connections opened and closed before the first reading
    #[arg(long, value_name = "N")]
    warm_up: Option<usize>,
    /// memory: commands that each connection sends
    #[arg(long, value_name = "N")]
    messages: Option<usize>,
    /// memory: which commands
    #[arg(long, value_enum)]
    traffic: Option<TrafficName>,
    /// memory: how long the node rests before a reading
    #[arg(long, value_name = "PERIOD")]
    settle: Option<Period>,
    /// connect: connections per repeat
    #[arg(long, value_name = "N")]
    establish: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "Deliveries: fanout, rate")]
struct Deliveries {
    /// Receivers on the one channel
    #[arg(long, value_name = "N")]
    receivers: Option<usize>,
    /// Bytes of each payload
    #[arg(long, value_name = "BYTES")]
    payload: Option<usize>,
    /// fanout: publications outstanding, one measurement each
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    outstanding: Vec<usize>,
    /// fanout: how long each side of a pair runs
    #[arg(long, value_name = "PERIOD")]
    fanout_phase: Option<Period>,
    /// How publications enter the node
    #[arg(long, value_enum)]
    publisher: Option<PublisherName>,
    /// rate: publications per second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// rate: how long each side of a pair runs
    #[arg(long, value_name = "PERIOD")]
    rate_phase: Option<Period>,
}

#[derive(Args)]
#[command(next_help_heading = "Publishes: publish, unicast")]
struct Publishes {
    /// publish: HTTP connections with one request outstanding each
    #[arg(long, value_name = "N")]
    publishers: Option<usize>,
    /// Subscribers, each on its own channel
    #[arg(long, value_name = "N")]
    subscribers: Option<usize>,
    /// How long each repeat runs
    #[arg(long, value_name = "PERIOD")]
    publish_phase: Option<Period>,
    /// unicast: publications per second over all channels
    #[arg(long, value_name = "N")]
    unicast_rate: Option<u32>,
}

#[derive(Clone, Copy, ValueEnum)]
enum WorkloadName {
    Memory,
    Connect,
    Fanout,
    Rate,
    Publish,
    Unicast,
}

#[derive(Clone, Copy, ValueEnum)]
enum TrafficName {
    Rpc,
    Publish,
}

#[derive(Clone, Copy, ValueEnum)]
enum PublisherName {
    Http,
    Ws,
}

pub(crate) fn run(flags: &Flags) -> Result<(), Failure> {
    let options = options(flags)?;
    let loaded = flags.node.sources.load(flags.node.secret_file.as_deref())?;
    let config = &loaded.config.token;
    let signer = signing::signer(config)?;
    let expires = UnixTime(text::unix_time().0.saturating_add(TOKEN_SECONDS));
    let token = |index: usize| sign(&signer, config, index, expires);
    let outcome = ::bench::run(options, &token, &mut std::io::stdout());
    outcome.map(|_| ()).map_err(|error| match &error {
        BenchError::Refused { .. } | BenchError::Stalled { .. } => Failure::refused(error.to_string()),
        BenchError::Option(_) | BenchError::Process(_) | BenchError::Io { .. } => {
            Failure::unusable(error.to_string())
        }
    })
}

/// A token of a user of its own, with 32 bytes of `info`.
fn sign(signer: &Signer, config: &Config, index: usize, expires: UnixTime) -> String {
    let info = RawJson::from_string(format!("{{\"name\":\"user {index:016}\"}}")).expect("it is JSON");
    let claims = Claims::connection(&format!("user-{index}")).info(info).expires(expires);
    signer.sign(&signing::for_node(claims, config))
}

fn options(flags: &Flags) -> Result<Options, Failure> {
    let Flags { node, pace, memory, deliveries, publishes, .. } = flags;
    let [server, ..] = node.servers.as_slice() else {
        return Err(Failure::unusable("--servers: name at least one address"));
    };
    let mut options = Options::new(node.pid, *server, node.api, node.key.read()?.reveal());
    options.node.servers.clone_from(&node.servers);
    options.workloads = flags.workloads.iter().map(|name| Workload::from(*name)).collect();
    options.json.clone_from(&flags.json);
    options.node.origin.clone_from(&node.origin);
    replace(&mut options.node.path, node.path.clone());
    replace(&mut options.node.channel_prefix, node.channel_prefix.clone());

    replace(&mut options.pace.window, pace.window);
    options.pace.connects_per_second = pace.connects_per_second;
    replace(&mut options.pace.repeats, pace.repeats);
    replace(&mut options.pace.pairs, pace.pairs);
    options.pace.client_cpu = pace.client_cpu;
    options.pace.floor_cpu = pace.floor_cpu;
    replace(&mut options.pace.patience, pace.patience.map(|period| period.0));
    replace(&mut options.pace.stage_limit, pace.stage_limit.map(|period| period.0));

    replace(&mut options.connections.held, memory.connections);
    replace(&mut options.connections.warm_up, memory.warm_up);
    replace(&mut options.connections.messages, memory.messages);
    replace(&mut options.connections.traffic, memory.traffic.map(Traffic::from));
    replace(&mut options.connections.settle, memory.settle.map(|period| period.0));
    replace(&mut options.connections.established, memory.establish);

    replace(&mut options.deliveries.receivers, deliveries.receivers);
    replace(&mut options.deliveries.payload, deliveries.payload);
    replace(
        &mut options.deliveries.outstanding,
        Some(deliveries.outstanding.clone()).filter(|list| !list.is_empty()),
    );
    replace(&mut options.deliveries.fanout_phase, deliveries.fanout_phase.map(|period| period.0));
    replace(&mut options.deliveries.publisher, deliveries.publisher.map(PublisherKind::from));
    replace(&mut options.deliveries.rate, deliveries.rate);
    replace(&mut options.deliveries.rate_phase, deliveries.rate_phase.map(|period| period.0));

    replace(&mut options.publishes.publishers, publishes.publishers);
    replace(&mut options.publishes.subscribers, publishes.subscribers);
    replace(&mut options.publishes.phase, publishes.publish_phase.map(|period| period.0));
    replace(&mut options.publishes.unicast_rate, publishes.unicast_rate);
    Ok(options)
}

fn replace<T>(value: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *value = given;
    }
}

impl From<WorkloadName> for Workload {
    fn from(name: WorkloadName) -> Self {
        match name {
            WorkloadName::Memory => Self::Memory,
            WorkloadName::Connect => Self::Connect,
            WorkloadName::Fanout => Self::Fanout,
            WorkloadName::Rate => Self::Rate,
            WorkloadName::Publish => Self::Publish,
            WorkloadName::Unicast => Self::Unicast,
        }
    }
}

impl From<TrafficName> for Traffic {
    fn from(name: TrafficName) -> Self {
        match name {
            TrafficName::Rpc => Self::Rpc,
            TrafficName::Publish => Self::Publish,
        }
    }
}

impl From<PublisherName> for PublisherKind {
    fn from(name: PublisherName) -> Self {
        match name {
            PublisherName::Http => Self::Http,
            PublisherName::Ws => Self::Ws,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use model::Secret;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    #[test]
    fn what_no_flag_names_keeps_the_published_shape() {
        let options = parse("bench --pid 7 --key k");
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let plain = Options::new(7, address("127.0.0.1:8000"), address("127.0.0.1:9000"), "k");
        assert_eq!(format!("{options:?}"), format!("{plain:?}"));
    }

    #[test]
    fn flags_reach_their_options() {
        let options = parse(
            "bench --pid 7 --key k fanout memory --servers 127.0.0.1:1,127.0.0.2:1 --outstanding 1,4 \
             --fanout-phase 500ms --publisher ws --traffic publish --connections 10 --json /tmp/a",
        );
        assert_eq!(options.workloads, [Workload::Fanout, Workload::Memory]);
        assert_eq!(options.node.servers.len(), 2);
        assert_eq!(options.deliveries.outstanding, [1, 4]);
        assert_eq!(options.deliveries.fanout_phase.as_millis(), 500);
        assert_eq!(options.deliveries.publisher, PublisherKind::Ws);
        assert_eq!(options.connections.traffic, Traffic::Publish);
        assert_eq!(options.connections.held, 10);
        assert_eq!(options.json, Some(PathBuf::from("/tmp/a")));
    }

    #[test]
    fn every_token_is_another_users_with_32_bytes_of_info() {
        let config = Config { hmac_secret: Secret::new("secret"), ..Config::default() };
        let signer = signing::signer(&config).expect("a secret");
        let verifier = auth::Verifier::new(&config).expect("a key");
        for index in [0, 18_999] {
            let token = sign(&signer, &config, index, UnixTime(100));
            let grant = verifier.verify_connection(&token, UnixTime(1)).granted().expect("a good token");
            assert_eq!(&*grant.user, format!("user-{index}"));
            assert_eq!(grant.info.expect("info").get().len(), 32);
        }
    }

    fn parse(line: &str) -> Options {
        let flags = Line::try_parse_from(line.split_whitespace()).expect(line).flags;
        options(&flags).expect(line)
    }
}
