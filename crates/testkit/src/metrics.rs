//! The metrics page of a node, as a scraper reads it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::http;

/// Values by series; a series is a name with its labels as they are written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    value_by_series: BTreeMap<String, f64>,
    kind_by_family: BTreeMap<String, String>,
}

impl Metrics {
    /// Scrapes a node.
    ///
    /// # Panics
    /// When the page cannot be had or read.
    pub fn scrape(internal: SocketAddr) -> Self {
        let answer = http::get(internal, "/metrics").expect("the metrics page");
        assert_eq!(answer.status, 200, "{}", answer.body);
        Self::parse(&answer.body).unwrap_or_else(|line| panic!("not a metric: `{line}`"))
    }

    /// Reads a page; the error is the line that is none of the format's.
    pub fn parse(page: &str) -> Result<Self, String> {
        let mut metrics = Self::default();
        for line in page.lines() {
            metrics.take(line).ok_or_else(|| line.to_owned())?;
        }
        Ok(metrics)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        if let Some(declared) = line.strip_prefix("# TYPE ") {
            let (family, kind) = declared.split_once(' ')?;
            self.kind_by_family.insert(family.to_owned(), kind.to_owned());
            return Some(());
        }
        if line.starts_with("# HELP ") {
            return Some(());
        }
        let (series, value) = line.rsplit_once(' ')?;
        let family = series.split('{').next()?;
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if family.is_empty() || !family.bytes().all(is_name) {
            return None;
        }
        let previous = self.value_by_series.insert(series.to_owned(), value.parse().ok()?);
        previous.is_none().then_some(())
    }

    /// The value of a series.
    ///
    /// # Panics
    /// When there is none.
    pub fn value(&self, series: &str) -> f64 {
        let found = self.value_by_series.get(series);
        *found.unwrap_or_else(|| panic!("no series {series}"))
    }

    /// The sum over a family.
    ///
    /// # Panics
    /// When it has no series.
    pub fn sum(&self, family: &str) -> f64 {
        let of_family = |series: &&str| series.split('{').next() == Some(family);
        assert!(self.series().any(|series| of_family(&series)), "no family {family}");
        self.series().filter(of_family).map(|series| self.value_by_series[series]).sum()
    }

    /// Every series.
    pub fn series(&self) -> impl Iterator<Item = &str> {
        self.value_by_series.keys().map(String::as_str)
    }

    /// The declared type of a family.
    pub fn kind(&self, family: &str) -> Option<&str> {
        self.kind_by_family.get(family).map(String::as_str)
    }
}
