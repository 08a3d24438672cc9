//! Prometheus' own text form, written by its library.

use mcp_protocol::measure::{Family, Kind, Sizes};
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::sheet::{Number, Sheet, pairs};

/// Its name, for whoever asks over HTTP.
pub(super) const NAME: &str = prometheus::TEXT_FORMAT;

/// The sheet in Prometheus' text form.
pub(super) fn written(sheet: &Sheet) -> String {
    let families: Vec<MetricFamily> = sheet
        .families()
        .filter(|(_, numbers)| !numbers.is_empty())
        .map(|(family, numbers)| {
            let mut written = MetricFamily::default();
            written.set_name(family.name.to_owned());
            written.set_help(family.help.to_owned());
            written.set_field_type(match family.kind {
                Kind::Gauge => MetricType::GAUGE,
                Kind::Counter => MetricType::COUNTER,
                Kind::Histogram(_) => MetricType::HISTOGRAM,
            });
            let metrics = numbers.iter().map(|(labels, number)| metric(family, labels, number));
            written.set_metric(metrics.collect());
            written
        })
        .collect();
    prometheus::TextEncoder::new().encode_to_string(&families).unwrap_or_else(|error| {
        // Names and labels are constants: only a mistake in them can bring us here.
        tracing::error!(%error, "cannot write the metrics");
        String::new()
    })
}

fn metric(family: &Family, labels: &[String], number: &Number) -> Metric {
    let labels = pairs(family, labels).into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value.to_owned());
        pair
    });
    let mut metric = Metric::from_label(labels.collect());
    match (family.kind, number) {
        (Kind::Counter, Number::Plain(number)) => {
            let mut counter = Counter::default();
            counter.set_value(*number);
            metric.set_counter(counter);
        }
        (Kind::Gauge | Kind::Histogram(_), Number::Plain(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(*number);
            metric.set_gauge(gauge);
        }
        (Kind::Histogram(ends), Number::Sizes(sizes)) => {
            metric.set_histogram(histogram(ends, sizes));
        }
        (Kind::Gauge | Kind::Counter, Number::Sizes(_)) => {}
    }
    metric
}

fn histogram(ends: &[f64], sizes: &Sizes) -> Histogram {
    let mut count = 0;
    let buckets = ends.iter().enumerate().map(|(place, end)| {
        count += sizes.of_bucket(place);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*end);
        bucket.set_cumulative_count(count);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(count + sizes.of_bucket(ends.len()));
    histogram.set_sample_sum(sizes.sum);
    histogram
}
