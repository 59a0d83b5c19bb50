//! The reference documentation is what the settings say.

use std::{env, fs};

use edge::config::{reference_markdown, reloadable_json};

use crate::sources::Sources;

const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
const RELOADABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../helm/fanfare/files/reloadable.json");

#[test]
fn the_reference_is_current() {
    let generated = reference_markdown();
    if env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs::write(REFERENCE, &generated).expect("docs can be written");
    }
    let current = fs::read_to_string(REFERENCE).expect("docs/configuration.md can be read");
    assert!(
        current == generated,
        "docs/configuration.md is not current: UPDATE_EXPECT=1 cargo test -p edge --test configuration"
    );
}

#[test]
fn the_list_of_what_is_taken_on_while_a_node_runs_is_current() {
    let generated = reloadable_json();
    if env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        fs::write(RELOADABLE, &generated).expect("the list can be written");
    }
    let current = fs::read_to_string(RELOADABLE).expect("the list can be read");
    assert!(current == generated, "{RELOADABLE} is not current: `make docs` writes it");
}

#[test]
fn every_setting_is_in_the_reference() {
    let reference = reference_markdown();
    let rendered = Sources::default().load().expect("defaults").render();
    for line in rendered.lines() {
        let name = line.split(" = ").next().unwrap_or_default();
        assert_eq!(reference.matches(&format!("\n| `{name}` |")).count(), 1, "{name}");
    }
    assert!(!reference.contains("|  |"), "a setting has no meaning");
}

#[test]
fn the_budget_of_settings_is_kept() {
    let reference = reference_markdown();
    let settings = reference.lines().filter_map(|line| line.strip_prefix("| `"));
    let is_counted =
        |setting: &&str| !setting.starts_with("channels.") && !setting.starts_with("namespaces.");
    let count = settings.filter(is_counted).count();
    // Decision 0017 raised the budget for operation.
    assert!((50..=60).contains(&count), "{count} settings, options of namespaces aside");
}

#[test]
fn the_example_of_the_reference_works() {
    let reference = reference_markdown();
    let (_, rest) = reference.split_once("```toml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("an end of the example");
    let config = Sources { file: example, ..Sources::default() }.load().expect("the example").config;
    assert!(config.namespaces["chat"].subscriber_publish);
}
