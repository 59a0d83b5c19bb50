//! Generates the Grafana dashboards of the chart. What they show is in the tables of `fleet` and `node`; how that
//! becomes Grafana's JSON is in `panel` and here.

mod fleet;
mod node;
mod panel;

use std::path::Path;
use std::{fs, io};

use panel::Row;
use serde_json::{Value, json};

/// Where they are written.
pub(crate) const FOLDER: &str = "helm/fanfare/files/dashboards";
/// Grafana's number of the form in which dashboards are stored.
const SCHEMA_VERSION: u32 = 41;
const GRID_WIDTH: u32 = 24;

/// A dashboard.
struct Dashboard {
    /// Its file, and the end of its address.
    name: &'static str,
    title: &'static str,
    description: &'static str,
    rows: Vec<Row>,
    /// Whether it shows one node, or all that are chosen.
    is_of_one_node: bool,
}

/// Every dashboard's file name and text.
pub(crate) fn texts() -> Vec<(String, String)> {
    let text = |dashboard: &Dashboard| {
        let json = serde_json::to_string_pretty(&dashboard.json()).expect("a value is JSON");
        (format!("{}.json", dashboard.name), json + "\n")
    };
    [fleet::dashboard(), node::dashboard()].iter().map(text).collect()
}

/// Writes them into the repository at `root`.
pub(crate) fn write(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join(FOLDER))?;
    texts().into_iter().try_for_each(|(name, text)| fs::write(root.join(FOLDER).join(name), text))
}

impl Dashboard {
    fn json(&self) -> Value {
        json!({
            "uid": format!("fanfare-{}", self.name),
            "title": self.title,
            "description": self.description,
            "tags": ["fanfare"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "",
            "annotations": {"list": [drains()]},
            "links": [other_dashboards()],
            "templating": {"list": self.variables()},
            "panels": self.panels(),
        })
    }

    /// Numbered and placed in reading order: a row's panels fill lines of the grid.
    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut top) = (Vec::new(), 0);
        for row in &self.rows {
            panels.push(row.json(panels.len() + 1, top));
            top += 1;
            let (mut left, mut height) = (0, 0);
            for panel in &row.panels {
                if left + panel.width > GRID_WIDTH {
                    top += height;
                    (left, height) = (0, 0);
                }
                panels.push(panel.json(panels.len() + 1, (left, top)));
                left += panel.width;
                height = height.max(panel.height());
            }
            top += height;
        }
        panels
    }

    fn variables(&self) -> Value {
        let query = |name: &str, query: &str, is_multi: bool| {
            json!({
                "name": name,
                "label": name,
                "type": "query",
                "datasource": source(),
                "query": {"query": query, "refId": name},
                "definition": query,
                "refresh": 2,
                "sort": 1,
                "multi": is_multi,
                "includeAll": is_multi,
                "allValue": if is_multi { json!(".*") } else { Value::Null },
                "current": if is_multi { json!({"text": "All", "value": "$__all"}) } else { json!({}) },
                "hide": 0,
            })
        };
        let of_job = "fanfare_build_info{namespace=\"$namespace\"}";
        let of_instance = "fanfare_build_info{namespace=\"$namespace\", job=\"$job\"}";
        json!([
            {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus",
             "current": {}, "hide": 0, "refresh": 1},
            query("namespace", "label_values(fanfare_build_info, namespace)", false),
            query("job", &format!("label_values({of_job}, job)"), false),
            query("instance", &format!("label_values({of_instance}, instance)"), !self.is_of_one_node),
        ])
    }
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

fn drains() -> Value {
    json!({
        "name": "Drains",
        "datasource": source(),
        "enable": true,
        "hide": false,
        "iconColor": "orange",
        "expr": panel::expression("fanfare_draining{@} == 1"),
        "titleFormat": "{{instance}} drains",
        "step": "15s",
    })
}

fn other_dashboards() -> Value {
    json!({
        "title": "Fanfare",
        "type": "dashboards",
        "tags": ["fanfare"],
        "asDropdown": false,
        "includeVars": true,
        "keepTime": true,
        "targetBlank": false,
    })
}

#[cfg(test)]
mod tests;
