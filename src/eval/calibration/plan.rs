//! Which thresholds are tested, in which order, for which languages together: settled on the fitting half alone.
//!
//! A fixed sequence ends at its first failure, so where it begins decides what it can certify: too strict, and too few
//! replies are above the threshold to prove anything; too lax, and there are too many errors. The fitting half tells where,
//! but its own count of errors is an optimistic guide when it is small: none among thirty says little. So every plan is
//! simulated: error rates are drawn from what the fitting half leaves open, certifying halves are drawn from those, and
//! the whole sequence is run on each. What is drawn:
//!
//! 1. in every step of coverage, an error rate from Beta(e + w·m, n − e + w·(1 − m)), for e errors among n replies in the
//!    order of their cross-fitted probabilities (no row was seen by the fit that judges it), with the mean m of what those
//!    probabilities expect and w = 2;
//! 2. errors in the certifying half, binomial with that rate.
//!
//! The sequence begins where most simulations certify something; among starts that are about as good, where the most
//! replies are certified on average. Languages are tested apart where the labels allow: a split into groups counts if every
//! group is certified in [`LIKELY`] of its simulations, with the risk δ shared equally among the groups (Bonferroni, so that
//! what is promised holds for all groups at once; Angelopoulos et al., arXiv 2110.01052, section 4).

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Beta, Binomial, Distribution};
use serde::Serialize;

use super::certify::Target;
use super::labels::Label;
use crate::conversation::Language;
use crate::eval::metrics::binomial::at_most;

/// Steps of coverage from one threshold of the plan to the next.
const STEPS: usize = 20;
/// Certifying halves that are simulated.
const DRAWS: usize = 200;
/// How much what the probabilities expect counts against the errors seen, in replies.
const PRIOR: f64 = 2.0;
/// Chances that differ by less are alike.
const ALIKE: f64 = 0.05;
/// Chance from which a group of languages is likely enough to be certified to be tested apart.
pub(super) const LIKELY: f64 = 0.8;

/// What is tested for a group of languages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupPlan {
    /// The languages.
    pub languages: Vec<Language>,
    /// Its part of the risk.
    pub delta: f64,
    /// Thresholds to test, strict to lax.
    pub thresholds: Vec<f64>,
    /// Share of the simulations in which something is certified.
    pub chance: f64,
    /// Share of the group's replies that is certified, on average.
    pub coverage: f64,
}

/// The plan, from the rows that fit. `certify_rows` is how many rows certify; nothing else of them may be known here.
pub fn plan(fit: &[Label], certify_rows: usize, target: Target, seed: u64) -> Vec<GroupPlan> {
    let languages: Vec<Language> =
        fit.iter().map(|label| label.language).collect::<BTreeSet<_>>().into_iter().collect();
    let mut memory = BTreeMap::new();
    let mut group = |languages: &[Language], parts: usize| -> GroupPlan {
        let known = memory.entry((languages.to_vec(), parts));
        let plan = || group_plan(fit, languages, certify_rows, target, target.delta / parts as f64, seed);
        known.or_insert_with(plan).clone()
    };
    // A language that is unlikely with half of the risk is unlikely with less.
    let candidates: Vec<Language> = if languages.len() > 1 {
        languages.iter().copied().filter(|one| group(&[*one], 2).chance >= LIKELY).collect()
    } else {
        Vec::new()
    };
    let mut best: Option<Vec<GroupPlan>> = None;
    for chosen in 0..1_u32 << candidates.len() {
        let apart: Vec<Language> = candidates
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen & (1 << bit) != 0)
            .map(|(_, l)| *l)
            .collect();
        let rest: Vec<Language> = languages.iter().copied().filter(|one| !apart.contains(one)).collect();
        let parts = apart.len() + usize::from(!rest.is_empty());
        let mut groups: Vec<GroupPlan> = apart.iter().map(|one| group(&[*one], parts)).collect();
        if !rest.is_empty() {
            groups.push(group(&rest, parts));
        }
        let together = apart.is_empty();
        if !together && groups.iter().any(|group| group.chance < LIKELY) {
            continue;
        }
        // More groups promise more; of as many, those that let more be sent are better.
        let worth = |groups: &[GroupPlan]| {
            (groups.len(), groups.iter().map(|group| group.coverage).sum::<f64>() / groups.len() as f64)
        };
        if best.as_ref().is_none_or(|best| worth(&groups) > worth(best)) {
            best = Some(groups);
        }
    }
    best.unwrap_or_default()
}

