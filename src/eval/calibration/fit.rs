//! Fitting the map from signals to a probability.

use std::collections::{BTreeMap, BTreeSet};

use super::{Example, Sample, Subject, isotonic, logistic};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::judgement::calibration::{Breakpoint, Calibration, rounded};

/// Penalty on the weight of a standardised signal.
const WEIGHT_PENALTY: f64 = 3.0;
/// Penalty on a language's departure from the pooled intercept.
const LANGUAGE_PENALTY: f64 = 4.0;
/// Fewest rows of either label.
const FEWEST: usize = 5;

/// Fits a calibration without a certificate. Every signal is made so that higher is better, so none gets a negative
/// weight: the one that would get the most negative is left out, until none is (a few hundred rows do not carry twenty
/// weights of either sign). Signals that never vary get no weight; an absent signal counts as its mean.
pub fn fit(examples: &[Example], subject: &Subject) -> Result<Calibration, EvalError> {
    let good = examples.iter().filter(|example| example.acceptable).count();
    let bad = examples.len() - good;
    if good < FEWEST || bad < FEWEST {
        return Err(EvalError::NotEnough(format!(
            "a calibration needs at least {FEWEST} acceptable and {FEWEST} unacceptable replies to fit; there are \
             {good} and {bad}"
        )));
    }
    let mut columns = columns(examples);
    let languages: Vec<Language> =
        examples.iter().map(|example| example.language).collect::<BTreeSet<_>>().into_iter().collect();
    let labels: Vec<bool> = examples.iter().map(|example| example.acceptable).collect();
    let coefficients = loop {
        let coefficients = weigh(examples, &labels, &languages, &columns)?;
        let weights = coefficients[1 + languages.len()..].iter().enumerate();
        match weights.min_by(|(_, a), (_, b)| a.total_cmp(b)) {
            Some((worst, weight)) if *weight < 0.0 => drop(columns.remove(worst)),
            _ => break coefficients,
        }
    };
    let (heads, weights) = coefficients.split_at(1 + languages.len());
    let at_means =
        columns.iter().zip(weights).map(|(column, w)| w * column.mean / column.deviation).sum::<f64>();
    let Subject { key, workspace, description } = subject.clone();
    let mut calibration = Calibration {
        key,
        workspace,
        description,
        intercept: rounded(heads[0] - at_means),
        language_intercepts: languages.into_iter().zip(heads[1..].iter().copied().map(rounded)).collect(),
        weights: columns
            .iter()
            .zip(weights)
            .map(|(column, w)| (column.name.clone(), rounded(w / column.deviation)))
            .collect(),
        missing: columns.iter().map(|column| (column.name.clone(), rounded(column.mean))).collect(),
        isotonic: Vec::new(),
        certificate: None,
    };
    calibration.isotonic = breakpoints(&calibration, examples, good, bad);
    Ok(calibration)
}

/// The pooled intercept, one a language, and one weight a column, of the standardised signals.
fn weigh(
    examples: &[Example],
    labels: &[bool],
    languages: &[Language],
    columns: &[Column],
) -> Result<Vec<f64>, EvalError> {
    let rows: Vec<Vec<f64>> = examples
        .iter()
        .map(|example| {
            let of_language = languages.iter().map(|l| f64::from(u8::from(*l == example.language)));
            let signals = columns.iter().map(|column| {
                (example.signals.get(&column.name).unwrap_or(&column.mean) - column.mean) / column.deviation
            });
            std::iter::once(1.0).chain(of_language).chain(signals).collect()
        })
        .collect();
    let penalties: Vec<f64> = std::iter::once(0.0)
        .chain(languages.iter().map(|_| LANGUAGE_PENALTY))
        .chain(columns.iter().map(|_| WEIGHT_PENALTY))
        .collect();
    logistic::fit(&rows, labels, &penalties)
        .ok_or_else(|| EvalError::NotEnough("the logistic regression does not converge on these rows".into()))
}

