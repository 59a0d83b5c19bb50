//! One file per workload, and what they share: the options, the clock, the measured process, the report.

mod account;
mod connect;
mod fanout;
mod memory;
mod outage;
mod publish;
mod rate;
mod stand;

use std::io::Write;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::client::Table;
use crate::error::Fault;
use crate::payload::Clock;
use crate::process::{self, Process};
use crate::report::Row;
use crate::stage::Stage;
use crate::{BenchError, CONNECTIONS_MAX, Options, Report, Spread, Workload};

/// Descriptors besides the counted sockets: standard streams, epoll, procfs.
const DESCRIPTORS_SPARE: u64 = 200;
/// A node that uses less CPU than this share of one second per second is quiet; heartbeats go on.
const QUIET_NS: u64 = 10_000_000;
const QUIET_WINDOW: Duration = Duration::from_millis(200);
const QUIET_WINDOWS_MAX: usize = 100;

/// Runs the chosen workloads against a node and writes the table to `out`. `token(i)` signs the connection
/// token of user `i`.
pub fn run(
    options: Options,
    token: &dyn Fn(usize) -> String,
    out: &mut dyn Write,
) -> Result<Report, BenchError> {
    options.refuse_impossible()?;
    raise_descriptor_limit()?;
    if let Some(cpu) = options.pace.client_cpu {
        process::confine(cpu).map_err(|error| Fault::Io(error).at("confining the client to its CPU"))?;
    }
    let mut run = Run {
        process: Process::new(&options.node.pids),
        options: &options,
        token,
        clock: Clock::start(),
        report: Report::default(),
    };
    run.process.cpu()?;
    for workload in options.chosen() {
        match workload {
            Workload::Memory => memory::run(&mut run)?,
            Workload::Connect => connect::run(&mut run)?,
            Workload::Fanout => fanout::run(&mut run)?,
            Workload::Rate => rate::run(&mut run)?,
            Workload::Publish => publish::run(&mut run)?,
            Workload::Unicast => publish::run_unicast(&mut run)?,
            Workload::Outage => outage::run(&mut run)?,
            Workload::Account => account::run(&mut run)?,
        }
    }
    let report = run.report;
    report.write_table(out).map_err(|error| Fault::Io(error).at("writing the report"))?;
    if let Some(path) = &options.json {
        let written = report.to_json().and_then(|json| std::fs::write(path, json));
        written.map_err(|error| Fault::Io(error).at("writing the JSON report"))?;
    }
    Ok(report)
}

/// What every workload is given.
pub(crate) struct Run<'a> {
    pub(crate) options: &'a Options,
    pub(crate) token: &'a dyn Fn(usize) -> String,
    pub(crate) clock: Clock,
    pub(crate) process: Process,
    pub(crate) report: Report,
}

impl<'a> Run<'a> {
    pub(crate) fn stage(&self, name: impl Into<String>) -> Stage {
        Stage::begin(name, self.options)
    }

    pub(crate) fn channel(&self, nth: usize) -> String {
        format!("{}{nth}", self.options.node.channel_prefix)
    }

    /// Adds a figure of the node alone; none without samples.
    pub(crate) fn figure(
        &mut self,
        workload: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        samples: &[f64],
    ) -> Option<&mut Row> {
        let spread = Spread::of(samples)?;
        self.report.rows.push(Row::new(workload, what.into(), unit, spread));
        self.report.rows.last_mut()
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.report.notes.push(note.into());
    }

    /// Waits until the node has finished what it was doing, within bounds: a node that never rests is
    /// measured as it is, and the report says so.
    pub(crate) fn quiet(&mut self, table: &mut Table, stage: &mut Stage) -> Result<(), BenchError> {
        for _ in 0..QUIET_WINDOWS_MAX {
            let before = self.process.cpu()?;
            table.rest(stage, QUIET_WINDOW)?;
            if self.process.cpu()?.since(&before).ns < QUIET_NS {
                return Ok(());
            }
        }
        self.note(format!("{}: the node did not come to rest before the measurement", stage.name()));
        Ok(())
    }

    /// Threads that ended make a reading coarse, which the reader should know.
    pub(crate) fn note_ended(&mut self, workload: &str, threads: usize) {
        if threads > 0 {
            self.note(format!(
                "{workload}: {threads} threads of the node ended while measured; its CPU is exact to 10 ms"
            ));
        }
    }
}

/// Table over open connections; its failure is the operating system's.
pub(crate) fn table(stage: &Stage) -> Result<Table, BenchError> {
    Table::new().map_err(|error| Fault::Io(error).at(stage.name()))
}

/// Latencies from a nanosecond to a minute, to three digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are valid")
}

/// A percentile in microseconds.
pub(crate) fn percentile_us(latency: &Histogram<u64>, percentile: f64) -> f64 {
    crate::stats::per(latency.value_at_percentile(percentile), 1000)
}

fn raise_descriptor_limit() -> Result<(), BenchError> {
    let limit = process::raise_descriptor_limit()
        .map_err(|error| Fault::Io(error).at("raising the limit of descriptors"))?;
    if limit < CONNECTIONS_MAX as u64 + DESCRIPTORS_SPARE {
        return Err(BenchError::Option(format!(
            "the hard limit of open files is {limit}; the bench needs {}",
            CONNECTIONS_MAX as u64 + DESCRIPTORS_SPARE
        )));
    }
    Ok(())
}
