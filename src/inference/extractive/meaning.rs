//! Likeness of meaning beside shared words: every unit that may be quoted is compared with the question by its vector,
//! read under the title of its source.
//!
//! A customer rarely uses the words of the help centre ("postage" for "delivery cost"), so where there is an embedder
//! the cosine leads and shared words, with the rank of the source, settle what lies close together.

use super::rank::{Ranking, asks_for_figure};
use crate::inference::{Embedder, InferenceError, Purpose, Source};

/// At most so many units are compared, the best by words and by rank of their source.
const COMPARED: usize = 24;
/// What the score by words is worth in cosines.
const WORDS: f64 = 0.03;
/// What a figure is worth when the question asks for one.
const FIGURE: f64 = 0.015;
/// What each further source loses.
const RANK: f64 = 0.006;
/// A cosine this far below the best still answers the same question.
const REACH: f64 = 0.03;
/// What words shared by question and unit add to how surely the unit answers it.
const SUPPORT: f64 = 0.1;

impl Ranking {
    /// Ranks the best candidates by likeness of meaning to the question and drops the others.
    pub async fn weigh_meaning(
        &mut self,
        embedder: &dyn Embedder,
        question: &str,
        sources: &[Source],
    ) -> Result<(), InferenceError> {
        self.candidates.sort_by(|a, b| {
            let worth = |candidate: &super::rank::Candidate| candidate.score - 0.2 * candidate.source as f64;
            worth(b).total_cmp(&worth(a))
        });
        self.candidates.truncate(COMPARED);
        if self.candidates.is_empty() {
            return Ok(());
        }
        let texts = self
            .candidates
            .iter()
            .map(|candidate| {
                let source = &sources[candidate.source];
                let unit = self.units[candidate.source][candidate.unit].render(&source.text);
                if source.title.is_empty() { unit } else { format!("{}\n{unit}", source.title) }
            })
            .collect();
        let asked = embedder.embed(vec![question.to_owned()], Purpose::Query).await?;
        let units = embedder.embed(texts, Purpose::Passage).await?;
        let asked =
            asked.first().ok_or_else(|| InferenceError::Malformed("the embedder gave no vector".into()))?;
        let wants_figure = asks_for_figure(question);
        for (candidate, vector) in self.candidates.iter_mut().zip(&units) {
            let cosine = vector.iter().zip(asked).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            let text = self.units[candidate.source][candidate.unit].text(&sources[candidate.source].text);
            let figure = wants_figure && text.contains(|c: char| c.is_ascii_digit());
            candidate.cosine = Some(cosine);
            candidate.score = cosine + WORDS * candidate.score + if figure { FIGURE } else { 0.0 }
                - RANK * candidate.source as f64;
        }
        self.candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.reach = REACH;
        Ok(())
    }

    /// How surely some unit answers the question: the best sum of its cosine and a tenth of the question's weight that
    /// it holds, which tells questions that the sources answer from near misses better than either alone. `None`
    /// before [`Self::weigh_meaning`].
    pub fn answerability(&self) -> Option<f64> {
        let candidates = self.candidates.iter();
        candidates
            .filter_map(|candidate| candidate.cosine.map(|cosine| cosine + SUPPORT * candidate.support))
            .max_by(f64::total_cmp)
    }
}
