//! From ranked passages to cases.

use crate::conversation::Language;
use crate::eval::case::Case;
use crate::eval::metrics::{hit::hit_at, mrr::reciprocal_rank, ndcg::ndcg_at};

/// How many ranks are looked at.
pub const DEPTH: usize = 10;

/// What a search found for one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Id of the question.
    pub id: String,
    /// Its language.
    pub language: Language,
    /// What was asked, for reports of sets that allow it.
    pub question: String,
    /// Whether any passage answers it.
    pub answerable: bool,
    /// How many passages are relevant.
    pub relevant: usize,
    /// Whether the passage at each rank is relevant, best first, at most [`DEPTH`].
    pub relevance: Vec<bool>,
    /// How surely the passages found hold an answer; −1 when nothing was found, or every question of the set can be
    /// answered.
    pub answerability: f64,
}

impl Outcome {
    /// The measures of a question; `texts` says whether the case may hold it.
    pub fn case(&self, texts: bool) -> Case {
        let case = Case {
            id: self.id.clone(),
            language: self.language.code().to_owned(),
            text: texts.then(|| self.question.clone()),
            ..Case::default()
        }
        .with("answerability", self.answerability)
        .with_yes("answerable", self.answerable)
        .traced("answerability", format!("{:.3}", self.answerability));
        if !self.answerable {
            return case;
        }
        let rank = self.relevance.iter().position(|relevant| *relevant).map(|index| index + 1);
        let missed = format!("no relevant passage among the first {DEPTH}");
        case.with("hit@1", hit_at(&self.relevance, 1))
            .with("hit@5", hit_at(&self.relevance, 5))
            .with("hit@10", hit_at(&self.relevance, 10))
            .with("ndcg@10", ndcg_at(&self.relevance, self.relevant, 10))
            .with("mrr", reciprocal_rank(&self.relevance))
            .at_fault(rank.is_none(), 2, &missed)
            .at_fault(rank.is_some_and(|rank| rank > 5), 1, "the relevant passage is not among the first 5")
            .traced("first relevant passage", rank.map_or("none".into(), |rank| format!("rank {rank}")))
    }
}

/// How the numbers were made.
pub fn method() -> Vec<String> {
    vec![
        "One passage of the set is one point of a temporary index, one index for each knowledge base and language; the \
         retriever is the one that serves."
            .into(),
        format!(
            "hit@k, ndcg@10 (binary gains) and mrr (over the first {DEPTH} ranks) are means over answerable questions."
        ),
        "answerable_auroc: how well answerable questions are told from others by the mean of the highest cosine among the \
         passages found and of the highest sum of a sentence's cosine, among the first three, with a tenth of the \
         question's weight that it holds."
            .into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metrics::bootstrap::Bootstrap;
    use crate::eval::report::Summary;
    use crate::eval::task::Task;

    fn row(id: &str, language: Language, answerable: bool, relevance: &[bool], answerability: f64) -> Case {
        Outcome {
            id: id.into(),
            language,
            question: "q".into(),
            answerable,
            relevant: usize::from(answerable),
            relevance: relevance.into(),
            answerability,
        }
        .case(false)
    }

    #[test]
    fn ranks_become_metrics_by_language_and_unanswerable_questions_count_in_the_area_alone() {
        let rows = [
            row("a", Language::Pt, true, &[true, false], 0.9),
            row("b", Language::Pt, true, &[false, true], 0.7),
            row("c", Language::Pt, false, &[false, false], 0.8),
            row("d", Language::En, true, &[false, false], 0.6),
        ];
        let summary = Summary::of(&rows, &Task::Retrieval.metrics(), Bootstrap::default());
        let pt = &summary.by_language["pt"];
        let value = |name: &str| pt.metrics[name].value;
        assert_eq!(pt.n, 3);
        assert!((value("hit@1") - 0.5).abs() < 1e-12 && (value("hit@5") - 1.0).abs() < 1e-12);
        assert!((value("mrr") - 0.75).abs() < 1e-12);
        assert!((value("ndcg@10") - f64::midpoint(1.0, 1.0 / 3_f64.log2())).abs() < 1e-12);
        assert!((value("answerable_auroc") - 0.5).abs() < 1e-12);
        assert!(!summary.by_language["en"].metrics.contains_key("answerable_auroc"));
        assert!((summary.all.metrics["hit@10"].value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(rows.iter().filter(|row| row.fault.is_some()).count(), 1);
        assert_eq!((rows[3].fault.is_some(), &rows[3].text), (true, &None));
    }
}
