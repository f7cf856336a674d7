//! A small sample of a knowledge base, by which two states of it are compared.
//!
//! A certificate speaks of the knowledge it was made on. Two states are compared by a bottom-k sketch (Broder 1997;
//! Cohen and Kaplan 2007): every passage has a hash, and the k smallest of a state are a uniform sample of its passages.
//! Up to k passages the comparison is exact; beyond, the standard error of the drift is at most 2.5 points.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Passage;
use crate::conversation::Language;

/// Passages of a sample.
const SAMPLE: usize = 512;
/// Hexadecimal digits of a passage's hash.
const DIGITS: usize = 12;

/// A sample of the passages that customers may read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    /// Passages there were; the same text counts once.
    pub passages: usize,
    /// The smallest hashes, [`DIGITS`] digits each, rising.
    sample: String,
}

impl Sketch {
    /// Of the hashes of all the passages that customers may read; see [`passage_hash`].
    pub fn of(hashes: &BTreeSet<String>) -> Self {
        let sample = hashes.iter().take(SAMPLE).map(String::as_str).collect();
        Self { passages: hashes.len(), sample }
    }

    /// Share of the passages, of the larger state, that the other one lacks: 0 for equal states, 1 where nothing is left.
    /// An edited passage counts once.
    pub fn drift(&self, other: &Self) -> f64 {
        let largest = self.passages.max(other.passages);
        if largest == 0 {
            return 0.0;
        }
        let (ours, theirs) = (self.hashes(), other.hashes());
        let united: Vec<&str> = ours.union(&theirs).copied().take(SAMPLE).collect();
        let shared = united.iter().filter(|hash| ours.contains(*hash) && theirs.contains(*hash)).count();
        // The share of the sample estimates intersection over union; the sizes are known.
        let jaccard = shared as f64 / united.len().max(1) as f64;
        let intersection = jaccard / (1.0 + jaccard) * (self.passages + other.passages) as f64;
        (1.0 - intersection / largest as f64).clamp(0.0, 1.0)
    }

    fn hashes(&self) -> BTreeSet<&str> {
        (0..self.sample.len() / DIGITS)
            .filter_map(|index| self.sample.get(index * DIGITS..(index + 1) * DIGITS))
            .collect()
    }
}

/// Hash of what an answer is made of: language, headings and text. Where a document lies does not matter.
pub fn passage_hash(passage: &Passage) -> String {
    let language = passage.language.map_or("", Language::code);
    let mut hash = hex::encode(
        Sha256::new()
            .chain_update(language)
            .chain_update("\n")
            .chain_update(passage.indexed_text())
            .finalize(),
    );
    hash.truncate(DIGITS);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::fixtures::passage;

    fn sketch(texts: impl IntoIterator<Item = String>) -> Sketch {
        Sketch::of(&texts.into_iter().map(|text| passage_hash(&passage("p", &text))).collect())
    }

    fn numbered(range: std::ops::Range<usize>) -> Sketch {
        sketch(range.map(|number| format!("Passage {number}.")))
    }

    #[test]
    fn small_states_are_compared_exactly() {
        let whole = numbered(0..40);
        assert!(whole.drift(&whole).abs() < 1e-12);
        assert!((whole.drift(&numbered(0..30)) - 0.25).abs() < 1e-12, "a quarter is gone");
        assert!((numbered(0..30).drift(&whole) - 0.25).abs() < 1e-12, "a quarter is new");
        let edited = sketch((0..40).map(|n| format!("Passage {}.", if n < 4 { 1000 + n } else { n })));
        assert!((whole.drift(&edited) - 0.1).abs() < 1e-12, "a tenth was edited");
        assert!((whole.drift(&Sketch::default()) - 1.0).abs() < 1e-12);
        assert!(Sketch::default().drift(&Sketch::default()).abs() < 1e-12);
    }

    #[test]
    fn large_states_are_estimated_and_read_back() {
        let whole = numbered(0..6_000);
        let drift = whole.drift(&numbered(600..6_600));
        assert!((drift - 0.1).abs() < 0.05, "{drift}");
        let text = serde_json::to_string(&whole).unwrap();
        assert!(text.len() < 7_000, "{}", text.len());
        assert_eq!(serde_json::from_str::<Sketch>(&text).unwrap(), whole);
    }

    #[test]
    fn where_a_document_lies_does_not_matter() {
        let mut moved = passage("p", "Text.");
        moved.document_id = "elsewhere".into();
        moved.id = "q".into();
        assert_eq!(passage_hash(&passage("p", "Text.")), passage_hash(&moved));
    }
}
