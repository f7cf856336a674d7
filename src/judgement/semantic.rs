//! Signals of meaning, where words alone do not settle it: vectors of the question, the draft and the sentences of the
//! sources. Vectors of sentences that were compared before come from the embedder's cache.

use std::collections::{BTreeMap, BTreeSet};

use super::judge::JudgeInput;
use crate::inference::extractive::rank::{Ranking, rank};
use crate::inference::{Embedder, InferenceError, Purpose, Source};
use crate::text::Keys;

/// A sentence and the window of a passage that supports it best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) sentence: String,
    pub(super) window: String,
}

/// Pairs that are compared at most, so that the cost stays bounded.
const MOST: usize = 4;
/// e5 cosines of unrelated and of equivalent sentences.
const SENTENCES: (f64, f64) = (0.78, 0.96);
/// e5 cosines of a question with a reply beside the point and with one that answers it.
const REPLIES: (f64, f64) = (0.78, 0.92);
/// Answerability of a question that the sources do not speak of, and of one that a sentence answers in its own words.
const ANSWERABILITY: (f64, f64) = (0.82, 0.96);
/// Units of the sources that would be quoted.
const QUOTED: usize = 3;

/// The signals by name; `pairs` are the sentences that words do not settle, weakest first.
pub(super) async fn signals(
    embedder: &dyn Embedder,
    input: JudgeInput<'_>,
    pairs: &[Pair],
) -> Result<BTreeMap<String, f64>, InferenceError> {
    let JudgeInput { question, language, draft, retrieved, .. } = input;
    let sources: Vec<Source> = retrieved.iter().map(|hit| hit.passage.as_source()).collect();
    let mut ranking = rank(question, language.code(), &sources);
    ranking.weigh_meaning(embedder, question, &sources).await?;
    let asked = embedder.embed(vec![question.to_owned()], Purpose::Query).await?;
    let replied = embedder.embed(vec![draft.text.clone()], Purpose::Passage).await?;
    let relevance = asked.first().zip(replied.first()).map_or(0.0, |(asked, reply)| cosine(asked, reply));
    Ok(BTreeMap::from([
        ("answerability".to_owned(), scaled(ranking.answerability().unwrap_or(0.0), ANSWERABILITY)),
        ("answer_relevance".to_owned(), scaled(relevance, REPLIES)),
        (
            "agrees_with_quote".to_owned(),
            agreement(&draft.text, &Keys::of(language.code()), &ranking, &sources),
        ),
        ("semantic_support".to_owned(), support(embedder, pairs).await?),
    ]))
}

/// Share of the reply's content words that the sentences hold which would be quoted in its place.
fn agreement(reply: &str, keys: &Keys, ranking: &Ranking, sources: &[Source]) -> f64 {
    let words = keys.all(reply);
    let mut quoted: BTreeSet<String> = BTreeSet::new();
    for candidate in ranking.candidates.iter().take(QUOTED) {
        let source = &sources[candidate.source];
        quoted.extend(keys.all(&ranking.units[candidate.source][candidate.unit].render(&source.text)));
        quoted.extend(keys.all(&source.title));
    }
    let held = words.iter().filter(|word| quoted.contains(*word)).count();
    held as f64 / words.len().max(1) as f64
}

/// Support of the weakest pair: the cosine of sentence and window, rescaled; 1 without a pair.
async fn support(embedder: &dyn Embedder, pairs: &[Pair]) -> Result<f64, InferenceError> {
    let pairs = &pairs[..pairs.len().min(MOST)];
    if pairs.is_empty() {
        return Ok(1.0);
    }
    let texts = pairs.iter().flat_map(|pair| [pair.sentence.clone(), pair.window.clone()]).collect();
    let vectors = embedder.embed(texts, Purpose::Query).await?;
    let cosines = vectors.as_chunks::<2>().0.iter().map(|[sentence, window]| cosine(sentence, window));
    Ok(scaled(cosines.min_by(f64::total_cmp).unwrap_or(0.0), SENTENCES))
}

/// 0 at the lower end of a range, 1 at the upper.
fn scaled(value: f64, (low, high): (f64, f64)) -> f64 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

/// Of unit vectors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
