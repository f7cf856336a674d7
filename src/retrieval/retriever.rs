//! One question in, ranked passages out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fusion::{Ranking, reciprocal_rank_fusion};
use super::index::{IndexError, IndexHits, IndexQuery, PassageIndex, Readers, Selection};
use super::{Passage, Retrieved, Scores, Sketch, analysis, ngrams};
use crate::conversation::{Labels, Language, WorkspaceId};
use crate::inference::{Embedder, InferenceError, Purpose};
use crate::settings::Problem;
use crate::text::{collapse, fold_compatible, runs};

/// `[retrieval]`: how many passages are found, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetrievalConfig {
    /// Passages that a draft is made from.
    pub top_k: usize,
    /// Candidates that each search contributes before they are fused.
    pub prefetch: usize,
    /// Constant of reciprocal rank fusion, the first rank being 0. The smaller, the more the first places count.
    pub rrf_k: f32,
    /// Weight of the search by meaning.
    pub dense_weight: f32,
    /// Weight of the search by words.
    pub sparse_weight: f32,
    /// Weight of likeness by letters, which sees through typos and endings; it orders what the searches found. 0 leaves
    /// it out. Certificates of automatic replies hold for the weights that they were found with.
    pub letters_weight: f32,
    /// How the customer's last message becomes a query that stands alone.
    pub rewrite: Rewrite,
    /// Longest wait for a query by a model, in seconds, where `rewrite` is `model`; past it the query is made by rule.
    pub rewrite_s: f64,
}

/// How the last message of a conversation becomes a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rewrite {
    /// Not at all: what the customer wrote last is searched.
    None,
    /// By rule, in microseconds: courtesies go, and a follow-up gets the earlier question.
    Rule,
    /// A follow-up by the chat model, and by rule where it does not answer in time.
    Model,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self {
            top_k: 6,
            prefetch: 50,
            rrf_k: 2.0,
            dense_weight: 1.0,
            sparse_weight: 0.3,
            letters_weight: 0.3,
            rewrite: Rewrite::Rule,
            rewrite_s: 5.0,
        }
    }
}

impl RetrievalConfig {
    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        if !(1..=100).contains(&self.top_k) {
            problems.push(Problem::new("retrieval.top_k", "write a number from 1 to 100"));
        }
        if !(self.top_k..=1000).contains(&self.prefetch) {
            problems.push(Problem::new("retrieval.prefetch", "write a number from `top_k` to 1000"));
        }
        if !(self.rrf_k >= 1.0 && self.rrf_k <= 1000.0) {
            problems.push(Problem::new("retrieval.rrf_k", "write a number from 1 to 1000"));
        }
        let weights = [self.dense_weight, self.sparse_weight];
        if weights.iter().any(|weight| !(0.0..=100.0).contains(weight)) || weights.iter().sum::<f32>() <= 0.0
        {
            problems.push(Problem::new(
                "retrieval.dense_weight",
                "write weights from 0 to 100 for `dense_weight` and `sparse_weight`, at least one of them above 0",
            ));
        }
        if !(0.0..=100.0).contains(&self.letters_weight) {
            problems.push(Problem::new("retrieval.letters_weight", "write a number from 0 to 100"));
        }
        if !(self.rewrite_s > 0.0 && self.rewrite_s <= 600.0) {
            problems.push(Problem::new("retrieval.rewrite_s", "write seconds above 0, up to 600"));
        }
    }
}

/// A search failed.
#[derive(Debug, thiserror::Error)]
pub enum RetrievalError {
    /// The question could not be embedded.
    #[error("the question could not be embedded: {0}")]
    Inference(#[from] InferenceError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// Finds passages for questions.
pub struct Retriever {
    index: Arc<dyn PassageIndex>,
    embedder: Arc<dyn Embedder>,
    config: RetrievalConfig,
    readers: Option<Arc<Readers>>,
}

/// Which passages a search may find; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Within {
    /// Only what customers may read.
    pub public_only: bool,
    /// For each key, only passages with one of these labels, and those that have none of that key.
    pub labels: Labels,
}

impl Retriever {
    /// Over an index whose vectors came from the same embedder.
    pub fn new(index: Arc<dyn PassageIndex>, embedder: Arc<dyn Embedder>, config: RetrievalConfig) -> Self {
        Self { index, embedder, config, readers: None }
    }

