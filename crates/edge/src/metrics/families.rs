//! Prometheus families, built from plain counts.

use std::time::Duration;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// A family to be.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    metrics: Vec<Metric>,
}

pub(super) fn counter(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: MetricType::COUNTER, metrics: Vec::new() }
}

pub(super) fn gauge(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: MetricType::GAUGE, metrics: Vec::new() }
}

pub(super) fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, help, kind: MetricType::HISTOGRAM, metrics: Vec::new() }
}

fn labelled(labels: &[(&str, &str)]) -> Metric {
    let pairs = labels.iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    });
    Metric::from_label(pairs.collect())
}

impl Family {
    /// Adds a histogram's counts under labels.
    pub(super) fn counts(mut self, labels: &[(&str, &str)], counts: &model::Histogram) -> Self {
        let buckets = counts.cumulative().map(|(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(counts.count());
        histogram.set_sample_sum(counts.sum().as_secs_f64());
        let mut metric = labelled(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
        self
    }

    /// Adds a value under labels.
    pub(super) fn value(self, labels: &[(&str, &str)], value: u64) -> Self {
        self.real(labels, value as f64)
    }

    /// Adds the value of a family that tells a time.
    pub(super) fn seconds(self, span: Duration) -> Self {
        self.real(&[], span.as_secs_f64())
    }

    fn real(mut self, labels: &[(&str, &str)], value: f64) -> Self {
        let mut metric = labelled(labels);
        match self.kind {
            MetricType::GAUGE => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            MetricType::COUNTER | MetricType::HISTOGRAM | MetricType::SUMMARY | MetricType::UNTYPED => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
        }
        self.metrics.push(metric);
        self
    }

    /// Adds one value for each of a label's values.
    pub(super) fn values<'a>(
        self,
        label: &str,
        names: impl IntoIterator<Item = &'a str>,
        values: impl IntoIterator<Item = u64>,
    ) -> Self {
        names
            .into_iter()
            .zip(values)
            .fold(self, |family, (name, value)| family.value(&[(label, name)], value))
    }

    pub(super) fn build(self) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(self.metrics);
        family
    }
}
