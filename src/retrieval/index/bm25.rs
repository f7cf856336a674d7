//! BM25 as sparse vectors, the same for both kinds of index. The index multiplies in the inverse document frequency.

use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};

use crate::conversation::Language;
use crate::retrieval::analysis;
use crate::retrieval::index::IndexError;

/// A sparse vector: hashes of terms and their weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sparse {
    /// Sorted, without repetition.
    pub(super) indices: Vec<u32>,
    /// One weight an index.
    pub(super) values: Vec<f32>,
}

impl Sparse {
    /// Whether no term is left.
    pub(super) fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }
}

/// Makes sparse vectors from text.
#[derive(Debug)]
pub(super) struct Bm25(EdgeBm25);

impl Bm25 {
    /// The model with its usual constants (k1 1.2, b 0.75), over terms that [`analysis`] has made: stop words,
    /// stemming and case are not its work, so it is given whole terms and a language that it knows no stemmer for.
    pub(super) fn new() -> Result<Self, IndexError> {
        let config: EdgeBm25Config = serde_json::from_value(serde_json::json!({
            "k": 1.2, "b": 0.75, "avg_len": AVERAGE_TERMS,
            "tokenizer": "whitespace", "language": "chinese", "lowercase": false, "ascii_folding": false,
            "stopwords": { "custom": [] },
        }))
        .map_err(|error| IndexError::Internal(format!("BM25 cannot be set up: {error}")))?;
        EdgeBm25::new(config)
            .map(Self)
            .map_err(|error| IndexError::Internal(format!("BM25 cannot be set up: {error}")))
    }

    /// Vector of a passage in its language.
    pub(super) fn passage(&self, text: &str, language: Option<Language>) -> Sparse {
        let vector = self.0.embed_document(&analysis::terms(text, language).join(" "));
        sorted(vector.indices, vector.values)
    }

    /// Vector of a question in its language.
    pub(super) fn question(&self, text: &str, language: Option<Language>) -> Sparse {
        let vector = self.0.embed_query(&analysis::terms(text, language).join(" "));
        sorted(vector.indices, vector.values)
    }
}

/// Expected terms of a passage, for BM25's normalisation by length; a chunk is about 150 words, half of them content.
const AVERAGE_TERMS: f64 = 80.0;

fn sorted(indices: Vec<u32>, values: Vec<f32>) -> Sparse {
    let mut pairs: Vec<(u32, f32)> = indices.into_iter().zip(values).collect();
    pairs.sort_unstable_by_key(|(index, _)| *index);
    pairs.dedup_by_key(|(index, _)| *index);
    let (indices, values) = pairs.into_iter().unzip();
    Sparse { indices, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(left: &Sparse, right: &Sparse) -> f32 {
        left.indices
            .iter()
            .zip(&left.values)
            .filter_map(|(index, value)| {
                right.indices.iter().position(|other| other == index).map(|at| value * right.values[at])
            })
            .sum()
    }

    #[test]
    fn terms_are_weighed_as_bm25_does() {
        let bm25 = Bm25::new().expect("constants are valid");
        let passage = bm25.passage("frete frete pedido", Some(Language::Pt));
        // tf·(k1 + 1) / (tf + k1·(1 − b + b·len/avg)) with 3 terms of 80: 4.4 / (2 + 0.33375) and 2.2 / (1 + 0.33375).
        let mut values = passage.values.clone();
        values.sort_by(f32::total_cmp);
        assert_eq!(values.len(), 2);
        assert!((values[0] - 1.649_484).abs() < 1e-4, "{values:?}");
        assert!((values[1] - 1.885_378).abs() < 1e-4, "{values:?}");
        assert!(dot(&passage, &bm25.question("fretes", Some(Language::Pt))) > 1.8);
        assert!(dot(&passage, &bm25.question("entrega", Some(Language::Pt))).abs() < f32::EPSILON);
    }

    #[test]
    fn texts_without_words_have_empty_vectors() {
        let bm25 = Bm25::new().expect("constants are valid");
        assert!(bm25.question("??", Some(Language::En)).is_empty());
        assert!(bm25.passage("", None).is_empty());
    }
}
