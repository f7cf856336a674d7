//! The report as one HTML page: tables, and bars with intervals drawn as inline SVG.

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use super::{Report, number, with_interval};

const TEMPLATE: &str = include_str!("report.html");
const WIDTH: f64 = 320.0;

/// Fills the template.
pub(super) fn render(report: &Report) -> Result<String, minijinja::Error> {
    let charts: Vec<Value> = report.order.iter().filter_map(|metric| chart(report, metric)).collect();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("report.html", TEMPLATE)?;
    environment.get_template("report.html")?.render(context! {
        set => report.summary.set.clone(),
        kind => report.summary.kind.clone(),
        config_hash => report.summary.config_hash.clone(),
        width => WIDTH,
        charts,
        tables => report
            .tables
            .iter()
            .map(|table| context! { title => table.title.clone(), columns => table.columns.clone(), rows => table.rows.clone() })
            .collect::<Value>(),
        worst => report
            .worst
            .iter()
            .map(|row| context! { id => row.id.clone(), language => row.language.clone(), what => row.what.clone(), text => row.text.clone() })
            .collect::<Value>(),
        method => report.method.clone(),
    })
}

/// One metric with a bar a language, positions in pixels.
fn chart(report: &Report, metric: &str) -> Option<Value> {
    let found: Vec<_> = report
        .summary
        .slices()
        .filter_map(|(name, slice)| slice.metrics.get(metric).map(|estimate| (name, slice.n, estimate)))
        .collect();
    let highest = found.iter().map(|(_, _, estimate)| estimate.high).fold(0.0, f64::max);
    let top = if highest <= 1.0 { 1.0 } else { highest };
    let place = |value: f64| (value / top).clamp(0.0, 1.0) * WIDTH;
    let bars: Vec<Value> = found
        .into_iter()
        .enumerate()
        .map(|(index, (name, n, estimate))| {
            context! {
                name,
                n,
                y => index * 24,
                value => place(estimate.value),
                low => place(estimate.low),
                high => place(estimate.high),
                label => with_interval(estimate),
            }
        })
        .collect();
    (!bars.is_empty()).then(|| context! { metric, bars, top => number(top) })
}
