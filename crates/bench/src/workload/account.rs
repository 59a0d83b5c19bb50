//! One publication to every connection, then unicasts at a rate, and an account of every delivery. Several benches
//! may run it together, each for its part of the connections; they wait for each other by a count in Redis.

use std::io;
use std::time::{Duration, Instant};

use super::Run;
use super::publish::{Pace, Publishing};
use crate::client::TURN;
use crate::connection::Event;
use crate::error::Fault;
use crate::redis::{Redis, Reply};
use crate::{BenchError, Options, payload, wire};

const NAME: &str = "account";
/// The channel of all connections of all parts.
const ALL: &str = "account-all";
/// Subscriptions to it under way.
const SUBSCRIBING_MAX: usize = 512;
/// How long the count of parts is remembered that did not all come.
const COUNT_SECONDS: &[u8] = b"300";
/// After the last delivery, for one that should not come.
const AFTERMATH: Duration = Duration::from_secs(1);

pub(super) fn run(run: &mut Run<'_>) -> Result<(), BenchError> {
    let options = run.options;
    let rate = options.publishes.unicast_rate;
    let count = options.publishes.subscribers;
    let mut publishing = Publishing::open(run, NAME)?;
    publishing.stage = run.stage("account, subscribing to the channel of all");
    publishing.subscribe_all()?;
    publishing.stage = run.stage("account, one publication to all");
    let is_last =
        is_last_part(options).map_err(|error| Fault::Io(error).at("account, counting the parts"))?;
    publishing.broadcast(is_last)?;
    publishing.stage = run.stage("account, unicasts");
    let phase = publishing.measure(run, Pace::Rate(rate))?;
    let sent = publishing.tally.sent;
    publishing.expect_nothing()?;
    let shape = format!("{count} of its connections, parts: {}", options.cluster.parts);
    // Every other outcome has ended the run with an error.
    run.figure(
        NAME,
        format!("one publication to all: delivered once to each of {shape}"),
        "",
        &[f64::from(u32::try_from(count).unwrap_or(u32::MAX))],
    );
    run.figure(
        NAME,
        "unicasts, each delivered once",
        "",
        &[f64::from(u32::try_from(sent).unwrap_or(u32::MAX))],
    );
    run.figure(NAME, format!("unicasts per second, {rate} wanted"), "1/s", &[phase.per_second]);
    run.figure(NAME, "publish to delivery p50", "us", &[phase.delivery_us[0]]);
    run.figure(NAME, "publish to delivery p99", "us", &[phase.delivery_us[1]]);
    Ok(())
}

/// Whether all other parts are ready.
fn is_last_part(options: &Options) -> io::Result<bool> {
    let mut redis = Redis::open(options.cluster.redis.expect("an account is refused without Redis"))?;
    let key = format!("{}:bench:parts", options.cluster.redis_prefix);
    let ready = redis.ask(&[b"INCR", key.as_bytes()])?;
    let is_last = ready == Reply::Number(i64::try_from(options.cluster.parts).unwrap_or(i64::MAX));
    let afterwards = if is_last { &b"0"[..] } else { COUNT_SECONDS };
    redis.ask(&[b"EXPIRE", key.as_bytes(), afterwards])?;
    Ok(is_last)
}

impl Publishing<'_> {
    fn subscribe_all(&mut self) -> Result<(), BenchError> {
        let command = wire::text(wire::subscribe(3, ALL).as_bytes());
        let (mut begun, mut answered) = (0, 0);
        while answered < self.publishers.start {
            while begun < self.publishers.start && begun - answered < SUBSCRIBING_MAX {
                self.table.send(begun, &command, &self.stage)?;
                begun += 1;
            }
            self.stage.goal(answered as u64, self.publishers.start as u64);
            self.table.turn(&mut self.stage, TURN, |_, event| match event {
                Event::Reply { code: 0, .. } => {
                    answered += 1;
                    Ok(())
                }
                Event::Reply { .. }
                | Event::Upgraded
                | Event::Push { .. }
                | Event::Unsubscribed { .. }
                | Event::Response { .. } => Err(event.surprise()),
            })?;
        }
        Ok(())
    }

    /// Waits until everybody got the one publication, and publishes it if all others are ready.
    fn broadcast(&mut self, is_last: bool) -> Result<(), BenchError> {
        let mut came = vec![0_u32; self.publishers.start];
        let (mut received, mut unanswered) = (0, 0);
        if is_last {
            let payload = payload::of_size(self.options.deliveries.payload, self.clock.stamp(Instant::now()));
            unanswered = 1;
            self.table.send(self.publishers.start, &self.api.publish(ALL, &payload), &self.stage)?;
        }
        while received < came.len() || unanswered > 0 {
            self.stage.goal(received as u64, came.len() as u64);
            if received == 0 {
                // The other parts may take long; the stage has its limit.
                self.stage.moved(Instant::now());
            }
            self.table.turn(&mut self.stage, TURN, |index, event| match event {
                Event::Push { .. } if index < came.len() => {
                    came[index] += 1;
                    received += 1;
                    Ok(())
                }
                Event::Response { .. } => {
                    unanswered -= 1;
                    Ok(())
                }
                Event::Reply { .. } | Event::Upgraded | Event::Push { .. } | Event::Unsubscribed { .. } => {
                    Err(event.surprise())
                }
            })?;
        }
        match came.iter().filter(|came| **came != 1).count() {
            0 => Ok(()),
            wrong => {
                let what = format!("{wrong} connections did not get exactly the one publication to all");
                Err(Fault::Refused(what).at(self.stage.name()))
            }
        }
    }

    /// What comes now was delivered twice.
    fn expect_nothing(&mut self) -> Result<(), BenchError> {
        let until = Instant::now() + AFTERMATH;
        while Instant::now() < until {
            self.stage.moved(Instant::now());
            self.turn(TURN)?;
        }
        self.refuse_misdelivery()
    }
}
