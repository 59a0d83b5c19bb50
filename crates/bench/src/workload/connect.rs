//! CPU of the node per connection established: upgrade, token, subscription to its own channel.

use std::time::{Duration, Instant};

use super::{Run, table};
use crate::BenchError;
use crate::join::{Clients, per_second};
use crate::process;
use crate::stats::per;

const NAME: &str = "connect";
const TARGET_US: f64 = 60.0;
/// After the last subscription, for the node to finish and its threads' clocks to be written down.
const AFTERMATH: Duration = Duration::from_millis(50);

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let count = run.options.connections.established;
    let mut table = table(&run.stage(NAME))?;
    let (mut cpu_us, mut rates, mut own_us, mut ended) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for repeat in 0..run.options.pace.repeats {
        let mut stage = run.stage(format!("connect, repeat {}", repeat + 1));
        run.quiet(&mut table, &mut stage)?;
        let clients = Clients { count, token: run.token, channel: Some(&|nth| run.channel(nth)) };
        let (before, own) = (run.process.cpu()?, process::own_cpu_ns());
        let begun = Instant::now();
        clients.join(&mut table, run.options, &mut stage)?;
        let elapsed = begun.elapsed();
        table.rest(&mut stage, AFTERMATH)?;
        let used = run.process.cpu()?.since(&before);
        cpu_us.push(per(used.ns, 1000 * count as u64));
        own_us.push(per(process::own_cpu_ns() - own, 1000 * count as u64));
        rates.push(per_second(count, elapsed));
        ended += used.threads_ended;
        table.truncate(0);
    }
    let what =
        format!("CPU per connection established, {count} connections, {} under way", run.options.pace.window);
    if let Some(row) = run.figure(NAME, what, "us", &cpu_us) {
        row.aim(TARGET_US);
    }
    run.figure(NAME, "connections per second", "1/s", &rates);
    run.figure(NAME, "the bench's own CPU per connection, tokens included", "us", &own_us);
    run.note_ended(NAME, ended);
    Ok(())
}
