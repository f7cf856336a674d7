//! Learn-then-Test with fixed sequences (Angelopoulos et al., arXiv 2110.01052, section 4) and exact binomial p-values.
//!
//! Why not the largest threshold that looks right: "errors among those answered" is not monotone in the threshold, so
//! picking on the same rows breaks the guarantee. Here the order of the tests is fixed before the certifying rows are
//! looked at; each test of a group has that group's level, and the first failure ends its sequence, so the chance that any
//! threshold is certified wrongly is at most the sum of the groups' levels, δ.

use std::collections::BTreeMap;

use serde::Serialize;

use super::labels::{Half, Label};
use super::plan::GroupPlan;
use crate::conversation::Language;
use crate::eval::metrics::binomial::{at_most, trials_with, upper_bound};
use crate::judgement::calibration::{Certificate, GroupCertificate, LanguageCertificate, Origin};

/// Where counting labels that are missing ends.
const TOO_MANY: usize = 1_000_000;
/// Error rates that the outlook speaks of, beside the target.
const OUTLOOK: [f64; 4] = [0.01, 0.02, 0.05, 0.1];
/// Steps of coverage that the outlook tries.
const STEPS: usize = 20;

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
    /// One-sided upper bound of the error rate at the group's level.
    pub upper_bound: f64,
    /// P(as few errors | error rate = α).
    pub p_value: f64,
    /// Share of the group's certifying rows at or above it.
    pub coverage: f64,
    /// Whether it passed; nothing is tested after the first that did not.
    pub passed: bool,
}

/// The tests of a group of languages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupTests {
    /// What was planned.
    pub plan: GroupPlan,
    /// Certifying rows of the group.
    pub rows: usize,
    /// The tests in order; those after the first failure were not made.
    pub tested: Vec<Tested>,
}

/// How much has to abstain at least, whatever the method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Feasibility {
    /// Error rate if every reply of the certifying half were sent.
    pub base_error: f64,
    /// (μ − α) ∕ (1 − α), at least 0: the smallest share that must not be sent.
    pub must_abstain: f64,
}

/// What an error rate would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Outlook {
    /// The error rate.
    pub alpha: f64,
    /// Certifying rows with which it could be certified for all languages together, if errors stay as frequent as they are;
    /// `None` where no number would do.
    pub rows: Option<usize>,
    /// The share that could then be sent.
    pub coverage: f64,
}

/// The outcome of the tests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certification {
    /// Rows of the certifying half.
    pub rows: usize,
    /// The tests by group.
    pub groups: Vec<GroupTests>,
    /// How much has to abstain.
    pub feasibility: Feasibility,
    /// How many labels would certify what.
    pub outlook: Vec<Outlook>,
    /// What was certified, if anything.
    pub certificate: Option<Certificate>,
}

/// Tests the planned thresholds in their order on the rows that certify, which neither the fit nor the plan has seen.
pub fn certify(groups: &[GroupPlan], labels: &[Label], target: Target, origin: &Origin) -> Certification {
    let rows: Vec<&Label> = labels.iter().filter(|label| label.half == Half::Certify).collect();
    let errors = rows.iter().filter(|label| !label.acceptable).count();
    let base_error = if rows.is_empty() { 1.0 } else { errors as f64 / rows.len() as f64 };
    let groups: Vec<GroupTests> = groups.iter().map(|group| run(group, &rows, target)).collect();
    let certified: Vec<GroupCertificate> = groups.iter().filter_map(GroupTests::certified).collect();
    let certificate = (!certified.is_empty()).then(|| Certificate {
        alpha: target.alpha,
        delta: target.delta,
        by_language: by_language(&rows, &certified),
        groups: certified,
        rows: rows.len(),
        base_error,
        origin: origin.clone(),
    });
    Certification {
        rows: rows.len(),
        feasibility: Feasibility {
            base_error,
            must_abstain: ((base_error - target.alpha) / (1.0 - target.alpha)).max(0.0),
        },
        outlook: outlook(&rows, target),
        groups,
        certificate,
    }
}

