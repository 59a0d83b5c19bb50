//! Delivery latency when publications come at a fixed rate, whether or not the previous one has arrived,
//! in pairs with the floor driven at the same rate.

use std::time::{Duration, Instant};

use super::Run;
use super::stand::{Figure, Phase, Side, Stand};
use crate::{BenchError, Options};

const NAME: &str = "rate";
const TARGET_RATIO: f64 = 1.3;
/// A publication later than this is timed from when it was due: waiting for the node is latency too. Below
/// it lies the granularity of the bench's own sleep.
const LATE: Duration = Duration::from_millis(2);
const WARM_UP: Duration = Duration::from_millis(500);

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let options = run.options;
    let mut stand = Stand::open(run, NAME)?;
    for side in [Side::Node, Side::Floor] {
        stand.measure(side, |stand| at_rate(stand, side, options.deliveries.rate, WARM_UP))?;
    }
    let (mut node, mut floor) = (Vec::new(), Vec::new());
    for pair in 0..options.pace.pairs {
        stand.stage = run.stage(format!("rate, pair {}", pair + 1));
        for (side, phases) in [(Side::Node, &mut node), (Side::Floor, &mut floor)] {
            let drive = |stand: &mut Stand<'_>| {
                at_rate(stand, side, options.deliveries.rate, options.deliveries.rate_phase)
            };
            phases.push(stand.measure(side, drive)?);
        }
    }
    report(run, &node, &floor);
    Ok(())
}

fn report(run: &mut Run<'_>, node: &[Phase], floor: &[Phase]) {
    let options = run.options;
    let shape = format!(
        "{}/s to {} receivers, {} B",
        options.deliveries.rate, options.deliveries.receivers, options.deliveries.payload
    );
    let figures = [
        Figure::new(format!("delivery latency p99, {shape}"), "us", |phase| phase.p99_us)
            .aim(is_agreed(options).then_some(TARGET_RATIO)),
        Figure::new("delivery latency p50", "us", |phase| phase.p50_us),
        Figure::new("CPU per delivery", "ns", |phase| phase.cpu_ns_per_delivery),
        Figure::new("the bench's own CPU per delivery", "ns", |phase| phase.own_ns_per_delivery),
    ];
    for figure in figures {
        figure.report(run, NAME, "", node, floor);
    }
    run.note_ended(NAME, node.iter().map(|phase| phase.threads_ended).sum());
}

fn at_rate(stand: &mut Stand<'_>, side: Side, rate: u32, time: Duration) -> Result<(), BenchError> {
    let interval = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut due = begun;
    while due < begun + time {
        let at = loop {
            let now = Instant::now();
            if now >= due && stand.is_free() {
                break if now - due > LATE { due } else { now };
            }
            stand.turn(due.saturating_duration_since(now).max(Duration::from_millis(1)))?;
        };
        stand.launch(side, 1, at)?;
        due += interval;
    }
    stand.wait_for_all()
}

/// The shape the target was agreed for.
fn is_agreed(options: &Options) -> bool {
    (options.deliveries.rate, options.deliveries.receivers, options.deliveries.payload) == (50, 1000, 128)
}
