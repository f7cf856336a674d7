//! The index is being rebuilt: what answers may be among the passages that it lacks.

use super::{Finding, PolicyInput};
use crate::decision::Evidence;

/// Holds every reply as a draft: a certificate speaks of the whole knowledge.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    if input.lacking == 0 {
        return Finding::pass();
    }
    let lacking = input.lacking.to_string();
    Finding::draft(format!("The index is being rebuilt: it was found to lack {lacking} passages."))
        .with([Evidence::measured("passages_lacking", lacking)])
}

#[cfg(test)]
mod tests {
    use super::super::tests::Case;
    use super::check;
    use crate::decision::{Evidence, Verdict};

    #[test]
    fn an_index_that_lacks_passages_holds_every_reply() {
        let mut case = Case::asking("question");
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
        case.lacking = 3;
        let found = check(&case.input());
        assert_eq!(found.verdict, Verdict::Draft);
        assert_eq!(found.evidence, [Evidence::measured("passages_lacking", "3")]);
    }
}
