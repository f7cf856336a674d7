//! The whole way from examples to a calibration file, and the words that explain it.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::{Certification, Example, Target, certify, cross_fitted, fit, plan, split};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::eval::metrics::{aurc::aurc, auroc::auroc, ece::ece};
use crate::judgement::calibration::{Calibration, CalibrationKey, Origin};

/// Settings of a study.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Design {
    /// What is to be certified.
    pub target: Target,
    /// Share of the rows that goes to the fitting half.
    pub fit_share: f64,
    /// Seed of the split.
    pub seed: u64,
}

/// What a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// Settings.
    pub design: Design,
    /// Rows of the fitting half.
    pub fit_rows: usize,
    /// Rows and unacceptable ones by language, both halves.
    pub by_language: BTreeMap<Language, Counts>,
    /// How well the probability fits and ranks, before and after.
    pub quality: Quality,
    /// The tests.
    pub certification: Certification,
    /// The calibration, with its certificate where there is one.
    pub calibration: Calibration,
}

/// Rows and how many of them are not acceptable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows.
    pub n: usize,
    /// Not acceptable.
    pub errors: usize,
}

/// Before: the plain mean of the signals. After: cross-fitted probabilities, each from a fit that did not see its row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Quality {
    /// Expected calibration error before.
    pub ece_before: f64,
    /// Expected calibration error after.
    pub ece_after: f64,
    /// Area under the risk-coverage curve before.
    pub aurc_before: f64,
    /// Area under the risk-coverage curve after.
    pub aurc_after: f64,
    /// How well acceptable replies are told from others, before.
    pub auroc_before: f64,
    /// The same after.
    pub auroc_after: f64,
}

/// Fits on one half, plans on it, certifies on the other.
pub fn study(
    examples: &[Example],
    key: &CalibrationKey,
    description: &str,
    design: Design,
    origin: &Origin,
) -> Result<Study, EvalError> {
    let (fit_half, certify_half) = split(examples, design.fit_share, design.seed);
    let mut calibration = fit(&fit_half, key.clone(), description.to_owned())?;
    let thresholds = plan(&calibration, &fit_half, certify_half.len(), design.target, design.seed)?;
    let certification = certify(&calibration, &thresholds, &certify_half, design.target, origin);
    calibration.certificate.clone_from(&certification.certificate);
    let mut by_language: BTreeMap<Language, Counts> = BTreeMap::new();
    for example in examples {
        let counts = by_language.entry(example.language).or_default();
        counts.n += 1;
        counts.errors += usize::from(!example.acceptable);
    }
    let quality = quality(examples, key, design.seed)?;
    Ok(Study { design, fit_rows: fit_half.len(), by_language, quality, certification, calibration })
}

