//! Which app waits for which: `depends_on` may name apps of the chosen environment, never in a
//! circle. The machine relies on that: in a circle nobody could ever be started.

use std::collections::BTreeMap;

use super::keys::nearest;
use super::problem::Report;
use super::section::Section;

/// Who waits for whom, by name.
type Edges<'a> = BTreeMap<&'a str, Vec<String>>;

/// Notes every name that is not an app here, and every circle once.
pub(super) fn check(file: Section<'_>, environment: &str, report: &mut Report) {
    let apps = file.section("apps").members();
    let edges: Edges<'_> =
        apps.iter().map(|(name, app)| (*name, app.texts("depends_on"))).collect();
    let mut circles = Vec::new();
    for (name, app) in &apps {
        let Some(node) = app.node("depends_on") else { continue };
        for (wanted, node) in app.entries("depends_on") {
            let wanted = &wanted;
            if wanted == name {
                let words = format!("`{name}` cannot wait for itself; remove it from the list");
                report.add(&node.key, node.place, words);
            } else if !edges.contains_key(wanted.as_str()) {
                let words = unknown(wanted, name, &edges, (file, environment));
                report.add(&node.key, node.place, words);
            }
        }
        let Some(circle) = circle_through(name, &edges) else { continue };
        let mut members = circle.clone();
        members.sort_unstable();
        if !circles.contains(&members) {
            let words = format!(
                "{} → {name} is a circle, so none of them could start; remove one of these",
                circle.join(" → ")
            );
            report.add(&node.key, node.place, words);
            circles.push(members);
        }
    }
}

fn unknown(
    wanted: &str,
    name: &str,
    edges: &Edges<'_>,
    (file, environment): (Section<'_>, &str),
) -> String {
    let elsewhere: Vec<_> = file
        .section("environments")
        .members()
        .into_iter()
        .filter(|(_, other)| other.section("apps").node(wanted).is_some())
        .map(|(other, _)| other)
        .collect();
    if !elsewhere.is_empty() {
        return format!(
            "app `{wanted}` is in the environment {} only, and this is {environment}; move this \
             line there, or the app to [apps]",
            elsewhere.join(" and ")
        );
    }
    let others: Vec<_> = edges.keys().filter(|other| **other != name).copied().collect();
    match nearest(wanted, others.iter().copied()) {
        Some(other) => format!("there is no app `{wanted}`; did you mean `{other}`?"),
        None if others.is_empty() => format!("there is no app `{wanted}`; remove it from the list"),
        None => format!("there is no app `{wanted}`; there are {}", others.join(", ")),
    }
}

/// The shortest way from an app over others back to itself; one that names itself is no circle.
fn circle_through<'a>(name: &'a str, edges: &'a Edges<'a>) -> Option<Vec<&'a str>> {
    let mut ways = vec![vec![name]];
    let mut seen = vec![name];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in &ways {
            let last = way.last()?;
            for next in edges.get(last).into_iter().flatten().filter(|next| next != last) {
                if next == name {
                    return Some(way.clone());
                }
                if !seen.contains(&next.as_str()) {
                    seen.push(next);
                    longer.push([way.as_slice(), &[next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}
