//! No passage is about the question.
//!
//! The best cosine decides, with the share of the question's words in the best passage as a second chance. Both floors
//! belong to the embedder (e5 cosines live between 0.7 and 0.95) and are settings. The defaults stop what is far from every
//! passage; what is near the subject and not answered (gift cards and jobs, asked of a shop) is left to the draft, which has
//! to say that the sources are silent.

use super::{Finding, PolicyInput, last_message, looked_at};

/// Escalates when nothing found comes near the question.
pub(super) fn check(input: &PolicyInput<'_>) -> Finding {
    let Some(dense) =
        input.retrieved.iter().filter_map(|hit| hit.scores.dense).max_by(f32::total_cmp).map(f64::from)
    else {
        return if input.retrieved.is_empty() {
            Finding::escalate("The knowledge base holds nothing about the question.")
                .with(last_message(input))
                .with(looked_at(input))
        } else {
            Finding::pass()
        };
    };
    let coverage = input.retrieved.iter().map(|hit| f64::from(hit.scores.coverage)).fold(0.0, f64::max);
    let config = input.config;
    let far = dense < config.relevance_dense_min
        || (dense < config.relevance_dense && coverage < config.relevance_coverage);
    if far {
        Finding::escalate(format!(
            "The closest passage is not about the question (similarity {dense:.2}, words covered {:.0}%).",
            100.0 * coverage
        ))
        .with(looked_at(input))
    } else {
        Finding::pass()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, hit};
    use super::check;
    use crate::decision::{Evidence, Verdict};

    #[test]
    fn both_floors_count() {
        for (dense, coverage, verdict) in [
            (0.90, 0.1, Verdict::Pass),
            (0.82, 0.9, Verdict::Pass),
            (0.82, 0.2, Verdict::Escalate),
            (0.70, 1.0, Verdict::Escalate),
        ] {
            let mut case = Case::asking("do you sell gift cards?");
            case.retrieved = vec![hit("p", "text", dense, coverage)];
            assert_eq!(check(&case.input()).verdict, verdict, "{dense} {coverage}");
        }
        let finding = check(&Case::asking("anything").input());
        assert_eq!(finding.verdict, Verdict::Escalate);
        assert_eq!(
            finding.evidence,
            [Evidence::Message { id: "m".into() }, Evidence::measured("passages", "0")]
        );
    }
}
