//! The watch over an outage: a thread that notes when Redis is gone, when it answers again, and when every node
//! has joined every channel and put the ones with history right.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::{self, Repairs};
use crate::redis::{Redis, Reply};

/// Between two looks at whether Redis answers.
const REDIS_PAUSE: Duration = Duration::from_millis(1);
/// Between two looks at the nodes, which cost them something.
const NODE_PAUSE: Duration = Duration::from_millis(10);
/// Channels that are asked about before all are.
const SAMPLE: usize = 200;
/// Channels of one question.
const BATCH: usize = 1000;

/// What is looked at.
pub(super) struct Watch {
    pub(super) redis: SocketAddr,
    pub(super) apis: Vec<SocketAddr>,
    pub(super) prefix: String,
    pub(super) names: Arc<Vec<String>>,
    pub(super) kept: usize,
    /// How long any of it may take.
    pub(super) patience: Duration,
}

/// When it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    pub(super) gone: Instant,
    /// The last time that it did not: it may have answered others before it answered us.
    pub(super) answers: Instant,
    /// Every node has subscribed to every channel.
    pub(super) joined: Instant,
    /// No node holds a channel back any more.
    pub(super) whole: Instant,
    /// What Redis used from its start on.
    pub(super) redis_cpu: Duration,
}

impl Watch {
    /// Returns when all is whole again.
    pub(super) fn run(&self) -> Result<Sighting, String> {
        let ends = Instant::now() + self.patience;
        let before: Vec<Repairs> = self.apis.iter().filter_map(|api| metrics::read_repairs(*api)).collect();
        if before.len() < self.apis.len() {
            return Err("a node does not say how many channels it repaired".to_owned());
        }
        let mut redis = Redis::open(self.redis).map_err(|error| format!("Redis: {error}"))?;
        until("Redis goes away", ends, REDIS_PAUSE, || redis.ask(&[b"PING"]).is_err())?;
        let gone = Instant::now();
        let mut answers = Instant::now();
        until("Redis answers", ends, REDIS_PAUSE, || match answering(self.redis) {
            Some(found) => {
                redis = found;
                true
            }
            None => {
                answers = Instant::now();
                false
            }
        })?;
        let sample: Vec<&String> = self.names.iter().step_by(self.names.len().div_ceil(SAMPLE)).collect();
        loop {
            let has_all =
                |names: &[&String], redis: &mut Redis| self.are_joined(names, redis).unwrap_or(false);
            until("all channels are joined", ends, NODE_PAUSE, || has_all(&sample, &mut redis))?;
            let joined = Instant::now();
            until("no channel is held back", ends, NODE_PAUSE, || self.are_repaired(&before))?;
            let whole = Instant::now();
            let all: Vec<&String> = self.names.iter().collect();
            if all.chunks(BATCH).all(|names| has_all(names, &mut redis)) {
                let redis_cpu = cpu(&mut redis).map_err(|error| format!("Redis: {error}"))?;
                return Ok(Sighting { gone, answers, joined, whole, redis_cpu });
            }
        }
    }

    /// Whether every node hears these channels.
    fn are_joined(&self, names: &[&String], redis: &mut Redis) -> io::Result<bool> {
        let keys: Vec<String> = names.iter().map(|name| format!("{}:ch:{name}", self.prefix)).collect();
        let parts: Vec<&[u8]> =
            [&b"PUBSUB"[..], b"NUMSUB"].into_iter().chain(keys.iter().map(String::as_bytes)).collect();
        let nodes = i64::try_from(self.apis.len()).unwrap_or(i64::MAX);
        let Reply::List(parts) = redis.ask(&parts)? else { return Ok(false) };
        Ok(parts.chunks(2).all(|pair| pair.get(1) == Some(&Reply::Number(nodes))))
    }

    /// Whether every node has looked at each channel with history since, and is done with it.
    fn are_repaired(&self, before: &[Repairs]) -> bool {
        let kept = u32::try_from(self.kept).unwrap_or(u32::MAX);
        self.apis.iter().zip(before).all(|(api, before)| {
            metrics::read_repairs(*api)
                .is_some_and(|now| now.under_way == 0.0 && now.ended >= before.ended + f64::from(kept))
        })
    }
}

fn cpu(redis: &mut Redis) -> io::Result<Duration> {
    let Reply::Text(text) = redis.ask(&[b"INFO", b"cpu"])? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let seconds =
        |name: &str| -> Option<f64> { text.lines().find_map(|line| line.strip_prefix(name))?.parse().ok() };
    let parts = [seconds("used_cpu_user:"), seconds("used_cpu_sys:")];
    Ok(Duration::from_secs_f64(parts.into_iter().flatten().sum()))
}

fn answering(address: SocketAddr) -> Option<Redis> {
    let mut redis = Redis::open(address).ok()?;
    (redis.ask(&[b"PING"]).ok()? == Reply::Text("PONG".to_owned())).then_some(redis)
}

fn until(what: &str, ends: Instant, pause: Duration, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    while !holds() {
        if Instant::now() >= ends {
            return Err(format!("not in time: {what}"));
        }
        std::thread::sleep(pause);
    }
    Ok(())
}
