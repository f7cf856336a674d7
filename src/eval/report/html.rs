//! The report as one HTML page: tables, and bars with intervals drawn as inline SVG.

use minijinja::{Environment, UndefinedBehavior, context};
use serde::Serialize;

use super::{Report, number, with_interval};

const TEMPLATE: &str = include_str!("report.html");
const WIDTH: f64 = 320.0;

/// One metric with a bar a language.
#[derive(Serialize)]
struct Chart {
    metric: String,
    bars: Vec<Bar>,
    top: String,
}

/// Positions in pixels.
#[derive(Serialize)]
struct Bar {
    name: String,
    n: usize,
    y: usize,
    value: f64,
    low: f64,
    high: f64,
    label: String,
}

/// Fills the template.
pub(super) fn render(report: &Report) -> Result<String, minijinja::Error> {
    let charts: Vec<Chart> = report.order.iter().filter_map(|metric| chart(report, metric)).collect();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", TEMPLATE)?;
    environment.get_template("report.html")?.render(context! {
        set => report.summary.set,
        kind => report.summary.kind,
        config_hash => report.summary.config_hash,
        width => WIDTH,
        charts,
        tables => report.tables,
        worst => report.worst,
        method => report.method,
    })
}

fn chart(report: &Report, metric: &str) -> Option<Chart> {
    let found: Vec<_> = report
        .summary
        .slices()
        .filter_map(|(name, slice)| slice.metrics.get(metric).map(|estimate| (name, slice.n, estimate)))
        .collect();
    let highest = found.iter().map(|(_, _, estimate)| estimate.high).fold(0.0, f64::max);
    let top = if highest <= 1.0 { 1.0 } else { highest };
    let place = |value: f64| (value / top).clamp(0.0, 1.0) * WIDTH;
    let bars: Vec<Bar> = found
        .into_iter()
        .enumerate()
        .map(|(index, (name, n, estimate))| Bar {
            name: name.to_owned(),
            n,
            y: index * 24,
            value: place(estimate.value),
            low: place(estimate.low),
            high: place(estimate.high),
            label: with_interval(estimate),
        })
        .collect();
    (!bars.is_empty()).then(|| Chart { metric: metric.to_owned(), bars, top: number(top) })
}
