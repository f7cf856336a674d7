//! Shapes and constants of a model, from its metadata.

use super::error::LoadError;
use super::gguf::Gguf;

/// Names of the architectures that load, as GGUF writes them.
pub const SUPPORTED: &[&str] = &["llama", "qwen2", "qwen3"];

/// A supported model family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama, Mistral, `SmolLM` and others that share the graph.
    Llama,
    /// Qwen2 and Qwen2.5: bias on query, key and value.
    Qwen2,
    /// Qwen3: query and key normalised for each head.
    Qwen3,
}

/// Which elements of a head are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeStyle {
    /// Neighbours `(2i, 2i+1)`: GGUF files of the llama family permute the query and key weights for it.
    Interleaved,
    /// Halves `(i, i + d/2)`, as in GPT-NeoX.
    Halves,
}

impl Architecture {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "llama" => Some(Self::Llama),
            "qwen2" => Some(Self::Qwen2),
            "qwen3" => Some(Self::Qwen3),
            _ => None,
        }
    }

    /// The rotation this family was converted for.
    pub fn rope_style(self) -> RopeStyle {
        match self {
            Self::Llama => RopeStyle::Interleaved,
            Self::Qwen2 | Self::Qwen3 => RopeStyle::Halves,
        }
    }
}

/// Shapes and constants; every number was checked against a plausible limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hyperparameters {
    /// The family.
    pub architecture: Architecture,
    /// Number of blocks.
    pub layers: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Width of the feed-forward network.
    pub feed_forward: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_dim: usize,
    /// Number of tokens.
    pub vocabulary: usize,
    /// Positions the model was trained on.
    pub context_length: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Positions are divided by this (linear scaling); 1 without.
    pub rope_scale: f64,
    /// Added to the mean square in every normalisation.
    pub rms_epsilon: f64,
}

impl Hyperparameters {
    /// Reads and checks the metadata.
    pub fn read(file: &Gguf) -> Result<Self, LoadError> {
        let name = file.string("general.architecture")?;
        let architecture = Architecture::parse(name)
            .ok_or_else(|| LoadError::UnsupportedArchitecture { found: name.into(), supported: SUPPORTED })?;
        let key = |suffix: &str| format!("{name}.{suffix}");
        if file.has(&key("expert_count")) && file.count(&key("expert_count"), 4096).is_ok() {
            return Err(LoadError::UnsupportedFeature { feature: "a mixture of experts".into() });
        }
        let hidden = file.count(&key("embedding_length"), 1 << 16)?;
        let heads = file.count(&key("attention.head_count"), 1 << 10)?;
        let optional = |suffix: &str, limit: usize, default: usize| {
            let key = key(suffix);
            if file.has(&key) { file.count(&key, limit) } else { Ok(default) }
        };
        let kv_heads = optional("attention.head_count_kv", heads, heads)?;
        let head_dim = optional("attention.key_length", 1 << 12, hidden / heads)?;
        let mismatch =
            |suffix: &str, message: String| Err(LoadError::InvalidMetadata { key: key(suffix), message });
        if heads % kv_heads != 0 {
            return mismatch(
                "attention.head_count_kv",
                format!("is {kv_heads}, which does not divide {heads}"),
            );
        }
        if head_dim == 0 || head_dim % 2 != 0 {
            return mismatch("attention.key_length", format!("is {head_dim}, which is not even"));
        }
        for suffix in ["attention.value_length", "rope.dimension_count"] {
            let value = optional(suffix, 1 << 12, head_dim)?;
            if value != head_dim {
                return mismatch(
                    suffix,
                    format!("is {value} and the heads are {head_dim} wide: not supported"),
                );
            }
        }
        let rope_scale = match file.string(&key("rope.scaling.type")) {
            Err(_) | Ok("none") => 1.0,
            Ok("linear") => file.positive(&key("rope.scaling.factor"))?,
            Ok(kind) => {
                return Err(LoadError::UnsupportedFeature {
                    feature: format!("`{kind}` scaling of positions"),
                });
            }
        };
        let rope_base = key("rope.freq_base");
        Ok(Self {
            architecture,
            layers: file.count(&key("block_count"), 1 << 10)?,
            hidden,
            feed_forward: file.count(&key("feed_forward_length"), 1 << 20)?,
            heads,
            kv_heads,
            head_dim,
            vocabulary: file.length("tokenizer.ggml.tokens")?,
            context_length: file.count(&key("context_length"), 1 << 24)?,
            rope_base: if file.has(&rope_base) { file.positive(&rope_base)? } else { 10_000.0 },
            rope_scale,
            rms_epsilon: file.positive(&key("attention.layer_norm_rms_epsilon"))?,
        })
    }
}
