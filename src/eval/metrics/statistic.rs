//! Metrics as data: which measures of a case a metric reads, which statistic it makes of them, and which way is better.
//! Reports, comparisons and gates compute every metric here, so that they cannot disagree.

use super::bootstrap::Bootstrap;
use super::{Estimate, aurc, auroc, balanced, binomial, ece, quantile};
use crate::eval::case::Case;

/// Measures that selective metrics read: how sure a reply was, and whether it was right.
pub const CONFIDENCE: &str = "confidence";
/// See [`CONFIDENCE`].
pub const RIGHT: &str = "right";

/// One metric of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name in reports.
    pub name: String,
    /// How it comes about.
    pub statistic: Statistic,
    /// Which way is better.
    pub better: Better,
    /// It measures time: it differs from run to run, and a gate leaves it alone.
    pub timed: bool,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// Neither: it describes.
    Neither,
}

/// How a metric is made of measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    /// Share of the cases whose measure of the metric's name is 1, among those that have it; exact interval.
    Rate,
    /// Mean of the measure of the metric's name over the cases that have it.
    Mean,
    /// Sum of one measure over the sum of another.
    Ratio(&'static str, &'static str),
    /// Area under the receiver operating characteristic: a score, and a measure that is 1 for positives.
    Auroc(&'static str, &'static str),
    /// Mean of the recalls of both classes: what was said, and what is true.
    Balanced(&'static str, &'static str),
    /// Recall of the positives of a score where at most this share of the negatives scores as high.
    RecallAt(&'static str, &'static str, f64),
    /// Area under the risk-coverage curve.
    Aurc,
    /// Share of errors among the most confident share of the cases.
    RiskAt(f64),
    /// Expected calibration error.
    Ece,
    /// A quantile of a measure.
    Quantile(&'static str, f64),
}

/// What one case contributes to a metric.
pub type Item = (f64, f64);

impl Metric {
    /// A metric of which more is better.
    pub fn higher(name: impl Into<String>, statistic: Statistic) -> Self {
        Self { name: name.into(), statistic, better: Better::Higher, timed: false }
    }

    /// A metric of which less is better.
    pub fn lower(name: impl Into<String>, statistic: Statistic) -> Self {
        Self { better: Better::Lower, ..Self::higher(name, statistic) }
    }

    /// A metric that describes.
    pub fn neutral(name: impl Into<String>, statistic: Statistic) -> Self {
        Self { better: Better::Neither, ..Self::higher(name, statistic) }
    }

    /// A metric of time.
    pub fn timed(name: impl Into<String>, statistic: Statistic) -> Self {
        Self { timed: true, ..Self::lower(name, statistic) }
    }

    /// What a case contributes; `None` where the metric is undefined for it.
    pub fn item(&self, case: &Case) -> Option<Item> {
        let pair = |a: &str, b: &str| Some((case.measure(a)?, case.measure(b)?));
        match self.statistic {
            Statistic::Rate | Statistic::Mean => Some((case.measure(&self.name)?, 1.0)),
            Statistic::Ratio(a, b)
            | Statistic::Auroc(a, b)
            | Statistic::Balanced(a, b)
            | Statistic::RecallAt(a, b, _) => pair(a, b),
            Statistic::Aurc | Statistic::RiskAt(_) | Statistic::Ece => pair(CONFIDENCE, RIGHT),
            Statistic::Quantile(measure, _) => Some((case.measure(measure)?, 1.0)),
        }
    }

    /// The metric on some contributions; `None` where it is undefined on them.
    pub fn value(&self, items: &[Item]) -> Option<f64> {
        let labelled = || items.iter().map(|(score, label)| (*score, *label > 0.5));
        let errors = || items.iter().map(|(confidence, right)| (*confidence, *right < 0.5));
        match self.statistic {
            Statistic::Rate | Statistic::Mean => {
                (!items.is_empty()).then(|| items.iter().map(|item| item.0).sum::<f64>() / items.len() as f64)
            }
            Statistic::Ratio(..) => {
                let whole: f64 = items.iter().map(|item| item.1).sum();
                (whole > 0.0).then(|| items.iter().map(|item| item.0).sum::<f64>() / whole)
            }
            Statistic::Auroc(..) => auroc::auroc(labelled()),
            Statistic::Balanced(..) => {
                balanced::balanced_accuracy(labelled().map(|(said, is)| (said > 0.5, is)))
            }
            Statistic::RecallAt(_, _, share) => balanced::recall_at(labelled(), share),
            Statistic::Aurc => aurc::aurc(errors()),
            Statistic::RiskAt(coverage) => aurc::risk_at_coverage(errors(), coverage),
            Statistic::Ece => ece::ece(labelled()),
            Statistic::Quantile(_, share) => quantile::quantile_of(items.iter().map(|item| item.0), share),
        }
    }

    /// The metric on cases with its 95% interval: exact for rates, bootstrap for all else.
    pub fn estimate(&self, cases: &[&Case], bootstrap: Bootstrap) -> Option<Estimate> {
        let items: Vec<Item> = cases.iter().filter_map(|case| self.item(case)).collect();
        if self.statistic == Statistic::Rate {
            let yes = items.iter().filter(|item| item.0 > 0.5).count();
            return binomial::rate(yes, items.len());
        }
        bootstrap.estimate(&items, |sample| {
            let sample: Vec<Item> = sample.iter().map(|item| **item).collect();
            self.value(&sample)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases(rows: &[(&[(&str, f64)], &str)]) -> Vec<Case> {
        rows.iter()
            .map(|(measures, language)| {
                let case = Case { language: (*language).into(), ..Case::default() };
                measures.iter().fold(case, |case, (name, value)| case.with(name, *value))
            })
            .collect()
    }

    #[test]
    fn every_statistic_reads_its_measures_and_skips_cases_without_them() {
        let cases = cases(&[
            (&[("recall", 1.0), ("score", 0.9), ("oos", 1.0), ("found", 2.0), ("spans", 4.0)], "pt"),
            (&[("recall", 0.0), ("score", 0.2), ("oos", 0.0), ("found", 1.0), ("spans", 1.0)], "pt"),
            (&[("score", 0.8), ("oos", 0.0)], "en"),
        ]);
        let all: Vec<&Case> = cases.iter().collect();
        let of = |metric: Metric| metric.estimate(&all, Bootstrap::default()).unwrap();
        let recall = of(Metric::higher("recall", Statistic::Rate));
        assert!((recall.value - 0.5).abs() < 1e-12 && recall.low < 0.02, "exact: {recall:?}");
        assert!((of(Metric::higher("r", Statistic::Ratio("found", "spans"))).value - 0.6).abs() < 1e-12);
        assert!((of(Metric::higher("a", Statistic::Auroc("score", "oos"))).value - 1.0).abs() < 1e-12);
        assert!(
            (of(Metric::higher("a", Statistic::RecallAt("score", "oos", 0.05))).value - 1.0).abs() < 1e-12
        );
        assert_eq!(Metric::higher("absent", Statistic::Mean).estimate(&all, Bootstrap::default()), None);
    }
}
