//! Settings that change while a node hears others: what Redis may bring follows them.

use std::fs;
use std::path::Path;

use testkit::redis::{Options, Server};
use testkit::{Metrics, Process, eventually};

use crate::edge::faulty;
use crate::user::User;

#[test]
fn what_is_taken_from_redis_follows_the_settings() {
    let server = Server::start(&Options::new());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reload-{}.toml", std::process::id()));
    let write = |size: &str, rules: &str| {
        let text = format!(
            "[redis]\nurl = {:?}\nsigning_key = \"a key that no more than the nodes have\"\n\
             [client]\npublication_size = {size:?}\n[api]\npublication_size = {size:?}\n[channels]\n{rules}\n",
            server.url()
        );
        fs::write(&file, text).expect("a file");
    };
    write("1KiB", "");
    let node = Process::start(faulty().arg(&file)).expect("a process");
    let mut alice = User::connect(node.address("public"), edge::NATIVE_PATH, "alice");
    alice.subscribe("news");
    let dropped = |reason: &str| {
        let metrics = Metrics::scrape(node.address("internal"));
        metrics.value(&format!("fanfare_redis_malformed_total{{reason=\"{reason}\"}}"))
    };
    let publish = |payload: &str| server.command(&["PUBLISH", "fanfare:ch:news", payload]);
    publish("1");
    eventually("what is not signed is dropped", || dropped("signature") == 1.0);
    write("1KiB", "unsigned_publish = true");
    node.signal("HUP");
    node.line("changed=channels.unsigned_publish");
    publish("2");
    let large = format!("\"{}\"", "x".repeat(3000));
    publish(&large);
    eventually("what is too large is dropped", || dropped("too_large") == 1.0);
    write("8KiB", "unsigned_publish = true");
    node.signal("HUP");
    node.line("changed=api.publication_size, client.publication_size");
    publish(&large);
    for payload in ["2", &large] {
        assert_eq!(alice.publication(), ("news".to_owned(), payload.to_owned()));
    }
    drop(fs::remove_file(file));
}
