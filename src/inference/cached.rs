//! Embeddings of recent texts, kept in memory: the sentences of a knowledge base are compared with question after
//! question, and within one answer the same question is embedded by retrieval, quoting and judgement.

use std::sync::Arc;

use async_trait::async_trait;
use quick_cache::sync::Cache;

use super::{Embedder, EmbedderInfo, InferenceError, Purpose};

/// Longest text in bytes that is kept, so that the memory of a cache is bounded by its number of texts.
const LONGEST: usize = 2_000;

/// An embedder that remembers its latest vectors.
pub struct CachedEmbedder {
    inner: Arc<dyn Embedder>,
    vectors: Cache<(Purpose, String), Arc<[f32]>>,
}

impl CachedEmbedder {
    /// Keeps the vectors of at most `texts` texts (1.5 kB each at 384 dimensions, and the text).
    pub fn new(inner: Arc<dyn Embedder>, texts: usize) -> Self {
        Self { inner, vectors: Cache::new(texts) }
    }
}

#[async_trait]
impl Embedder for CachedEmbedder {
    fn info(&self) -> &EmbedderInfo {
        self.inner.info()
    }

    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        let keys: Vec<(Purpose, String)> = texts.into_iter().map(|text| (purpose, text)).collect();
        let known: Vec<Option<Arc<[f32]>>> = keys.iter().map(|key| self.vectors.get(key)).collect();
        let missing: Vec<String> = keys
            .iter()
            .zip(&known)
            .filter(|(_, vector)| vector.is_none())
            .map(|((_, text), _)| text.clone())
            .collect();
        let fresh = if missing.is_empty() { Vec::new() } else { self.inner.embed(missing, purpose).await? };
        let mut fresh = fresh.into_iter();
        keys.into_iter()
            .zip(known)
            .map(|(key, known)| {
                if let Some(vector) = known {
                    return Ok(vector.to_vec());
                }
                let vector = fresh
                    .next()
                    .ok_or_else(|| InferenceError::Malformed("the embedder gave too few vectors".into()))?;
                if key.1.len() <= LONGEST {
                    self.vectors.insert(key, vector.clone().into());
                }
                Ok(vector)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives each text the vector of its length, and notes what it was asked for.
    struct Lengths(EmbedderInfo, Mutex<Vec<String>>);

    #[async_trait]
    impl Embedder for Lengths {
        fn info(&self) -> &EmbedderInfo {
            &self.0
        }

        async fn embed(&self, texts: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
            let vectors = texts.iter().map(|text| vec![text.len() as f32]).collect();
            self.1.lock().unwrap().extend(texts);
            Ok(vectors)
        }
    }

    #[tokio::test]
    async fn computes_each_text_once_for_each_purpose() {
        let info =
            EmbedderInfo { model: "m".into(), fingerprint: "f".into(), dimensions: 1, max_tokens: 512 };
        let inner = Arc::new(Lengths(info, Mutex::default()));
        let cached = CachedEmbedder::new(Arc::clone(&inner) as Arc<dyn Embedder>, 100);
        let embed = async |texts: &[&str], purpose| {
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            cached.embed(texts, purpose).await.unwrap().concat()
        };
        assert_eq!(embed(&["a", "bb"], Purpose::Passage).await, [1.0, 2.0]);
        assert_eq!(embed(&["ccc", "bb", "a"], Purpose::Passage).await, [3.0, 2.0, 1.0]);
        assert_eq!(embed(&["a"], Purpose::Query).await, [1.0]);
        assert_eq!(*inner.1.lock().unwrap(), ["a", "bb", "ccc", "a"]);
    }
}
