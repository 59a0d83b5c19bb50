//! Redis goes away and comes back: how soon nodes are whole again, and an account of every publication. Every
//! server has a subscriber of every channel; some channels keep a history, and are published to all the while.

mod audit;
mod feed;
mod report;
mod watch;

use std::collections::HashSet;
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{Audit, Subscription};
use feed::{Feed, Outlet, Published};
use watch::{Sighting, Watch};

use super::{Run, table};
use crate::client::{TURN, Table};
use crate::connection::Event;
use crate::error::Fault;
use crate::join::Clients;
use crate::options::CHANNELS_PER_CONNECTION;
use crate::process::Memory;
use crate::stage::Stage;
use crate::{BenchError, Options, wire};

const NAME: &str = "outage";
/// Channels with history are in this namespace.
const KEPT: &str = "kept";
/// Of subscribers that are told to come back.
const LAPSED: u32 = 2500;
/// Connections whose subscriptions are under way.
const SUBSCRIBING_MAX: usize = 64;
/// How long publications run before Redis goes away, and after all is whole.
const CALM: Duration = Duration::from_secs(1);
/// Without a delivery for so long, none is coming any more.
const SILENCE: Duration = Duration::from_secs(5);

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let mut stand = Stand::open(run)?;
    let mut published = Published {
        last: vec![0; run.options.cluster.channels],
        unacknowledged: HashSet::new(),
        acknowledged: 0,
    };
    let kept = 0..run.options.cluster.kept;
    stand.sweep(run, "outage, first publications", kept, &mut published)?;
    let (sighting, mut published) = stand.outlast(run, published)?;
    stand.sweep(run, "outage, last publications", 0..run.options.cluster.channels, &mut published)?;
    stand.report(run, &sighting, &published);
    Ok(())
}

struct Stand<'a> {
    options: &'a Options,
    table: Table,
    /// Those who subscribe.
    holders: Range<usize>,
    outlet: Outlet,
    audit: Audit,
    /// Subscriptions that are to be made again.
    lapsed: Vec<Subscription>,
    /// What a channel takes at a node, its name included.
    bytes_per_channel: f64,
    /// What the nodes used while Redis was away and until all was whole.
    node_cpu_ms: f64,
    missing: u64,
}

impl<'a> Stand<'a> {
    /// Connects, and subscribes every server to every channel.
    fn open(run: &mut Run<'a>) -> Result<Self, BenchError> {
        let options = run.options;
        let mut stage = run.stage("outage, connecting");
        let mut table = table(&stage)?;
        let (cluster, servers) = (&options.cluster, options.node.servers.len());
        let count = cluster.channels.div_ceil(CHANNELS_PER_CONNECTION) * servers;
        let holders = Clients { count, token: run.token, channel: None };
        let holders = holders.join(&mut table, options, &mut stage)?;
        let name = |channel: usize| match channel < cluster.kept {
            true => format!("{KEPT}:{channel}"),
            false => run.channel(channel),
        };
        let outlet = Outlet {
            redis: cluster.redis.expect("an outage is refused without Redis"),
            prefix: cluster.redis_prefix.clone(),
            kept: cluster.kept,
            names: Arc::new((0..cluster.channels).map(name).collect()),
        };
        let mut stand = Self {
            options,
            table,
            holders,
            outlet,
            audit: Audit::new(servers, cluster.channels),
            lapsed: Vec::new(),
            bytes_per_channel: 0.0,
            node_cpu_ms: 0.0,
            missing: 0,
        };
        run.quiet(&mut stand.table, &mut stage)?;
        let before = run.process.memory()?;
        stand.subscribe(&mut run.stage("outage, subscribing"))?;
        run.quiet(&mut stand.table, &mut stage)?;
        let after = run.process.memory()?;
        stand.bytes_per_channel = grown(&before, &after, servers * cluster.channels);
        Ok(stand)
    }

