//! Learn-then-Test with a fixed sequence (Angelopoulos et al., arXiv 2110.01052, section 4) and exact binomial p-values.
//!
//! Why not the largest threshold that looks right: "errors among those answered" is not monotone in the threshold, so
//! picking on the same rows breaks the guarantee. Here the order of the tests is fixed before the certifying rows are
//! looked at; each test has level δ, and the first failure ends the sequence, so the chance that any threshold is
//! certified wrongly is at most δ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Example, cross_fitted};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::eval::metrics::binomial::{at_most, trials_with, upper_bound};
use crate::judgement::calibration::{Calibration, Certificate, LanguageCertificate, Origin};

/// Steps of coverage from one threshold of the plan to the next.
const STEPS: usize = 20;
/// Where counting labels that are missing ends.
const TOO_MANY: usize = 1_000_000;

/// What is to be certified.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Target {
    /// Highest error rate among automatic replies.
    pub alpha: f64,
    /// Risk that the certificate is wrong.
    pub delta: f64,
}

/// One threshold of the sequence and what the certifying half says of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Tested {
    /// Smallest probability that would be sent.
    pub threshold: f64,
    /// Replies at or above it.
    pub n: usize,
    /// Those among them that are not acceptable.
    pub errors: usize,
    /// One-sided upper bound of the error rate at level 1 − δ.
    pub upper_bound: f64,
    /// P(as few errors | error rate = α).
    pub p_value: f64,
    /// Share of the certifying half at or above it.
    pub coverage: f64,
    /// Whether it passed; nothing is tested after the first that did not.
    pub passed: bool,
}

/// How much has to abstain at least, whatever the method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Feasibility {
    /// Error rate if every reply of the certifying half were sent.
    pub base_error: f64,
    /// (μ − α) ∕ (1 − α), at least 0: the smallest share that must not be sent.
    pub must_abstain: f64,
}

/// The outcome of the tests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certification {
    /// Rows of the certifying half.
    pub rows: usize,
    /// The tests in order; those after the first failure were not made.
    pub tested: Vec<Tested>,
    /// How much has to abstain.
    pub feasibility: Feasibility,
    /// What was certified, if anything.
    pub certificate: Option<Certificate>,
    /// Without a certificate: labelled replies that would be needed in the certifying half, if the error rate above the
    /// first threshold stays as it is; `None` when no number would do.
    pub labels_needed: Option<usize>,
}

/// The thresholds to test, strict to lax, from the fitting half alone: quantiles of its cross-fitted probabilities,
/// beginning where a certificate is most likely, going by the cross-fitted errors (a stricter threshold answers too few
/// rows to prove anything, and its failure would end the sequence).
///
/// `certify_rows` is the size of the certifying half; nothing else of it may be known here.
pub fn plan(
    calibration: &Calibration,
    fit_half: &[Example],
    certify_rows: usize,
    target: Target,
    seed: u64,
) -> Result<Vec<f64>, EvalError> {
    let honest = cross_fitted(fit_half, &calibration.key, seed)?;
    let mut order: Vec<usize> = (0..fit_half.len()).collect();
    order.sort_by(|a, b| honest[*b].total_cmp(&honest[*a]));
    // The same share of rows is above a threshold in the final fit as above its counterpart in the cross-fit.
    let mut fitted: Vec<f64> =
        fit_half.iter().map(|example| calibration.apply(&example.signals, example.language)).collect();
    fitted.sort_by(|a, b| b.total_cmp(a));
    let mut best = (f64::MIN, 0);
    let mut thresholds: Vec<f64> = Vec::new();
    for step in 1..=STEPS {
        let rows = fit_half.len() * step / STEPS;
        let Some(threshold) = rows.checked_sub(1).and_then(|last| fitted.get(last)).copied() else {
            continue;
        };
        if thresholds.last().is_some_and(|last| *last <= threshold) {
            continue;
        }
        thresholds.push(threshold);
        let covered = fitted.iter().filter(|probability| **probability >= threshold).count();
        let errors = order.iter().take(covered).filter(|at| !fit_half[**at].acceptable).count();
        let expected_rate = (errors as f64 + 0.5) / (covered as f64 + 1.0);
        let expected_rows = certify_rows * covered / fit_half.len();
        let power = power(expected_rows, expected_rate, target);
        if power > best.0 {
            best = (power, thresholds.len() - 1);
        }
    }
    Ok(thresholds.split_off(best.1.min(thresholds.len())))
}

