//! What a run found, as a table for people and as JSON for scripts.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use crate::Spread;

/// All figures of one run.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// One figure each, in the order in which they were measured.
    pub rows: Vec<Row>,
    /// What a reader must know to believe the figures.
    pub notes: Vec<String>,
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The workload it comes from.
    pub workload: &'static str,
    /// What was measured.
    pub what: String,
    /// Of the samples, not of the ratio.
    pub unit: &'static str,
    /// The node.
    pub node: Spread,
    /// The floor, measured in alternation.
    pub floor: Option<Spread>,
    /// Node over floor, pair by pair.
    pub ratio: Option<Spread>,
    /// What it should be, where that is agreed.
    pub target: Option<Target>,
}

/// What a figure should reach.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Target {
    /// At most this, the ratio if there is one and else the median.
    pub at_most: f64,
    /// Whether it was reached.
    pub met: bool,
}

impl Row {
    pub(crate) fn new(workload: &'static str, what: String, unit: &'static str, node: Spread) -> Self {
        Self { workload, what, unit, node, floor: None, ratio: None, target: None }
    }

    /// Sets the figure beside its floor: samples are pairs.
    pub(crate) fn beside(&mut self, node: &[f64], floor: &[f64]) {
        self.floor = Spread::of(floor);
        self.ratio = Spread::of_ratios(node, floor);
    }

    /// Sets and judges the target.
    pub(crate) fn aim(&mut self, at_most: f64) {
        let value = self.ratio.unwrap_or(self.node).median;
        self.target = Some(Target { at_most, met: value <= at_most });
    }
}

impl Report {
    /// Writes the table.
    pub fn write_table(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let head = ["workload", "what", "unit", "median", "min..max", "floor", "ratio (min..max)", "target"];
        let lines: Vec<[String; 8]> =
            std::iter::once(head.map(str::to_owned)).chain(self.rows.iter().map(cells)).collect();
        let widths: Vec<usize> = (0..head.len())
            .map(|column| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0))
            .collect();
        for line in &lines {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                let _ = write!(text, "{cell:<width$}  ");
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        for note in &self.notes {
            writeln!(out, "* {note}")?;
        }
        Ok(())
    }

    /// The report as JSON.
    pub fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)?)
    }
}

fn cells(row: &Row) -> [String; 8] {
    let ratio = row
        .ratio
        .map(|ratio| format!("{} ({}..{})", number(ratio.median), number(ratio.min), number(ratio.max)));
    let target = row
        .target
        .map(|target| format!("<= {} {}", number(target.at_most), if target.met { "met" } else { "MISSED" }));
    [
        row.workload.to_owned(),
        row.what.clone(),
        row.unit.to_owned(),
        number(row.node.median),
        format!("{}..{}", number(row.node.min), number(row.node.max)),
        row.floor.map(|floor| number(floor.median)).unwrap_or_default(),
        ratio.unwrap_or_default(),
        target.unwrap_or_default(),
    ]
}

/// Three figures that matter, never an exponent.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        small if small >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_judges_the_ratio_where_there_is_one() {
        let node = [110.0, 120.0, 130.0];
        let spread = Spread::of(&node).unwrap();
        let mut alone = Row::new("connect", "a".to_owned(), "ns", spread);
        alone.aim(100.0);
        assert!(!alone.target.unwrap().met);
        let mut paired = Row::new("fanout", "b".to_owned(), "ns", spread);
        paired.beside(&node, &[100.0, 100.0, 100.0]);
        paired.aim(1.2);
        assert!(paired.target.unwrap().met);

        let report = Report { rows: vec![alone, paired], notes: vec!["why".to_owned()] };
        let mut table = Vec::new();
        report.write_table(&mut table).unwrap();
        let table = String::from_utf8(table).unwrap();
        assert!(table.contains("1.20 (1.10..1.30)") && table.contains("<= 100 MISSED"), "{table}");
        assert!(table.ends_with("* why\n"), "{table}");
        assert!(report.to_json().unwrap().contains("\"met\": true"));
    }
}
