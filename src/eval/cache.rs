//! Embeddings that are computed once: a file a fingerprint of an embedder, keyed by the hash of purpose and text.
//!
//! The file is a sequence of records of one length: 32 bytes of SHA-256, then the vector as little-endian `f32`. Records
//! are appended; a record that was cut off by a crash is cut away when the file is opened. It holds no text.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::EvalError;
use crate::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};

type Key = [u8; 32];

/// An embedder that remembers.
pub struct CachedEmbedder {
    inner: Arc<dyn Embedder>,
    state: Mutex<State>,
}

struct State {
    vectors: HashMap<Key, Vec<f32>>,
    file: std::fs::File,
}

impl CachedEmbedder {
    /// Opens the cache of this embedder in a folder, which is made where it is missing.
    pub fn open(inner: Arc<dyn Embedder>, folder: &Path) -> Result<Self, EvalError> {
        let info = inner.info();
        let name: String =
            info.fingerprint.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let path = folder.join(format!("{name}.vectors"));
        let failed = |error: std::io::Error| EvalError::io(&path, &error);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mut file =
            std::fs::OpenOptions::new().create(true).append(true).read(true).open(&path).map_err(failed)?;
        let record = 32 + 4 * info.dimensions;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut bytes).map_err(failed)?;
        let whole = bytes.len() - bytes.len() % record;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        let vectors = bytes[..whole]
            .chunks_exact(record)
            .filter_map(|record| {
                let (key, vector) = record.split_first_chunk::<32>()?;
                let vector = vector.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                Some((*key, vector.collect()))
            })
            .collect();
        Ok(Self { inner, state: Mutex::new(State { vectors, file }) })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, keys: &[Key], vectors: &[Vec<f32>]) -> Result<(), InferenceError> {
        let mut bytes = Vec::new();
        for (key, vector) in keys.iter().zip(vectors) {
            bytes.extend_from_slice(key);
            bytes.extend(vector.iter().flat_map(|value| value.to_le_bytes()));
        }
        let mut state = self.state();
        state.vectors.extend(keys.iter().copied().zip(vectors.iter().cloned()));
        state.file.write_all(&bytes).map_err(|error| {
            InferenceError::Permanent(format!("the cache of embeddings cannot be written: {error}"))
        })
    }
}

fn key(text: &str, purpose: Purpose) -> Key {
    let purpose: &[u8] = match purpose {
        Purpose::Query => b"query\0",
        Purpose::Passage => b"passage\0",
    };
    Sha256::new().chain_update(purpose).chain_update(text).finalize().into()
}

#[async_trait]
impl Embedder for CachedEmbedder {
    fn info(&self) -> &EmbedderInfo {
        self.inner.info()
    }

    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        let keys: Vec<Key> = texts.iter().map(|text| key(text, purpose)).collect();
        let (missing_keys, missing): (Vec<Key>, Vec<String>) = {
            let state = self.state();
            let missing = keys.iter().copied().zip(texts).filter(|(key, _)| !state.vectors.contains_key(key));
            missing.unzip()
        };
        if !missing.is_empty() {
            let vectors = self.inner.embed(missing, purpose).await?;
            self.remember(&missing_keys, &vectors)?;
        }
        let state = self.state();
        keys.iter()
            .map(|key| state.vectors.get(key).cloned())
            .collect::<Option<_>>()
            .ok_or_else(|| InferenceError::Malformed("the embedder gave too few vectors".into()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting(EmbedderInfo, AtomicUsize);

    #[async_trait]
    impl Embedder for Counting {
        fn info(&self) -> &EmbedderInfo {
            &self.0
        }

        async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
            self.1.fetch_add(texts.len(), Ordering::Relaxed);
            let sign = if purpose == Purpose::Query { 1.0 } else { -1.0 };
            Ok(texts.iter().map(|text| vec![sign * text.len() as f32, 0.5]).collect())
        }
    }

    fn counting() -> Arc<Counting> {
        let info = EmbedderInfo {
            model: "m".into(),
            fingerprint: "sha256:ab/c".into(),
            dimensions: 2,
            max_tokens: 8,
        };
        Arc::new(Counting(info, AtomicUsize::new(0)))
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn asks_once_per_text_and_purpose_also_after_a_cut_record() {
        let folder = tempfile::tempdir().unwrap();
        let inner = counting();
        let cache = CachedEmbedder::open(inner.clone(), folder.path()).unwrap();
        let first = cache.embed(texts(&["one", "three"]), Purpose::Query).await.unwrap();
        assert_eq!(first, [[3.0, 0.5], [5.0, 0.5]]);
        let mixed = cache.embed(texts(&["three", "seven", "one"]), Purpose::Query).await.unwrap();
        assert_eq!(mixed, [[5.0, 0.5], [5.0, 0.5], [3.0, 0.5]]);
        assert_eq!(inner.1.load(Ordering::Relaxed), 3);
        assert_eq!(cache.embed(texts(&["one"]), Purpose::Passage).await.unwrap(), [[-3.0, 0.5]]);
        drop(cache);

        let path = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
        let again = counting();
        let cache = CachedEmbedder::open(again.clone(), folder.path()).unwrap();
        cache.embed(texts(&["one", "three", "seven"]), Purpose::Query).await.unwrap();
        assert_eq!(again.1.load(Ordering::Relaxed), 0, "whole records are read back");
        cache.embed(texts(&["one"]), Purpose::Passage).await.unwrap();
        assert_eq!(again.1.load(Ordering::Relaxed), 1, "the cut record is made again");
    }
}