    fn subscribe(&mut self, stage: &mut Stage) -> Result<(), BenchError> {
        let mut begun = 0;
        let (mut wanted, mut answered) = (0_usize, 0_usize);
        while begun < self.holders.len() || answered < wanted {
            while begun < self.holders.len() && wanted - answered < SUBSCRIBING_MAX * CHANNELS_PER_CONNECTION
            {
                let commands: Vec<String> = self
                    .channels_of(begun)
                    .zip(3..)
                    .map(|(channel, id)| wire::subscribe(id, &self.outlet.names[channel]))
                    .collect();
                wanted += commands.len();
                let frame = wire::text(commands.join("\n").as_bytes());
                self.table.send(self.holders.start + begun, &frame, stage)?;
                begun += 1;
            }
            stage.goal(answered as u64, wanted as u64);
            self.table.turn(stage, TURN, |_, event| match event {
                Event::Reply { code: 0, .. } => {
                    answered += 1;
                    Ok(())
                }
                Event::Reply { code, .. } => Err(Fault::Refused(format!(
                    "subscribe was answered with error {code} (102: namespaces.{KEPT}; 103: client_subscribe; \
                     111: client.command_rate)"
                ))),
                Event::Upgraded
                | Event::Push { .. }
                | Event::Unsubscribed { .. }
                | Event::Response { .. } => Err(event.surprise()),
            })?;
        }
        Ok(())
    }

    /// The channels of the `nth` connection, which is one to server `nth` modulo their number.
    fn channels_of(&self, nth: usize) -> Range<usize> {
        let first = nth / self.options.node.servers.len() * CHANNELS_PER_CONNECTION;
        first..(first + CHANNELS_PER_CONNECTION).min(self.options.cluster.channels)
    }

