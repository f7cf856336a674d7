//! Reports as HTML pages: figures with their intervals, curves as inline SVG, the worst cases with their traces. A page
//! loads nothing and runs nothing.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior, context};

use super::{Report, WORST, charts, number};
use crate::eval::case::{self, Case};
use crate::eval::compare::{Comparison, Run, Verdict};
use crate::eval::metrics::Estimate;
use crate::eval::metrics::statistic::{Better, Metric, Statistic};

/// Width of an interval's bar, in pixels.
const WIDTH: f64 = 96.0;
/// Cases that changed sides, at most, of each kind.
const CHANGED: usize = 20;

/// The page of a run.
pub(super) fn report(report: &Report) -> Result<String, minijinja::Error> {
    let summary = &report.summary;
    let metrics = summary.task.metrics_of(&report.cases);
    let slices: Vec<Value> = summary.slices().map(|(name, slice)| context! { name, n => slice.n }).collect();
    let rows: Vec<Value> = report
        .order
        .iter()
        .map(|name| {
            let better = metrics.iter().find(|metric| metric.name == *name).map(|metric| metric.better);
            let highest = summary.slices().filter_map(|(_, slice)| slice.metrics.get(name)).map(|e| e.high);
            let top = highest.fold(1.0, f64::max);
            let cells: Vec<Option<Value>> =
                summary.slices().map(|(_, slice)| cell(slice.metrics.get(name), 0.0, top)).collect();
            context! { name, better => better.map(arrow), cells }
        })
        .collect();
    let tables: Vec<Value> = report
        .tables
        .iter()
        .map(|table| context! { title => table.title.clone(), columns => table.columns.clone(), rows => table.rows.clone() })
        .collect();
    let worst: Vec<Value> = case::worst(&report.cases, WORST).into_iter().map(story).collect();
    environment()?.get_template("report.html")?.render(context! {
        set => summary.set.clone(),
        kind => summary.kind.clone(),
        task => summary.task.as_str(),
        config_hash => summary.config_hash.clone(),
        n => summary.all.n,
        width => WIDTH,
        slices,
        rows,
        plots => charts::plots(&[("", &report.cases)], &metrics),
        tables,
        worst,
        method => report.method.iter().chain(&report.circumstances).cloned().collect::<Vec<_>>(),
    })
}

/// The page of two runs side by side.
pub fn comparison(comparison: &Comparison, first: &Run, second: &Run) -> Result<String, minijinja::Error> {
    let metrics = comparison.task.metrics_of(&first.cases);
    let verdicts = [Verdict::Better, Verdict::Worse, Verdict::Changed, Verdict::CannotTell];
    let counts: Vec<Value> = verdicts
        .into_iter()
        .map(|verdict| {
            let of_all = comparison.rows.iter().filter(|row| row.slice == "all" && row.verdict == verdict);
            context! { verdict => Serde(verdict), words => verdict.words(), n => of_all.count() }
        })
        .collect();
    let parts: Vec<Value> = comparison
        .slices()
        .into_iter()
        .map(|slice| {
            let own: Vec<_> = comparison.rows.iter().filter(|row| row.slice == slice).collect();
            let rows: Vec<Value> = own
                .iter()
                .map(|row| {
                    let reach = row.difference.low.abs().max(row.difference.high.abs()).max(1e-9);
                    let better = metrics.iter().find(|metric| metric.name == row.metric).map(|m| m.better);
                    context! {
                        metric => row.metric.clone(),
                        better => better.map(arrow),
                        n => row.n,
                        first => number(row.first),
                        second => number(row.second),
                        difference => cell(Some(&row.difference), -reach, reach),
                        p_value => row.mcnemar.map(|test| format!("{:.3}", test.p_value)),
                        verdict => Serde(row.verdict),
                        words => row.verdict.words(),
                        more => row.more_cases,
                    }
                })
                .collect();
            context! { slice, rows }
        })
        .collect();
    environment()?.get_template("compare.html")?.render(context! {
        set => comparison.set.clone(),
        task => comparison.task.as_str(),
        names => [name(first), name(second)],
        config_hashes => comparison.config_hashes.clone(),
        paired => comparison.paired,
        unpaired => comparison.unpaired,
        width => WIDTH,
        counts,
        parts,
        plots => charts::plots(&[("A", &first.cases), ("B", &second.cases)], &metrics),
        changed => changed(&metrics, first, second),
    })
}

fn name(run: &Run) -> String {
    run.path.display().to_string()
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template("style.html", include_str!("style.html"))?;
    environment.add_template("parts.html", include_str!("parts.html"))?;
    environment.add_template("report.html", include_str!("report.html"))?;
    environment.add_template("compare.html", include_str!("compare.html"))?;
    Ok(environment)
}

fn arrow(better: Better) -> &'static str {
    match better {
        Better::Higher => "↑",
        Better::Lower => "↓",
        Better::Neither => "",
    }
}

/// A value with its interval, and where both lie between the ends of a scale.
fn cell(estimate: Option<&Estimate>, from: f64, to: f64) -> Option<Value> {
    let estimate = estimate?;
    let place = |value: f64| format!("{:.1}", ((value - from) / (to - from)).clamp(0.0, 1.0) * WIDTH);
    Some(context! {
        value => number(estimate.value),
        low => number(estimate.low),
        high => number(estimate.high),
        at => place(estimate.value),
        left => place(estimate.low),
        right => place(estimate.high),
        zero => (from < 0.0).then(|| place(0.0)),
    })
}

/// A case with what went wrong and how it came about.
fn story(case: &Case) -> Value {
    context! {
        id => case.id.clone(),
        language => case.language.clone(),
        channel => case.channel.clone(),
        group => case.group.clone(),
        what => case.fault.as_ref().map_or("nothing went wrong", |fault| fault.what.as_str()),
        severity => case.fault.as_ref().map_or(0, |fault| fault.severity),
        text => case.text.clone(),
        trace => Serde(case.trace.clone()),
    }
}

/// Cases that one run got right and the other did not, by the first metrics of yes and no on which they differ.
fn changed(metrics: &[Metric], first: &Run, second: &Run) -> Vec<Value> {
    let mut parts = Vec::new();
    let judged = metrics.iter().filter(|metric| {
        metric.better != Better::Neither && matches!(metric.statistic, Statistic::Rate | Statistic::Mean)
    });
    let by_id: std::collections::BTreeMap<&str, &Case> =
        second.cases.iter().map(|case| (case.id.as_str(), case)).collect();
    for metric in judged {
        let mut sides = [Vec::new(), Vec::new()];
        for case in &first.cases {
            let Some(other) = by_id.get(case.id.as_str()) else { continue };
            let Some((was, is)) = case.measure(&metric.name).zip(other.measure(&metric.name)) else {
                continue;
            };
            let gained = if metric.better == Better::Higher { is - was } else { was - is };
            if gained.abs() >= 1.0 {
                sides[usize::from(gained > 0.0)]
                    .push(context! { first => story(case), second => story(other) });
            }
        }
        let [mut lost, mut won] = sides;
        if lost.is_empty() && won.is_empty() {
            continue;
        }
        let counts = [lost.len(), won.len()];
        lost.truncate(CHANGED);
        won.truncate(CHANGED);
        parts.push(context! { metric => metric.name.clone(), lost, won, counts });
    }
    parts
}
