//! A node with an echo endpoint at `/echo`, for conformance suites of the transport. Prints its address.

use std::sync::Arc;

use edge::config::Config;
use edge::{Composition, Edge, Mode};
use model::ByteSize;
use testkit::Echo;

fn main() {
    let mut config = Config::default();
    config.client.insecure = true;
    // Bounds that a limits suite of 16 MiB messages in 64-byte fragments fits into.
    config.client.publication_size = ByteSize(64 << 20);
    config.client.outbox_size = ByteSize(256 << 20);
    config.client.outbox_total = ByteSize(1 << 30);
    let port = std::env::args().nth(1).unwrap_or_else(|| "0".to_owned());
    config.public.address = format!("127.0.0.1:{port}").parse().expect("a port number");
    config.internal.address = "127.0.0.1:0".parse().expect("an address");
    let composition = Composition::new(&config, Mode::Production, "echo")
        .with_protocol("/echo", Arc::new(Echo))
        .with_fragments(1 << 20);
    edge::log::init(&config.log).expect("a log");
    let edge = Edge::start(&config, composition).expect("a node");
    println!("ws://{}/echo", edge.public_addresses()[0]);
    edge.wait();
}
