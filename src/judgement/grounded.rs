//! One score for how far a draft stands on its sources: a small logistic model over what was counted.

use super::groundedness::Grounding;

/// Weights of the evidence.
struct Weights {
    intercept: f64,
    words_in_sources: f64,
    weakest: f64,
    meaning: f64,
    negation: f64,
    figures: f64,
    names: f64,
    opposites: f64,
}

const WEIGHTS: Weights = Weights {
    intercept: -3.0,
    words_in_sources: 3.0,
    weakest: 1.0,
    meaning: 1.0,
    negation: 1.0,
    figures: -1.0,
    names: -1.0,
    opposites: -1.0,
};

/// Strange claims of a kind beyond this many say no more.
const MOST: usize = 2;
/// Stands in for the meaning where it is not compared.
const MEANING: f64 = 0.9;

/// 0 to 1; above one half, a draft is more likely to be supported than not where both are as frequent.
pub(super) fn score(grounding: &Grounding, semantic_support: Option<f64>) -> f64 {
    let counted = |n: usize| n.min(MOST) as f64;
    let weakest = grounding.supports.iter().copied().fold(1.0, f64::min);
    let sum = WEIGHTS.intercept
        + WEIGHTS.words_in_sources * grounding.words_in_sources
        + WEIGHTS.weakest * weakest
        + WEIGHTS.meaning * semantic_support.unwrap_or(MEANING)
        + WEIGHTS.negation * grounding.negation
        + WEIGHTS.figures * counted(grounding.strange_figures)
        + WEIGHTS.names * counted(grounding.strange_names)
        + WEIGHTS.opposites * counted(grounding.opposites);
    1.0 / (1.0 + (-sum).exp())
}
