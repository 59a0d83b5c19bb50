//! Many rounds of connections that come, subscribe and leave in four ways, against a node in a process of its
//! own. Fails when anything of them stays: gauges, descriptors, memory. Part of `make conformance`.
//!
//! `churn [PROGRAM [CONNECTIONS [SEED]]]`: the program is run as `PROGRAM serve`; default is `fanfare`.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testkit::{Churn, Metrics, Process, holds_within};

const ROUNDS: usize = 10;
const CONNECTIONS: usize = 200_000;
/// Open at a time: those that are silent, and one for each thread.
const SILENT_MAX: usize = 7_000;
const THREADS: usize = 64;
/// What round 10 may take of memory, in percent of round 2.
const GROWTH_MAX: u64 = 105;
const GAUGES: [&str; 4] =
    ["fanfare_connections", "fanfare_subscriptions", "fanfare_channels", "fanfare_outbox_bytes"];
/// Longest time for the last of a round to be gone.
const SETTLING: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().map_or_else(fanfare, PathBuf::from);
    let number = |text: String| text.parse().expect("a number");
    let connections = arguments.next().map_or(CONNECTIONS, |text| number(text) as usize);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    let seed = arguments.next().map_or_else(clock, number);
    println!("{connections} connections in {ROUNDS} rounds against {}, seed {seed}", program.display());
    match run(&program, connections / ROUNDS, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("churn: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(program: &PathBuf, connections: usize, seed: u64) -> Result<(), String> {
    let node = start(program);
    let (port, internal) = (node.address("public").port(), node.address("internal"));
    let crowd = Churn { port, connections, threads: THREADS, silent_max: SILENT_MAX, seed };
    Churn { connections: THREADS, ..crowd }.run(edge::NATIVE_PATH);
    settle(internal)?;
    let baseline = node.descriptors();
    let mut resident_kib = Vec::new();
    for round in 1..=ROUNDS {
        let begun = Instant::now();
        let left = Churn { seed: seed + round as u64, ..crowd }.run(edge::NATIVE_PATH);
        settle(internal)?;
        if !holds_within(SETTLING, || node.descriptors() <= baseline) {
            return Err(format!("{} descriptors are open, {baseline} were", node.descriptors()));
        }
        resident_kib.push(node.resident_kib());
        println!(
            "round {round:2}: {:5.1} s, {:6} KiB resident, {left:?}",
            begun.elapsed().as_secs_f64(),
            node.resident_kib()
        );
    }
    let (second, last) = (resident_kib[1], resident_kib[ROUNDS - 1]);
    if last * 100 > second * GROWTH_MAX {
        return Err(format!("round {ROUNDS} holds {last} KiB, round 2 held {second}"));
    }
    println!("round {ROUNDS} holds {:.3} of what round 2 held", last as f64 / second as f64);
    Ok(())
}

fn start(program: &PathBuf) -> Process {
    let mut command = Command::new(program);
    command.arg("serve").envs([
        // Every address of 127/8 has ports of its own to connect from.
        ("FANFARE__PUBLIC__ADDRESS", "0.0.0.0:0"),
        ("FANFARE__INTERNAL__ADDRESS", "127.0.0.2:0"),
        ("FANFARE__CLIENT__INSECURE", "true"),
        ("FANFARE__CLIENT__PING_INTERVAL", "2s"),
        ("FANFARE__CLIENT__PONG_TIMEOUT", "1s"),
        ("FANFARE__LOG__FORMAT", "text"),
        ("FANFARE__LOG__LEVEL", "info"),
    ]);
    Process::start(&mut command).expect("a process")
}

/// Waits until nobody is left, and looks at what the node holds then.
fn settle(internal: SocketAddr) -> Result<(), String> {
    let remains = |metrics: &Metrics| GAUGES.into_iter().find(|gauge| metrics.value(gauge) != 0.0);
    if holds_within(SETTLING, || remains(&Metrics::scrape(internal)).is_none()) {
        return Ok(());
    }
    let metrics = Metrics::scrape(internal);
    let gauge = remains(&metrics).unwrap_or(GAUGES[0]);
    Err(format!("{gauge} is {} although everybody left", metrics.value(gauge)))
}

/// The binary beside the folder that this example is in.
fn fanfare() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    own.ancestors().nth(2).expect("a target folder").join("fanfare")
}
