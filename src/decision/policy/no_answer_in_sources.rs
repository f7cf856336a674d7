//! The draft itself says that the sources do not hold the answer: such a draft answers nothing.

use super::{Finding, PolicyInput, looked_at};

/// Escalates when the model declined, or wrote nothing.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    match input.draft {
        Some(draft) if draft.production.refused || draft.text.trim().is_empty() => {
            Finding::escalate("The passages found do not hold the answer.").with(looked_at(input))
        }
        _ => Finding::pass(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft};
    use super::check;
    use crate::decision::{Evidence, Verdict};

    #[test]
    fn a_refusal_is_no_draft() {
        let mut case = Case::asking("question");
        case.draft = Some(draft("It takes four days."));
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
        let mut refused = draft("I could not find this.");
        refused.production.refused = true;
        case.draft = Some(refused);
        let finding = check(&case.input());
        assert_eq!(finding.verdict, Verdict::Escalate);
        assert_eq!(finding.evidence, [Evidence::measured("passages", "0")]);
        case.draft = Some(draft("  "));
        assert_eq!(check(&case.input()).verdict, Verdict::Escalate);
    }
}
