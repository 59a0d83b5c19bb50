//! What fan-out and rate measure with: receivers of one channel of the node, as many receivers of the floor,
//! the publisher and the floor's sender. Both sides are driven, counted and timed by the same code.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Run, histogram, percentile_us, table};
use crate::client::{TURN, Table};
use crate::connection::Event;
use crate::error::Fault;
use crate::floor::Floor;
use crate::join::Clients;
use crate::payload::{self, Clock};
use crate::process::{self, CpuReading, Process};
use crate::publisher::Publisher;
use crate::stage::Stage;
use crate::stats::per;
use crate::{BenchError, Options};

/// Around a phase, for threads to go to sleep: the kernel writes a running thread's clock down late.
const AFTERMATH: Duration = Duration::from_millis(20);

/// Who delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Node,
    Floor,
}

/// What one phase of one side came to.
pub(super) struct Phase {
    pub(super) cpu_ns_per_delivery: f64,
    pub(super) own_ns_per_delivery: f64,
    pub(super) deliveries_per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) threads_ended: usize,
}

/// One figure that is taken of both sides' phases.
pub(super) struct Figure {
    what: String,
    unit: &'static str,
    of: fn(&Phase) -> f64,
    target: Option<f64>,
}

impl Figure {
    pub(super) fn new(what: impl Into<String>, unit: &'static str, of: fn(&Phase) -> f64) -> Self {
        Self { what: what.into(), unit, of, target: None }
    }

    /// What its ratio should reach, if that is agreed for this shape.
    pub(super) fn aim(self, target: Option<f64>) -> Self {
        Self { target, ..self }
    }

    pub(super) fn report(
        self,
        run: &mut Run<'_>,
        workload: &'static str,
        suffix: &str,
        node: &[Phase],
        floor: &[Phase],
    ) {
        let column = |phases: &[Phase]| -> Vec<f64> { phases.iter().map(self.of).collect() };
        let (node, floor) = (column(node), column(floor));
        let Some(row) = run.figure(workload, self.what + suffix, self.unit, &node) else {
            return;
        };
        row.beside(&node, &floor);
        if let Some(target) = self.target {
            row.aim(target);
        }
    }
}

pub(super) struct Stand<'a> {
    options: &'a Options,
    process: Process,
    clock: Clock,
    channel: String,
    table: Table,
    pub(super) stage: Stage,
    publisher: Publisher,
    floor: Floor,
    tally: Tally,
}

/// What has arrived since it was reset.
struct Tally {
    clock: Clock,
    received: u64,
    wanted: u64,
    latency: Histogram<u64>,
    /// The first frame ever received, which the floor sends again.
    frame: Vec<u8>,
}

enum Reading {
    Node(CpuReading),
    Floor(u64),
}

impl<'a> Stand<'a> {
    /// Connects everything and has one publication delivered, whose frame the floor uses from then on.
    pub(super) fn open(run: &Run<'a>, name: &str) -> Result<Self, BenchError> {
        let options = run.options;
        let mut stage = run.stage(format!("{name}, connecting"));
        let mut table = table(&stage)?;
        let channel = format!("{}all", options.node.channel_prefix);
        let receivers = Clients {
            count: options.deliveries.receivers,
            token: run.token,
            channel: Some(&|_| channel.clone()),
        };
        receivers.join(&mut table, options, &mut stage)?;
        let publisher_token = |nth: usize| (run.token)(options.deliveries.receivers + nth);
        let publisher = Publisher::open(&mut table, options, &publisher_token, &mut stage)?;
        let floor =
            Floor::open(&mut table, run.clock, options.deliveries.receivers, options.pace.floor_cpu, &stage)?;
        let mut stand = Self {
            options,
            process: run.process.clone(),
            clock: run.clock,
            channel,
            table,
            stage,
            publisher,
            floor,
            tally: Tally {
                clock: run.clock,
                received: 0,
                wanted: 0,
                latency: histogram(),
                frame: Vec::new(),
            },
        };
        stand.launch(Side::Node, 1, Instant::now())?;
        stand.wait_for_all()?;
        stand.floor.use_frame(&stand.tally.frame, &stand.stage)?;
        Ok(stand)
    }