/// Isotonic blocks as breakpoints at their mean score. Labels are Platt's smoothed targets (Platt 1999), so that no
/// probability is exactly 0 or 1.
fn breakpoints(calibration: &Calibration, examples: &[Example], good: usize, bad: usize) -> Vec<Breakpoint> {
    let right = (good as f64 + 1.0) / (good as f64 + 2.0);
    let wrong = 1.0 / (bad as f64 + 2.0);
    isotonic::pool(examples.iter().map(|example| {
        let score = calibration.score(&example.signals, example.language);
        (score, if example.acceptable { right } else { wrong })
    }))
    .into_iter()
    .map(|block| Breakpoint { score: rounded(block.score), probability: rounded(block.value) })
    .collect()
}

struct Column {
    name: String,
    mean: f64,
    deviation: f64,
}

/// Every signal that varies, with mean and standard deviation over the rows that have it.
fn columns(examples: &[Example]) -> Vec<Column> {
    let mut values: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
    for (name, value) in examples.iter().flat_map(|example| &example.signals) {
        if value.is_finite() {
            values.entry(name).or_default().push(*value);
        }
    }
    values
        .into_iter()
        .filter_map(|(name, values)| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
            (deviation > 1e-6).then(|| Column { name: name.clone(), mean, deviation })
        })
        .collect()
}

/// A probability for every example from a fit that did not see it: two halves, each judged by the fit of the other. The
/// halves are drawn with the seed after `seed`, so that they also cut across a half that [`Sample::by_hash`] made with `seed`.
pub fn cross_fitted(examples: &[Example], subject: &Subject, seed: u64) -> Result<Vec<f64>, EvalError> {
    let Sample { fit: first, certify: second, .. } = Sample::by_hash(examples, 0.5, seed.wrapping_add(1));
    let (of_first, of_second) = (fit(&second, subject)?, fit(&first, subject)?);
    let first: BTreeSet<&str> = first.iter().map(|example| example.id.as_str()).collect();
    Ok(examples
        .iter()
        .map(|example| {
            let judge = if first.contains(example.id.as_str()) { &of_first } else { &of_second };
            judge.apply(&example.signals, example.language)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{simulated, subject};
    use super::*;
    use crate::eval::metrics::{auroc::auroc, ece::ece};

    #[test]
    fn finds_the_signal_that_tells_and_ignores_noise() {
        let calibration = fit(&simulated(1000, 1), &subject()).unwrap();
        let weights = &calibration.weights;
        assert!(weights["support"] > 5.0 * weights["noise"].abs(), "{weights:?}");
        let fresh = simulated(1000, 2);
        let judged = |example: &Example| calibration.apply(&example.signals, example.language);
        assert!(auroc(fresh.iter().map(|e| (judged(e), e.acceptable))).unwrap() > 0.75);
        assert!(ece(fresh.iter().map(|e| (judged(e), e.acceptable))).unwrap() < 0.06);
    }

    #[test]
    fn a_language_that_is_worse_gets_a_lower_intercept_and_few_rows_move_it_less() {
        let mut examples = simulated(800, 5);
        for example in examples.iter_mut().filter(|example| example.language == Language::It) {
            example.acceptable &= example.id.ends_with(['2', '6']);
        }
        let all = fit(&examples, &subject()).unwrap().language_intercepts;
        assert!(all[&Language::It] < all[&Language::Pt] - 0.5, "{all:?}");
        let mut seen = 0;
        examples.retain(|example| {
            seen += usize::from(example.language == Language::It);
            example.language != Language::It || seen <= 4
        });
        let few = fit(&examples, &subject()).unwrap().language_intercepts;
        assert!(few[&Language::It].abs() < all[&Language::It].abs(), "{few:?} {all:?}");
    }

    #[test]
    fn refuses_a_sample_of_one_kind() {
        let mut examples = simulated(50, 1);
        for example in &mut examples {
            example.acceptable = true;
        }
        assert!(matches!(fit(&examples, &subject()), Err(EvalError::NotEnough(_))));
    }

    #[test]
    fn what_is_fitted_is_a_file_that_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let calibration = fit(&simulated(300, 9), &subject()).unwrap();
        let path = folder.path().join("c.json");
        calibration.save(&path, b"").unwrap();
        let back = Calibration::load(&path, &subject().key).unwrap();
        assert_eq!(back.hashes(), calibration.hashes());
        let example = &simulated(1, 4)[0];
        let difference =
            back.apply(&example.signals, Language::Es) - calibration.apply(&example.signals, Language::Es);
        assert!(difference.abs() < 1e-9);
    }
}
