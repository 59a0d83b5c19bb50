//! Panels and rows, and their JSON. Knows Grafana, and nothing of what is shown.

use serde_json::{Value, json};

use super::source;

/// What every query is limited to.
const SELECTION: &str = r#"namespace="$namespace", job="$job", instance=~"$instance""#;
const COLOURS: [&str; 3] = ["green", "orange", "red"];

/// A headed group of panels.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: Vec<Panel>,
}

/// One panel, with what it queries.
pub(super) struct Panel {
    pub(super) width: u32,
    title: &'static str,
    description: &'static str,
    kind: Kind,
    unit: &'static str,
    /// Each with its legend.
    queries: Vec<(String, &'static str)>,
    /// From where on a value is doubtful, and from where on bad; a value that is bad when low comes last.
    thresholds: Vec<f64>,
    is_bad_when_low: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Figure,
    Graph,
    Stack,
    Heatmap,
}

/// The figure of now, large.
pub(super) fn figure(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Figure, 4, title, unit, description)
}

/// Lines over time.
pub(super) fn graph(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Graph, 8, title, unit, description)
}

/// Areas over time whose sum means something.
pub(super) fn stack(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Stack, 8, title, unit, description)
}

/// How a histogram's buckets fill over time.
pub(super) fn heatmap(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Kind::Heatmap, 8, title, unit, description)
}

/// A query as Grafana takes it: `@` stands for the selection.
pub(super) fn expression(query: &str) -> String {
    query.replace('@', SELECTION)
}

impl Row {
    pub(super) fn new(title: &'static str, panels: impl Into<Vec<Panel>>) -> Self {
        Self { title, panels: panels.into() }
    }

    pub(super) fn json(&self, id: usize, top: u32) -> Value {
        let place = json!({"x": 0, "y": top, "w": super::GRID_WIDTH, "h": 1});
        json!({"id": id, "type": "row", "title": self.title, "collapsed": false, "gridPos": place, "panels": []})
    }
}

impl Panel {
    fn new(
        kind: Kind,
        width: u32,
        title: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        let (queries, thresholds) = Default::default();
        Self { width, title, description, kind, unit, queries, thresholds, is_bad_when_low: false }
    }

    /// Adds a query and its legend.
    pub(super) fn query(mut self, query: &str, legend: &'static str) -> Self {
        self.queries.push((expression(query), legend));
        self
    }

    /// Colours values from these on.
    pub(super) fn bad_from(mut self, doubtful: f64, bad: f64) -> Self {
        self.thresholds = vec![doubtful, bad];
        self
    }

    /// Colours values below this.
    pub(super) fn bad_below(mut self, good: f64) -> Self {
        self.thresholds = vec![good];
        self.is_bad_when_low = true;
        self
    }

    pub(super) fn height(&self) -> u32 {
        if self.kind == Kind::Figure { 4 } else { 8 }
    }

    pub(super) fn json(&self, id: usize, (left, top): (u32, u32)) -> Value {
        json!({
            "id": id,
            "type": self.kind.name(),
            "title": self.title,
            "description": self.description,
            "datasource": source(),
            "gridPos": {"x": left, "y": top, "w": self.width, "h": self.height()},
            "targets": self.targets(),
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": self.kind.options(),
        })
    }

    fn targets(&self) -> Vec<Value> {
        let target = |(at, (query, legend)): (usize, &(String, &str))| {
            json!({
                "refId": char::from(b'A' + u8::try_from(at).expect("a panel has few queries")).to_string(),
                "datasource": source(),
                "editorMode": "code",
                "expr": query,
                "legendFormat": legend,
                "format": if self.kind == Kind::Heatmap { "heatmap" } else { "time_series" },
                "instant": self.kind == Kind::Figure,
                "range": self.kind != Kind::Figure,
            })
        };
        self.queries.iter().enumerate().map(target).collect()
    }

    fn defaults(&self) -> Value {
        let colours: Vec<&str> = if self.is_bad_when_low { vec!["red", "green"] } else { COLOURS.to_vec() };
        let bounds = std::iter::once(None).chain(self.thresholds.iter().copied().map(Some));
        let steps: Vec<Value> =
            bounds.zip(colours).map(|(value, color)| json!({"value": value, "color": color})).collect();
        let mode = if self.kind == Kind::Figure { "thresholds" } else { "palette-classic" };
        json!({
            "unit": self.unit,
            "min": 0,
            "color": {"mode": mode},
            "thresholds": {"mode": "absolute", "steps": steps},
            "custom": self.kind.custom(!self.thresholds.is_empty()),
        })
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Figure => "stat",
            Self::Graph | Self::Stack => "timeseries",
            Self::Heatmap => "heatmap",
        }
    }

    fn custom(self, has_thresholds: bool) -> Value {
        match self {
            Self::Figure | Self::Heatmap => json!({}),
            Self::Graph | Self::Stack => json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if self == Self::Stack { 25 } else { 0 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": {"mode": if self == Self::Stack { "normal" } else { "none" }, "group": "A"},
                "thresholdsStyle": {"mode": if has_thresholds { "line" } else { "off" }},
            }),
        }
    }

    fn options(self) -> Value {
        match self {
            Self::Figure => json!({
                "colorMode": "value",
                "graphMode": "none",
                "justifyMode": "auto",
                "textMode": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            }),
            Self::Graph | Self::Stack => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Self::Heatmap => json!({
                "calculate": false,
                "cellGap": 1,
                "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5, "steps": 64},
                "yAxis": {"unit": "s", "axisPlacement": "left"},
                "legend": {"show": true},
                "tooltip": {"mode": "single", "yHistogram": false},
            }),
        }
    }
}
