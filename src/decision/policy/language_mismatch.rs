//! The reply must be in the customer's language.

use super::{Finding, PolicyInput};
use crate::conversation::Language;
use crate::conversation::language::{Hint, detect};
use crate::decision::Evidence;

/// Letters under which a text is too short to tell.
const MIN_LETTERS: usize = 20;
/// How sure the detector must be of another language.
const MIN_CONFIDENCE: f64 = 0.7;

/// Holds a draft in another language than the customer's.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let (Some(expected), Some(draft)) = (input.language, input.draft) else { return Finding::pass() };
    if draft.text.chars().filter(|c| c.is_alphabetic()).count() < MIN_LETTERS {
        return Finding::pass();
    }
    let found = detect(&draft.text, Hint::default());
    if found.language == Some(expected) || found.confidence < MIN_CONFIDENCE {
        return Finding::pass();
    }
    let name = found.language.map_or("another language", Language::english_name);
    let code = found.language.map_or("other", Language::code);
    Finding::draft(format!("The customer writes {} and the draft is in {name}.", expected.english_name()))
        .with([Evidence::held_against("language", code, expected.code())])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft};
    use super::check;
    use crate::conversation::Language;
    use crate::decision::Verdict;

    #[test]
    fn the_draft_follows_the_customer() {
        for (language, text, verdict) in [
            (Language::Pt, "A entrega leva quatro dias úteis no Brasil.", Verdict::Pass),
            (Language::Pt, "Delivery takes four business days in Brazil.", Verdict::Draft),
            (Language::It, "La consegna richiede tre giorni lavorativi.", Verdict::Pass),
            (Language::It, "La entrega tarda tres días laborables en toda España.", Verdict::Draft),
            (Language::Es, "La entrega tarda tres días laborables.", Verdict::Pass),
            (Language::En, "Delivery takes four business days.", Verdict::Pass),
            (Language::En, "A entrega leva quatro dias úteis no Brasil.", Verdict::Draft),
            (Language::En, "OK, 4 €.", Verdict::Pass),
        ] {
            let mut case = Case::asking("question");
            case.language = Some(language);
            case.draft = Some(draft(text));
            assert_eq!(check(&case.input()).verdict, verdict, "{text}");
        }
    }
}
