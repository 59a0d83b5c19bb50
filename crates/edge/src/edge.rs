//! A running node: its threads, its addresses, and how it is put together.

use std::hash::RandomState;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use auth::Verifier;
use engine::{Node, Place, Policy, Rules};
use model::WorkerId;
use protocol::Encoders;
use tokio::sync::Semaphore;
use transport::{
    Admission, AdmissionRules, Clock, Fallback, InboundLimits, Route, WorkerLink, WorkerSetup, cpu_quota,
    memory_limit, raise_descriptor_limit, run_worker,
};

use crate::broker_thread::{BrokerLink, BrokerSource, NodeMaker};
use crate::composition::{Composition, Mode};
use crate::config::Config;
use crate::control::{self, Control};
use crate::handle::Handle;
use crate::health::Health;
use crate::nodes::directives::Directives;
use crate::nodes::roster::Roster;
use crate::start_error::StartError;
use crate::threads;

/// A running node.
pub struct Edge {
    public: Vec<SocketAddr>,
    internal: Vec<SocketAddr>,
    handle: Handle,
    stop: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
}

/// What is decided before the first thread starts.
struct Plan {
    clock: Clock,
    workers: u16,
    connection_limit: u32,
    policy: Arc<Policy>,
    public: Vec<Vec<TcpListener>>,
    internal: Option<Vec<TcpListener>>,
}

impl Edge {
    /// Starts a node. Every fault that an operator can mend is found before a client is let in.
    pub fn start(config: &Config, composition: Composition) -> Result<Self, StartError> {
        let stop = Arc::new(Semaphore::new(0));
        let ground = control::Ground::prepare(Arc::clone(&stop), composition.mode)?;
        let mut plan = Plan::new(config)?;
        let public = addresses(plan.public.first());
        let internal = plan.internal.as_ref().map_or_else(|| public.clone(), |list| addresses(Some(list)));
        let broker = BrokerLink::new();
        let links: Arc<[WorkerLink]> = (0..plan.workers).map(|_| WorkerLink::new()).collect();
        let rules = Arc::new(plan.policy.rules.clone());
        let roster = Roster::new(composition.id, composition.broker.is_shared(), composition.formats);
        let (node, roster) = (Arc::clone(&broker.mailbox), Arc::new(roster));
        let handle = Handle::new(node, Arc::clone(&links), rules, plan.clock, roster);
        let directives = Directives::new();
        let admission = Arc::new(plan.admission(config, composition.mode));
        let encoders = composition.encoders.clone();

        let control = Control {
            config: config.clone(),
            handle: handle.clone(),
            health: Health::new(handle.clone(), broker.clone()),
            admission: Arc::clone(&admission),
            encoders: encoders.clone(),
            version: composition.version,
            public: public.clone(),
            directives: directives.clone(),
        };
        let (fallback, control) = control::spawn(control, plan.internal.take(), broker.clone(), ground)?;

        let mut threads = vec![control];
        let workers = links.iter().map(|link| Arc::clone(&link.mailbox));
        let mailboxes = workers.chain([directives.mailbox(), handle.letters().mailbox()]).collect();
        let broker_name = composition.broker.name();
        let (rules, shared) = (plan.policy.rules.clone(), encoders.clone());
        let node: NodeMaker =
            Box::new(move |brokers| Node::new(brokers, rules, shared, mailboxes, RandomState::new()));
        threads.push(spawn_broker(broker.clone(), composition.broker, node, plan.clock)?);
        let common = Common { broker: &broker, links: &links, admission: &admission, fallback };
        threads.extend(common.spawn_workers(
            &mut plan,
            composition.routes,
            &encoders,
            composition.inbound,
        )?);
        tracing::info!(
            public = %list(&public),
            internal = %list(&internal),
            workers = plan.workers,
            connection_limit = plan.connection_limit,
            broker = broker_name,
            version = composition.version,
            "ready"
        );
        Ok(Self { public, internal, handle, stop, threads })
    }

    /// Where clients connect.
    pub fn public_addresses(&self) -> &[SocketAddr] {
        &self.public
    }

    /// Where the server API, metrics and health answer.
    pub fn internal_addresses(&self) -> &[SocketAddr] {
        &self.internal
    }

    /// Speaks to the node's threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Drains the node, as SIGTERM does; a second call ends it at once.
    pub fn stop(&self) {
        self.stop.add_permits(1);
    }

    /// Waits until the node has ended.
    pub fn wait(self) {
        for thread in self.threads {
            // A thread that panicked has ended the process.
            drop(thread.join());
        }
    }
}

/// What every worker gets a share of.
struct Common<'a> {
    broker: &'a BrokerLink,
    links: &'a Arc<[WorkerLink]>,
    admission: &'a Arc<Admission>,
    fallback: Option<Fallback>,
}

