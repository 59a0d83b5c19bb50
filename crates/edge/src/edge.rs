//! A running node: its threads, its addresses, and how it is put together.

use std::hash::RandomState;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;

use engine::{Node, Place, Policy, Rules, Tracer};
use model::WorkerId;
use protocol::Encoders;
use tokio::sync::Semaphore;
use transport::{
    Admission, Clock, Fallback, Route, WorkerLink, WorkerSetup, cpu_quota, raise_descriptor_limit, run_worker,
};

use crate::broker_thread::{BrokerLink, BrokerSource, NodeMaker};
use crate::composition::{Composition, Mode};
use crate::config::Config;
use crate::control::{self, Control};
use crate::handle::Handle;
use crate::health::Health;
use crate::nodes::directives::Directives;
use crate::nodes::roster::Roster;
use crate::parts::{Fixed, Parts};
use crate::reload::{Reload, Targets};
use crate::spans::{Exporter, Identity, Spans};
use crate::start_error::StartError;
use crate::threads;

/// A running node.
pub struct Edge {
    public: Vec<SocketAddr>,
    internal: Vec<SocketAddr>,
    handle: Handle,
    stop: Arc<Semaphore>,
    threads: Vec<JoinHandle<()>>,
    exporter: Option<Exporter>,
}

/// What is decided before the first thread starts.
struct Plan {
    clock: Clock,
    fixed: Fixed,
    parts: Parts,
    public: Vec<Vec<TcpListener>>,
    internal: Option<Vec<TcpListener>>,
}

impl Edge {
    /// Starts a node. Every fault that an operator can mend is found before a client is let in.
    pub fn start(config: &Config, composition: Composition) -> Result<Self, StartError> {
        let stop = Arc::new(Semaphore::new(0));
        let ground = control::Ground::prepare(Arc::clone(&stop), composition.mode)?;
        let mut plan = Plan::new(config, composition.mode)?;
        let public = addresses(plan.public.first());
        let internal = plan.internal.as_ref().map_or_else(|| public.clone(), |list| addresses(Some(list)));
        let broker = BrokerLink::new();
        let links: Arc<[WorkerLink]> = (0..plan.fixed.workers).map(|_| WorkerLink::new()).collect();
        let Parts { policy, admission, access, drain, .. } = plan.parts;
        let policy = Arc::new(policy);
        let handle = handle(&composition, &broker, &links, &policy, plan.clock);
        let directives = Directives::new();
        let admission = Arc::new(Admission::new(admission, plan.fixed.workers, plan.clock.moment()));
        let encoders = composition.encoders.clone();
        let identity = identity(&composition, &handle);
        let (spans, exporter) = Spans::start(&config.tracing, identity, plan.clock)?;

        let control = Control {
            config: config.clone(),
            handle: handle.clone(),
            health: Health::new(handle.clone(), broker.clone()),
            targets: Targets::new(&handle, &admission, access, drain),
            reload: Reload::new(composition.loaded, plan.fixed),
            encoders: encoders.clone(),
            version: composition.version,
            public: public.clone(),
            directives: directives.clone(),
            spans: spans.clone(),
        };
        let (fallback, control) = control::spawn(control, plan.internal.take(), broker.clone(), ground)?;

        let mut threads = vec![control];
        let workers = links.iter().map(|link| Arc::clone(&link.mailbox));
        let mailboxes = workers.chain([directives.mailbox(), handle.letters().mailbox()]).collect();
        let (broker_name, shared) = (composition.broker.name(), encoders.clone());
        let tracer = spans.tracer().cloned();
        let traced = tracer.clone();
        let node: NodeMaker = Box::new(move |brokers, policy| {
            Node::new(brokers, policy, shared, mailboxes, RandomState::new()).traced(traced)
        });
        let node = (node, Arc::clone(&policy));
        threads.push(spawn_broker(broker.clone(), composition.broker, node, plan.clock)?);
        let (routes, fragments_max) = (composition.routes.into(), composition.fragments_max);
        let common = Common {
            broker: &broker,
            links: &links,
            admission: &admission,
            fallback,
            policy,
            clock: plan.clock,
            routes,
            fragments_max,
            tracer,
        };
        threads.extend(common.spawn_workers(plan.public, &encoders)?);
        let edge = Self { public, internal, handle, stop, threads, exporter };
        edge.tell_ready(&admission, broker_name, composition.version);
        Ok(edge)
    }

