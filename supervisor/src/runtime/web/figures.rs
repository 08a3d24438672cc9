//! Numbers for the dashboard, taken from the text that Prometheus scrapes: what a person sees and
//! what is recorded cannot disagree, and a metric that is there is shown without another way to it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Numbers of one app.
#[derive(Debug, Default)]
struct Figures {
    /// Sums over everything but the app, by metric.
    sums: BTreeMap<&'static str, f64>,
    /// Tool calls that neither succeeded nor were cancelled.
    calls_failed: f64,
    /// Tool calls that took at most so many seconds, by that bound as it is written.
    buckets: BTreeMap<String, f64>,
    /// Sessions by connection: active, open, allowed, and who waits for one.
    pools: BTreeMap<String, [f64; 4]>,
    /// The same by slot.
    slots: BTreeMap<String, [f64; 4]>,
}

/// Metrics that are shown as one sum for each app, and their names there.
const SUMS: [(&str, &str); 6] = [
    ("mcp_http_requests_total", "requests"),
    ("mcp_http_request_errors_total", "request_errors"),
    ("mcp_concurrent_requests", "in_flight"),
    ("mcp_active_connections", "connections"),
    ("mcp_requests_total", "calls"),
    ("mcp_request_duration_seconds_sum", "call_seconds"),
];
const CALLS: &str = "mcp_requests_total";
const BUCKETS: &str = "mcp_request_duration_seconds_bucket";
/// Metrics of pools, in the order in which they are shown.
const POOLS: [&str; 4] = [
    "pool_connections_active",
    "pool_connections_total",
    "pool_connections_max",
    "pool_callers_waiting",
];

/// The numbers of each app, from the metrics' text form.
pub(super) fn of(metrics: &str) -> Value {
    let mut apps: BTreeMap<String, Figures> = BTreeMap::new();
    for sample in metrics.lines().filter_map(Sample::of) {
        let Some(app) = sample.label("app") else { continue };
        apps.entry(app.to_owned()).or_default().take(&sample);
    }
    apps.iter().map(|(name, figures)| (name.clone(), figures.json())).collect()
}

impl Figures {
    fn take(&mut self, sample: &Sample<'_>) {
        if let Some((_, name)) = SUMS.iter().find(|(metric, _)| *metric == sample.name) {
            *self.sums.entry(name).or_default() += sample.value;
        }
        let outcome = sample.label("outcome").unwrap_or_default();
        if sample.name == CALLS && !["ok", "cancelled"].contains(&outcome) {
            self.calls_failed += sample.value;
        }
        if let (BUCKETS, Some(bound)) = (sample.name, sample.label("le")) {
            *self.buckets.entry(bound.to_owned()).or_default() += sample.value;
        }
        if let Some(place) = POOLS.iter().position(|metric| *metric == sample.name) {
            let connection = sample.label("connection").unwrap_or_default().to_owned();
            let slot = sample.label("slot").unwrap_or_default().to_owned();
            self.pools.entry(connection).or_default()[place] += sample.value;
            self.slots.entry(slot).or_default()[place] += sample.value;
        }
    }

    fn json(&self) -> Value {
        let pool = |pools: &BTreeMap<String, [f64; 4]>| -> Value {
            let one = |[active, open, max, waiting]: [f64; 4]| json!({ "active": active, "open": open, "max": max, "waiting": waiting });
            pools.iter().map(|(name, numbers)| (name.clone(), one(*numbers))).collect()
        };
        let mut buckets: Vec<(f64, f64)> = self
            .buckets
            .iter()
            .filter_map(|(bound, count)| Some((bound.parse::<f64>().ok()?, *count)))
            .filter(|(bound, _)| bound.is_finite())
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        json!({
            "sums": self.sums, "calls_failed": self.calls_failed, "buckets": buckets,
            "pools": pool(&self.pools), "slots": pool(&self.slots),
        })
    }
}

/// One line of the text form.
struct Sample<'a> {
    name: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

