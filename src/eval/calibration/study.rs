//! The whole way from examples to a calibration file, and the words that explain it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::labels::{Half, Label, hash_of, table, to_csv};
use super::{Certification, Example, GroupTests, Sample, Subject, Target, certify, cross_fitted, fit, plan};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::eval::metrics::{aurc::aurc, auroc::auroc, ece::ece};
use crate::judgement::calibration::{Calibration, Origin, Split};

/// What a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Study {
    /// What was to be certified.
    pub target: Target,
    /// How the rows came to their halves.
    pub split: Split,
    /// Seed of split and plan.
    pub seed: u64,
    /// Rows of the fitting half.
    pub fit_rows: usize,
    /// Rows and unacceptable ones by language, both halves.
    pub by_language: BTreeMap<Language, Counts>,
    /// How well the probability fits and ranks.
    pub quality: Quality,
    /// The tests.
    pub certification: Certification,
    /// The calibration, with its certificate where there is one.
    pub calibration: Calibration,
}

/// A study with the table it can be made from again.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The study.
    pub study: Study,
    /// The outcomes.
    pub labels: Vec<Label>,
    /// The same as they are written.
    pub csv: Vec<u8>,
}

/// Rows and how many of them are not acceptable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows.
    pub n: usize,
    /// Not acceptable.
    pub errors: usize,
}

/// How well probabilities fit and rank: on the rows of the fit as a check of the method, on the others as what is written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quality {
    /// Rows of the fit, by the plain mean of their signals.
    pub fit_uncalibrated: Figures,
    /// Rows of the fit, each by a fit that did not see it.
    pub fit_cross_fitted: Figures,
    /// Certifying rows, by the calibration that is written.
    pub certify: Figures,
    /// The same by language.
    pub certify_by_language: BTreeMap<Language, Figures>,
}

/// Figures over some rows; those that the rows do not give are no number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figures {
    /// Rows.
    pub n: usize,
    /// Expected calibration error.
    pub ece: f64,
    /// Area under the risk-coverage curve.
    pub aurc: f64,
    /// How well acceptable replies are told from others.
    pub auroc: f64,
}

/// Fits on one half, plans on it, certifies on the other. `origin` says where; split and hashes are filled in.
pub fn study(sample: &Sample, subject: &Subject, target: Target, origin: Origin) -> Result<Made, EvalError> {
    let seed = origin.seed;
    let mut calibration = fit(&sample.fit, subject)?;
    let labels = table(sample, &calibration, &cross_fitted(&sample.fit, subject, seed)?);
    let csv = to_csv(&labels)?;
    let origin = Origin { split: sample.split, labels_hash: hash_of(&csv), ..origin };
    let fitting: Vec<Label> = labels.iter().filter(|label| label.half == Half::Fit).cloned().collect();
    let groups = plan(&fitting, sample.certify.len(), target, seed);
    let mut certification = certify(&groups, &labels, target, &origin);
    if let Some(certificate) = certification.certificate.take() {
        calibration = calibration.certified(certificate);
        certification.certificate.clone_from(&calibration.certificate);
    }
    let mut by_language: BTreeMap<Language, Counts> = BTreeMap::new();
    for label in &labels {
        let counts = by_language.entry(label.language).or_default();
        counts.n += 1;
        counts.errors += usize::from(!label.acceptable);
    }
    let study = Study {
        target,
        split: sample.split,
        seed,
        fit_rows: sample.fit.len(),
        by_language,
        quality: quality(&sample.fit, &labels),
        certification,
        calibration,
    };
    Ok(Made { study, labels, csv })
}

fn quality(fit: &[Example], labels: &[Label]) -> Quality {
    let uncalibrated = fit.iter().map(|example| (mean(example.signals.values()), example.acceptable));
    let cross_fitted = labels.iter().filter_map(|label| Some((label.cross_fitted?, label.acceptable)));
    let certify = || labels.iter().filter(|label| label.half == Half::Certify);
    let as_written = |label: &Label| (label.probability, label.acceptable);
    let languages: BTreeSet<Language> = certify().map(|label| label.language).collect();
    let of_language = |language: Language| {
        (language, figures(certify().filter(|label| label.language == language).map(as_written)))
    };
    Quality {
        fit_uncalibrated: figures(uncalibrated),
        fit_cross_fitted: figures(cross_fitted),
        certify: figures(certify().map(as_written)),
        certify_by_language: languages.into_iter().map(of_language).collect(),
    }
}

fn figures(rows: impl Iterator<Item = (f64, bool)>) -> Figures {
    let rows: Vec<(f64, bool)> = rows.collect();
    let errors = rows.iter().map(|(probability, acceptable)| (*probability, !acceptable));
    Figures {
        n: rows.len(),
        ece: ece(rows.iter().copied()).unwrap_or(f64::NAN),
        aurc: aurc(errors).unwrap_or(f64::NAN),
        auroc: auroc(rows.iter().copied()).unwrap_or(f64::NAN),
    }
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let n = values.len().max(1) as f64;
    values.sum::<f64>() / n
}

