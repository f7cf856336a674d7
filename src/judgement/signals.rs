//! The signals a calibration weighs: each 0 to 1, higher is better, with a stable name.
//!
//! | signal | what it is |
//! |---|---|
//! | `retrieval_top` | best cosine, rescaled from 0.70–0.95 (where e5 lives) to 0–1 |
//! | `retrieval_margin` | best cosine over the best of another document, 0.08 being 1 |
//! | `retrieval_agreement` | mean reciprocal rank of the best by meaning among those by words, and the other way round |
//! | `query_coverage` | share of the question's words in the best cited passage (of all, where none is cited) |
//! | `question_in_sources` | share of the question's words in the windows that support the draft, with their headings |
//! | `cited_rank` | reciprocal rank of the best cited passage; 0 without a citation |
//! | `groundedness_min`, `groundedness_mean` | support of the weakest sentence, and of all on average |
//! | `semantic_support` | cosine of the weakest sentence with its window, rescaled from 0.78–0.96; 1 where words settle it |
//! | `answerability` | best sum of a source sentence's cosine with the question and a tenth of the question's weight in it, rescaled from 0.82–0.96 |
//! | `answer_relevance` | cosine of question and draft, rescaled from 0.78–0.92 |
//! | `agrees_with_quote` | share of the draft's words in the three source sentences nearest to the question |
//! | `claims_supported` | share of numbers, dates, links, codes and names that the sources hold; 1 without any |
//! | `words_in_sources` | share of the draft's content words that some source holds |
//! | `grounded` | the evidence of words, claims, opposites and negations weighed together ([`super::grounded`]) |
//! | `second_reading` | probability that the sources support the draft, by the model that read it again; absent where none did ([`super::second_reading`]) |
//! | `negation_match` | share of the sentences that negate nothing that their source affirms, and affirm nothing that it negates |
//! | `language_match` | how surely the draft is in the customer's language |
//! | `token_logprob` | geometric mean of the tokens' probabilities; absent where the backend gives none |
//! | `token_logprob_low` | the same over the least likely tenth; absent likewise |
//! | `figure_given` | 0 where the question asks for a number, a time or an amount and the draft has none; else 1 |
//! | `length_fit` | 1 from 20 to 600 characters, falling outside |
//! | `answer_overlap_question` | share of the question's words that come back in the draft |
//! | `finished` | 1 when the model ended by itself, 0 when the limit cut it |
//!
//! The four that compare vectors are absent when `judgement.semantic` is off.

use std::collections::{BTreeMap, HashSet};

use super::claims::{Claim, claims};
use super::groundedness::Grounding;
use crate::conversation::Language;
use crate::conversation::language::{Hint, detect};
use crate::generation::Draft;
use crate::inference::FinishReason;
use crate::inference::extractive::rank::asks_for_figure;
use crate::retrieval::Retrieved;
use crate::text::Keys;

pub(super) fn signals(
    question: &str,
    language: Language,
    draft: &Draft,
    retrieved: &[Retrieved],
    grounding: &Grounding,
) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: f64| {
        all.insert(name.to_owned(), if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 });
    };

    let dense = |hit: &Retrieved| hit.scores.dense.map(f64::from);
    if let Some(top) = best(retrieved, dense) {
        let cosine = dense(top).unwrap_or(0.0);
        put("retrieval_top", (cosine - 0.70) / 0.25);
        let others = retrieved.iter().filter(|hit| hit.passage.document_id != top.passage.document_id);
        let next = others.filter_map(dense).max_by(f64::total_cmp);
        put("retrieval_margin", next.map_or(1.0, |next| (cosine - next) / 0.08));
    } else {
        put("retrieval_top", 0.0);
        put("retrieval_margin", 0.0);
    }
    put("retrieval_agreement", agreement(retrieved));

    let cited: HashSet<&str> = draft.citations.iter().map(|citation| citation.passage_id.as_str()).collect();
    let coverage = |only_cited: bool| {
        retrieved
            .iter()
            .filter(|hit| !only_cited || cited.contains(hit.passage.id.as_str()))
            .map(|hit| f64::from(hit.scores.coverage))
            .max_by(f64::total_cmp)
    };
    put("query_coverage", coverage(true).or_else(|| coverage(false)).unwrap_or(0.0));
    put("question_in_sources", grounding.question_in_windows);
    let rank = retrieved.iter().position(|hit| cited.contains(hit.passage.id.as_str()));
    put("cited_rank", rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0)));

    let supports = &grounding.supports;
    put("groundedness_min", supports.iter().copied().min_by(f64::total_cmp).unwrap_or(0.0));
    put("groundedness_mean", supports.iter().sum::<f64>() / supports.len().max(1) as f64);
    let (held, claimed) = grounding.claims;
    put("claims_supported", if claimed == 0 { 1.0 } else { held as f64 / claimed as f64 });
    put("negation_match", grounding.negation);
    put("words_in_sources", grounding.words_in_sources);

    let detected = detect(&draft.text, Hint::default());
    put(
        "language_match",
        if detected.language == Some(language) { detected.confidence } else { 1.0 - detected.confidence },
    );
    if let Some(mean) = draft.production.logprobs.as_deref().and_then(mean) {
        put("token_logprob", mean.exp());
    }
    if let Some(low) = draft.production.logprobs.as_deref().and_then(lowest_tenth) {
        put("token_logprob_low", low.exp());
    }
    let given = || claims(&draft.text, language).iter().any(Claim::is_figure);
    put("figure_given", if !asks_for_figure(question) || given() { 1.0 } else { 0.0 });
    put("length_fit", length_fit(draft.text.chars().count() as f64));
    let keys = Keys::of(language.code());
    let asked = keys.all(question);
    let answered: HashSet<String> = keys.all(&draft.text).into_iter().collect();
    let back = asked.iter().filter(|key| answered.contains(*key)).count();
    put("answer_overlap_question", back as f64 / asked.len().max(1) as f64);
    put("finished", if draft.production.finish == FinishReason::Stop { 1.0 } else { 0.0 });
    all
}

