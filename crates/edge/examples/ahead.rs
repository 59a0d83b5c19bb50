//! A node as its next version may be: one number ahead in all that nodes write for each other and into Redis.
//! `conformance/kubernetes` brings a cluster to it and back. Takes its settings as `fanfare serve` does, from
//! `--config FILE` and the environment.

use edge::config::Loader;
use edge::{Composition, Edge, Mode};

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--config").skip(1);
    let file = arguments.next().map(Into::into);
    let loaded = Loader::new().file(file).environment(std::env::vars_os()).load();
    let config = loaded.unwrap_or_else(|errors| panic!("{errors}")).config;
    edge::log::init(&config.log).expect("a log");
    let composition = Composition::new(&config, Mode::Production, "ahead").one_ahead();
    Edge::start(&config, composition).expect("a node").wait();
    edge::log::flush();
}