/// A figure as it is told; what the rows do not give is a dash.
fn told(figure: f64) -> String {
    if figure.is_nan() { "–".into() } else { format!("{figure:.3}") }
}

impl Quality {
    fn tell(&self, text: &mut String) {
        let mut line = |what: &str, figures: &Figures| {
            let Figures { n, ece, aurc, auroc } = figures;
            let [ece, aurc, auroc] = [ece, aurc, auroc].map(|figure| told(*figure));
            let _ = writeln!(text, "{what} ({n} replies): ECE {ece}, AURC {aurc}, AUROC {auroc}");
        };
        line("\nRows of the fit, by the plain mean of their signals", &self.fit_uncalibrated);
        line("Rows of the fit, cross-fitted", &self.fit_cross_fitted);
        line("Certifying rows, by the calibration as it is written", &self.certify);
        for (language, figures) in &self.certify_by_language {
            line(&format!("  {}", language.code()), figures);
        }
    }
}

impl Study {
    /// The study as text: tables, then what is and what is not guaranteed.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let certification = &self.certification;
        let Target { alpha, delta } = self.target;
        let _ = writeln!(
            text,
            "{} replies were drafted and met no objection: {} to fit, {} to certify (seed {}).",
            self.fit_rows + certification.rows,
            self.fit_rows,
            certification.rows,
            self.seed
        );
        match self.split {
            Split::Hash(_) => {}
            Split::Sets => text.push_str("The rows of one set fit, those of the other certify.\n"),
            Split::Audit => {
                text.push_str("What was drawn at random for audits certifies; the other feedback fits.\n");
            }
        }
        for (language, counts) in &self.by_language {
            let _ = writeln!(
                text,
                "  {}: {} replies, {} not acceptable",
                language.code(),
                counts.n,
                counts.errors
            );
        }
        self.quality.tell(&mut text);
        let _ = writeln!(
            text,
            "\nTarget: at most {:.1}% errors among automatic replies, at level {:.0}%. If all were sent, {:.1}% would be wrong; \
             whatever the method, at least {:.1}% must stay drafts.",
            100.0 * alpha,
            100.0 * (1.0 - delta),
            100.0 * certification.feasibility.base_error,
            100.0 * certification.feasibility.must_abstain
        );
        weights(&mut text, &self.calibration);
        for group in &certification.groups {
            tests(&mut text, group);
        }
        self.verdict(&mut text);
        self.outlook(&mut text);
        text
    }

    fn verdict(&self, text: &mut String) {
        let Some(certificate) = &self.certification.certificate else {
            let _ = writeln!(text, "\nNothing can be certified: replies stay drafts.");
            return;
        };
        let _ = writeln!(text);
        for group in &certificate.groups {
            let _ = writeln!(
                text,
                "Certified, {}: replies with a probability of {:.4} and more may be sent, {:.1}% of them. {} errors in {}; the \
                 error rate is at most {:.2}% at level {:.1}%.",
                names(&group.languages),
                group.threshold,
                100.0 * group.coverage,
                group.errors,
                group.n,
                100.0 * group.upper_bound,
                100.0 * (1.0 - group.delta)
            );
            for language in group.languages.iter().filter(|_| group.languages.len() > 1) {
                let Some(share) = certificate.by_language.get(language) else { continue };
                let _ = writeln!(
                    text,
                    "  {}: {} errors in {}, upper bound {:.1}%",
                    language.code(),
                    share.errors,
                    share.n,
                    100.0 * share.upper_bound
                );
            }
        }
        let _ = writeln!(
            text,
            "Guaranteed for questions exchangeable with the certifying half, with {:.0}% confidence for every line above at once; \
             not for one language of several, nor after a change of model, prompt, embedder, settings or much of the knowledge.",
            100.0 * (1.0 - certificate.delta)
        );
    }

    fn outlook(&self, text: &mut String) {
        let rows = self.certification.rows;
        let _ = writeln!(text, "\nIf errors stay as frequent as they are, with all languages together:");
        for outlook in &self.certification.outlook {
            let alpha = 100.0 * outlook.alpha;
            let _ = match outlook.rows {
                None => writeln!(
                    text,
                    "  {alpha:.1}%: no number of labels certifies it; better replies or signals are needed"
                ),
                Some(needed) if needed <= rows => writeln!(
                    text,
                    "  {alpha:.1}%: the {rows} certifying replies are enough, with {:.0}% sent",
                    100.0 * outlook.coverage
                ),
                Some(needed) => writeln!(
                    text,
                    "  {alpha:.1}%: about {needed} certifying replies, {} more than now, with {:.0}% sent",
                    needed - rows,
                    100.0 * outlook.coverage
                ),
            };
        }
    }
}