fn run(plan: &GroupPlan, rows: &[&Label], target: Target) -> GroupTests {
    let rows: Vec<&Label> =
        rows.iter().copied().filter(|label| plan.languages.contains(&label.language)).collect();
    let mut tested: Vec<Tested> = Vec::new();
    for threshold in &plan.thresholds {
        let (n, errors) = above(&rows, *threshold);
        let p_value = at_most(errors, n, target.alpha);
        let passed = n > 0 && p_value <= plan.delta;
        tested.push(Tested {
            threshold: *threshold,
            n,
            errors,
            upper_bound: upper_bound(errors, n, plan.delta),
            p_value,
            coverage: if rows.is_empty() { 0.0 } else { n as f64 / rows.len() as f64 },
            passed,
        });
        if !passed {
            break;
        }
    }
    GroupTests { plan: plan.clone(), rows: rows.len(), tested }
}

impl GroupTests {
    /// The last threshold that passed.
    pub fn certified(&self) -> Option<GroupCertificate> {
        let test = self.tested.iter().rfind(|test| test.passed)?;
        Some(GroupCertificate {
            languages: self.plan.languages.clone(),
            delta: self.plan.delta,
            threshold: test.threshold,
            n: test.n,
            errors: test.errors,
            upper_bound: test.upper_bound,
            coverage: test.coverage,
        })
    }
}

/// Rows at or above a threshold, and those among them that are not acceptable.
fn above(rows: &[&Label], threshold: f64) -> (usize, usize) {
    let sent = || rows.iter().filter(|label| label.probability >= threshold);
    (sent().count(), sent().filter(|label| !label.acceptable).count())
}

fn by_language(rows: &[&Label], groups: &[GroupCertificate]) -> BTreeMap<Language, LanguageCertificate> {
    let mut shares = BTreeMap::new();
    for group in groups {
        for language in &group.languages {
            let own: Vec<&Label> = rows.iter().copied().filter(|label| label.language == *language).collect();
            let (n, errors) = above(&own, group.threshold);
            let upper_bound = upper_bound(errors, n, group.delta);
            shares.insert(*language, LanguageCertificate { n, errors, upper_bound });
        }
    }
    shares
}

/// For every error rate, the fewest rows over all thresholds.
fn outlook(rows: &[&Label], target: Target) -> Vec<Outlook> {
    let mut probabilities: Vec<f64> = rows.iter().map(|label| label.probability).collect();
    probabilities.sort_by(|a, b| b.total_cmp(a));
    let steps: Vec<(usize, usize)> = (1..=STEPS)
        .filter_map(|step| (rows.len() * step / STEPS).checked_sub(1))
        .map(|last| above(rows, probabilities[last]))
        .collect();
    let mut alphas: Vec<f64> = OUTLOOK.into_iter().chain([target.alpha]).collect();
    alphas.sort_by(f64::total_cmp);
    alphas.dedup();
    alphas
        .into_iter()
        .map(|alpha| {
            let needed = steps.iter().filter_map(|(n, errors)| {
                let needed = rows_needed(*n, *errors, rows.len(), Target { alpha, ..target })?;
                Some((needed, *n as f64 / rows.len() as f64))
            });
            let least = needed.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
            Outlook {
                alpha,
                rows: least.map(|(rows, _)| rows),
                coverage: least.map_or(0.0, |(_, share)| share),
            }
        })
        .collect()
}

