//! The reference documentation is what the settings say.

use edge::config::{reference_markdown, reloadable_json};

use testkit::expect_file;

use crate::sources::Sources;

#[test]
fn the_reference_is_current() {
    expect_file("docs/configuration.md", &reference_markdown());
}

#[test]
fn the_list_of_what_is_taken_on_while_a_node_runs_is_current() {
    expect_file("helm/fanfare/files/reloadable.json", &reloadable_json());
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