    /// Length of the node's frames, and so of the floor's.
    pub(super) fn frame_bytes(&self) -> usize {
        self.tally.frame.len()
    }

    /// Counts and times what `drive` does with one side.
    pub(super) fn measure(
        &mut self,
        side: Side,
        drive: impl FnOnce(&mut Self) -> Result<(), BenchError>,
    ) -> Result<Phase, BenchError> {
        self.tally.reset();
        self.table.rest(&mut self.stage, AFTERMATH)?;
        let (before, own_before) = (self.reading(side)?, process::own_cpu_ns());
        let begun = Instant::now();
        drive(self)?;
        let elapsed = begun.elapsed();
        let own = process::own_cpu_ns() - own_before;
        self.table.rest(&mut self.stage, AFTERMATH)?;
        let deliveries = self.tally.received;
        let (cpu_ns, own_ns, threads_ended) = match (self.reading(side)?, before) {
            (Reading::Floor(after), Reading::Floor(before)) => {
                let sender = after.saturating_sub(before);
                (sender, own.saturating_sub(sender), 0)
            }
            (Reading::Node(after), Reading::Node(before)) => {
                let used = after.since(&before);
                (used.ns, own, used.threads_ended)
            }
            (Reading::Node(_), Reading::Floor(_)) | (Reading::Floor(_), Reading::Node(_)) => {
                unreachable!("both readings are of one side")
            }
        };
        let elapsed_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        Ok(Phase {
            cpu_ns_per_delivery: per(cpu_ns, deliveries),
            own_ns_per_delivery: per(own_ns, deliveries),
            deliveries_per_second: per(deliveries * 1_000_000, elapsed_us),
            p50_us: percentile_us(&self.tally.latency, 50.0),
            p99_us: percentile_us(&self.tally.latency, 99.0),
            threads_ended,
        })
    }

    /// Has `count` frames delivered to every receiver. The node's carry `at`, the floor's the moment its
    /// sender wakes: its latency begins with the first `send`.
    pub(super) fn launch(&mut self, side: Side, count: usize, at: Instant) -> Result<(), BenchError> {
        self.stage.moved(Instant::now());
        self.tally.wanted += (count * self.options.deliveries.receivers) as u64;
        match side {
            Side::Node => {
                let payload = payload::of_size(self.options.deliveries.payload, self.clock.stamp(at));
                let Self { table, stage, publisher, channel, .. } = self;
                publisher.publish(table, stage, channel, &payload, count)
            }
            Side::Floor => self.floor.round(count, &self.stage),
        }
    }

    /// Whether the next publication may be launched.
    pub(super) fn is_free(&self) -> bool {
        self.publisher.is_free()
    }

    pub(super) fn wait_for_all(&mut self) -> Result<(), BenchError> {
        while self.tally.received < self.tally.wanted || !self.publisher.is_free() {
            self.turn(TURN)?;
        }
        Ok(())
    }

    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), BenchError> {
        let Self { table, stage, publisher, tally, .. } = self;
        stage.goal(tally.received, tally.wanted);
        table.turn(stage, wait, |index, event| {
            publisher.on_event(index, &event)?;
            tally.on_event(&event)
        })
    }

    fn reading(&mut self, side: Side) -> Result<Reading, BenchError> {
        Ok(match side {
            Side::Node => Reading::Node(self.process.cpu()?),
            Side::Floor => Reading::Floor(self.floor.cpu_ns(&self.stage)?),
        })
    }
}

impl Tally {
    fn reset(&mut self) {
        self.received = 0;
        self.wanted = 0;
        self.latency.reset();
    }

    fn on_event(&mut self, event: &Event<'_>) -> Result<(), Fault> {
        if let Event::Push { stamp, frame, at } = event {
            let latency = self.clock.since(*stamp, *at);
            self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
            self.received += 1;
            if self.frame.is_empty() {
                self.frame = frame.to_vec();
            }
            if self.received > self.wanted {
                return Err(Fault::Refused("more deliveries than publications times receivers".to_owned()));
            }
        }
        Ok(())
    }
}