    /// Publishes once to each of these channels, and waits for what is missing.
    fn sweep(
        &mut self,
        run: &Run<'_>,
        name: &str,
        channels: Range<usize>,
        published: &mut Published,
    ) -> Result<(), BenchError> {
        let mut stage = run.stage(name);
        let outlet = self.outlet.clone();
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| outlet.publish_to_each(channels, published));
            while !sending.is_finished() {
                stage.moved(Instant::now());
                self.turn(&mut stage)?;
            }
            let sent = sending.join().expect("the sweep does not panic");
            sent.map_err(|error| Fault::Io(error).at(stage.name()))
        })?;
        self.catch_up(&mut stage, published)
    }

    /// Waits for everything that was acknowledged; what has not come then will not.
    fn catch_up(&mut self, stage: &mut Stage, published: &Published) -> Result<(), BenchError> {
        let (mut delivered, mut moved) = (self.audit.delivered, Instant::now());
        loop {
            self.missing = self.audit.missing(&published.last);
            if self.missing == 0 || moved.elapsed() > SILENCE {
                return Ok(());
            }
            stage.moved(Instant::now());
            self.turn(stage)?;
            if delivered != self.audit.delivered {
                (delivered, moved) = (self.audit.delivered, Instant::now());
            }
        }
    }

    /// Has Redis go away and come back under publications, until all is whole and everybody is back.
    fn outlast(&mut self, run: &Run<'_>, published: Published) -> Result<(Sighting, Published), BenchError> {
        let mut stage = run.stage("outage");
        let forgets = self.options.cluster.forgets;
        let feed = Feed::start(self.outlet.clone(), published, self.options.publishes.unicast_rate);
        self.rest(&mut stage, CALM)?;
        let mut fed = Fed::Running(feed);
        if forgets {
            // Numbers begin anew with Redis, so what is under way then belongs to no account.
            let published = fed.end();
            self.catch_up(&mut stage, &published)?;
            fed = Fed::Ended(published);
        }
        let watch = self.watch();
        let watching = std::thread::spawn(move || watch.run());
        self.rest(&mut stage, CALM / 4)?;
        let before = run.process.cpu()?;
        let mut command = self.begin_outage(&stage)?;
        let mut is_done = false;
        while !watching.is_finished() || !is_done {
            stage.moved(Instant::now());
            self.turn(&mut stage)?;
            is_done = is_done || has_ended(&mut command).map_err(|fault| fault.at(stage.name()))?;
        }
        let sighting = watching.join().expect("the watch does not panic");
        let sighting = sighting.map_err(|why| Fault::Refused(why).at(stage.name()))?;
        self.node_cpu_ms = crate::stats::per(run.process.cpu()?.since(&before).ns, 1_000_000);
        self.rest(&mut stage, CALM)?;
        let published = fed.end();
        self.wait_for_the_told(&mut stage)?;
        self.catch_up(&mut stage, &published)?;
        Ok((sighting, published))
    }

    fn watch(&self) -> Watch {
        Watch {
            redis: self.outlet.redis,
            apis: self.options.node.apis.clone(),
            prefix: self.outlet.prefix.clone(),
            names: Arc::clone(&self.outlet.names),
            kept: self.outlet.kept,
            patience: self.options.pace.stage_limit,
        }
    }

    fn begin_outage(&self, stage: &Stage) -> Result<Child, BenchError> {
        let command = self.options.cluster.outage.as_deref().unwrap_or_default();
        let begun =
            Command::new("sh").args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        begun.map_err(|error| Fault::Io(error).at(stage.name()))
    }

    /// Until nobody was told for a while. Who was told subscribes again.
    fn wait_for_the_told(&mut self, stage: &mut Stage) -> Result<(), BenchError> {
        let last = |audit: &Audit| audit.told.last().map(|(_, at)| *at);
        while last(&self.audit).is_some_and(|at| at.elapsed() < 2 * CALM) {
            stage.moved(Instant::now());
            self.turn(stage)?;
        }
        Ok(())
    }

    fn rest(&mut self, stage: &mut Stage, time: Duration) -> Result<(), BenchError> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            stage.moved(Instant::now());
            self.turn(stage)?;
        }
        Ok(())
    }

    fn turn(&mut self, stage: &mut Stage) -> Result<(), BenchError> {
        let servers = self.options.node.servers.len();
        let Self { table, audit, lapsed, holders, .. } = self;
        table.turn(stage, TURN / 10, |index, event| {
            let server = (index - holders.start) % servers;
            match event {
                Event::Push { stamp, .. } if audit.on_delivery(server, stamp) => Ok(()),
                Event::Unsubscribed { code: LAPSED, channel } => {
                    let channel = number_of(channel).ok_or_else(|| event.surprise())?;
                    audit.told.push((Subscription { server, channel }, Instant::now()));
                    lapsed.push(Subscription { server, channel });
                    Ok(())
                }
                Event::Reply { code: 0, .. } => Ok(()),
                Event::Reply { .. }
                | Event::Upgraded
                | Event::Push { .. }
                | Event::Unsubscribed { .. }
                | Event::Response { .. } => Err(event.surprise()),
            }
        })?;
        for Subscription { server, channel } in std::mem::take(&mut self.lapsed) {
            let holder = self.holders.start + channel / CHANNELS_PER_CONNECTION * servers + server;
            let command = wire::subscribe(2, &self.outlet.names[channel]);
            self.table.send(holder, &wire::text(command.as_bytes()), stage)?;
        }
        Ok(())
    }
}

/// The publisher, or what it left.
enum Fed {
    Running(Feed),
    Ended(Published),
}

impl Fed {
    fn end(self) -> Published {
        match self {
            Self::Running(feed) => feed.end(),
            Self::Ended(published) => published,
        }
    }
}

/// Whether the command is over; it must have succeeded.
fn has_ended(command: &mut Child) -> Result<bool, Fault> {
    match command.try_wait()? {
        Some(status) if !status.success() => Err(Fault::Refused(format!("the outage's command: {status}"))),
        status => Ok(status.is_some()),
    }
}

/// The number at the end of a channel's name.
fn number_of(name: &[u8]) -> Option<usize> {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&name[name.len() - digits..]).ok()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one process are far below 2^52")]
fn grown(before: &Memory, after: &Memory, count: usize) -> f64 {
    (after.rss as f64 - before.rss as f64) / count as f64
}
