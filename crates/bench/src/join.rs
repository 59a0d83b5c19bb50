//! Brings clients in: connect, upgrade, token and subscription, with a window of those under way.

use std::time::{Duration, Instant};

use crate::client::{TURN, Table};
use crate::connection::{Event, Speech};
use crate::error::Fault;
use crate::stage::Stage;
use crate::stats::per;
use crate::{BenchError, Options, wire};

/// Who connects: `token` and `channel` are asked with the client's number, from 0.
pub(crate) struct Clients<'a> {
    pub(crate) count: usize,
    pub(crate) token: &'a dyn Fn(usize) -> String,
    /// What each subscribes to, if anything.
    pub(crate) channel: Option<&'a dyn Fn(usize) -> String>,
}

impl Clients<'_> {
    /// Opens them all behind the table's last connection and returns when the last one is subscribed.
    pub(crate) fn join(
        &self,
        table: &mut Table,
        options: &Options,
        stage: &mut Stage,
    ) -> Result<std::ops::Range<usize>, BenchError> {
        let first = table.len();
        let last_reply = if self.channel.is_some() { 2 } else { 1 };
        let begun = Instant::now();
        stage.moved(begun);
        let (mut opened, mut joined) = (0, 0);
        let mut upgraded = Vec::new();
        while joined < self.count {
            let due = allowed(options, begun.elapsed()).min(self.count).min(joined + options.pace.window);
            while opened < due {
                open(table, options, stage, opened)?;
                opened += 1;
            }
            // Behind a rate, more may be opened before anything arrives.
            let wait = if opened - joined < options.pace.window { TURN / 20 } else { TURN };
            table.turn(stage, wait, |index, event| match event {
                Event::Upgraded => {
                    upgraded.push(index);
                    Ok(())
                }
                Event::Reply { id, code: 0 } => {
                    joined += usize::from(id == last_reply);
                    Ok(())
                }
                Event::Reply { id, code } => Err(refusal(id, code)),
                Event::Unsubscribed { .. } => Err(event.surprise()),
                Event::Push { .. } | Event::Response { .. } => Ok(()),
            })?;
            for index in upgraded.drain(..) {
                let nth = index - first;
                let channel = self.channel.map(|channel| channel(nth));
                table.send(index, &wire::join(&(self.token)(nth), channel.as_deref()), stage)?;
            }
            stage.goal(joined as u64, self.count as u64);
        }
        Ok(first..table.len())
    }
}

fn open(table: &mut Table, options: &Options, stage: &Stage, nth: usize) -> Result<(), BenchError> {
    let server = options.node.servers[nth % options.node.servers.len()];
    let greeting = wire::upgrade(&server.to_string(), &options.node.path, options.node.origin.as_deref());
    table
        .open(server, Speech::Upgrading, greeting)
        .map(|_| ())
        .map_err(|error| Fault::Io(error).at(stage.name()))
}

/// How many connections the wanted rate allows after `elapsed`.
fn allowed(options: &Options, elapsed: Duration) -> usize {
    let Some(rate) = options.pace.connects_per_second else {
        return usize::MAX;
    };
    let allowed = u128::from(rate) * elapsed.as_millis() / 1000;
    usize::try_from(allowed).unwrap_or(usize::MAX).max(1)
}

fn refusal(id: u32, code: u32) -> Fault {
    let command =
        if id == 1 { "connect (is the token good?)" } else { "subscribe (is client_subscribe on?)" };
    Fault::Refused(format!("{command} was answered with error {code}"))
}

/// Connections per second, for the report.
pub(crate) fn per_second(count: usize, elapsed: Duration) -> f64 {
    per(count as u64 * 1_000_000, u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX))
}
