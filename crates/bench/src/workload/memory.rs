//! Userspace memory of the node per idle connection: each with its own user, token and channel, after
//! messages in both directions, when the node has come to rest.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{Run, table};
use crate::client::{TURN, Table};
use crate::connection::Event;
use crate::error::Fault;
use crate::join::{Clients, per_second};
use crate::process::Memory;
use crate::stage::Stage;
use crate::{BenchError, Traffic, payload, wire};

const NAME: &str = "memory";
const TARGET_BYTES: f64 = 1280.0;
/// Connections with a command under way.
const COMMANDS_MAX: usize = 1024;
/// Least time between two commands of a connection: 180 a second are below every default limit.
const ROUND_MIN: Duration = Duration::from_micros(5556);
/// What the node answers to `rpc` when nothing is configured for it.
const NOT_AVAILABLE: u32 = 108;

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let options = run.options;
    let count = options.connections.held;
    let mut stage = run.stage("memory, warm-up");
    let mut table = table(&stage)?;
    join(run, &mut table, &mut stage, options.connections.warm_up)?;
    table.truncate(0);
    settle(run, &mut table, "memory, settling before")?;
    let empty = run.process.memory()?;

    let mut stage = run.stage("memory, connecting");
    let begun = Instant::now();
    let clients = join(run, &mut table, &mut stage, count)?;
    let rate = per_second(count, begun.elapsed());
    talk(run, &mut table, &clients)?;
    settle(run, &mut table, "memory, settling after")?;
    let full = run.process.memory()?;

    let each = |part: fn(&Memory) -> u64| share(part(&empty), part(&full), count);
    let what = format!(
        "resident memory per connection, {count} connections, after {} messages each way",
        options.connections.messages
    );
    let resident = run.figure(NAME, what, "B", &[each(|memory| memory.rss)]);
    if let Some(row) = resident {
        row.aim(TARGET_BYTES);
    }
    run.figure(NAME, "of it anonymous", "B", &[each(|memory| memory.anonymous)]);
    run.figure(NAME, "of it private", "B", &[each(|memory| memory.private)]);
    run.figure(NAME, "connections opened per second", "1/s", &[rate]);
    Ok(())
}

fn join(
    run: &Run<'_>,
    table: &mut Table,
    stage: &mut Stage,
    count: usize,
) -> Result<Range<usize>, BenchError> {
    let clients = Clients { count, token: run.token, channel: Some(&|nth| run.channel(nth)) };
    clients.join(table, run.options, stage)
}

fn settle(run: &mut Run<'_>, table: &mut Table, name: &str) -> Result<(), BenchError> {
    let mut stage = run.stage(name);
    table.rest(&mut stage, run.options.connections.settle)?;
    run.quiet(table, &mut stage)
}

/// Every connection sends one command per round and is answered before the next round begins.
fn talk(run: &Run<'_>, table: &mut Table, clients: &Range<usize>) -> Result<(), BenchError> {
    let mut stage = run.stage("memory, messages");
    let messages = run.options.connections.messages;
    for round in 0..messages {
        stage.goal(round as u64, messages as u64);
        let begun = Instant::now();
        talk_once(run, table, &mut stage, clients, round)?;
        table.rest(&mut stage, ROUND_MIN.saturating_sub(begun.elapsed()))?;
    }
    Ok(())
}

fn talk_once(
    run: &Run<'_>,
    table: &mut Table,
    stage: &mut Stage,
    clients: &Range<usize>,
    round: usize,
) -> Result<(), BenchError> {
    let publishing = run.options.connections.traffic == Traffic::Publish;
    let id = u32::try_from(round + 3).unwrap_or(u32::MAX);
    let pushes_wanted = if publishing { clients.len() } else { 0 };
    let (mut sent, mut answered, mut pushed) = (0, 0, 0);
    while answered < clients.len() || pushed < pushes_wanted {
        while sent < clients.len() && sent - answered < COMMANDS_MAX {
            let command = if publishing {
                let data = payload::of_size(0, run.clock.stamp(Instant::now()));
                wire::publish(id, &run.channel(sent), &data)
            } else {
                format!("{{\"id\":{id},\"rpc\":{{}}}}")
            };
            table.send(clients.start + sent, &wire::text(command.as_bytes()), stage)?;
            sent += 1;
        }
        table.turn(stage, TURN, |_, event| {
            match event {
                Event::Reply { code, .. } if answer_is_expected(publishing, code) => answered += 1,
                Event::Reply { code, .. } => {
                    let what = "publish 103 without client_publish, 111 at the command rate";
                    return Err(Fault::Refused(format!("a command was answered with error {code} ({what})")));
                }
                Event::Push { .. } => pushed += 1,
                Event::Unsubscribed { .. } => return Err(event.surprise()),
                Event::Upgraded | Event::Response { .. } => {}
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn answer_is_expected(publishing: bool, code: u32) -> bool {
    code == 0 || (!publishing && code == NOT_AVAILABLE)
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one process are far below 2^52")]
fn share(empty: u64, full: u64, count: usize) -> f64 {
    (full as f64 - empty as f64) / count as f64
}
