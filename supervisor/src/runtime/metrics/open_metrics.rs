//! The OpenMetrics text form, version 1.0.0: units, and exemplars that name traces.
//!
//! Prometheus' library has no writer for it. A counter's family is named without `_total`, numbers
//! of buckets are written with a point, and the text ends with a mark, so that a reader knows that
//! nothing is missing.

use std::fmt::Write;

use mcp_protocol::measure::{Exemplar, Family, Kind, Sizes};

use super::sheet::{Number, Sheet, pairs};

/// Its name, for whoever asks over HTTP.
pub(super) const NAME: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Units that a family's name may end with.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// The sheet in OpenMetrics' text form.
pub(super) fn written(sheet: &Sheet) -> String {
    let mut text = Text(String::new());
    for (family, numbers) in sheet.families().filter(|(_, numbers)| !numbers.is_empty()) {
        text.head(family);
        for (labels, number) in numbers {
            let labels = pairs(family, labels);
            match (family.kind, number) {
                (Kind::Gauge | Kind::Counter | Kind::Histogram(_), Number::Plain(number)) => {
                    text.sample(family.name, &labels, *number);
                    text.0.push('\n');
                }
                (Kind::Histogram(ends), Number::Sizes(sizes)) => {
                    text.histogram(family.name, &labels, (ends, sizes));
                }
                (Kind::Gauge | Kind::Counter, Number::Sizes(_)) => {}
            }
        }
    }
    text.0.push_str("# EOF\n");
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, family: &Family) {
        let (name, kind) = match family.kind {
            Kind::Gauge => (family.name, "gauge"),
            Kind::Counter => (family.name.trim_end_matches("_total"), "counter"),
            Kind::Histogram(_) => (family.name, "histogram"),
        };
        self.line(format_args!("# TYPE {name} {kind}\n"));
        let unit = name.rsplit('_').next().filter(|last| UNITS.contains(last));
        if let Some(unit) = unit {
            self.line(format_args!("# UNIT {name} {unit}\n"));
        }
        self.line(format_args!("# HELP {name} {}\n", escaped(family.help)));
    }

    fn histogram(
        &mut self,
        name: &str,
        labels: &[(&'static str, &str)],
        (ends, sizes): (&[f64], &Sizes),
    ) {
        let (mut count, bucket) = (0, format!("{name}_bucket"));
        for place in 0..=ends.len() {
            count += sizes.of_bucket(place);
            let end = ends.get(place).map_or("+Inf".to_owned(), |end| number(*end));
            let mut labels = labels.to_vec();
            labels.push(("le", &end));
            self.sample(&bucket, &labels, exact(count));
            if let Some(exemplar) = sizes.exemplar(place) {
                self.exemplar(exemplar);
            }
            self.0.push('\n');
        }
        self.sample(&format!("{name}_count"), labels, exact(count));
        self.0.push('\n');
        self.sample(&format!("{name}_sum"), labels, sizes.sum);
        self.0.push('\n');
    }

    fn exemplar(&mut self, Exemplar { trace, size, at_ms }: &Exemplar) {
        let (seconds, rest) = (at_ms / 1000, at_ms % 1000);
        let size = number(*size);
        self.line(format_args!(" # {{trace_id=\"{trace}\"}} {size} {seconds}.{rest:03}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        let mut opening = '{';
        for (label, value) in labels {
            self.line(format_args!("{opening}{label}=\"{}\"", escaped(value)));
            opening = ',';
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        self.line(format_args!(" {}", number(value)));
    }

    fn line(&mut self, words: std::fmt::Arguments<'_>) {
        self.0.write_fmt(words).expect("a text takes everything");
    }
}

/// A count as a number with a point: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "no fleet counts so far")]
fn exact(count: u64) -> f64 {
    count as f64
}

/// A number with a point in it, as readers of this form compare them.
fn number(number: f64) -> String {
    format!("{number:?}")
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\"")
}