/// A step of coverage.
struct Step {
    /// The threshold that ends it.
    threshold: f64,
    /// Share of the group's replies at or above it.
    coverage: f64,
    /// The certifying rows expected at or above it.
    rows: usize,
    /// Most errors among them with which the test passes; `None` where none does.
    allowed: Option<u64>,
    /// The error rate of the replies between this threshold and the stricter one.
    rate: Beta<f64>,
}

fn group_plan(
    fit: &[Label],
    languages: &[Language],
    certify_rows: usize,
    target: Target,
    delta: f64,
    seed: u64,
) -> GroupPlan {
    let rows: Vec<&Label> = fit.iter().filter(|label| languages.contains(&label.language)).collect();
    let per_row = certify_rows as f64 / fit.len().max(1) as f64;
    let steps = steps(&rows, per_row, Target { delta, ..target });
    let (mut certified, mut covered) = (vec![0_usize; steps.len()], vec![0.0; steps.len()]);
    let mut rng = StdRng::seed_from_u64(seed);
    for _ in 0..DRAWS {
        let passed = draw(&steps, &mut rng);
        // What a sequence that begins here ends with, from the laxest start on.
        let mut reached: Option<f64> = None;
        for (at, step) in steps.iter().enumerate().rev() {
            reached = if passed[at] { Some(reached.unwrap_or(step.coverage)) } else { None };
            certified[at] += usize::from(reached.is_some());
            covered[at] += reached.unwrap_or(0.0);
        }
    }
    let chance = |at: usize| certified[at] as f64 / DRAWS as f64;
    let likeliest = (0..steps.len()).map(chance).fold(0.0, f64::max);
    let start = (0..steps.len())
        .filter(|at| chance(*at) >= likeliest - ALIKE)
        .max_by(|a, b| covered[*a].total_cmp(&covered[*b]).then(b.cmp(a)))
        .unwrap_or(0);
    GroupPlan {
        languages: languages.to_vec(),
        delta,
        chance: if steps.is_empty() { 0.0 } else { chance(start) },
        coverage: covered.get(start).map_or(0.0, |covered| covered / DRAWS as f64),
        thresholds: steps.into_iter().skip(start).map(|step| step.threshold).collect(),
    }
}

/// The steps of a group, strict to lax. The same share of rows is above a threshold in the final fit as above its
/// counterpart in the cross-fit.
fn steps(rows: &[&Label], per_row: f64, target: Target) -> Vec<Step> {
    let mut fitted: Vec<f64> = rows.iter().map(|label| label.probability).collect();
    fitted.sort_by(|a, b| b.total_cmp(a));
    let honest = |label: &Label| label.cross_fitted.unwrap_or(label.probability);
    let mut order: Vec<&Label> = rows.to_vec();
    order.sort_by(|a, b| honest(b).total_cmp(&honest(a)));
    let mut steps: Vec<Step> = Vec::new();
    let mut before = 0;
    for step in 1..=STEPS {
        let Some(threshold) = (rows.len() * step / STEPS).checked_sub(1).map(|last| fitted[last]) else {
            continue;
        };
        let covered = fitted.partition_point(|probability| *probability >= threshold);
        if covered == before {
            continue;
        }
        let between = &order[before..covered];
        let errors = between.iter().filter(|label| !label.acceptable).count() as f64;
        let expected = between.iter().map(|label| 1.0 - honest(label)).sum::<f64>() / between.len() as f64;
        let expected = expected.clamp(1e-6, 1.0 - 1e-6);
        let rate =
            Beta::new(errors + PRIOR * expected, between.len() as f64 - errors + PRIOR * (1.0 - expected));
        // Both parameters are above 0.
        let Ok(rate) = rate else { continue };
        let expected_rows = (per_row * covered as f64).round() as usize;
        let passing = (0..=expected_rows)
            .take_while(|errors| {
                expected_rows > 0 && at_most(*errors, expected_rows, target.alpha) <= target.delta
            })
            .count();
        steps.push(Step {
            threshold,
            coverage: covered as f64 / rows.len() as f64,
            rows: expected_rows,
            allowed: passing.checked_sub(1).map(|most| most as u64),
            rate,
        });
        before = covered;
    }
    steps
}

