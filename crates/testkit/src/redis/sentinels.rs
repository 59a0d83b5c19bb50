//! One primary, two replicas, and three sentinels that watch them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::options::Options;
use super::server::{ADMIN, ADMIN_PASSWORD, Role, Server, field_of};
use crate::wait::{eventually, holds_within};

const SERVERS: usize = 3;
const SENTINELS: usize = 3;
const QUORUM: usize = 2;
const MASTER_NAME: &str = "fanfare";

/// The group. All of its servers are killed when it is dropped.
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
    /// The primary as last seen, by its place.
    primary: AtomicUsize,
}

impl Sentinels {
    /// Starts all with default options, and waits until replicas are in sync and sentinels agree.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn start() -> Self {
        Self::start_with(&Options::new())
    }

    /// Starts all; the servers, not the sentinels, have these options.
    ///
    /// # Panics
    /// When replicas and sentinels do not settle in time.
    pub fn start_with(options: &Options) -> Self {
        let primary = Server::start(options);
        let port = primary.port().to_string();
        let replica = options.clone().set("replicaof", &format!("127.0.0.1 {port}"));
        let mut servers = vec![primary];
        servers.extend((1..SERVERS).map(|_| Server::start(&replica)));
        let sentinel = Options::new()
            .binary(options.binary.clone())
            .set("sentinel", &format!("monitor {MASTER_NAME} 127.0.0.1 {port} {QUORUM}"))
            .set("sentinel", &format!("auth-user {MASTER_NAME} {ADMIN}"))
            .set("sentinel", &format!("auth-pass {MASTER_NAME} {ADMIN_PASSWORD}"))
            .set("sentinel", &format!("down-after-milliseconds {MASTER_NAME} 1000"))
            .set("sentinel", &format!("failover-timeout {MASTER_NAME} 5000"));
        let sentinels = (0..SENTINELS).map(|_| Server::start_as(Role::Sentinel, &sentinel)).collect();
        let group = Self { servers, sentinels, primary: AtomicUsize::new(0) };
        eventually("replicas are in sync", || group.replicas_follow(0));
        eventually("sentinels know each other and all replicas", || group.sentinels_agree());
        group
    }

    /// The sentinels' addresses, `127.0.0.1:26379` for example.
    pub fn addresses(&self) -> Vec<String> {
        self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect()
    }

    /// The address for a client, without credentials.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/{MASTER_NAME}", self.addresses().join(","))
    }

    /// The name under which sentinels know the primary.
    pub fn master_name(&self) -> &'static str {
        MASTER_NAME
    }

    /// The primary as it was last seen: at the start, and by [`Self::wait_for_new_primary`].
    pub fn primary(&self) -> &Server {
        &self.servers[self.primary.load(Ordering::Relaxed)]
    }

    /// One of the three servers; the first one starts as the primary.
    pub fn server(&self, index: usize) -> &Server {
        &self.servers[index]
    }

    /// One of the three sentinels.
    pub fn sentinel(&self, index: usize) -> &Server {
        &self.sentinels[index]
    }

    /// Makes a sentinel hand the primary's part to a replica, and does not wait for the outcome.
    ///
    /// # Panics
    /// When no sentinel agrees in time.
    pub fn failover(&self) {
        // Refused while another one is under way, or while the sentinel has not looked at the replicas yet.
        eventually("a sentinel begins a failover", || {
            self.sentinels.iter().any(|sentinel| {
                sentinel.command_if_prompt(&["SENTINEL", "FAILOVER", MASTER_NAME]).as_deref() == Some("OK")
            })
        });
    }

    /// Cuts the replicas off: what is written from now on, they do not have when they take over.
    ///
    /// # Panics
    /// When they do not run.
    pub fn cut_off_replicas(&self) {
        let primary = self.primary.load(Ordering::Relaxed);
        let replicas = || self.servers.iter().enumerate().filter(|&(index, _)| index != primary);
        replicas().for_each(|(_, replica)| replica.pause());
        // What is on its way to them is little, and what they miss begins here.
        self.primary().command(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// Kills the primary, and lets the replicas go on that were cut off.
    pub fn kill_primary(&self) {
        let primary = self.primary.load(Ordering::Relaxed);
        self.servers[primary].kill();
        self.servers.iter().filter(|server| server.is_running()).for_each(Server::resume);
    }

    /// Waits until sentinels name another primary than the one last seen, and it serves.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_for_new_primary(&self, patience: Duration) -> &Server {
        let before = self.primary.load(Ordering::Relaxed);
        let promoted = || self.named().filter(|&now| now != before && self.is_primary(now));
        let in_time = holds_within(patience, || promoted().is_some());
        assert!(in_time, "no new primary within {patience:?}:\n{}", self.sentinels[0].log());
        let now = promoted().unwrap_or(before);
        self.primary.store(now, Ordering::Relaxed);
        &self.servers[now]
    }

    /// Waits until all servers but the primary follow it, those that run.
    ///
    /// # Panics
    /// When they do not in time.
    pub fn wait_for_replicas(&self, patience: Duration) {
        let primary = self.primary.load(Ordering::Relaxed);
        let in_time = holds_within(patience, || self.replicas_follow(primary));
        assert!(in_time, "replicas not in sync within {patience:?}");
    }

    /// The server that most sentinels name.
    fn named(&self) -> Option<usize> {
        let names = self.sentinels.iter().filter_map(|sentinel| {
            sentinel.command_if_prompt(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME])
        });
        let names: Vec<String> = names.collect();
        (0..SERVERS).find(|&index| {
            let name = format!("127.0.0.1\n{}", self.servers[index].port());
            names.iter().filter(|&named| *named == name).count() >= QUORUM
        })
    }

    fn is_primary(&self, index: usize) -> bool {
        let info = self.servers[index].command_if_prompt(&["INFO", "replication"]).unwrap_or_default();
        field_of(&info, "role") == "master"
    }

    fn replicas_follow(&self, primary: usize) -> bool {
        let port = self.servers[primary].port().to_string();
        let mut replicas = self.servers.iter().enumerate().filter(|&(index, _)| index != primary);
        replicas.all(|(_, replica)| {
            let info = replica.command_if_prompt(&["INFO", "replication"]).unwrap_or_default();
            let follows =
                field_of(&info, "master_port") == port && field_of(&info, "master_link_status") == "up";
            follows || !replica.is_running()
        })
    }

    fn sentinels_agree(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let told = |arguments: &[&str]| sentinel.command_if_prompt(arguments).unwrap_or_default();
            let master = told(&["SENTINEL", "MASTER", MASTER_NAME]);
            let field = |name: &str| {
                let mut lines = master.lines().skip_while(|&line| line != name);
                lines.nth(1).and_then(|line| line.parse().ok())
            };
            field("num-slaves") == Some(SERVERS - 1)
                && field("num-other-sentinels") == Some(SENTINELS - 1)
                && told(&["SENTINEL", "CKQUORUM", MASTER_NAME]).starts_with("OK")
        })
    }
}