/// Rows the certifying half would need, if of its `rows` rows `n` are above the threshold and their error rate is the
/// `errors` seen, and half an error more: that few replies had none does not mean that there will be none.
fn rows_needed(n: usize, errors: usize, rows: usize, target: Target) -> Option<usize> {
    let rate = (errors as f64 + 0.5) / (n as f64 + 1.0);
    if n == 0 || rate >= target.alpha {
        return None;
    }
    let mut errors = 0;
    while errors < TOO_MANY {
        let trials = trials_with(errors, target.alpha, target.delta);
        let expected = (rate * trials as f64).round() as usize;
        if expected <= errors {
            return Some((trials as f64 * rows as f64 / n as f64).ceil() as usize);
        }
        errors = expected;
    }
    None
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use rayon::prelude::*;

    use super::super::labels::table;
    use super::super::plan::plan;
    use super::super::tests::{origin, simulated, subject};
    use super::super::{Example, Sample, cross_fitted, fit};
    use super::*;
    use crate::judgement::calibration::Calibration;

    const TARGET: Target = Target { alpha: 0.1, delta: 0.1 };

    fn run(seed: u64, n: usize, target: Target) -> (Calibration, Certification) {
        run_on(&simulated(n, seed), seed, target)
    }

    fn run_on(examples: &[Example], seed: u64, target: Target) -> (Calibration, Certification) {
        let sample = Sample::by_hash(examples, 0.5, seed);
        let calibration = fit(&sample.fit, &subject()).unwrap();
        let labels = table(&sample, &calibration, &cross_fitted(&sample.fit, &subject(), seed).unwrap());
        let fitting: Vec<Label> = labels.iter().filter(|label| label.half == Half::Fit).cloned().collect();
        let groups = plan(&fitting, sample.certify.len(), target, seed);
        let certification = certify(&groups, &labels, target, &origin());
        (calibration, certification)
    }

    #[test]
    fn what_is_certified_meets_its_own_bound_and_the_sequence_ends_at_the_first_failure() {
        let (_, outcome) = run(11, 2000, TARGET);
        let certificate = outcome.certificate.unwrap();
        for group in &certificate.groups {
            assert!(group.upper_bound <= TARGET.alpha + 1e-9);
            let of = |language: &Language| certificate.by_language[language].n;
            assert_eq!(group.languages.iter().map(of).sum::<usize>(), group.n);
        }
        for GroupTests { tested, .. } in &outcome.groups {
            assert!(tested.iter().rev().skip(1).all(|test| test.passed));
            assert!(tested.is_sorted_by(|a, b| a.threshold > b.threshold));
        }
    }

    /// Whether any group of a certificate lets more errors through than its target: by the chances of an error that the rows
    /// of a fresh sample of the population have.
    fn broken(
        (calibration, outcome): &(Calibration, Certification),
        fresh: &[Example],
        chance: impl Fn(&Example) -> f64,
    ) -> Option<bool> {
        let certificate = outcome.certificate.as_ref()?;
        Some(certificate.groups.iter().any(|group| {
            let sent: Vec<&Example> = fresh
                .iter()
                .filter(|example| group.languages.contains(&example.language))
                .filter(|e| calibration.apply(&e.signals, e.language) >= group.threshold)
                .collect();
            let errors: f64 = sent.iter().map(|example| chance(example)).sum();
            errors / sent.len().max(1) as f64 > TARGET.alpha
        }))
    }

    /// The guarantee itself: a thousand calibrations, each on its own draw, against the true risk of each reply of a fresh
    /// sample. Slow for a test (seconds), and worth it: everything that is sent by itself rests on this.
    #[test]
    fn a_thousand_calibrations_break_the_target_as_rarely_as_promised() {
        let fresh = simulated(2_000, 999_999);
        let risk = |example: &Example| 1.0 - example.signals["support"].sqrt();
        let outcome = |seed: u64| broken(&run(seed, 300, TARGET), &fresh, risk);
        let outcomes: Vec<bool> = (0..1000).into_par_iter().filter_map(outcome).collect();
        let broken = outcomes.iter().filter(|broken| **broken).count();
        assert!(outcomes.len() >= 100, "the method has power: {} of 1000", outcomes.len());
        // At most 100 of 1000 are expected; more than 122 have a chance under 1%.
        assert!(broken <= 122, "{broken} of 1000 broke the target");
    }

    /// The chance of an error: small for the surer replies of a language, and for the others such that all of them together
    /// barely miss the target.
    fn chance(example: &Example) -> f64 {
        let (sure, small) = match example.language {
            Language::Pt => (0.6, 0.03),
            Language::It => (0.5, 0.02),
            Language::Es | Language::En => (0.4, 0.02),
        };
        let missed = TARGET.alpha + 0.001;
        if example.signals["support"] > 1.0 - sure { small } else { (missed - small * sure) / (1.0 - sure) }
    }

    /// Languages that are unlike in number and in errors, one of them rare.
    fn unequal(n: usize, seed: u64) -> Vec<Example> {
        let mut rng = StdRng::seed_from_u64(!seed);
        let mut examples = simulated(n, seed);
        for (at, example) in examples.iter_mut().enumerate() {
            example.language = match at % 20 {
                0..=7 => Language::Pt,
                8..=13 => Language::It,
                14..=18 => Language::Es,
                _ => Language::En,
            };
            example.acceptable = rng.random_range(0.0..1.0) >= chance(example);
        }
        examples
    }

    /// The same where languages are certified apart: the risk is shared among them, and what is promised holds for all at
    /// once.
    #[test]
    fn languages_that_are_certified_apart_break_the_target_together_as_rarely_as_promised() {
        // Evenly spread, so that chance does not blur what is barely missed.
        let mut fresh = unequal(4_000, 999_999);
        for language in Language::ALL {
            let own: Vec<&mut Example> = fresh.iter_mut().filter(|e| e.language == language).collect();
            let n = own.len() as f64;
            for (at, example) in own.into_iter().enumerate() {
                example.signals.insert("support".to_owned(), (at as f64 + 0.5) / n);
            }
        }
        let runs: Vec<(Option<bool>, usize)> = (0..100)
            .into_par_iter()
            .map(|seed| {
                let made = run_on(&unequal(2_400, seed), seed, TARGET);
                let planned = &made.1.groups;
                let shared: f64 = planned.iter().map(|group| group.plan.delta).sum();
                assert!((shared - TARGET.delta).abs() < 1e-9, "{shared}");
                (broken(&made, &fresh, chance), planned.len())
            })
            .collect();
        let apart = runs.iter().filter(|(_, groups)| *groups > 1).count();
        assert!(apart >= 50, "languages were to be certified apart in {apart} of 100 plans");
        let certified = runs.iter().filter(|(broken, _)| broken.is_some()).count();
        assert!(certified >= 50, "the method has power: {certified} of 100");
        let broken = runs.iter().filter(|(broken, _)| *broken == Some(true)).count();
        // At most 10 of 100 are expected; more than 17 have a chance of 1%.
        assert!(broken <= 17, "{broken} of 100 broke the target");
    }

    #[test]
    fn says_how_many_labels_are_missing() {
        let strict = Target { alpha: 0.02, delta: 0.05 };
        let needed = |errors, n| rows_needed(n, errors, 2 * n, strict);
        assert_eq!(needed(0, 10), None, "ten replies without an error do not promise 2%");
        assert_eq!(needed(4, 100), None, "4% errors never certify 2%");
        assert!(needed(0, 1000).is_some_and(|rows| rows == 298), "149 answered of twice as many rows");
        assert!(needed(1, 200).is_some_and(|rows| rows > 298));
        let (_, outcome) = run(4, 400, Target { alpha: 0.03, delta: 0.05 });
        let alphas: Vec<f64> = outcome.outlook.iter().map(|outlook| outlook.alpha).collect();
        assert_eq!(alphas, [0.01, 0.02, 0.03, 0.05, 0.1]);
        assert_eq!(outcome.outlook[0].rows, None, "{:?}", outcome.outlook);
        assert!(outcome.outlook[4].rows.is_some(), "{:?}", outcome.outlook);
    }

    #[test]
    fn the_feasibility_bound_is_printed_as_published() {
        let (_, outcome) = run(4, 400, Target { alpha: 0.05, delta: 0.05 });
        let base = outcome.feasibility.base_error;
        assert!((outcome.feasibility.must_abstain - (base - 0.05) / 0.95).abs() < 1e-12);
        assert!((0.2..0.5).contains(&base), "{base}");
    }
}