/// Chance that `n` rows with this error rate pass the test.
fn power(n: usize, rate: f64, target: Target) -> f64 {
    let passing = (0..=n).take_while(|errors| at_most(*errors, n, target.alpha) <= target.delta).count();
    passing.checked_sub(1).map_or(0.0, |most| at_most(most, n, rate))
}

/// Tests the thresholds in their order on rows that neither the fit nor the plan has seen.
pub fn certify(
    calibration: &Calibration,
    thresholds: &[f64],
    certify_half: &[Example],
    target: Target,
    origin: &Origin,
) -> Certification {
    let rows: Vec<(f64, &Example)> = certify_half
        .iter()
        .map(|example| (calibration.apply(&example.signals, example.language), example))
        .collect();
    let errors = certify_half.iter().filter(|example| !example.acceptable).count();
    let base_error = if rows.is_empty() { 1.0 } else { errors as f64 / rows.len() as f64 };
    let mut tested: Vec<Tested> = Vec::new();
    for threshold in thresholds {
        let test = test(&rows, *threshold, target);
        tested.push(test);
        if !test.passed {
            break;
        }
    }
    let certificate = tested.iter().rfind(|test| test.passed).map(|test| Certificate {
        alpha: target.alpha,
        delta: target.delta,
        threshold: test.threshold,
        n: test.n,
        errors: test.errors,
        upper_bound: test.upper_bound,
        by_language: by_language(&rows, test.threshold, target.delta),
        origin: origin.clone(),
    });
    let labels_needed = match (&certificate, tested.first()) {
        (None, Some(first)) => labels_needed(*first, rows.len(), target),
        _ => None,
    };
    Certification {
        rows: rows.len(),
        tested,
        feasibility: Feasibility {
            base_error,
            must_abstain: ((base_error - target.alpha) / (1.0 - target.alpha)).max(0.0),
        },
        certificate,
        labels_needed,
    }
}

fn test(rows: &[(f64, &Example)], threshold: f64, target: Target) -> Tested {
    let answered = rows.iter().filter(|(probability, _)| *probability >= threshold);
    let (mut n, mut errors) = (0, 0);
    for (_, example) in answered {
        n += 1;
        errors += usize::from(!example.acceptable);
    }
    let p_value = at_most(errors, n, target.alpha);
    Tested {
        threshold,
        n,
        errors,
        upper_bound: upper_bound(errors, n, target.delta),
        p_value,
        coverage: if rows.is_empty() { 0.0 } else { n as f64 / rows.len() as f64 },
        passed: n > 0 && p_value <= target.delta,
    }
}

fn by_language(
    rows: &[(f64, &Example)],
    threshold: f64,
    delta: f64,
) -> BTreeMap<Language, LanguageCertificate> {
    let mut counts: BTreeMap<Language, (usize, usize)> = BTreeMap::new();
    for (_, example) in rows.iter().filter(|(probability, _)| *probability >= threshold) {
        let count = counts.entry(example.language).or_default();
        count.0 += 1;
        count.1 += usize::from(!example.acceptable);
    }
    let share = |(n, errors): (usize, usize)| LanguageCertificate {
        n,
        errors,
        upper_bound: upper_bound(errors, n, delta),
    };
    counts.into_iter().map(|(language, count)| (language, share(count))).collect()
}

