//! CPU per delivery: one publication becomes a thousand deliveries, with so many publications outstanding,
//! in pairs with the floor.

use std::time::{Duration, Instant};

use super::Run;
use super::stand::{Figure, Phase, Side, Stand};
use crate::metrics::{self, Counters};
use crate::{BenchError, Options};

const NAME: &str = "fanout";

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let mut stand = Stand::open(run, NAME)?;
    let frame_bytes = stand.frame_bytes();
    run.note(format!("fanout: frames are of {frame_bytes} bytes, the node's and the floor's"));
    for count in run.options.deliveries.outstanding.clone() {
        let pairs = Pairs::take(run, &mut stand, count)?;
        pairs.report(run, count);
    }
    Ok(())
}

/// Phases of both sides, taken in turn.
struct Pairs {
    node: Vec<Phase>,
    floor: Vec<Phase>,
    frames_per_write: Vec<f64>,
}

impl Pairs {
    fn take(run: &Run<'_>, stand: &mut Stand<'_>, count: usize) -> Result<Self, BenchError> {
        let time = run.options.deliveries.fanout_phase;
        stand.stage = run.stage(format!("fanout, {count} outstanding"));
        for side in [Side::Node, Side::Floor] {
            stand.measure(side, |stand| burst(stand, side, count, time / 5))?;
        }
        let mut pairs = Self { node: Vec::new(), floor: Vec::new(), frames_per_write: Vec::new() };
        for pair in 0..run.options.pace.pairs {
            stand.stage = run.stage(format!("fanout, {count} outstanding, pair {}", pair + 1));
            let before = metrics::read(run.options.api());
            pairs.node.push(stand.measure(Side::Node, |stand| burst(stand, Side::Node, count, time))?);
            pairs.frames_per_write.extend(frames_per_write(before, metrics::read(run.options.api())));
            pairs.floor.push(stand.measure(Side::Floor, |stand| burst(stand, Side::Floor, count, time))?);
        }
        Ok(pairs)
    }

    fn report(&self, run: &mut Run<'_>, count: usize) {
        let options = run.options;
        let raw = if count == 1 { "send".to_owned() } else { format!("writev({count})") };
        let shape = format!("{} receivers, {} B", options.deliveries.receivers, options.deliveries.payload);
        let figures = [
            Figure::new(format!("CPU per delivery beside {raw}, {shape}"), "ns", |phase| {
                phase.cpu_ns_per_delivery
            })
            .aim(target(options, count)),
            Figure::new("deliveries per second", "1/s", |phase| phase.deliveries_per_second),
            Figure::new("latency p50", "us", |phase| phase.p50_us),
            Figure::new("latency p99", "us", |phase| phase.p99_us),
            Figure::new("the bench's own CPU per delivery", "ns", |phase| phase.own_ns_per_delivery),
        ];
        for figure in figures {
            figure.report(run, NAME, &format!(", {count} outstanding"), &self.node, &self.floor);
        }
        if self.frames_per_write.is_empty() {
            run.note(format!(
                "fanout, {count} outstanding: no frames per write, the node has no fanfare_writes_total and \
                 fanfare_deliveries_total at {}/metrics",
                options.api()
            ));
        }
        run.figure(NAME, format!("frames per write, {count} outstanding"), "", &self.frames_per_write);
        run.note_ended(NAME, self.node.iter().map(|phase| phase.threads_ended).sum());
    }
}

/// Launches, waits for all, and again, until the time is over.
fn burst(stand: &mut Stand<'_>, side: Side, count: usize, time: Duration) -> Result<(), BenchError> {
    let until = Instant::now() + time;
    loop {
        stand.launch(side, count, Instant::now())?;
        stand.wait_for_all()?;
        if Instant::now() >= until {
            return Ok(());
        }
    }
}

fn frames_per_write(before: Option<Counters>, after: Option<Counters>) -> Option<f64> {
    let (before, after) = (before?, after?);
    let writes = after.writes - before.writes;
    (writes > 0.0).then(|| (after.deliveries - before.deliveries) / writes)
}

/// The agreed ratios, for the shape they were agreed for.
fn target(options: &Options, count: usize) -> Option<f64> {
    if options.deliveries.receivers != 1000 || options.deliveries.payload != 128 {
        return None;
    }
    match count {
        1 => Some(1.15),
        4 => Some(1.6),
        16 => Some(2.0),
        _ => None,
    }
}