fn quality(examples: &[Example], key: &CalibrationKey, seed: u64) -> Result<Quality, EvalError> {
    let labels: Vec<bool> = examples.iter().map(|example| example.acceptable).collect();
    let before: Vec<f64> = examples.iter().map(|example| mean(example.signals.values())).collect();
    let after = cross_fitted(examples, key, seed)?;
    let pairs = |scores: &[f64]| scores.iter().copied().zip(labels.iter().copied()).collect::<Vec<_>>();
    let errors = |scores: &[f64]| pairs(scores).into_iter().map(|(score, good)| (score, !good));
    Ok(Quality {
        ece_before: ece(pairs(&before)).unwrap_or(f64::NAN),
        ece_after: ece(pairs(&after)).unwrap_or(f64::NAN),
        aurc_before: aurc(errors(&before)).unwrap_or(f64::NAN),
        aurc_after: aurc(errors(&after)).unwrap_or(f64::NAN),
        auroc_before: auroc(pairs(&before)).unwrap_or(f64::NAN),
        auroc_after: auroc(pairs(&after)).unwrap_or(f64::NAN),
    })
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

impl Study {
    /// The study as text: tables, then what is and what is not guaranteed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let certification = &self.certification;
        let Target { alpha, delta } = self.design.target;
        let _ = writeln!(
            text,
            "{} replies were drafted and met no objection: {} to fit, {} to certify (seed {}).",
            self.fit_rows + certification.rows,
            self.fit_rows,
            certification.rows,
            self.design.seed
        );
        for (language, counts) in &self.by_language {
            let _ = writeln!(
                text,
                "  {}: {} replies, {} not acceptable",
                language.code(),
                counts.n,
                counts.errors
            );
        }
        let quality = &self.quality;
        let _ = writeln!(
            text,
            "\nCross-fitted, plain mean of signals → calibrated: ECE {:.3} → {:.3}, AURC {:.3} → {:.3}, AUROC {:.3} → {:.3}",
            quality.ece_before,
            quality.ece_after,
            quality.aurc_before,
            quality.aurc_after,
            quality.auroc_before,
            quality.auroc_after
        );
        let _ = writeln!(
            text,
            "\nTarget: at most {:.1}% errors among automatic replies, at level {:.0}%. If all were sent, {:.1}% would be wrong; \
             whatever the method, at least {:.1}% must stay drafts.",
            100.0 * alpha,
            100.0 * (1.0 - delta),
            100.0 * certification.feasibility.base_error,
            100.0 * certification.feasibility.must_abstain
        );
        text.push_str("\nthreshold      n  errors  upper bound  coverage  p-value\n");
        for test in &certification.tested {
            let _ = writeln!(
                text,
                "   {:.4}  {:>5}  {:>6}       {:>5.2}%    {:>5.1}%   {:.4}  {}",
                test.threshold,
                test.n,
                test.errors,
                100.0 * test.upper_bound,
                100.0 * test.coverage,
                test.p_value,
                if test.passed { "passed" } else { "failed: the sequence ends" }
            );
        }
        self.verdict(&mut text);
        text
    }

    fn verdict(&self, text: &mut String) {
        let Target { alpha, delta } = self.design.target;
        let _ = writeln!(text);
        if let Some(certificate) = &self.certification.certificate {
            let _ = writeln!(
                text,
                "Certified: replies with a probability of {:.4} and more may be sent. {} errors in {}; the error rate is at most \
                 {:.2}% at level {:.0}%.",
                certificate.threshold,
                certificate.errors,
                certificate.n,
                100.0 * certificate.upper_bound,
                100.0 * (1.0 - delta)
            );
            for (language, share) in &certificate.by_language {
                let _ = writeln!(
                    text,
                    "  {}: {} errors in {}, upper bound {:.1}%",
                    language.code(),
                    share.errors,
                    share.n,
                    100.0 * share.upper_bound
                );
            }
            let _ = writeln!(
                text,
                "Guaranteed for questions exchangeable with the certifying half, all languages together; not for one language, \
                 nor after a change of model, prompt, embedder or knowledge."
            );
            return;
        }
        let _ = writeln!(text, "Nothing can be certified: replies stay drafts.");
        match (self.certification.labels_needed, self.certification.tested.first()) {
            (Some(needed), _) => {
                let rows = self.certification.rows;
                let _ = writeln!(
                    text,
                    "If errors above the first threshold stay as frequent, the certifying half needs about {needed} replies, {} more \
                     than now.",
                    needed.saturating_sub(rows)
                );
            }
            (None, Some(first)) if first.n > 0 => {
                let _ = writeln!(
                    text,
                    "Above the first threshold {:.1}% are wrong: no number of labels certifies {:.1}%. Better replies or signals \
                     are needed, or a larger --alpha.",
                    100.0 * first.errors as f64 / first.n as f64,
                    100.0 * alpha
                );
            }
            _ => {
                let _ = writeln!(text, "No reply of the certifying half reaches a threshold of the plan.");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{origin, simulated};
    use super::*;

    fn run(n: usize, alpha: f64) -> Study {
        let key = CalibrationKey { model: "m".into(), prompt: "p".into(), embedder: "e".into() };
        let design = Design { target: Target { alpha, delta: 0.05 }, fit_share: 0.5, seed: 2 };
        study(&simulated(n, 21), &key, "m", design, &origin()).unwrap()
    }

    #[test]
    fn a_certificate_is_put_into_the_calibration_and_explained() {
        let study = run(3000, 0.1);
        assert!(study.calibration.certificate.is_some());
        assert!(study.quality.ece_after < study.quality.ece_before, "{:?}", study.quality);
        assert!(study.quality.aurc_after < study.quality.aurc_before, "{:?}", study.quality);
        let text = study.text();
        assert!(text.contains("Certified:") && text.contains("not for one language"), "{text}");
    }

    #[test]
    fn without_a_certificate_it_says_what_is_missing() {
        let study = run(120, 0.02);
        assert_eq!(study.calibration.certificate, None);
        let text = study.text();
        assert!(text.contains("replies stay drafts"), "{text}");
        assert!(text.contains("more than now") || text.contains("no number of labels"), "{text}");
    }
}
