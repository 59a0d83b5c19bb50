//! The log: levels and formats as set, written by a thread of its own. A full pipe stalls that thread and
//! nobody else; lines that find its queue full are dropped and counted.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Lines waiting to be written.
const LINES_MAX: usize = 8192;

/// The level of the log that is installed.
static FILTER: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();
/// Lines on their way to standard error.
static QUEUED: AtomicU64 = AtomicU64::new(0);
/// Lines dropped since the start because the queue was full.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Sends what the process logs to standard error, from now on.
pub fn init(config: &LogConfig) -> io::Result<()> {
    let (sender, lines) = sync_channel(LINES_MAX);
    thread::Builder::new().name("log".to_owned()).spawn(move || write(&lines))?;
    let (filter, handle) = reload::Layer::new(level(config.level));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_writer(Lines(sender));
    let installed = match config.format {
        LogFormat::Text => registry.with(layer).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    installed.map_err(io::Error::other)?;
    // A log is installed once, as was just found out.
    drop(FILTER.set(handle));
    Ok(())
}

/// Writes events of another importance from now on. What is below is left out before it is put together, as from
/// the start.
pub(crate) fn adopt(log_level: LogLevel) {
    if let Some(filter) = FILTER.get()
        && let Err(error) = filter.reload(level(log_level))
    {
        tracing::error!(%error, "the log keeps its level");
    }
}

/// Waits a moment for the lines that are still queued; call it before the process exits.
pub fn flush() {
    /// The longest wait, for when standard error is stuck.
    const PATIENCE: Duration = Duration::from_millis(500);
    let deadline = Instant::now() + PATIENCE;
    while QUEUED.load(Ordering::Acquire) > 0 && Instant::now() < deadline {
        thread::yield_now();
    }
}

/// Lines dropped so far.
pub(crate) fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn write(lines: &Receiver<Vec<u8>>) {
    while let Ok(line) = lines.recv() {
        // Nobody is left to be told that standard error is gone.
        drop(io::stderr().write_all(&line));
        QUEUED.fetch_sub(1, Ordering::Release);
    }
}

#[derive(Clone)]
struct Lines(SyncSender<Vec<u8>>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for Lines {
    /// Each call carries one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        QUEUED.fetch_add(1, Ordering::Release);
        if self.0.try_send(line.to_vec()).is_err() {
            QUEUED.fetch_sub(1, Ordering::Release);
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