fn best(retrieved: &[Retrieved], score: impl Fn(&Retrieved) -> Option<f64>) -> Option<&Retrieved> {
    retrieved
        .iter()
        .filter(|hit| score(hit).is_some())
        .max_by(|a, b| score(a).unwrap_or(0.0).total_cmp(&score(b).unwrap_or(0.0)))
}

/// Mean of the reciprocal rank of the best dense hit among the sparse ones, and of the best sparse among the dense.
fn agreement(retrieved: &[Retrieved]) -> f64 {
    let dense = |hit: &Retrieved| hit.scores.dense.map(f64::from);
    let sparse = |hit: &Retrieved| hit.scores.sparse.map(f64::from);
    let one_way = |of: &dyn Fn(&Retrieved) -> Option<f64>, among: &dyn Fn(&Retrieved) -> Option<f64>| {
        let Some(own) = best(retrieved, of).and_then(among) else { return 0.0 };
        let better = retrieved.iter().filter_map(among).filter(|other| *other > own).count();
        1.0 / (better as f64 + 1.0)
    };
    f64::midpoint(one_way(&dense, &sparse), one_way(&sparse, &dense))
}

fn mean(values: &[f32]) -> Option<f64> {
    (!values.is_empty())
        .then(|| values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64)
}

fn lowest_tenth(values: &[f32]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted.truncate(values.len().div_ceil(10));
    mean(&sorted)
}

fn length_fit(characters: f64) -> f64 {
    if characters < 20.0 {
        characters / 20.0
    } else if characters <= 600.0 {
        1.0
    } else {
        600.0 / characters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::groundedness::measure;
    use crate::judgement::tests::{draft, hit};

    fn of(text: &str, logprobs: Option<Vec<f32>>, hits: &[Retrieved]) -> BTreeMap<String, f64> {
        let mut draft = draft(text);
        draft.production.logprobs = logprobs;
        let question = "how long does delivery take?";
        let grounding = measure(question, Language::En, &draft, hits);
        signals(question, Language::En, &draft, hits, &grounding)
    }

    #[test]
    fn every_signal_is_within_bounds() {
        let mut hits = vec![hit("p1", "Delivery takes 4 days.", 0.92, 1.0), hit("p2", "Refunds.", 0.84, 0.0)];
        hits[1].passage.document_id = "other".into();
        for (text, hits) in [("Delivery takes 4 days.", &hits[..]), ("", &[]), ("Sim, 12 anos.", &hits)] {
            for (name, value) in of(text, Some(vec![-0.1, -0.2]), hits) {
                assert!((0.0..=1.0).contains(&value), "{name} {value}");
            }
        }
    }

    #[test]
    fn better_drafts_have_better_signals() {
        let hits = vec![hit("p1", "Delivery takes 4 days.", 0.92, 1.0), hit("p2", "Refunds.", 0.84, 0.0)];
        let good = of("Delivery takes 4 days.", Some(vec![-0.05; 20]), &hits);
        let bad = of("Delivery takes 9 weeks by pigeon.", Some(vec![-2.0; 20]), &hits);
        for name in ["groundedness_min", "groundedness_mean", "claims_supported", "token_logprob"] {
            assert!(good[name] > bad[name], "{name}: {} {}", good[name], bad[name]);
        }
        assert!((good["retrieval_top"] - 0.88).abs() < 1e-3);
        assert!(!of("Delivery takes 4 days.", None, &hits).contains_key("token_logprob"));
    }

    #[test]
    fn lists_that_agree_score_one() {
        let mut hits = vec![hit("a", "x", 0.9, 0.0), hit("b", "y", 0.8, 0.0)];
        hits[0].scores.sparse = Some(9.0);
        hits[1].scores.sparse = Some(3.0);
        assert!((agreement(&hits) - 1.0).abs() < 1e-9);
        hits[1].scores.sparse = Some(12.0);
        assert!((agreement(&hits) - 0.5).abs() < 1e-9);
        assert!(agreement(&[]).abs() < 1e-9);
    }
}
