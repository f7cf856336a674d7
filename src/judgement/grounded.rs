//! One score for how far a draft stands on its sources: a small logistic model over what was counted.
//!
//! | evidence | weight |
//! |---|---|
//! | share of the content words that some source holds | 4.6 |
//! | numbers, dates, links and codes that no source holds, up to two | −0.4 each |
//! | names that no source holds, up to two | −1.5 each |
//! | words whose opposite the source has, up to two | −1.7 each |
//! | sentences that turn a negation of the source around, up to two | −0.5 each |
//!
//! Fitted on one half of two public sets (invented replies of dialogue systems; summaries with small edits), parted by
//! source text, either label of either set weighing the same, and checked on the other half: `eval/README.md` has the
//! figures, what each line adds, and what was tried and left out.

use super::groundedness::Grounding;

const INTERCEPT: f64 = -3.2;
const WORDS: f64 = 4.6;
const FIGURES: f64 = -0.4;
const NAMES: f64 = -1.5;
const OPPOSITES: f64 = -1.7;
const TURNED: f64 = -0.5;
/// More evidence of a kind says no more.
const MOST: usize = 2;

/// 0 to 1; above one half, a draft is more likely supported than not where both are as frequent.
pub(super) fn score(grounding: &Grounding) -> f64 {
    let counted = |n: usize| n.min(MOST) as f64;
    let sum = INTERCEPT
        + WORDS * grounding.words_in_sources
        + FIGURES * counted(grounding.strange_figures)
        + NAMES * counted(grounding.strange_names)
        + OPPOSITES * counted(grounding.opposites)
        + TURNED * counted(grounding.turned);
    1.0 / (1.0 + (-sum).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Language;
    use crate::judgement::groundedness::measure;
    use crate::judgement::tests::{draft, hit};

    fn of(text: &str) -> f64 {
        let mut source = hit(
            "p1",
            "The Lumo kettle boils 1.5 l and is available in Porto. It is not dishwasher safe.",
            0.9,
            0.5,
        );
        source.passage.language = Some(Language::En);
        score(&measure("is it available?", Language::En, &draft(text), &[source]))
    }

    #[test]
    fn every_kind_of_edit_lowers_the_score_of_what_the_source_says() {
        let said = of("The Lumo kettle is available in Porto.");
        assert!(said > 0.7, "{said}");
        for edited in [
            "The Lumo kettle is unavailable in Porto.",
            "The Lumo kettle is available in Lisbon.",
            "The Lumo kettle is not available in Porto.",
            "The Lumo kettle boils 2.5 l and is available in Porto.",
            "The Lumo kettle comes with a lifetime guarantee and free coffee.",
        ] {
            assert!(of(edited) < said - 0.05, "{edited}: {} of {said}", of(edited));
        }
    }
}
