//! A cluster: three primaries that share the slots, and a replica of each.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::options::Options;
use super::server::{ADMIN_CREDENTIALS, Server, field_of};
use crate::wait::{PATIENCE, eventually, holds_within};

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

const PRIMARIES: usize = 3;
const NODES: usize = 6;
/// How many keys one command moves.
const KEYS_PER_MOVE: &str = "100";
/// How often a move is repeated until the slot is empty.
const MOVES_MAX: usize = 10_000;
/// How often a replica is promoted until it is, and how long that may take each time.
const PROMOTIONS_MAX: usize = 4;
const PROMOTION_DEADLINE: Duration = Duration::from_secs(6);
/// How long a server that keys move to may take, in milliseconds.
const MOVE_DEADLINE_MS: &str = "5000";

/// The cluster. All of its servers are killed when it is dropped.
pub struct Cluster {
    servers: Vec<Server>,
}

/// A server as another one sees it.
struct Seen {
    port: u16,
    /// The words for its role and health: `myself,master` for example.
    flags: String,
    connected: bool,
    slots: Vec<RangeInclusive<u16>>,
}

impl Cluster {
    /// Starts six servers with default options, and waits until all agree on a healthy cluster. The first three
    /// are primaries, the others follow them in the same order.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn start() -> Self {
        Self::start_with(&Options::new())
    }

    /// Starts six servers with these options.
    ///
    /// # Panics
    /// When the cluster is not healthy in time.
    pub fn start_with(options: &Options) -> Self {
        let options = options
            .clone()
            .set("cluster-enabled", "yes")
            .set("cluster-config-file", "nodes.conf")
            .set("cluster-node-timeout", "2000")
            // However long a test had a replica out of touch, it may take over.
            .set("cluster-replica-validity-factor", "0");
        let cluster = Self { servers: (0..NODES).map(|_| Server::start(&options)).collect() };
        cluster.assign_slots();
        cluster.introduce();
        cluster.assign_replicas();
        cluster.wait_ok(PATIENCE);
        cluster
    }

    /// The servers' addresses, `127.0.0.1:7000` for example.
    pub fn seeds(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port())).collect()
    }

    /// The address for a client, without credentials: some of the servers, as operators would name them.
    pub fn url(&self) -> String {
        format!("redis://{}", self.seeds()[..PRIMARIES].join(","))
    }

    /// One of the six servers.
    pub fn server(&self, index: usize) -> &Server {
        &self.servers[index]
    }

    /// The slot that a key is in.
    pub fn slot_of(&self, key: &str) -> u16 {
        let answers =
            self.servers.iter().filter_map(|server| server.command_if_prompt(&["CLUSTER", "KEYSLOT", key]));
        let slot = answers.into_iter().next().and_then(|slot| slot.parse().ok());
        slot.expect("a server of the cluster is up")
    }

    /// The index of the server that has a slot, as the first server in good health sees it.
    ///
    /// # Panics
    /// When nobody has it.
    pub fn primary_of_slot(&self, slot: u16) -> usize {
        let view = self.view().expect("a server of the cluster is up");
        let owner =
            view.iter().find(|seen| seen.has(slot)).unwrap_or_else(|| panic!("nobody has slot {slot}"));
        self.index_of(owner.port)
    }

    /// The indices of the servers that have slots, in the order of their slots.
    pub fn primaries(&self) -> Vec<usize> {
        let mut owners = self.view().expect("a server of the cluster is up");
        owners.retain(|seen| !seen.slots.is_empty());
        owners.sort_by_key(|seen| seen.slots.iter().map(|range| *range.start()).min());
        owners.iter().map(|seen| self.index_of(seen.port)).collect()
    }

    /// The index of a running replica of a primary, if it has one.
    pub fn replica_of(&self, primary: usize) -> Option<usize> {
        let port = self.servers[primary].port().to_string();
        (0..NODES).find(|&index| {
            let info = self.servers[index].command_if_prompt(&["INFO", "replication"]).unwrap_or_default();
            field_of(&info, "role") == "slave" && field_of(&info, "master_port") == port
        })
    }

    /// Moves a slot and its keys to another primary.
    ///
    /// # Panics
    /// When a server refuses.
    pub fn migrate_slot(&self, slot: u16, to: usize) {
        let from = self.begin_migration(slot, to);
        self.move_keys(slot, from, to);
        self.finish_migration(slot, to);
    }

    /// Announces a move, and returns the index of the primary that has the slot: from now on it answers `-ASK`
    /// for keys of the slot that it does not have.
    ///
    /// # Panics
    /// When a server refuses.
    pub fn begin_migration(&self, slot: u16, to: usize) -> usize {
        let from = self.primary_of_slot(slot);
        let (slot, source, target) = (slot.to_string(), self.id(from), self.id(to));
        self.ok(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source]);
        self.ok(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]);
        from
    }

    /// Moves the keys of a slot whose move is announced.
    ///
    /// # Panics
    /// When a server refuses.
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let (slot, port) = (slot.to_string(), self.servers[to].port().to_string());
        for _ in 0..MOVES_MAX {
            let keys = self.servers[from].command(&["CLUSTER", "GETKEYSINSLOT", &slot, KEYS_PER_MOVE]);
            if keys.is_empty() {
                return;
            }
            let mut command = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MOVE_DEADLINE_MS];
            // The server that keys move to knows tests as this user, too.
            command.extend(ADMIN_CREDENTIALS);
            command.push("KEYS");
            command.extend(keys.lines());
            self.ok(from, &command);
        }
        panic!("slot {slot} does not become empty");
    }

    /// Ends a move: the slot is the other primary's, and all primaries know.
    ///
    /// # Panics
    /// When a server refuses.
    pub fn finish_migration(&self, slot: u16, to: usize) {
        let (text, target) = (slot.to_string(), self.id(to));
        let others = self.primaries().into_iter().filter(|&index| index != to);
        for index in [to].into_iter().chain(others) {
            self.ok(index, &["CLUSTER", "SETSLOT", &text, "NODE", &target]);
        }
        let port = self.servers[to].port();
        eventually("all servers know who has the slot", || {
            self.views().iter().all(|view| view.iter().any(|seen| seen.port == port && seen.has(slot)))
        });
    }

    /// Kills a primary, which its replica replaces after a few seconds: see [`Self::wait_ok`].
    ///
    /// # Panics
    /// When the server is no primary.
    pub fn kill_primary(&self, index: usize) {
        assert!(self.primaries().contains(&index), "server {index} is a primary");
        self.servers[index].kill();
    }

    /// Makes a replica take its primary's place, which becomes its replica; returns when it has.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn promote(&self, replica: usize) {
        let port = self.servers[replica].port();
        let is_promoted = || {
            let views = self.views();
            views.iter().all(|view| view.iter().any(|seen| seen.port == port && !seen.slots.is_empty()))
        };
        // Servers give a promotion up that they have not brought to an end in five seconds.
        let is_done = (0..PROMOTIONS_MAX).any(|_| {
            self.servers[replica].command(&["CLUSTER", "FAILOVER"]);
            holds_within(PROMOTION_DEADLINE, is_promoted)
        });
        assert!(is_done, "the replica has its primary's slots");
        self.wait_ok(PATIENCE);
    }

    /// Waits until all servers that run agree: every slot has a primary that runs, and replicas are in sync.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_ok(&self, patience: Duration) {
        if holds_within(patience, || self.is_ok()) {
            return;
        }
        let views = self.servers.iter().map(|server| server.command_if_prompt(&["CLUSTER", "NODES"]));
        let views: Vec<String> = views.map(Option::unwrap_or_default).collect();
        panic!("the cluster is not healthy within {patience:?}:\n{}", views.join("\n"));
    }

    fn assign_slots(&self) {
        let share = SLOTS.div_ceil(PRIMARIES as u16);
        for (index, first) in (0..SLOTS).step_by(usize::from(share)).enumerate() {
            let last = (first + share).min(SLOTS) - 1;
            self.ok(index, &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
            // Set by hand, because equal ones clash when servers meet.
            self.ok(index, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        }
    }

    fn introduce(&self) {
        for index in 1..NODES {
            let port = self.servers[index].port().to_string();
            self.ok(0, &["CLUSTER", "MEET", "127.0.0.1", &port]);
        }
        eventually("all servers know each other and who has the slots", || {
            let views = self.views();
            let complete = |view: &Vec<Seen>| view.len() == NODES && covers(view);
            views.len() == NODES && views.iter().all(complete)
        });
    }

    fn assign_replicas(&self) {
        for index in PRIMARIES..NODES {
            self.ok(index, &["CLUSTER", "REPLICATE", &self.id(index - PRIMARIES)]);
        }
    }

    fn is_ok(&self) -> bool {
        let running: Vec<&Server> = self.servers.iter().filter(|server| server.is_running()).collect();
        let views = self.views();
        let owners = |view: &[Seen]| {
            let owners = view.iter().filter(|seen| !seen.slots.is_empty());
            let mut owners: Vec<_> = owners.map(|seen| (seen.port, seen.slots.clone())).collect();
            owners.sort_by_key(|(port, _)| *port);
            owners
        };
        let Some(first) = views.first() else { return false };
        let healthy = |view: &[Seen]| {
            let runs = |seen: &Seen| running.iter().any(|server| server.port() == seen.port);
            let well = |seen: &Seen| seen.connected && !seen.flags.contains("fail");
            covers(view)
                && view.iter().all(|seen| if runs(seen) { well(seen) } else { seen.slots.is_empty() })
        };
        views.len() == running.len()
            && views.iter().all(|view| healthy(view) && owners(view) == owners(first))
            && running.iter().all(|server| serves(server))
    }

    /// How the servers that answer see the cluster.
    fn views(&self) -> Vec<Vec<Seen>> {
        let answers =
            self.servers.iter().filter_map(|server| server.command_if_prompt(&["CLUSTER", "NODES"]));
        answers.map(|answer| answer.lines().filter_map(Seen::parse).collect()).collect()
    }

    fn view(&self) -> Option<Vec<Seen>> {
        let mut answers =
            self.servers.iter().filter_map(|server| server.command_if_prompt(&["CLUSTER", "NODES"]));
        answers.next().map(|answer| answer.lines().filter_map(Seen::parse).collect())
    }

    fn index_of(&self, port: u16) -> usize {
        let index = self.servers.iter().position(|server| server.port() == port);
        index.expect("the cluster knows only servers of its own")
    }

    fn id(&self, index: usize) -> String {
        self.servers[index].command(&["CLUSTER", "MYID"])
    }

    fn ok(&self, index: usize, command: &[&str]) {
        let reply = self.servers[index].command(command);
        assert!(!reply.starts_with('-'), "{command:?} on server {index}: {reply}");
    }
}

impl Seen {
    /// A line of `CLUSTER NODES`: id, address, flags, primary, two times, epoch, link, slots.
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let port = words.nth(1)?.split_once('@')?.0.rsplit_once(':')?.1.parse().ok()?;
        let flags = words.next()?.to_owned();
        let connected = words.nth(4)? == "connected";
        // Those in brackets are moves under way.
        let slots = words.filter(|word| !word.starts_with('[')).filter_map(|word| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some(first.parse().ok()?..=last.parse().ok()?)
        });
        Some(Self { port, flags, connected, slots: slots.collect() })
    }

    fn has(&self, slot: u16) -> bool {
        self.slots.iter().any(|range| range.contains(&slot))
    }
}

fn covers(view: &[Seen]) -> bool {
    let ranges = view.iter().flat_map(|seen| &seen.slots);
    ranges.map(|range| usize::from(range.end() - range.start()) + 1).sum::<usize>() == usize::from(SLOTS)
}

/// Whether a server finds its cluster complete, and follows its primary if it has one.
fn serves(server: &Server) -> bool {
    let told = |command: &[&str]| server.command_if_prompt(command).unwrap_or_default();
    let replication = told(&["INFO", "replication"]);
    let follows =
        field_of(&replication, "role") == "master" || field_of(&replication, "master_link_status") == "up";
    follows && field_of(&told(&["CLUSTER", "INFO"]), "cluster_state") == "ok"
}