    /// For an index that changes while it is searched: every search finds one generation, and says in which version of
    /// its document a passage was found.
    #[must_use]
    pub fn with_readers(mut self, readers: Arc<Readers>) -> Self {
        self.readers = Some(readers);
        self
    }

    /// How queries are made, and how long a model may take to make one.
    pub fn rewrite(&self) -> (Rewrite, Duration) {
        // A time that is no duration leaves the rule.
        (self.config.rewrite, Duration::try_from_secs_f64(self.config.rewrite_s).unwrap_or_default())
    }

    /// Passages that the index lacks while it is rebuilt.
    pub fn lacking(&self) -> usize {
        self.readers.as_ref().map_or(0, |readers| readers.lacking())
    }

    /// A sample of the passages that customers may read; `None` where the index does not change while it is searched.
    pub async fn knowledge(&self, workspace: &WorkspaceId) -> Result<Option<Arc<Sketch>>, RetrievalError> {
        match &self.readers {
            Some(readers) => Ok(Some(readers.sketch(workspace).await?)),
            None => Ok(None),
        }
    }

    /// The best passages for a query, best first, at most `top_k` of the configuration.
    ///
    /// `language` is the query's. Passages in it come first; one in another language stands among them where it is
    /// closer in meaning than all of them, so that knowledge that exists in one language alone is found from every
    /// other. `None` treats all languages alike.
    pub async fn retrieve(
        &self,
        workspace: &WorkspaceId,
        query: &str,
        language: Option<Language>,
    ) -> Result<Vec<Retrieved>, RetrievalError> {
        self.search(workspace, query, language, self.config.top_k).await
    }

    /// As [`Self::retrieve`], among some passages alone.
    pub async fn retrieve_within(
        &self,
        workspace: &WorkspaceId,
        query: &str,
        language: Option<Language>,
        within: &Within,
    ) -> Result<Vec<Retrieved>, RetrievalError> {
        self.search_within(workspace, query, language, self.config.top_k, within).await
    }

    /// As [`Self::retrieve`], with another number of passages.
    pub async fn search(
        &self,
        workspace: &WorkspaceId,
        query: &str,
        language: Option<Language>,
        top_k: usize,
    ) -> Result<Vec<Retrieved>, RetrievalError> {
        self.search_within(workspace, query, language, top_k, &Within::default()).await
    }

    async fn search_within(
        &self,
        workspace: &WorkspaceId,
        query: &str,
        language: Option<Language>,
        top_k: usize,
        within: &Within,
    ) -> Result<Vec<Retrieved>, RetrievalError> {
        if query.trim().is_empty() || top_k == 0 {
            return Ok(Vec::new());
        }
        let dense = self
            .embedder
            .embed(vec![query.to_owned()], Purpose::Query)
            .await?
            .pop()
            .ok_or_else(|| InferenceError::Malformed("the embedder gave no vector".into()))?;
        let limit = self.config.prefetch.max(top_k);
        let selection = Selection {
            public_only: within.public_only,
            labels: within.labels.clone(),
            ..Selection::default()
        };
        let everywhere = IndexQuery { text: query.to_owned(), language, only: None, dense, limit, selection };
        let Some(readers) = &self.readers else {
            let hits = self.candidates(workspace, everywhere).await?;
            return Ok(rank(hits, query, language, &self.config, top_k));
        };
        let read = readers.read(workspace, |snapshot| {
            let mut everywhere = everywhere.clone();
            everywhere.selection.snapshot = snapshot;
            self.candidates(workspace, everywhere)
        });
        let (hits, generation) = read.await?;
        let mut found = rank(hits, query, language, &self.config, top_k);
        let documents: Vec<String> = found.iter().map(|found| found.passage.document_id.clone()).collect();
        let versions = readers.versions_at(workspace, generation, &documents).await?;
        for Retrieved { passage, .. } in &mut found {
            passage.version = versions.get(&passage.document_id).copied().unwrap_or_default();
        }
        Ok(found)
    }