    fn tell_ready(&self, admission: &Admission, broker: &str, version: &str) {
        tracing::info!(
            public = %list(&self.public),
            internal = %list(&self.internal),
            workers = self.handle.workers().len(),
            connection_limit = admission.connection_limit(),
            broker,
            version,
            "ready"
        );
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
        if let Some(exporter) = self.exporter {
            exporter.finish();
        }
    }
}

/// What every worker gets a share of.
struct Common<'a> {
    broker: &'a BrokerLink,
    links: &'a Arc<[WorkerLink]>,
    admission: &'a Arc<Admission>,
    fallback: Option<Fallback>,
    tracer: Option<Arc<Tracer>>,
    policy: Arc<Policy>,
    clock: Clock,
    routes: Arc<[Route]>,
    fragments_max: usize,
}

impl Common<'_> {
    fn spawn_workers(
        &self,
        listeners: Vec<Vec<TcpListener>>,
        encoders: &Encoders,
    ) -> Result<Vec<JoinHandle<()>>, StartError> {
        let lists = listeners.into_iter().enumerate();
        lists
            .map(|(index, listeners)| {
                let worker = WorkerId(index as u16);
                let mailbox = Arc::clone(&self.links[index].mailbox);
                let node = Arc::clone(&self.broker.mailbox);
                // Dice of its own, or the workers' client ids would follow from each other's.
                let (encoders, dice) = (encoders.clone(), RandomState::new());
                let tracer = self.tracer.clone();
                let setup = WorkerSetup {
                    place: Place { worker, mailbox, node, encoders, dice, tracer },
                    policy: Arc::clone(&self.policy),
                    clock: self.clock,
                    listeners,
                    routes: Arc::clone(&self.routes),
                    admission: Arc::clone(self.admission),
                    fallback: self.fallback.clone(),
                    fragments_max: self.fragments_max,
                    workers: Arc::clone(self.links),
                };
                spawn_worker(setup, index)
            })
            .collect()
    }
}

impl Plan {
    fn new(config: &Config, mode: Mode) -> Result<Self, StartError> {
        let workers = if config.workers == 0 { cpu_quota() } else { config.workers };
        let (descriptors, allows_loopback) = (raise_descriptor_limit(), mode == Mode::Development);
        let proxy_protocol = config.public.proxy_protocol;
        let fixed = Fixed { workers, descriptors, proxy_protocol, allows_loopback };
        let rules = Rules::new(&config.channels, &config.namespaces, config.client.insecure);
        let parts = Parts::new(config, rules, fixed)?;
        parts.warn(config);
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
        Ok(Self { clock: Clock::start(), fixed, parts, public, internal })
    }
}

fn spawn_broker(
    link: BrokerLink,
    source: BrokerSource,
    node: (NodeMaker, Arc<Policy>),
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

fn handle(
    composition: &Composition,
    broker: &BrokerLink,
    links: &Arc<[WorkerLink]>,
    policy: &Policy,
    clock: Clock,
) -> Handle {
    let is_shared = composition.broker.is_shared();
    let roster = Roster::new(composition.id, is_shared, composition.formats.clone());
    let (node, rules) = (Arc::clone(&broker.mailbox), Arc::clone(&policy.rules));
    Handle::new(node, Arc::clone(links), rules, clock, Arc::new(roster))
}

/// Whom the node's spans are of.
fn identity(composition: &Composition, handle: &Handle) -> Identity {
    let names = handle.clone();
    let namespaces = Box::new(move |namespace| names.rules().name(namespace).to_owned());
    Identity { uid: composition.id.to_string(), version: composition.version, namespaces }
}

fn addresses(listeners: Option<&Vec<TcpListener>>) -> Vec<SocketAddr> {
    listeners.into_iter().flatten().filter_map(|listener| listener.local_addr().ok()).collect()
}

fn list(addresses: &[SocketAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    texts.join(" ")
}
