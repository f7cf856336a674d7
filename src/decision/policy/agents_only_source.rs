//! The draft was written with knowledge that is for agents alone. What a model has read it may repeat, cited or not, so a
//! single such passage among those it was given is enough.

use super::{Finding, PolicyInput};
use crate::conversation::Audience;
use crate::decision::Evidence;
use crate::retrieval::Passage;

/// Holds a draft that customers may not get before an agent has read it.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(draft) = input.draft else { return Finding::pass() };
    let passages = input.retrieved.iter().map(|hit| &hit.passage);
    let internal: Vec<&Passage> = passages.filter(|passage| passage.audience == Audience::Agents).collect();
    let is_cited =
        |passage: &Passage| draft.citations.iter().any(|citation| citation.passage_id == passage.id);
    let detail = match internal.as_slice() {
        [] => return Finding::pass(),
        internal if internal.iter().any(|passage| is_cited(passage)) => {
            "The draft cites knowledge that is for agents alone."
        }
        _ => "The draft was written with knowledge at hand that is for agents alone.",
    };
    Finding::draft(detail).with(internal.iter().map(|passage| Evidence::Passage {
        id: passage.id.clone(),
        title: passage.heading(),
        found: if is_cited(passage) { "cited" } else { "at hand" }.into(),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, draft, hit};
    use super::*;
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
        assert!(matches!(finding.evidence.as_slice(), [Evidence::Passage { id, .. }] if id == "p2"));
        case.retrieved[0].passage.audience = Audience::Agents;
        assert!(check(&case.input()).detail.unwrap_or_default().contains("cites"));
        case.draft = None;
        assert_eq!(check(&case.input()).verdict, Verdict::Pass);
    }
}