/// What each signal weighs, and how much better replies would gain by it.
fn weights(text: &mut String, calibration: &Calibration) {
    let mut weighed: Vec<(&str, f64, f64)> = calibration
        .weights
        .iter()
        .filter(|(_, weight)| **weight != 0.0)
        .map(|(name, weight)| (name.as_str(), *weight, calibration.missing.get(name).copied().unwrap_or(0.5)))
        .collect();
    if weighed.is_empty() {
        return;
    }
    weighed.sort_by(|one, other| other.1.abs().total_cmp(&one.1.abs()));
    let _ = writeln!(
        text,
        "\nSignals by weight: what one adds to the log-odds from 0 to 1, its mean over the rows of the fit, and what the best value \
         would add over the mean, which is what would raise the confidence:"
    );
    for (name, weight, mean) in weighed {
        let best = weight * (1.0 - mean);
        let _ = writeln!(text, "  {name:<24} {weight:>+6.2}   mean {mean:.2}   best {best:>+6.2}");
    }
}

fn tests(text: &mut String, group: &GroupTests) {
    let _ = writeln!(
        text,
        "\n{}, at level {:.1}%, {} replies to certify; something is certified in {:.0}% of the simulations of this plan:",
        names(&group.plan.languages),
        100.0 * (1.0 - group.plan.delta),
        group.rows,
        100.0 * group.plan.chance
    );
    text.push_str("threshold      n  errors  upper bound  coverage  p-value\n");
    for test in &group.tested {
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
}

fn names(languages: &[Language]) -> String {
    languages.iter().map(|language| language.code()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{origin, simulated, subject};
    use super::*;

    pub(in crate::eval::calibration) fn made(n: usize, alpha: f64) -> Made {
        let sample = Sample::by_hash(&simulated(n, 21), 0.5, 2);
        let origin = Origin { seed: 2, ..origin() };
        study(&sample, &subject(), Target { alpha, delta: 0.05 }, origin).unwrap()
    }

    #[test]
    fn a_certificate_is_put_into_the_calibration_and_explained() {
        let study = made(3000, 0.1).study;
        assert!(study.calibration.certificate.is_some());
        let Quality { fit_uncalibrated: before, fit_cross_fitted: after, .. } = study.quality;
        assert!(after.ece < before.ece && after.aurc < before.aurc, "{after:?} {before:?}");
        let text = study.text();
        assert!(text.contains("Certified, ") && text.contains("not for one language"), "{text}");
    }

    #[test]
    fn quality_is_told_of_the_fit_and_of_what_is_written_apart() {
        let Made { study, labels, .. } = made(3000, 0.1);
        let Quality { fit_uncalibrated, fit_cross_fitted, certify, certify_by_language } = &study.quality;
        assert_eq!((fit_uncalibrated.n, fit_cross_fitted.n), (study.fit_rows, study.fit_rows));
        assert_eq!(certify.n, 3000 - study.fit_rows);
        assert_eq!(certify_by_language.values().map(|figures| figures.n).sum::<usize>(), certify.n);
        // Whatever the certifying rows say, the figures of the fit stay, and the other way round.
        let examples = Sample::by_hash(&simulated(3000, 21), 0.5, 2).fit;
        let turned = |half: Half| {
            let turned = |label: &Label| Label {
                acceptable: label.acceptable != (label.half == half),
                ..label.clone()
            };
            quality(&examples, &labels.iter().map(turned).collect::<Vec<_>>())
        };
        assert_eq!(turned(Half::Certify).fit_cross_fitted, *fit_cross_fitted);
        assert!(turned(Half::Certify).certify.auroc < 0.5, "{certify:?}");
        assert_eq!(turned(Half::Fit).certify, *certify);
        assert!(study.text().contains(&format!(
            "Certifying rows, by the calibration as it is written ({} replies): ECE {:.3}",
            certify.n, certify.ece
        )));
    }

    #[test]
    fn a_figure_that_the_rows_do_not_give_is_a_dash() {
        let mut quality = made(3000, 0.1).study.quality;
        quality.certify = figures([(0.9, true), (0.8, true)].into_iter());
        let mut text = String::new();
        quality.tell(&mut text);
        assert!(text.contains("(2 replies): ECE 0.150") && text.contains("AUROC –\n"), "{text}");
        assert!(!text.contains("NaN"), "{text}");
    }

    #[test]
    fn every_weight_is_told_the_strongest_first() {
        let study = made(3000, 0.1).study;
        let text = study.text();
        let told: Vec<(&str, f64)> = text
            .lines()
            .skip_while(|line| !line.starts_with("Signals by weight"))
            .skip(1)
            .map_while(|line| {
                let mut words = line.strip_prefix("  ")?.split_whitespace();
                Some((words.next()?, words.next()?.parse().ok()?))
            })
            .collect();
        assert_eq!(
            told.len(),
            study.calibration.weights.values().filter(|weight| **weight != 0.0).count(),
            "{text}"
        );
        assert!(told.is_sorted_by(|one, other| one.1.abs() >= other.1.abs()), "{told:?}");
        for (name, weight) in told {
            assert!((weight - study.calibration.weights[name]).abs() < 0.006, "{name}");
        }
    }

    #[test]
    fn without_a_certificate_it_says_what_is_missing() {
        let study = made(120, 0.02).study;
        assert_eq!(study.calibration.certificate, None);
        let text = study.text();
        assert!(text.contains("replies stay drafts"), "{text}");
        assert!(text.contains("more than now") && text.contains("no number of labels"), "{text}");
    }
}
