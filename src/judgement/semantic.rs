//! Support by meaning, where words alone do not settle it.

use crate::inference::{Embedder, InferenceError, Purpose};

/// A sentence and the window of a passage that supports it best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) sentence: String,
    pub(super) window: String,
}

/// Pairs that are compared at most, so that the cost stays bounded.
const MOST: usize = 4;
/// e5 cosines of unrelated and of equivalent sentences.
const RANGE: (f64, f64) = (0.78, 0.96);

/// Support of the weakest pair, 0 to 1: the cosine of sentence and window, rescaled; 1 without a pair.
pub(super) async fn support(embedder: &dyn Embedder, pairs: &[Pair]) -> Result<f64, InferenceError> {
    let pairs = &pairs[..pairs.len().min(MOST)];
    if pairs.is_empty() {
        return Ok(1.0);
    }
    let texts = pairs.iter().flat_map(|pair| [pair.sentence.clone(), pair.window.clone()]).collect();
    let vectors = embedder.embed(texts, Purpose::Query).await?;
    let weakest = vectors
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[sentence, window]| cosine(sentence, window))
        .min_by(f64::total_cmp)
        .unwrap_or(0.0);
    Ok(((weakest - RANGE.0) / (RANGE.1 - RANGE.0)).clamp(0.0, 1.0))
}

/// Of unit vectors.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
