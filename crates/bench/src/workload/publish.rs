//! Publications through the server API to channels with one subscriber each: as fast as so many publishers
//! with one request outstanding go, or at a rate. Every publication is seen to arrive, and only once.

use std::ops::Range;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{Run, histogram, percentile_us, table};
use crate::client::{TURN, Table};
use crate::connection::Event;
use crate::error::Fault;
use crate::http::Api;
use crate::join::Clients;
use crate::payload::{self, Clock};
use crate::process;
use crate::publisher::open_http;
use crate::stage::Stage;
use crate::stats::per;
use crate::{BenchError, Options};

const TARGET_US: f64 = 30.0;
const AFTERMATH: Duration = Duration::from_millis(20);
/// As in `rate`: later than this, a publication is timed from when it was due.
const LATE: Duration = Duration::from_millis(2);
/// Share of a phase that runs before the first one that counts.
const WARM_UP_SHARE: u32 = 5;

/// When the next publication is sent.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// As soon as a publisher has its answer.
    Window,
    /// At so many per second.
    Rate(u32),
}

/// CPU per publish, with every publisher busy.
pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let options = run.options;
    let phases = Publishing::phases(run, "publish", Pace::Window)?;
    let shape =
        format!("{} publishers, {} channels", options.publishes.publishers, options.publishes.subscribers);
    let what = format!("CPU per publish over HTTP, delivery included, {shape}");
    if let Some(row) = run.figure("publish", what, "us", &column(&phases, |phase| phase.cpu_us))
        && options.publishes.publishers == 64
    {
        row.aim(TARGET_US);
    }
    run.figure("publish", "publishes per second", "1/s", &column(&phases, |phase| phase.per_second));
    report_latency(run, "publish", &phases);
    Ok(())
}

/// Latency of publications that do not wait for each other.
pub(super) fn run_unicast(run: &mut Run<'_>) -> Result<(), BenchError> {
    let rate = run.options.publishes.unicast_rate;
    let phases = Publishing::phases(run, "unicast", Pace::Rate(rate))?;
    run.figure(
        "unicast",
        format!("publishes per second, {rate} wanted, {} channels", run.options.publishes.subscribers),
        "1/s",
        &column(&phases, |phase| phase.per_second),
    );
    run.figure("unicast", "CPU per publish", "us", &column(&phases, |phase| phase.cpu_us));
    report_latency(run, "unicast", &phases);
    Ok(())
}

fn report_latency(run: &mut Run<'_>, workload: &'static str, phases: &[Phase]) {
    let mut figure = |what: &str, of| {
        run.figure(workload, what, "us", &column(phases, of));
    };
    figure("publish to delivery p50", |phase| phase.delivery_us[0]);
    figure("publish to delivery p99", |phase| phase.delivery_us[1]);
    figure("request to response p50", |phase| phase.response_us[0]);
    figure("request to response p99", |phase| phase.response_us[1]);
    figure("the bench's own CPU per publish", |phase| phase.own_us);
    run.note_ended(workload, phases.iter().map(|phase| phase.threads_ended).sum());
}

fn column(phases: &[Phase], of: fn(&Phase) -> f64) -> Vec<f64> {
    phases.iter().map(of).collect()
}

/// What one repeat came to; latencies are p50 and p99.
pub(super) struct Phase {
    cpu_us: f64,
    own_us: f64,
    pub(super) per_second: f64,
    pub(super) delivery_us: [f64; 2],
    response_us: [f64; 2],
    threads_ended: usize,
}

pub(super) struct Publishing<'a> {
    pub(super) options: &'a Options,
    pub(super) clock: Clock,
    pub(super) api: Api,
    pub(super) table: Table,
    pub(super) stage: Stage,
    pub(super) publishers: Range<usize>,
    /// Publishers without a request outstanding.
    free: Vec<usize>,
    channels: Vec<String>,
    next_channel: usize,
    pub(super) tally: Tally,
}

pub(super) struct Tally {
    pub(super) sent: u64,
    received: u64,
    answered: u64,
    /// Publications sent to each subscriber and not yet seen there.
    missing: Vec<i64>,
    /// When each publisher's request was sent.
    asked: Vec<Instant>,
    deliveries: Histogram<u64>,
    responses: Histogram<u64>,
}

impl<'a> Publishing<'a> {
    fn phases(run: &mut Run<'a>, name: &str, pace: Pace) -> Result<Vec<Phase>, BenchError> {
        let mut publishing = Self::open(run, name)?;
        publishing.drive(pace, run.options.publishes.phase / WARM_UP_SHARE)?;
        let mut phases = Vec::new();
        for repeat in 0..run.options.pace.repeats {
            publishing.stage = run.stage(format!("{name}, repeat {}", repeat + 1));
            phases.push(publishing.measure(run, pace)?);
        }
        Ok(phases)
    }