/// Which thresholds pass in one simulated certifying half.
fn draw(steps: &[Step], rng: &mut StdRng) -> Vec<bool> {
    let (mut errors, mut rows) = (0, 0);
    steps
        .iter()
        .map(|step| {
            let more = (step.rows - rows) as u64;
            rows = step.rows;
            let rate = step.rate.sample(rng);
            errors += Binomial::new(more, rate.clamp(0.0, 1.0)).map_or(more, |errors| errors.sample(rng));
            step.allowed.is_some_and(|allowed| errors <= allowed)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::labels::{Half, hashed};
    use super::*;

    const TARGET: Target = Target { alpha: 0.1, delta: 0.05 };

    /// Rows of a language, the surest first; `errors` are those of them that are not acceptable.
    fn rows(language: Language, n: usize, errors: impl Fn(usize) -> bool) -> Vec<Label> {
        (0..n)
            .map(|at| {
                let probability = 0.99 - 0.8 * at as f64 / n as f64;
                Label {
                    id: hashed(&format!("{language:?}{at}")),
                    language,
                    half: Half::Fit,
                    probability,
                    cross_fitted: Some(probability),
                    acceptable: !errors(at),
                }
            })
            .collect()
    }

    #[test]
    fn begins_strict_enough_and_lax_enough() {
        // The surest third has no errors, the next half of the rows every tenth, the rest every second.
        let fit = rows(Language::En, 300, |at| at >= 100 && (at % 10 == 0 || at >= 250 && at % 2 == 0));
        let [group] = plan(&fit, 300, TARGET, 1).try_into().unwrap();
        assert!(group.thresholds.is_sorted_by(|a, b| a > b));
        let above = |threshold: f64| fit.iter().filter(|label| label.probability >= threshold).count();
        let start = above(group.thresholds[0]);
        assert!((45..=150).contains(&start), "begins over {start} rows");
        assert!(group.chance > 0.9, "{group:?}");
        assert_eq!(above(*group.thresholds.last().unwrap()), 300, "goes on to the laxest");
    }

    #[test]
    fn few_rows_without_an_error_do_not_make_a_chance() {
        // The calibration itself expects 2 to 20% errors; that the first forty rows had none is no proof.
        let fit = rows(Language::En, 40, |_| false);
        let [few] = plan(&fit, 40, Target { alpha: 0.02, delta: 0.05 }, 1).try_into().unwrap();
        assert!(few.chance < 0.05, "{few:?}");
        let fit = rows(Language::En, 1200, |at| at > 600 && at % 3 == 0);
        let [many] = plan(&fit, 1200, Target { alpha: 0.02, delta: 0.05 }, 1).try_into().unwrap();
        assert!(many.chance > 0.7, "{many:?}");
    }

    #[test]
    fn languages_are_tested_apart_where_the_labels_allow() {
        let good = |at: usize| at > 300 && at.is_multiple_of(3);
        let small: Vec<Label> = [Language::Pt, Language::Es, Language::It]
            .into_iter()
            .flat_map(|language| rows(language, 60, |at| at > 40 && at % 3 == 0))
            .collect();
        assert_eq!(plan(&small, 180, TARGET, 1).len(), 1, "too few for any language alone");
        let large: Vec<Label> =
            [Language::Pt, Language::Es].into_iter().flat_map(|language| rows(language, 600, good)).collect();
        let groups = plan(&large, 1200, TARGET, 1);
        assert_eq!(groups.len(), 2, "{groups:?}");
        assert!(groups.iter().all(|group| group.chance >= LIKELY && group.languages.len() == 1));
        assert!((groups.iter().map(|group| group.delta).sum::<f64>() - TARGET.delta).abs() < 1e-12);
    }

    #[test]
    fn without_rows_nothing_is_planned_to_be_sent() {
        assert!(plan(&[], 100, TARGET, 1).iter().all(|group| group.thresholds.is_empty()));
    }
}
