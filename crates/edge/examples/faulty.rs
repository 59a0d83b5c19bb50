//! A node with faults on request, for tests that look at a process from outside. Publishing to the channel
//! `panic` makes its broker panic, to `hang` holds it up; the native protocol at `/panicky` panics as its type
//! says; with the argument `panicky-log`, so does whoever logs that the node drains: the control thread. Takes
//! its settings from the environment and from the `.toml` file that an argument names; where they name a Redis,
//! the broker is the one over it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use edge::config::Loader;
use edge::{Composition, Edge, Mode};
use protocol_centrifugal::CentrifugalJson;
use testkit::{FaultyBroker, FaultyProtocol};

struct PanickyLog;

fn main() {
    let is_settings = |argument: &PathBuf| argument.extension().is_some_and(|extension| extension == "toml");
    let file = std::env::args_os().skip(1).map(PathBuf::from).find(is_settings);
    let loaded = Loader::new().file(file).environment(std::env::vars_os()).load().expect("settings");
    let config = loaded.config.clone();
    if std::env::args().any(|argument| argument == "panicky-log") {
        tracing_subscriber::fmt().with_target(false).with_ansi(false).with_writer(|| PanickyLog).init();
    } else {
        edge::log::init(&config.log).expect("a log");
    }
    let mut composition = Composition::new(&config, Mode::Production, "faulty")
        .with_protocol("/panicky", Arc::new(FaultyProtocol::panicking(CentrifugalJson)));
    if !config.redis.is_on() {
        composition = composition.with_broker("faulty", Box::new(FaultyBroker::default()));
    }
    let composition = composition.with_reload(loaded);
    Edge::start(&config, composition).expect("a node").wait();
    edge::log::flush();
}

impl Write for PanickyLog {
    /// Each call carries one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        assert!(!text.contains(" draining: "), "a test asked for this panic");
        io::stderr().write_all(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
