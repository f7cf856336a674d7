//! The draft was written with knowledge that is for agents alone. What a model has read it may repeat, cited or not, so a
//! single such passage among those it was given is enough.

use std::collections::HashSet;

use super::{Finding, PolicyInput};
use crate::conversation::Audience;

/// Holds a draft that customers may not get before an agent has read it.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let internal: HashSet<&str> = input
        .retrieved
        .iter()
        .filter(|hit| hit.passage.audience == Audience::Agents)
        .map(|hit| hit.passage.id.as_str())
        .collect();
    if internal.is_empty() {
        Finding::pass()
    } else if draft.citations.iter().any(|citation| internal.contains(citation.passage_id.as_str())) {
        Finding::draft("The draft cites knowledge that is for agents alone.")
    } else {
        Finding::draft("The draft was written with knowledge at hand that is for agents alone.")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::check;
    use crate::conversation::Audience;
    use crate::decision::Verdict;

    #[test]
    fn one_internal_passage_is_enough() {
        let mut case = Case::asking("how long does it take?");
        case.draft = Some(draft("It takes four days."));
        case.retrieved =
            vec![hit("p1", "It takes four days.", 0.9, 0.5), hit("p2", "Say it takes four.", 0.9, 0.5)];
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
        case.retrieved[1].passage.audience = Audience::Agents;
        let finding = check(&case.input());
        assert_eq!(finding.verdict, Verdict::Draft);
        assert!(finding.detail.unwrap_or_default().contains("at hand"));
        case.retrieved[0].passage.audience = Audience::Agents;
        assert!(check(&case.input()).detail.unwrap_or_default().contains("cites"));
        case.draft = None;
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }
}
