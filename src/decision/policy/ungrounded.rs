//! Every sentence must stand on a passage, every number, date, link and name must be in one, and a model that read the draft
//! again must find it supported.

use super::{Finding, PolicyInput};
use crate::decision::Evidence;

/// Holds a draft with a sentence or a claim that no source supports, or that was not found supported when it was read again.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let (Some(judgement), Some(draft)) = (input.judgement, input.draft) else { return Finding::pass() };
    let claims: usize = judgement.sentences.iter().map(|sentence| sentence.unsupported.len()).sum();
    let weak = judgement
        .sentences
        .iter()
        .filter(|sentence| sentence.support < input.config.sentence_support)
        .count();
    let doubted = judgement.second_reading().filter(|supported| *supported < input.config.second_reading);
    if claims > 0 {
        Finding::draft(format!(
            "{claims} number(s), link(s), name(s) or word(s) of the draft are in no source, or turn it around."
        ))
        .with([Evidence::measured("unsupported_claims", claims.to_string())])
    } else if weak > 0 {
        Finding::draft(format!("{weak} sentence(s) of the draft are not supported by the passages."))
            .with([Evidence::measured("unsupported_sentences", weak.to_string())])
    } else if let Some(supported) = doubted {
        Finding::draft("The model that read the draft again does not find that the passages support it.")
            .with([Evidence::held_against(
                "second_reading",
                format!("{supported:.2}"),
                format!("{:.2}", input.config.second_reading),
            )])
    } else if draft.citations.is_empty() {
        Finding::draft("The draft cites no passage.").with([Evidence::measured("citations", "0")])
    } else {
        Finding::pass()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, judged};
    use super::check;
    use crate::decision::Verdict;

    #[test]
    fn one_weak_sentence_or_claim_holds_the_draft() {
        let mut case = Case::asking("question");
        case.draft = Some(draft("One. Two."));
        case.judgement = Some(judged(&[(0.9, &[]), (0.8, &[])]));
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
        case.judgement = Some(judged(&[(0.9, &[]), (0.1, &[])]));
        assert_eq!(check(&case.input()).verdict, Verdict::Draft);
        case.judgement = Some(judged(&[(0.9, &["€40"])]));
        let finding = check(&case.input());
        assert_eq!(finding.verdict, Verdict::Draft);
        assert!(!finding.detail.unwrap().contains("€40"), "the detail must not quote the draft");
    }

    #[test]
    fn a_model_that_finds_no_support_holds_the_draft() {
        let mut case = Case::asking("question");
        case.draft = Some(draft("One."));
        let mut read = |supported: f64| {
            let mut judgement = judged(&[(1.0, &[])]);
            judgement.confidence.signals.insert("second_reading".to_owned(), supported);
            case.judgement = Some(judgement);
            check(&case.input()).verdict
        };
        assert_eq!([0.49, 0.5].map(&mut read), [Verdict::Draft, Verdict::Pass]);
    }

    #[test]
    fn a_draft_without_citations_is_held() {
        let mut case = Case::asking("question");
        let mut bare = draft("One.");
        bare.citations.clear();
        case.draft = Some(bare);
        case.judgement = Some(judged(&[(1.0, &[])]));
        assert_eq!(check(&case.input()).verdict, Verdict::Draft);
    }
}
