//! A node with faults on request, for tests that look at a process from outside: publishing to the channel
//! `panic` makes its broker panic, the frame `panic` at `/panicky` the connection's protocol. Takes its settings
//! from the environment.

use std::sync::Arc;

use edge::config::Loader;
use edge::{Composition, Edge, Mode};
use testkit::{PanickyBroker, PanickyProtocol};

fn main() {
    let loaded = Loader::new().environment(std::env::vars_os()).load();
    let config = loaded.expect("settings").config;
    edge::log::init(&config.log).expect("a log");
    let composition = Composition::new(&config, Mode::Production, "faulty")
        .with_protocol("/panicky", Arc::new(PanickyProtocol))
        .with_broker("panicky", Box::new(PanickyBroker::default()));
    Edge::start(&config, composition).expect("a node").wait();
    edge::log::flush();
}