impl<'a> Sample<'a> {
    /// The sample in a line; `None` for a comment, and for what is not of this form.
    fn of(line: &'a str) -> Option<Sample<'a>> {
        let end = line.find(['{', ' '])?;
        let (name, rest) = line.split_at(end);
        if name.is_empty() || name.starts_with('#') {
            return None;
        }
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest)?,
            None => (Vec::new(), rest),
        };
        // A time or an exemplar may follow.
        let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
        Some(Sample { name, labels, value })
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str())
    }
}

/// The labels up to the closing bracket, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = quoted.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at + 1,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    other => other,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name, value));
        rest = &quoted[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_an_app_is_added_up() {
        let text = "# TYPE mcp_requests_total counter\n\
            mcp_requests_total{app=\"query\",outcome=\"ok\",tool=\"a\"} 5\n\
            mcp_requests_total{app=\"query\",outcome=\"error\",tool=\"a\"} 2\n\
            mcp_requests_total{app=\"other\",outcome=\"ok\",tool=\"a\"} 1\n\
            mcp_request_duration_seconds_sum{app=\"query\",tool=\"a\"} 1.5\n\
            supervisor_uptime_seconds 7\n";
        let figures = of(text);
        assert_eq!(figures["query"]["sums"]["calls"], json!(7.0));
        assert_eq!(figures["query"]["calls_failed"], json!(2.0));
        assert_eq!(figures["query"]["sums"]["call_seconds"], json!(1.5));
        assert_eq!(figures["other"]["sums"]["calls"], json!(1.0));
        assert_eq!(figures.as_object().unwrap().len(), 2);
    }

    #[test]
    fn buckets_come_in_the_order_of_their_bounds_and_exemplars_do_not_hurt() {
        let name = "mcp_request_duration_seconds_bucket";
        let text = format!(
            "{name}{{app=\"q\",tool=\"a\",le=\"10\"}} 4\n\
             {name}{{app=\"q\",tool=\"a\",le=\"0.5\"}} 1 # {{trace_id=\"ab\"}} 0.4 1.7\n\
             {name}{{app=\"q\",tool=\"b\",le=\"0.5\"}} 2\n\
             {name}{{app=\"q\",tool=\"a\",le=\"+Inf\"}} 5\n"
        );
        assert_eq!(of(&text)["q"]["buckets"], json!([[0.5, 3.0], [10.0, 4.0]]));
    }

    #[test]
    fn pools_are_told_by_connection_and_by_slot() {
        let pool = |metric: &str, slot: u32, connection: &str, value: u32| {
            format!("{metric}{{app=\"q\",connection=\"{connection}\",slot=\"{slot}\"}} {value}\n")
        };
        let text = [
            pool("pool_connections_active", 0, "default", 2),
            pool("pool_connections_active", 1, "default", 3),
            pool("pool_connections_max", 0, "default", 10),
            pool("pool_callers_waiting", 1, "finance", 4),
        ];
        let figures = of(&text.concat());
        let pool = &figures["q"]["pools"];
        assert_eq!(
            pool["default"],
            json!({"active": 5.0, "open": 0.0, "max": 10.0, "waiting": 0.0})
        );
        assert_eq!(pool["finance"]["waiting"], json!(4.0));
        assert_eq!(figures["q"]["slots"]["1"]["active"], json!(3.0));
    }

    #[test]
    fn strange_labels_are_read_and_broken_lines_left_out() {
        let sample = Sample::of(r#"a{x="q\"},\\ n",y="z"} 3"#).unwrap();
        assert_eq!((sample.label("x"), sample.label("y")), (Some(r#"q"},\ n"#), Some("z")));
        assert_eq!(Sample::of("plain 4").unwrap().value, 4.0);
        for broken in ["", "a", "a{", "a{x=\"y", "a{x=\"y\"}", "a{x=\"y\"} z", "# HELP a b"] {
            assert!(Sample::of(broken).is_none(), "{broken}");
        }
    }
}