/// Rows the certifying half would need, if errors above the threshold stay as frequent as they were.
fn labels_needed(first: Tested, rows: usize, target: Target) -> Option<usize> {
    if first.n == 0 {
        return None;
    }
    let rate = first.errors as f64 / first.n as f64;
    let mut errors = 0;
    while errors < TOO_MANY {
        let n = trials_with(errors, target.alpha, target.delta);
        let expected = (rate * n as f64).round() as usize;
        if expected <= errors {
            return Some((n as f64 * rows as f64 / first.n as f64).ceil() as usize);
        }
        if rate >= target.alpha {
            return None;
        }
        errors = expected;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{origin, simulated};
    use super::super::{fit, split};
    use super::*;
    use crate::judgement::calibration::CalibrationKey;

    const TARGET: Target = Target { alpha: 0.1, delta: 0.1 };

    fn key() -> CalibrationKey {
        CalibrationKey { model: "m".into(), prompt: "p".into(), embedder: "e".into() }
    }

    fn run(seed: u64, n: usize, target: Target) -> Certification {
        let (fitting, certifying) = split(&simulated(n, seed), 0.5, seed);
        let calibration = fit(&fitting, key(), String::new()).unwrap();
        let thresholds = plan(&calibration, &fitting, certifying.len(), target, seed).unwrap();
        certify(&calibration, &thresholds, &certifying, target, &origin())
    }

    #[test]
    fn what_is_certified_meets_its_own_bound_and_the_sequence_ends_at_the_first_failure() {
        let outcome = run(11, 2000, TARGET);
        let certificate = outcome.certificate.unwrap();
        assert!(certificate.upper_bound <= TARGET.alpha + 1e-9);
        assert_eq!(certificate.by_language.values().map(|share| share.n).sum::<usize>(), certificate.n);
        let failures = outcome.tested.iter().filter(|test| !test.passed).count();
        assert!(failures <= 1 && outcome.tested.iter().rev().skip(1).all(|test| test.passed));
        assert!(outcome.tested.is_sorted_by(|a, b| a.threshold > b.threshold));
    }

    /// The guarantee itself, on simulated rows whose true risk is known from a very large fresh sample.
    #[test]
    fn certified_thresholds_break_the_target_in_at_most_delta_of_the_draws() {
        let fresh = simulated(20_000, 999_999);
        let (mut certified, mut broken) = (0, 0);
        for seed in 0..150 {
            let (fitting, certifying) = split(&simulated(500, seed), 0.5, seed);
            let calibration = fit(&fitting, key(), String::new()).unwrap();
            let thresholds = plan(&calibration, &fitting, certifying.len(), TARGET, seed).unwrap();
            let outcome = certify(&calibration, &thresholds, &certifying, TARGET, &origin());
            let Some(certificate) = outcome.certificate else { continue };
            certified += 1;
            let sent: Vec<&Example> = fresh
                .iter()
                .filter(|e| calibration.apply(&e.signals, e.language) >= certificate.threshold)
                .collect();
            let errors = sent.iter().filter(|e| !e.acceptable).count();
            broken += usize::from(errors as f64 / sent.len() as f64 > TARGET.alpha);
        }
        assert!(certified >= 30, "the method has power: {certified} of 150");
        // Expected at most 15 of 150; 25 leaves room for chance (P < 0.01).
        assert!(broken <= 25, "{broken} of 150 broke the target");
    }

    #[test]
    fn says_how_many_labels_are_missing() {
        let of = |errors, n, target| {
            labels_needed(
                Tested {
                    threshold: 0.9,
                    n,
                    errors,
                    upper_bound: 1.0,
                    p_value: 1.0,
                    coverage: 0.5,
                    passed: false,
                },
                2 * n,
                target,
            )
        };
        let strict = Target { alpha: 0.02, delta: 0.05 };
        assert_eq!(of(0, 40, strict), Some(298), "149 answered of twice as many rows");
        assert_eq!(of(4, 100, strict), None, "4% errors never certify 2%");
        assert!(of(1, 100, strict).is_some_and(|rows| rows > 298));
    }

    #[test]
    fn the_feasibility_bound_is_printed_as_published() {
        let outcome = run(4, 400, Target { alpha: 0.05, delta: 0.05 });
        let base = outcome.feasibility.base_error;
        assert!((outcome.feasibility.must_abstain - (base - 0.05) / 0.95).abs() < 1e-12);
        assert!((0.2..0.5).contains(&base), "{base}");
    }
}
