//! From ranked passages to metrics.

use crate::conversation::Language;
use crate::eval::metrics::bootstrap::Bootstrap;
use crate::eval::metrics::{Estimate, auroc::auroc, hit::hit_at, mrr::reciprocal_rank, ndcg::ndcg_at};
use crate::eval::report::{ByLanguage, Report, Slice, Table, Worst};

/// How many ranks are looked at.
pub const DEPTH: usize = 10;
/// Most questions that are listed as worst.
const WORST: usize = 40;
/// Metrics in the order in which they are shown.
const ORDER: [&str; 6] = ["hit@1", "hit@5", "hit@10", "ndcg@10", "mrr", "answerable_auroc"];

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

/// The report of a run.
pub fn report(
    set: &str,
    config_hash: &str,
    texts: bool,
    outcomes: &[Outcome],
    bootstrap: Bootstrap,
) -> Report {
    let by_language = ByLanguage::of(outcomes, |row| row.language);
    let counts = |name: &str, rows: &[Outcome]| {
        let answerable = rows.iter().filter(|row| row.answerable).count();
        vec![name.to_owned(), answerable.to_string(), (rows.len() - answerable).to_string()]
    };
    Report {
        summary: by_language.summary(set, "retrieval", config_hash, |rows| slice(rows, bootstrap)),
        method: vec![
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
            format!(
                "Intervals: 95% percentile bootstrap, {} resamples of the questions, seed {}.",
                bootstrap.resamples, bootstrap.seed
            ),
        ],
        order: ORDER.map(str::to_owned).into(),
        tables: vec![Table {
            title: "Questions".into(),
            columns: ["language", "answerable", "not answerable"].map(str::to_owned).into(),
            rows: by_language.rows(counts),
        }],
        worst: outcomes
            .iter()
            .filter(|row| row.answerable && !row.relevance.contains(&true))
            .take(WORST)
            .map(|row| Worst {
                id: row.id.clone(),
                language: row.language.code().to_owned(),
                what: format!("no relevant passage among the first {DEPTH}"),
                text: texts.then(|| row.question.clone()),
            })
            .collect(),
    }
}

fn slice(rows: &[Outcome], bootstrap: Bootstrap) -> Slice {
    let answerable = |measure: fn(&Outcome) -> f64| move |row: &Outcome| row.answerable.then(|| measure(row));
    let estimates: [(&str, Option<Estimate>); 6] = [
        ("hit@1", bootstrap.mean(rows, answerable(|row| hit_at(&row.relevance, 1)))),
        ("hit@5", bootstrap.mean(rows, answerable(|row| hit_at(&row.relevance, 5)))),
        ("hit@10", bootstrap.mean(rows, answerable(|row| hit_at(&row.relevance, 10)))),
        ("ndcg@10", bootstrap.mean(rows, answerable(|row| ndcg_at(&row.relevance, row.relevant, 10)))),
        ("mrr", bootstrap.mean(rows, answerable(|row| reciprocal_rank(&row.relevance)))),
        (
            "answerable_auroc",
            bootstrap
                .estimate(rows, |sample| auroc(sample.iter().map(|row| (row.answerability, row.answerable)))),
        ),
    ];
    Slice {
        n: rows.len(),
        metrics: estimates
            .into_iter()
            .filter_map(|(name, estimate)| estimate.map(|estimate| (name.to_owned(), estimate)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(
        id: &str,
        language: Language,
        answerable: bool,
        relevance: &[bool],
        answerability: f64,
    ) -> Outcome {
        Outcome {
            id: id.into(),
            language,
            question: "q".into(),
            answerable,
            relevant: usize::from(answerable),
            relevance: relevance.into(),
            answerability,
        }
    }

    #[test]
    fn ranks_become_metrics_by_language_and_unanswerable_questions_count_in_the_area_alone() {
        let rows = [
            row("a", Language::Pt, true, &[true, false], 0.9),
            row("b", Language::Pt, true, &[false, true], 0.7),
            row("c", Language::Pt, false, &[false, false], 0.8),
            row("d", Language::En, true, &[false, false], 0.6),
        ];
        let report = report("s", "c", false, &rows, Bootstrap::default());
        let pt = &report.summary.by_language["pt"];
        let value = |name: &str| pt.metrics[name].value;
        assert_eq!(pt.n, 3);
        assert!((value("hit@1") - 0.5).abs() < 1e-12 && (value("hit@5") - 1.0).abs() < 1e-12);
        assert!((value("mrr") - 0.75).abs() < 1e-12);
        assert!((value("ndcg@10") - f64::midpoint(1.0, 1.0 / 3_f64.log2())).abs() < 1e-12);
        assert!((value("answerable_auroc") - 0.5).abs() < 1e-12);
        assert!(!report.summary.by_language["en"].metrics.contains_key("answerable_auroc"));
        assert!((report.summary.all.metrics["hit@10"].value - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(report.worst.len(), 1);
        assert_eq!((report.worst[0].id.as_str(), &report.worst[0].text), ("d", &None));
    }
}
