//! One score for how far a draft stands on its sources: a small logistic model over what was counted.
//!
//! | evidence | weight |
//! |---|---|
//! | share of the content words that some source holds | 4.6 |
//! | numbers, dates, links and codes that no source holds, up to two | −0.4 each |
//! | names that no source holds, up to two | −1.5 each |
//! | words whose opposite the source has, up to two | −1.7 each |
//! | sentences that turn a negation of the source around, up to two | −0.5 each |
//! | log-odds of the model that read the draft again, where one did | 0.5 |
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
const READING: f64 = 0.5;
/// More evidence of a kind says no more.
const MOST: usize = 2;
/// A model is never taken for surer than this.
const SUREST: f64 = 0.01;

/// 0 to 1; above one half, a draft is more likely supported than not where both are as frequent.
pub(super) fn score(grounding: &Grounding, second_reading: Option<f64>) -> f64 {
    let counted = |n: usize| n.min(MOST) as f64;
    let sum = INTERCEPT
        + WORDS * grounding.words_in_sources
        + FIGURES * counted(grounding.strange_figures)
        + NAMES * counted(grounding.strange_names)
        + OPPOSITES * counted(grounding.opposites)
        + TURNED * counted(grounding.turned)
        + READING * second_reading.map_or(0.0, log_odds);
    1.0 / (1.0 + (-sum).exp())
}

fn log_odds(probability: f64) -> f64 {
    let probability = probability.clamp(SUREST, 1.0 - SUREST);
    (probability / (1.0 - probability)).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Language;
    use crate::judgement::groundedness::measure;
    use crate::judgement::tests::{draft, hit};

    fn of(text: &str) -> f64 {
        read(text, None)
    }

    fn read(text: &str, reading: Option<f64>) -> f64 {
        let mut source = hit(
            "p1",
            "The Lumo kettle boils 1.5 l and is available in Porto. It is not dishwasher safe.",
            0.9,
            0.5,
        );
        source.passage.language = Some(Language::En);
        score(&measure("is it available?", Language::En, &draft(text), &[source]), reading)
    }

    #[test]
    fn a_second_reading_moves_the_score_its_way_and_no_further_than_a_hundredth() {
        let text = "The Lumo kettle is available in Porto.";
        assert!(read(text, Some(0.1)) < of(text) && of(text) < read(text, Some(0.9)));
        assert!((read(text, Some(0.5)) - of(text)).abs() < 1e-9);
        assert!((read(text, Some(0.0)) - read(text, Some(0.01))).abs() < 1e-9);
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
