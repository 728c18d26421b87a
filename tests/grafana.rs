//! Checks the Grafana dashboard against `/metrics`: every name, label and value in its queries exists, and some panel
//! shows every family.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test that panics has failed")]

use afflux::metrics::Metrics;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const DASHBOARD: &str = include_str!("../deploy/grafana/afflux.json");

/// Labels that Prometheus adds.
const OF_THE_SCRAPE: [&str; 1] = ["instance"];

/// Families that no panel shows, each with the reason.
const UNSEEN: [&str; 0] = [];

/// Each label of one name, with its values.
type Labels = BTreeMap<String, BTreeSet<String>>;

/// The output of `/metrics`.
struct Printed {
    /// Labels by series name.
    series: BTreeMap<String, Labels>,
    families: BTreeSet<String>,
}

impl Printed {
    fn new() -> Self {
        let (mut series, mut families): (BTreeMap<String, Labels>, BTreeSet<String>) = Default::default();
        for line in Metrics::new().text().lines() {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                families.insert(family.split(' ').next().unwrap().to_owned());
            }
            if line.starts_with('#') {
                continue;
            }
            let (name, labels) = line.rsplit_once(' ').unwrap().0.split_once('{').unwrap_or((line, "}"));
            let of = series.entry(name.split(' ').next().unwrap().to_owned()).or_default();
            for (label, _, value) in matchers(labels.strip_suffix('}').unwrap()) {
                of.entry(label.to_owned()).or_default().insert(value.to_owned());
            }
        }
        Self { series, families }
    }

    /// The family of a series.
    fn family(&self, name: &str) -> Option<&str> {
        let stems = ["", "_total", "_bucket", "_sum", "_count"].map(|end| name.strip_suffix(end));
        stems.into_iter().flatten().find_map(|stem| self.families.get(stem)).map(String::as_str)
    }

    /// Names, labels and values in a query that `/metrics` does not have.
    fn faults(&self, query: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let mut labels: BTreeSet<&str> = OF_THE_SCRAPE.into();
        for (name, selector) in selectors(query) {
            let Some(of) = self.series.get(name) else {
                faults.push(name.to_owned());
                continue;
            };
            labels.extend(of.keys().map(String::as_str));
            for (label, sign, value) in matchers(selector) {
                let known = of.get(label);
                if OF_THE_SCRAPE.contains(&label) && value == format!("${label}") {
                    continue;
                }
                // `=~` is only used with alternatives, no other pattern.
                let values: Vec<&str> = if sign == "=~" { value.split('|').collect() } else { vec![value] };
                let absent = values.iter().filter(|value| !known.is_some_and(|known| known.contains(**value)));
                faults.extend(absent.map(|value| format!("{name}{{{label}{sign}\"{value}\"}}")));
            }
        }
        let unknown = grouped(query).into_iter().filter(|label| !labels.contains(label));
        faults.extend(unknown.map(|label| format!("by ({label})")));
        faults
    }
}

/// Splits `a="b",c=~"d"` into its parts.
fn matchers(text: &str) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (before, after) = rest.split_once('"').unwrap_or_else(|| panic!("{text} names no value"));
        let (value, next) = after.split_once('"').unwrap_or_else(|| panic!("{text} ends in a value"));
        let before = before.trim();
        let label = before.trim_end_matches(['=', '~', '!']).trim();
        found.push((label, before[label.len()..].trim(), value));
        rest = next.trim().trim_start_matches(',').trim();
    }
    found
}

/// Names of our metrics in a query, each with the text in its braces.
fn selectors(query: &str) -> Vec<(&str, &str)> {
    let starts = query.match_indices("afflux").map(|(at, _)| &query[at..]);
    let parts = starts.map(|text| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (name, after) = text.split_at(end);
        let braces = after.strip_prefix('{').map_or("", |inside| inside.split('}').next().unwrap());
        (name, braces)
    });
    parts.collect()
}

/// The labels of every `by (…)`.
fn grouped(query: &str) -> Vec<&str> {
    let lists = query.split(" by (").skip(1).map(|after| after.split(')').next().unwrap());
    lists.flat_map(|list| list.split(',')).map(str::trim).collect()
}

/// The labels that a legend names.
fn named(legend: &str) -> Vec<&str> {
    legend.split("{{").skip(1).map(|after| after.split("}}").next().unwrap()).collect()
}

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// All panels but the titles of rows.
fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row").collect()
}

/// Each query with its panel and its legend.
fn queries(dashboard: &Value) -> Vec<(&str, &str, &str)> {
    let of = |panel: &'_ Value| panel["targets"].as_array().unwrap().len();
    assert!(panels(dashboard).into_iter().all(|panel| of(panel) > 0), "every panel must have a query");
    let each = panels(dashboard).into_iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap().iter();
        targets.map(move |target| (title, target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap()))
    });
    each.collect()
}

#[test]
fn every_name_label_and_value_in_a_query_is_printed() {
    let (dashboard, printed) = (dashboard(), Printed::new());
    let queries = queries(&dashboard);
    assert!(queries.len() > 20 && queries.iter().all(|(_, query, _)| !selectors(query).is_empty()));
    let faults = queries
        .iter()
        .flat_map(|(title, query, _)| printed.faults(query).into_iter().map(move |fault| format!("{title}: {fault}")));
    assert_eq!(faults.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_chooses_instances_asks_for_what_is_printed() {
    let (dashboard, printed) = (dashboard(), Printed::new());
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = variables.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance"]);
    let query = variables[1]["query"]["query"].as_str().unwrap();
    assert_eq!((selectors(query).len(), printed.faults(query)), (1, vec![]));
}

#[test]
fn a_legend_names_only_what_its_query_groups_by() {
    let dashboard = dashboard();
    for (title, query, legend) in queries(&dashboard) {
        let grouped = grouped(query);
        assert!(named(legend).iter().all(|label| grouped.contains(label)), "{title}: {legend}");
    }
}

#[test]
fn every_family_is_looked_at() {
    let (dashboard, printed) = (dashboard(), Printed::new());
    let queries = queries(&dashboard);
    let names = queries.iter().flat_map(|(_, query, _)| selectors(query));
    let seen: BTreeSet<&str> = names.filter_map(|(name, _)| printed.family(name)).chain(UNSEEN).collect();
    assert_eq!(seen, printed.families.iter().map(String::as_str).collect());
}

#[test]
fn every_panel_says_what_it_shows_and_in_what_unit() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    for panel in panels(&dashboard) {
        let said = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        assert!(said(&panel["title"]) && said(&panel["description"]), "{panel}");
        assert!(said(&panel["fieldConfig"]["defaults"]["unit"]), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
    }
}

#[test]
fn what_is_misspelt_is_found() {
    let printed = Printed::new();
    let faults = |query| printed.faults(query);
    assert_eq!(faults("sum by (route) (rate(afflux_requests_total{status=\"5xx\"}[1m]))"), [""; 0]);
    assert_eq!(faults("rate(afflux_request_total[1m])"), ["afflux_request_total"]);
    assert_eq!(faults("afflux_requests_total{status=\"6xx\"}"), ["afflux_requests_total{status=\"6xx\"}"]);
    assert_eq!(faults("afflux_requests_total{state=\"5xx\"}"), ["afflux_requests_total{state=\"5xx\"}"]);
    assert_eq!(
        faults("afflux_cache_lookups_total{outcome=~\"hit|joint\"}"),
        ["afflux_cache_lookups_total{outcome=~\"joint\"}"]
    );
    assert_eq!(faults("sum by (le, phase) (afflux_stage_duration_seconds_bucket)"), ["by (phase)"]);
}
