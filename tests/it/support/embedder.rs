//! An embedder without a model: a hash of each word is a direction, so texts that share words are near each other.

use async_trait::async_trait;
use ponto::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};
use sha2::{Digest, Sha256};

/// Words as directions; deterministic.
pub(crate) struct HashEmbedder {
    info: EmbedderInfo,
}

impl HashEmbedder {
    pub(crate) const DIMENSIONS: usize = 64;

    pub(crate) fn new() -> Self {
        Self {
            info: EmbedderInfo {
                model: "hash".into(),
                fingerprint: "hash-64".into(),
                dimensions: Self::DIMENSIONS,
                max_tokens: 512,
            },
        }
    }

    /// The vector of a text.
    pub(crate) fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.001_f32; Self::DIMENSIONS];
        for word in text.to_lowercase().split_whitespace() {
            let hash = Sha256::digest(word.as_bytes());
            vector[usize::from(hash[0]) % Self::DIMENSIONS] += 1.0;
            vector[usize::from(hash[1]) % Self::DIMENSIONS] += 0.5;
        }
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        vector.iter().map(|value| value / norm).collect()
    }
}

#[async_trait]
impl Embedder for HashEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    async fn embed(&self, texts: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        Ok(texts.iter().map(|text| Self::vector(text)).collect())
    }
}