    /// What is found in the question's language, and what is closer in other languages. Everything alike where the
    /// question's language is not known, or nothing is written in it.
    async fn candidates(
        &self,
        workspace: &WorkspaceId,
        everywhere: IndexQuery,
    ) -> Result<IndexHits, IndexError> {
        let Some(language) = everywhere.language else {
            return self.index.search(workspace, everywhere).await;
        };
        let own = IndexQuery { only: Some(language), ..everywhere.clone() };
        let closest = IndexQuery { text: String::new(), ..everywhere.clone() };
        let (own, closest) =
            futures::try_join!(self.index.search(workspace, own), self.index.search(workspace, closest))?;
        match own.dense.first().map(|(_, best)| *best) {
            Some(best) => Ok(prefer(own, best, closest.dense, language)),
            None => self.index.search(workspace, everywhere).await,
        }
    }
}

/// Joins what was found in the question's language with what is closest in all: a passage in another language competes
/// where it is closer in meaning than the `best` passage in the question's own.
fn prefer(own: IndexHits, best: f32, closest: Vec<(Passage, f32)>, language: Language) -> IndexHits {
    let foreign: Vec<(Passage, f32)> = closest
        .into_iter()
        .filter(|(passage, score)| passage.language.is_some_and(|other| other != language) && *score > best)
        .collect();
    IndexHits { dense: foreign.into_iter().chain(own.dense).collect(), sparse: own.sparse }
}

/// Fuses both lists and likeness by letters, leaves out repetitions of the same text, and adds coverage.
fn rank(
    hits: IndexHits,
    query: &str,
    language: Option<Language>,
    config: &RetrievalConfig,
    top_k: usize,
) -> Vec<Retrieved> {
    let ids = |list: &[(Passage, f32)]| list.iter().map(|(passage, _)| passage.id.clone()).collect();
    let (dense, sparse): (Vec<String>, Vec<String>) = (ids(&hits.dense), ids(&hits.sparse));
    let mut found: HashMap<String, (Passage, Scores)> = HashMap::new();
    for (passage, score) in hits.dense {
        found.entry(passage.id.clone()).or_insert_with(|| (passage, Scores::default())).1.dense = Some(score);
    }
    for (passage, score) in hits.sparse {
        found.entry(passage.id.clone()).or_insert_with(|| (passage, Scores::default())).1.sparse =
            Some(score);
    }
    let letters = if config.letters_weight > 0.0 { by_letters(query, &found) } else { Vec::new() };
    let lists =
        [(&dense, config.dense_weight), (&sparse, config.sparse_weight), (&letters, config.letters_weight)];
    let rankings =
        lists.map(|(ids, weight)| Ranking { ids: ids.iter().map(String::as_str).collect(), weight });
    let fused = reciprocal_rank_fusion(&rankings, config.rrf_k);
    let words = analysis::content_words(query, language);
    let mut texts = HashSet::new();
    fused
        .into_iter()
        .filter_map(|(id, score)| found.remove(&id).map(|(passage, scores)| (passage, scores, score)))
        // The same text in two places (a footer, a copied article) would take the place of another source.
        .filter(|(passage, ..)| texts.insert(collapse(&passage.text)))
        .take(top_k)
        .map(|(passage, scores, fused)| Retrieved {
            scores: Scores { coverage: coverage(&words, &passage), fused, ..scores },
            passage,
        })
        .collect()
}

/// Ids of the candidates that share letters with the query, the likest first.
fn by_letters(query: &str, found: &HashMap<String, (Passage, Scores)>) -> Vec<String> {
    let mut ids: Vec<&String> = found.keys().collect();
    ids.sort_unstable();
    let texts: Vec<String> = ids.iter().map(|id| found[*id].0.indexed_text()).collect();
    let mut scored: Vec<(f32, &String)> = ngrams::scores(query, &texts).into_iter().zip(ids).collect();
    scored.retain(|(score, _)| *score > 0.0);
    scored.sort_by(|left, right| right.0.total_cmp(&left.0).then_with(|| left.1.cmp(right.1)));
    scored.into_iter().map(|(_, id)| id.clone()).collect()
}

/// Share of the question's content words that a passage holds, by stem and without accents; in a passage of another
/// language, by the word as it is written. 0 for a question without content words.
fn coverage(words: &[Vec<String>], passage: &Passage) -> f32 {
    if words.is_empty() {
        return 0.0;
    }
    let text = passage.indexed_text();
    let held: HashSet<String> = analysis::terms(&text, passage.language)
        .into_iter()
        .chain(runs(&fold_compatible(&text)).map(str::to_owned))
        .collect();
    let covered = words.iter().filter(|terms| terms.iter().any(|term| held.contains(term))).count();
    covered as f32 / words.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::fixtures;

    fn passage(id: &str, language: Option<Language>, text: &str) -> Passage {
        Passage { title: "Ajuda".into(), language, ..fixtures::passage(id, text) }
    }

    fn ids(found: &[Retrieved]) -> Vec<&str> {
        found.iter().map(|found| found.passage.id.as_str()).collect()
    }

    #[test]
    fn raw_scores_stay_beside_the_fused_one() {
        let (a, b) = (passage("a", Some(Language::Pt), "um"), passage("b", Some(Language::Pt), "dois"));
        let hits = IndexHits { dense: vec![(a.clone(), 0.9), (b.clone(), 0.8)], sparse: vec![(b, 3.0)] };
        let found = rank(hits, "dois", Some(Language::Pt), &RetrievalConfig::default(), 6);
        assert_eq!(ids(&found), ["b", "a"]);
        assert_eq!((found[0].scores.dense, found[0].scores.sparse), (Some(0.8), Some(3.0)));
        assert_eq!((found[1].scores.dense, found[1].scores.sparse), (Some(0.9), None));
        assert!(found[0].scores.fused > found[1].scores.fused);
        assert!((found[0].scores.coverage - 1.0).abs() < 1e-6 && found[1].scores.coverage.abs() < 1e-6);
    }

    #[test]
    fn the_same_text_is_given_once() {
        let hits = IndexHits {
            dense: vec![
                (passage("a", None, "Fale  conosco."), 0.9),
                (passage("b", None, "Fale conosco."), 0.9),
                (passage("c", None, "Prazo"), 0.5),
            ],
            sparse: vec![],
        };
        assert_eq!(ids(&rank(hits, "conosco", None, &RetrievalConfig::default(), 6)), ["a", "c"]);
    }

    #[test]
    fn another_language_competes_only_where_it_is_closer() {
        let pt = || (passage("pt", Some(Language::Pt), "prazo"), 0.8);
        let near = || (passage("en-near", Some(Language::En), "delivery time"), 0.9);
        let far = || (passage("en-far", Some(Language::En), "gift wrap"), 0.7);
        let own = IndexHits { dense: vec![pt()], sparse: vec![pt()] };
        let found = prefer(own, 0.8, vec![near(), pt(), far()], Language::Pt);
        assert_eq!(
            found.dense.iter().map(|(found, _)| found.id.as_str()).collect::<Vec<_>>(),
            ["en-near", "pt"]
        );
        assert_eq!(found.sparse.len(), 1);
    }

    #[test]
    fn coverage_sees_through_accents_and_endings() {
        let held =
            passage("a", Some(Language::Pt), "Devoluções são aceitas em 7 dias; o crédito volta ao cartão.");
        let words = |query: &str| analysis::content_words(query, Some(Language::Pt));
        assert!((coverage(&words("devolucao credito"), &held) - 1.0).abs() < 1e-6);
        assert!((coverage(&words("devolução do frete"), &held) - 0.5).abs() < 1e-6);
        assert!(coverage(&words("e o que é isso"), &held).abs() < 1e-6);
        let foreign = passage("b", Some(Language::En), "The Premium plan costs more.");
        assert!((coverage(&words("mensalidade Premium"), &foreign) - 0.5).abs() < 1e-6);
    }

    #[test]
    fn settings_that_make_no_sense_are_named() {
        let mut problems = Vec::new();
        RetrievalConfig {
            top_k: 0,
            prefetch: 2000,
            rrf_k: 0.0,
            dense_weight: 0.0,
            sparse_weight: 0.0,
            letters_weight: -1.0,
            rewrite: Rewrite::None,
            rewrite_s: f64::NAN,
        }
        .validate(&mut problems);
        assert_eq!(problems.len(), 6, "{problems:?}");
        problems.clear();
        RetrievalConfig::default().validate(&mut problems);
        assert_eq!(problems, []);
    }
}
