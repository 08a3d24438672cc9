//! The two forms of one sheet, and which of them a client gets.

use super::*;
use crate::runtime::metrics::families::{LAG, POOL_TOTAL, READINGS, UPTIME};
use mcp_protocol::measure::{Exemplar, Kind, Measure, Sizes, TraceId};

fn sheet() -> Sheet {
    let mut sheet = Sheet::default();
    sheet.set(UPTIME, &[], 3.0);
    sheet.set(READINGS, &["a \"b\"\\\n"], 2.0);
    sheet.add(POOL_TOTAL, &["query", "0", "default"], 1.0);
    sheet.add(POOL_TOTAL, &["query", "0", "default"], 2.0);
    let mut sizes = Sizes::default();
    let trace = TraceId([0xAB; 16]);
    let exemplar = Exemplar { trace, size: 0.02, at_ms: 1_800_000_000_042 };
    let Kind::Histogram(ends) = Measure::CallSeconds.family().kind else { panic!("no histogram") };
    sizes.count(ends, 0.02, Some(exemplar));
    sizes.count(ends, 1_000.0, None);
    sheet.sizes(Measure::CallSeconds.family(), &["query", "list_views", "ok"], &sizes);
    sheet
}

#[test]
fn the_plain_form_has_whole_histograms_and_sums() {
    let text = plain_text::written(&sheet());
    for line in [
        "# TYPE mcp_request_duration_seconds histogram\n",
        "mcp_request_duration_seconds_bucket{app=\"query\",outcome=\"ok\",tool=\"list_views\",\
         le=\"0.01\"} 0\n",
        "tool=\"list_views\",le=\"0.025\"} 1\n",
        "tool=\"list_views\",le=\"+Inf\"} 2\n",
        "mcp_request_duration_seconds_count{app=\"query\",outcome=\"ok\",tool=\"list_views\"} 2\n",
        "pool_connections_total{app=\"query\",connection=\"default\",slot=\"0\"} 3\n",
        "supervisor_config_reloads_total{result=\"a \\\"b\\\"\\\\\\n\"} 2\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("trace_id"), "exemplars have no place in it");
}

#[test]
fn the_open_form_has_units_exemplars_and_an_end() {
    let text = open_metrics::written(&sheet());
    for line in [
        "# TYPE supervisor_config_reloads counter\n",
        "# UNIT supervisor_uptime_seconds seconds\n",
        "supervisor_uptime_seconds 3.0\n",
        "le=\"0.025\"} 1.0 # {trace_id=\"abababababababababababababababab\"} 0.02 1800000000.042\n",
        "le=\"+Inf\"} 2.0\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn a_form_is_chosen_by_what_a_client_likes() {
    for (accept, open) in [
        (None, false),
        (Some("*/*"), false),
        (Some("application/openmetrics-text"), true),
        (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), true),
        (Some("application/openmetrics-text;version=0.0.1"), false),
        (
            Some(
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4",
            ),
            true,
        ),
        (Some("text/plain;version=0.0.4,application/openmetrics-text;q=0.5"), false),
        (Some("application/openmetrics-text;q=0"), false),
    ] {
        assert_eq!(wants_open_metrics(accept), open, "{accept:?}");
    }
}

#[test]
fn families_have_names_of_their_own() {
    let mut names: Vec<&str> = families::all().map(|family| family.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.contains(&LAG.name));
}
