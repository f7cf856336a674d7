//! Texts → vectors, with a BERT or XLM-RoBERTa encoder from GGUF or safetensors.
//!
//! The path of one call: `worker` takes it into a bounded queue in front of one thread, `tokens` makes token ids of
//! it, and `encoder` runs the texts of several calls as one packed batch, without padding, on a thread pool of its own.
//! Questions go before passages, so that loading documents does not slow customers down.

use std::num::NonZeroUsize;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::super::models::manifest::EmbedderSpec;
use super::super::models::{Manifest, ModelFiles, ModelKind, ModelsConfig, embedder_spec};
use super::super::{Embedder, EmbedderInfo, InferenceError, Purpose};

mod encoder;
mod tokens;
mod weights;
mod worker;

use tokens::Tokens;
use worker::Worker;

/// How an embedder runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// Threads it computes with; `None` follows the process-wide setting, or else takes every core.
    pub threads: Option<NonZeroUsize>,
    /// Calls that may wait before further ones get [`InferenceError::Overloaded`].
    pub queue: usize,
}

impl Default for EmbedderOptions {
    fn default() -> Self {
        Self { threads: None, queue: 64 }
    }
}

impl From<&ModelsConfig> for EmbedderOptions {
    fn from(config: &ModelsConfig) -> Self {
        Self { threads: config.embedder_threads.and_then(NonZeroUsize::new), queue: config.embedder_queue }
    }
}

/// A local embedder.
#[derive(Debug)]
pub struct CandleEmbedder {
    info: EmbedderInfo,
    worker: Worker,
}

impl CandleEmbedder {
    /// Loads an embedder whose files are verified.
    ///
    /// Every size is checked against the weights and the tokenizer. Blocks for some hundred milliseconds.
    pub fn load(manifest: &Manifest, files: &ModelFiles) -> Result<Self, InferenceError> {
        Self::load_with(manifest, files, EmbedderOptions::default())
    }

    /// Loads an embedder that runs as `options` say.
    pub fn load_with(
        manifest: &Manifest,
        files: &ModelFiles,
        options: EmbedderOptions,
    ) -> Result<Self, InferenceError> {
        let refuse = |reason: String| {
            InferenceError::Permanent(format!("the embedder {} cannot be loaded: {reason}", manifest.name))
        };
        if manifest.kind != ModelKind::Embedder {
            return Err(refuse("it is a chat model; name an embedder in `models.embedder`".into()));
        }
        let spec = manifest.embedder.clone().unwrap_or_else(|| embedder_spec(&manifest.name, files));
        let encoder = weights::load(files, &spec).map_err(refuse)?;
        let dimensions = encoder.dimensions();
        if let Some(expected) = spec.dimensions
            && expected != dimensions
        {
            return Err(refuse(format!(
                "its vectors have {dimensions} numbers and the manifest says {expected}"
            )));
        }
        let max_tokens = spec.max_tokens.min(encoder.max_tokens());
        let path =
            files.files.get("tokenizer.json").ok_or_else(|| refuse("it has no tokenizer.json".into()))?;
        let tokens = Tokens::load(path, &spec, max_tokens, encoder.vocabulary()).map_err(refuse)?;
        let info = EmbedderInfo {
            model: manifest.name.clone(),
            fingerprint: fingerprint(manifest, files, &spec),
            dimensions,
            max_tokens,
        };
        let worker = Worker::start(encoder, tokens, options).map_err(refuse)?;
        Ok(Self { info, worker })
    }
}

/// The files' fingerprint, which covers how the embedder is used where a manifest says it; otherwise that is added.
fn fingerprint(manifest: &Manifest, files: &ModelFiles, spec: &EmbedderSpec) -> String {
    if manifest.embedder.is_some() {
        return files.fingerprint.clone();
    }
    hex::encode(Sha256::digest(format!("{} {spec:?}", files.fingerprint)))
}

#[async_trait]
impl Embedder for CandleEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        if texts.is_empty() {
            return Ok(Vec::new());
        }
        self.worker.embed(texts, purpose).await
    }
}