impl Common<'_> {
    fn spawn_workers(
        &self,
        plan: &mut Plan,
        routes: Vec<Route>,
        encoders: &Encoders,
        inbound: InboundLimits,
    ) -> Result<Vec<JoinHandle<()>>, StartError> {
        let routes: Arc<[Route]> = routes.into();
        let lists = std::mem::take(&mut plan.public).into_iter().enumerate();
        lists
            .map(|(index, listeners)| {
                let worker = WorkerId(index as u16);
                let mailbox = Arc::clone(&self.links[index].mailbox);
                let node = Arc::clone(&self.broker.mailbox);
                // Dice of its own, or the workers' client ids would follow from each other's.
                let (encoders, dice) = (encoders.clone(), RandomState::new());
                let setup = WorkerSetup {
                    place: Place { worker, mailbox, node, encoders, dice },
                    policy: Arc::clone(&plan.policy),
                    clock: plan.clock,
                    listeners,
                    routes: Arc::clone(&routes),
                    admission: Arc::clone(self.admission),
                    fallback: self.fallback.clone(),
                    inbound,
                    workers: Arc::clone(self.links),
                };
                spawn_worker(setup, index)
            })
            .collect()
    }
}

impl Plan {
    fn new(config: &Config) -> Result<Self, StartError> {
        let descriptors = raise_descriptor_limit();
        let connection_limit = connection_limit(config.connection_limit, descriptors)?;
        let verifier = Verifier::new(&config.token)?;
        if !verifier.has_keys() && !config.client.insecure {
            return Err(StartError::NoTokenKey);
        }
        warn(config, &verifier);
        let workers = if config.workers == 0 { cpu_quota() } else { config.workers };
        // Port 0 stands for any free port, so twice the same text need not be the same address.
        let is_shared = config.public.address == config.internal.address && config.public.address.port() != 0;
        let bind = |setting, address, sharers| {
            transport::bind(address, sharers).map_err(|error| StartError::Bind { setting, error })
        };
        let public = bind("public.address", config.public.address, workers)?;
        let internal = match is_shared {
            true => None,
            false => bind("internal.address", config.internal.address, 1)?.pop(),
        };
        let policy = Arc::new(policy(config, verifier, workers));
        Ok(Self { clock: Clock::start(), workers, connection_limit, policy, public, internal })
    }

    fn admission(&self, config: &Config, mode: Mode) -> Admission {
        let rules = AdmissionRules {
            allowed_origins: config.allowed_origins.clone(),
            allows_loopback: mode == Mode::Development,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.public.proxy_protocol,
            connection_limit: self.connection_limit,
            connect_rate: (config.connect_rate_limit > 0).then_some(config.connect_rate_limit),
            workers: self.workers,
        };
        Admission::new(rules, self.clock.moment())
    }
}

fn connection_limit(wanted: u32, descriptors: u64) -> Result<u32, StartError> {
    /// Descriptors for everything that is not a client: listeners, API connections, files.
    const RESERVED: u64 = 256;
    let allowed = u32::try_from((descriptors * 9 / 10).saturating_sub(RESERVED)).unwrap_or(u32::MAX);
    match wanted {
        0 => Ok(allowed),
        wanted if wanted <= allowed => Ok(wanted),
        wanted => Err(StartError::ConnectionLimit { wanted, descriptors, allowed }),
    }
}

fn policy(config: &Config, verifier: Verifier, workers: u16) -> Policy {
    /// Subscribers that a node tells of missing publications in a tick: no more than 1000 come back within any
    /// second, though eleven ticks may fall into one.
    const LAPSES_PER_TICK: usize = 90;
    let client = config.client.clone();
    let outbox_bytes = client.outbox_size.as_usize();
    let total = match client.outbox_total.0 {
        0 => memory_limit() / 4,
        bytes => bytes,
    };
    let share = usize::try_from(total / u64::from(workers)).unwrap_or(usize::MAX);
    Policy {
        rules: Rules::new(&config.channels, &config.namespaces, client.insecure),
        client,
        verifier,
        outbox_bytes,
        lapses_per_tick: (LAPSES_PER_TICK / usize::from(workers)).max(1),
        outbox_bytes_total: share.max(outbox_bytes),
    }
}

fn warn(config: &Config, verifier: &Verifier) {
    for warning in verifier.warnings() {
        tracing::warn!("{warning}");
    }
    if config.client.insecure {
        tracing::warn!(
            "client.insecure is on: anyone may connect, subscribe and publish; never on a network of others"
        );
    }
    if config.api.key.is_empty() && config.api.keys.is_empty() {
        tracing::warn!(
            "no API key is configured, so the server API refuses every request: set api.key (FANFARE__API__KEY)"
        );
    }
}

fn spawn_broker(
    link: BrokerLink,
    source: BrokerSource,
    node: NodeMaker,
    clock: Clock,
) -> Result<JoinHandle<()>, StartError> {
    let system = |cause| StartError::System { what: "the broker thread", cause };
    let (started, begun) = std::sync::mpsc::sync_channel(1);
    let body = move || link.run(source, node, clock, &started);
    let thread = threads::spawn("broker".to_owned(), body).map_err(system)?;
    match begun.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(system(std::io::Error::other("it ended at once"))),
    }
}

fn spawn_worker(setup: WorkerSetup, index: usize) -> Result<JoinHandle<()>, StartError> {
    threads::spawn(format!("worker-{index}"), move || run_worker(setup))
        .map_err(|cause| StartError::System { what: "a worker thread", cause })
}

fn addresses(listeners: Option<&Vec<TcpListener>>) -> Vec<SocketAddr> {
    listeners.into_iter().flatten().filter_map(|listener| listener.local_addr().ok()).collect()
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    texts.join(" ")
}
