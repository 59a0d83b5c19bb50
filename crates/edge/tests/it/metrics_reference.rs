//! docs/metrics.md is what the page says of itself: `UPDATE_EXPECT=1 cargo test -p edge --test it` rewrites it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use testkit::{expect_file, http};

use crate::edge::edge;

const HEAD: &str = "\
# Metrics

What `/metrics` on the internal listener tells, in the text format of Prometheus. Names are a public contract. Labels
come from closed sets: codes, reasons, methods, and the namespaces that are configured; never a channel or a user.
The namespace of channels is `channel_namespace`, since Kubernetes has a `namespace` of its own for every target.
Counters and histograms are summed over the workers at each scrape; histograms have buckets from 100 µs to 10 s.

| metric | kind | labels | meaning |
|---|---|---|---|
";

#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
}

#[test]
fn the_reference_page_is_current() {
    let mut setup = edge();
    // What is told of a Redis is told of one that is away, too.
    setup.config.redis.url = "redis://127.0.0.1:1".to_owned();
    let edge = setup.start();
    let scrape = http::get(edge.internal(), "/metrics").expect("the page").body;
    expect_file("docs/metrics.md", &reference(&families(&scrape)));
}

fn families(scrape: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    for line in scrape.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            current = name.to_owned();
            families.entry(current.clone()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if let Some((_, labels)) = line.split_once('{') {
            let names = labels.split("=\"").filter_map(|piece| piece.rsplit([',', '"']).next());
            let family = families.entry(current.clone()).or_default();
            family.labels.extend(names.filter(|name| is_label(name)).map(str::to_owned));
        }
    }
    families
}

fn is_label(name: &str) -> bool {
    !name.is_empty() && name != "le" && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn reference(families: &BTreeMap<String, Family>) -> String {
    let mut page = HEAD.to_owned();
    for (name, Family { kind, help, labels }) in families {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "| `{name}` | {kind} | {} | {help} |", labels.join(", "))
            .expect("a text takes any text");
    }
    page
}
