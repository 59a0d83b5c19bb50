//! The dashboards are current, and Grafana can show them: `UPDATE_EXPECT=1 cargo test -p xtask` rewrites them.

use std::collections::BTreeSet;
use std::{env, fs};

use serde_json::Value;

use super::{FOLDER, GRID_WIDTH, texts};

#[test]
fn the_dashboards_are_current() {
    let root = crate::repository();
    if env::var_os("UPDATE_EXPECT").is_some() {
        super::write(root).expect("the files can be written");
    }
    let files = fs::read_dir(root.join(FOLDER)).expect("there are dashboards").count();
    assert_eq!(files, texts().len(), "{FOLDER} holds what nobody generates");
    for (name, text) in texts() {
        let written = fs::read_to_string(root.join(FOLDER).join(&name)).unwrap_or_default();
        assert!(written == text, "{name} is not current: cargo run -p xtask -- dashboards");
    }
}

#[test]
fn panels_have_what_their_readers_need() {
    let mut addresses = BTreeSet::new();
    for dashboard in dashboards() {
        assert!(addresses.insert(text(&dashboard, "uid")), "two dashboards have one address");
        let mut ids = BTreeSet::new();
        for panel in panels(&dashboard) {
            let title = text(panel, "title");
            assert!(
                ids.insert(panel["id"].as_u64().expect("a number")),
                "{title}: its number is not its own"
            );
            if panel["type"] == "row" {
                continue;
            }
            assert!(text(panel, "description").ends_with(['.', '?']), "{title}: what does it show?");
            assert!(!text(&panel["fieldConfig"]["defaults"], "unit").is_empty(), "{title}: in which unit?");
            let targets = panel["targets"].as_array().expect("a list");
            let names: BTreeSet<String> = targets.iter().map(|target| text(target, "refId")).collect();
            assert!(!targets.is_empty() && names.len() == targets.len(), "{title}: queries without names");
            for target in targets {
                let query = text(target, "expr");
                // A query without a selection mixes clusters.
                let series = query.matches("fanfare_").count() + query.matches("process_").count();
                let selections =
                    query.matches(r#"namespace="$namespace", job="$job", instance=~"$instance""#);
                assert_eq!(selections.count(), series, "{title}: {query}");
            }
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    for dashboard in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in panels(&dashboard) {
            let [left, top, width, height] =
                ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().expect("a number"));
            assert!(width > 0 && height > 0 && left + width <= u64::from(GRID_WIDTH), "{panel}");
            for place in (left..left + width).flat_map(|x| (top..top + height).map(move |y| (x, y))) {
                assert!(taken.insert(place), "{} lies on another panel", text(panel, "title"));
            }
        }
    }
}

fn dashboards() -> Vec<Value> {
    texts().iter().map(|(_, text)| serde_json::from_str(text).expect("it is JSON")).collect()
}

fn panels(dashboard: &Value) -> &Vec<Value> {
    dashboard["panels"].as_array().expect("a list")
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}
