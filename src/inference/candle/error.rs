//! Why a model file cannot be used.

use std::path::PathBuf;

use crate::inference::InferenceError;

/// Why a GGUF file was refused. Each is found before a weight is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened or is not a GGUF file.
    #[error("{} cannot be read as a GGUF file: {message}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What happened.
        message: String,
    },
    /// A model family this decoder does not know.
    #[error("the architecture `{found}` is not supported; supported are {}", supported.join(", "))]
    UnsupportedArchitecture {
        /// What the file says.
        found: String,
        /// What would work.
        supported: &'static [&'static str],
    },
    /// A kind of tokenizer this decoder does not know.
    #[error("the tokenizer `{found}` is not supported; supported are {}", supported.join(", "))]
    UnsupportedTokenizer {
        /// What the file says.
        found: String,
        /// What would work.
        supported: &'static [&'static str],
    },
    /// A known architecture in a variant this decoder does not compute.
    #[error("the file asks for {feature}, which is not supported")]
    UnsupportedFeature {
        /// The variant.
        feature: String,
    },
    /// A metadata key is missing.
    #[error("the file has no metadata `{key}`")]
    MissingMetadata {
        /// The key.
        key: String,
    },
    /// A metadata value makes no sense.
    #[error("the metadata `{key}` {message}")]
    InvalidMetadata {
        /// The key.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// A weight is missing.
    #[error("the file has no tensor `{name}`")]
    MissingTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A weight the decoder would ignore, which means that it would compute something else than the model.
    #[error("the tensor `{name}` has no place in this architecture")]
    UnknownTensor {
        /// Name of the tensor.
        name: String,
    },
    /// A weight has another shape than the metadata say.
    #[error("the tensor `{name}` has the shape {actual:?} instead of {expected:?}")]
    TensorShapeMismatch {
        /// Name of the tensor.
        name: String,
        /// From the metadata, outermost dimension first.
        expected: Vec<usize>,
        /// In the file.
        actual: Vec<usize>,
    },
    /// A weight reaches past the end of the file.
    #[error("the tensor `{name}` reaches past the end of the file, which seems to be cut: fetch it again")]
    Truncated {
        /// Name of the tensor.
        name: String,
    },
    /// The tokenizer has another number of tokens than the embedding has rows.
    #[error("the tokenizer has {actual} tokens and the model's embedding {expected} rows")]
    TokenizerVocabularyMismatch {
        /// Rows of the embedding.
        expected: usize,
        /// Tokens of the tokenizer.
        actual: usize,
    },
    /// The tokenizer cannot be built from the metadata.
    #[error("the tokenizer cannot be built: {0}")]
    Tokenizer(String),
    /// The chat template is missing or does not render.
    #[error("the chat template cannot be used: {0}")]
    Template(String),
    /// The configuration asks for a card that this binary knows nothing of.
    #[error(
        "candle.device is `cuda`, but this Ponto was built without CUDA: build it with \
         `cargo build --release --features cuda`, or set candle.device to `cpu`"
    )]
    WithoutCuda,
    /// The configuration asks for a card that is not there or does not start.
    #[error(
        "candle.device is `cuda`, but no CUDA device can be used ({0}): see that `nvidia-smi` lists a card and that \
         CUDA_VISIBLE_DEVICES does not hide it, or set candle.device to `cpu`"
    )]
    NoDevice(String),
    /// A device failed while it computed or took the weights, for want of memory perhaps.
    #[error("the device failed: {0}")]
    Device(String),
    /// A weight could not be mapped or prepared.
    #[error("the weights cannot be used: {0}")]
    Weights(String),
}

impl From<LoadError> for InferenceError {
    fn from(error: LoadError) -> Self {
        Self::Permanent(error.to_string())
    }
}