    pub(super) fn open(run: &Run<'a>, name: &str) -> Result<Self, BenchError> {
        let options = run.options;
        let mut stage = run.stage(format!("{name}, connecting"));
        let mut table = table(&stage)?;
        let subscribers = Clients {
            count: options.publishes.subscribers,
            token: run.token,
            channel: Some(&|nth| run.channel(nth)),
        };
        let subscribers = subscribers.join(&mut table, options, &mut stage)?;
        let api = Api { address: options.api(), key: options.node.api_key.clone() };
        for _ in 0..options.publishes.publishers {
            open_http(&mut table, &api, &stage)?;
        }
        let publishers = subscribers.end..table.len();
        Ok(Self {
            options,
            clock: run.clock,
            api,
            table,
            stage,
            free: publishers.clone().collect(),
            tally: Tally {
                sent: 0,
                received: 0,
                answered: 0,
                missing: vec![0; options.publishes.subscribers],
                asked: vec![Instant::now(); publishers.len()],
                deliveries: histogram(),
                responses: histogram(),
            },
            publishers,
            channels: (0..options.publishes.subscribers).map(|nth| run.channel(nth)).collect(),
            next_channel: 0,
        })
    }

    pub(super) fn measure(&mut self, run: &Run<'_>, pace: Pace) -> Result<Phase, BenchError> {
        self.tally.reset();
        self.table.rest(&mut self.stage, AFTERMATH)?;
        let (before, own) = (run.process.cpu()?, process::own_cpu_ns());
        let begun = Instant::now();
        self.drive(pace, self.options.publishes.phase)?;
        let elapsed = begun.elapsed();
        let own = process::own_cpu_ns() - own;
        self.table.rest(&mut self.stage, AFTERMATH)?;
        let used = run.process.cpu()?.since(&before);
        let sent = self.tally.sent;
        let percentiles = |latency| [percentile_us(latency, 50.0), percentile_us(latency, 99.0)];
        Ok(Phase {
            cpu_us: per(used.ns, 1000 * sent),
            own_us: per(own, 1000 * sent),
            per_second: per(sent * 1_000_000, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)),
            delivery_us: percentiles(&self.tally.deliveries),
            response_us: percentiles(&self.tally.responses),
            threads_ended: used.threads_ended,
        })
    }

    /// Publishes for `time`, then waits until everything has arrived and been answered.
    fn drive(&mut self, pace: Pace, time: Duration) -> Result<(), BenchError> {
        let begun = Instant::now();
        self.stage.moved(begun);
        loop {
            let now = Instant::now();
            if now >= begun + time {
                break;
            }
            let wait = match pace {
                Pace::Window => self.send_where_free(now, TURN)?,
                Pace::Rate(rate) => self.send_what_is_due(begun, now, rate)?,
            };
            self.turn(wait)?;
        }
        while self.tally.received < self.tally.sent || self.tally.answered < self.tally.sent {
            self.turn(TURN)?;
        }
        self.refuse_misdelivery()
    }

    fn send_where_free(&mut self, now: Instant, wait: Duration) -> Result<Duration, BenchError> {
        while let Some(publisher) = self.free.pop() {
            self.send(publisher, now)?;
        }
        Ok(wait)
    }

    fn send_what_is_due(&mut self, begun: Instant, now: Instant, rate: u32) -> Result<Duration, BenchError> {
        let interval = Duration::from_secs(1) / rate;
        // At most one per publisher: the others have a request outstanding.
        while let Some(publisher) = self.free.pop() {
            let sent = u32::try_from(self.tally.sent).unwrap_or(u32::MAX);
            let due = begun + interval * sent;
            if due > now {
                self.free.push(publisher);
                return Ok((due - now).min(TURN));
            }
            self.send(publisher, if now - due > LATE { due } else { now })?;
        }
        Ok(TURN)
    }

    fn send(&mut self, publisher: usize, at: Instant) -> Result<(), BenchError> {
        let subscriber = self.next_channel;
        self.next_channel = (subscriber + 1) % self.channels.len();
        let payload = payload::of_size(self.options.deliveries.payload, self.clock.stamp(at));
        let request = self.api.publish(&self.channels[subscriber], &payload);
        self.tally.sent += 1;
        self.tally.missing[subscriber] += 1;
        self.tally.asked[publisher - self.publishers.start] = at;
        self.table.send(publisher, &request, &self.stage)
    }

    pub(super) fn turn(&mut self, wait: Duration) -> Result<(), BenchError> {
        let Self { table, stage, tally, free, publishers, clock, .. } = self;
        stage.goal(tally.received, tally.sent);
        table.turn(stage, wait, |index, event| {
            match event {
                Event::Push { stamp, at, .. } => tally.on_delivery(index, clock.since(stamp, at)),
                Event::Response { at } => {
                    tally.on_response(index - publishers.start, at);
                    free.push(index);
                }
                Event::Upgraded => {}
                Event::Reply { .. } | Event::Unsubscribed { .. } => return Err(event.surprise()),
            }
            Ok(())
        })
    }

    pub(super) fn refuse_misdelivery(&self) -> Result<(), BenchError> {
        let wrong = self.tally.missing.iter().filter(|missing| **missing != 0).count();
        if wrong == 0 {
            return Ok(());
        }
        let what = format!("{wrong} subscribers did not get exactly what was published to their channel");
        Err(Fault::Refused(what).at(self.stage.name()))
    }
}

impl Tally {
    fn reset(&mut self) {
        (self.sent, self.received, self.answered) = (0, 0, 0);
        self.deliveries.reset();
        self.responses.reset();
    }

    fn on_delivery(&mut self, subscriber: usize, latency: Duration) {
        self.received += 1;
        if let Some(missing) = self.missing.get_mut(subscriber) {
            *missing -= 1;
        }
        self.deliveries.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    fn on_response(&mut self, publisher: usize, at: Instant) {
        self.answered += 1;
        let latency = at.saturating_duration_since(self.asked[publisher]);
        self.responses.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }
}
