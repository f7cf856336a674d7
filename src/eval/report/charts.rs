//! Curves of a run as points: risk against coverage, confidence against outcome, and what a score separates.

use minijinja::context;
use minijinja::value::Value;

use crate::eval::case::Case;
use crate::eval::metrics::aurc::risks;
use crate::eval::metrics::statistic::{CONFIDENCE, Metric, RIGHT, Statistic};

/// Side of a plot, in pixels.
const SIDE: f64 = 240.0;
/// Most points of a line.
const POINTS: usize = 200;
/// Bins of the calibration plot, as many as its error has.
const BINS: usize = 10;

/// Points of a line, and how many cases lie behind each.
type Curve = (Vec<(f64, f64)>, Vec<usize>);

/// One curve of one run: points from 0 to 1 on both axes, and how many cases lie behind each where that is told.
struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    weights: Vec<usize>,
}

/// The plots that the cases of one run, or of two, allow.
pub(super) fn plots(runs: &[(&str, &[Case])], metrics: &[Metric]) -> Vec<Value> {
    let mut plots = Vec::new();
    let lines = |curve: fn(&[Case]) -> Curve| -> Vec<Line> {
        let line = |(name, cases): &(&str, &[Case])| {
            let (points, weights) = curve(cases);
            Line { name: (*name).to_owned(), points, weights }
        };
        runs.iter().map(line).filter(|line| !line.points.is_empty()).collect()
    };
    plots.extend(plot(
        "Risk and coverage",
        "share of drafts answered, the most confident first",
        "share of errors among them",
        "Lower is better; the area under the line is aurc.",
        false,
        &lines(risk_coverage),
    ));
    plots.extend(plot(
        "Calibration",
        "confidence",
        "share that is acceptable",
        "A point is a tenth of the scale, as large as its number of drafts. On the diagonal, confidence is what it says.",
        true,
        &lines(calibration),
    ));
    for metric in metrics {
        if let Statistic::Auroc(score, positive) = metric.statistic {
            let line = |(name, cases): &(&str, &[Case])| Line {
                name: (*name).to_owned(),
                points: receiver(cases, score, positive),
                weights: Vec::new(),
            };
            let lines: Vec<Line> = runs.iter().map(line).filter(|line| !line.points.is_empty()).collect();
            plots.extend(plot(
                &metric.name,
                "false alarms",
                "found",
                "The area under the line is the figure; on the diagonal, the score says nothing.",
                true,
                &lines,
            ));
        }
    }
    plots
}

fn plot(title: &str, x: &str, y: &str, note: &str, diagonal: bool, lines: &[Line]) -> Option<Value> {
    // A fixed number of digits, so that the page is the same byte for byte.
    let place = |value: f64| format!("{:.1}", value.clamp(0.0, 1.0) * SIDE);
    let top = |value: f64| format!("{:.1}", (1.0 - value.clamp(0.0, 1.0)) * SIDE);
    let drawn: Vec<Value> = lines
        .iter()
        .map(|line| {
            let path: Vec<String> =
                line.points.iter().map(|(x, y)| format!("{} {}", place(*x), top(*y))).collect();
            let most = line.weights.iter().max().copied().unwrap_or(1).max(1) as f64;
            let dots: Vec<Value> = line
                .points
                .iter()
                .zip(&line.weights)
                .map(|((x, y), n)| {
                    let radius = format!("{:.1}", 2.0 + 6.0 * (*n as f64 / most).sqrt());
                    context! { x => place(*x), y => top(*y), radius, n }
                })
                .collect();
            context! { name => line.name.clone(), path => format!("M{}", path.join("L")), dots }
        })
        .collect();
    (!drawn.is_empty()).then(|| context! { title, x, y, note, diagonal, side => SIDE, lines => drawn })
}

fn risk_coverage(cases: &[Case]) -> Curve {
    let items = judged(cases).into_iter().map(|(confidence, right)| (confidence, !right));
    let risks = risks(items);
    let n = risks.len();
    let step = n.div_ceil(POINTS).max(1);
    let shown = |rank: &usize| rank.is_multiple_of(step) || *rank == n;
    let points = (1..=n).filter(shown).map(|rank| (rank as f64 / n as f64, risks[rank - 1])).collect();
    (points, Vec::new())
}

fn calibration(cases: &[Case]) -> Curve {
    let mut bins = [(0.0_f64, 0_usize, 0_usize); BINS];
    for (confidence, right) in judged(cases) {
        let confidence = confidence.clamp(0.0, 1.0);
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += confidence;
        bin.1 += usize::from(right);
        bin.2 += 1;
    }
    bins.into_iter()
        .filter(|(_, _, n)| *n > 0)
        .map(|(sum, right, n)| ((sum / n as f64, right as f64 / n as f64), n))
        .unzip()
}

fn judged(cases: &[Case]) -> Vec<(f64, bool)> {
    cases.iter().filter_map(|case| Some((case.measure(CONFIDENCE)?, case.measure(RIGHT)? > 0.5))).collect()
}

/// False alarms and finds at every threshold; nothing unless both classes are there.
fn receiver(cases: &[Case], score: &str, positive: &str) -> Vec<(f64, f64)> {
    let mut items: Vec<(f64, bool)> =
        cases.iter().filter_map(|case| Some((case.measure(score)?, case.measure(positive)? > 0.5))).collect();
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let positives = items.iter().filter(|item| item.1).count();
    let negatives = items.len() - positives;
    if positives == 0 || negatives == 0 {
        return Vec::new();
    }
    let (mut found, mut alarms) = (0, 0);
    let mut points = vec![(0.0, 0.0)];
    for tied in items.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let own = tied.iter().filter(|item| item.1).count();
        found += own;
        alarms += tied.len() - own;
        points.push((alarms as f64 / negatives as f64, found as f64 / positives as f64));
    }
    let (last, step) = (points.len() - 1, points.len().div_ceil(POINTS).max(1));
    let kept =
        points.into_iter().enumerate().filter(|(index, _)| index.is_multiple_of(step) || *index == last);
    kept.map(|(_, point)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged_case(confidence: f64, right: bool) -> Case {
        Case::default().with(CONFIDENCE, confidence).with_yes(RIGHT, right)
    }

    #[test]
    fn curves_are_those_of_the_metrics() {
        let cases = [judged_case(0.95, true), judged_case(0.91, false), judged_case(0.15, false)];
        let (points, _) = risk_coverage(&cases);
        assert_eq!(points.len(), 3);
        assert!(points[0].1.abs() < 1e-12 && (points[2].1 - 2.0 / 3.0).abs() < 1e-12);
        let (points, weights) = calibration(&cases);
        assert_eq!(weights, [1, 2]);
        assert!((points[1].0 - 0.93).abs() < 1e-12 && (points[1].1 - 0.5).abs() < 1e-12);
        let scored: Vec<Case> = [(0.9, true), (0.5, false), (0.4, true)]
            .map(|(score, is)| Case::default().with("score", score).with_yes("is", is))
            .into();
        assert_eq!(receiver(&scored, "score", "is"), [(0.0, 0.0), (0.0, 0.5), (1.0, 0.5), (1.0, 1.0)]);
        assert!(receiver(&scored[..1], "score", "is").is_empty());
    }
}
