//! Shapes and constants of a model, from its metadata.
//!
//! What sets one family apart from another is data here: the decoder and the list of weights ask for `head_norms` or
//! `window`, never for the name of a family.

use super::error::LoadError;
use super::gguf::Gguf;

/// Names of the architectures that load, as GGUF writes them.
pub const SUPPORTED: &[&str] = &["llama", "qwen2", "qwen3", "gemma3"];

/// A supported model family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// Llama, Mistral, `SmolLM` and others that share the graph.
    Llama,
    /// Qwen2 and Qwen2.5: bias on query, key and value.
    Qwen2,
    /// Qwen3: query and key normalised for each head.
    Qwen3,
    /// Gemma 3: query and key normalised for each head, what attention and feed-forward network give is normalised too,
    /// most layers see a window.
    Gemma3,
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
            "gemma3" => Some(Self::Gemma3),
            _ => None,
        }
    }

    /// The rotation this family was converted for.
    pub fn rope_style(self) -> RopeStyle {
        match self {
            Self::Llama => RopeStyle::Interleaved,
            Self::Qwen2 | Self::Qwen3 | Self::Gemma3 => RopeStyle::Halves,
        }
    }
}

/// What the gate of the feed-forward network passes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x / (1 + exp(-x))`: `SwiGLU` (Shazeer, 2020, <https://arxiv.org/abs/2002.05202>).
    Silu,
    /// `x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))`: `GeGLU` with the approximation of Hendrycks and Gimpel (2016,
    /// <https://arxiv.org/abs/1606.08415>), `gelu_pytorch_tanh` in Hugging Face's configurations.
    GeluTanh,
}

/// Attention to the last positions alone, in some of the layers.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// How many positions a token sees, its own among them.
    pub length: usize,
    /// For each layer, whether it sees the window and not everything before.
    pub local: Vec<bool>,
    /// Base of the rotary frequencies in the layers that see the window; positions are not scaled there.
    pub rope_base: f64,
}

/// What one layer sees of the sequence, and how it tells positions apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// A token sees this many positions, its own among them; `None` sees everything before it.
    pub window: Option<usize>,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Positions are divided by this.
    pub rope_scale: f64,
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
    /// Base of the rotary frequencies, but for the local layers of `window`.
    pub rope_base: f64,
    /// Positions are divided by this (linear scaling), but for the local layers of `window`; 1 without.
    pub rope_scale: f64,
    /// Layers that do not see the whole sequence, where there are any.
    pub window: Option<Window>,
    /// Query vectors are multiplied by this before they meet the keys.
    pub query_scale: f32,
    /// The embeddings of tokens are multiplied by this.
    pub embedding_scale: f32,
    /// What the gate of the feed-forward network passes through.
    pub activation: Activation,
    /// Whether query, key and value must have a bias.
    pub qkv_bias: bool,
    /// Whether queries and keys are normalised for each head, before they are rotated.
    pub head_norms: bool,
    /// Whether what attention and feed-forward network give is normalised before it joins the residual stream.
    pub post_norms: bool,
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
        for suffix in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if file.has(&key(suffix)) {
                return Err(LoadError::UnsupportedFeature { feature: format!("`{suffix}`") });
            }
        }
        let layers = file.count(&key("block_count"), 1 << 10)?;
        let gemma = architecture == Architecture::Gemma3;
        Ok(Self {
            architecture,
            layers,
            hidden,
            feed_forward: file.count(&key("feed_forward_length"), 1 << 20)?,
            heads,
            kv_heads,
            head_dim,
            vocabulary: file.length("tokenizer.ggml.tokens")?,
            context_length: file.count(&key("context_length"), 1 << 24)?,
            rope_base: rope_base(file, &key("rope.freq_base"))?,
            rope_scale,
            window: if gemma { window(file, name, layers)? } else { None },
            query_scale: 1.0 / (query_width(architecture, layers, hidden, heads, head_dim) as f32).sqrt(),
            // Transformers rounds it to the type of the weights (33.94 becomes 34.0 in bfloat16); llama.cpp does not.
            embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
            activation: if gemma { Activation::GeluTanh } else { Activation::Silu },
            qkv_bias: architecture == Architecture::Qwen2,
            head_norms: matches!(architecture, Architecture::Qwen3 | Architecture::Gemma3),
            post_norms: gemma,
            rms_epsilon: file.positive(&key("attention.layer_norm_rms_epsilon"))?,
        })
    }

    /// What `layer` sees.
    pub fn reach(&self, layer: usize) -> Reach {
        match &self.window {
            Some(window) if window.local.get(layer).copied().unwrap_or(false) => {
                Reach { window: Some(window.length), rope_base: window.rope_base, rope_scale: 1.0 }
            }
            _ => Reach { window: None, rope_base: self.rope_base, rope_scale: self.rope_scale },
        }
    }
}

/// A base of rotary frequencies; the usual one where the file does not say.
fn rope_base(file: &Gguf, key: &str) -> Result<f64, LoadError> {
    if file.has(key) { file.positive(key) } else { Ok(10_000.0) }
}

/// The window of Gemma 3 (`sliding_window`, `rope_local_base_freq` and `layer_types` in Hugging Face's configuration;
/// Gemma Team, 2025, <https://arxiv.org/abs/2503.19786>): of six layers five are local and the sixth sees everything.
/// Files say so by a period or by a list, or leave it out.
fn window(file: &Gguf, name: &str, layers: usize) -> Result<Option<Window>, LoadError> {
    let key = |suffix: &str| format!("{name}.{suffix}");
    let length = key("attention.sliding_window");
    if !file.has(&length) {
        return Ok(None);
    }
    let pattern = key("attention.sliding_window_pattern");
    let local = if file.is_list(&pattern) {
        file.flags(&pattern)?
    } else {
        let period = if file.has(&pattern) { file.count(&pattern, 1 << 10)? } else { 6 };
        (1..=layers).map(|layer| layer % period != 0).collect()
    };
    if local.len() != layers {
        let message = format!("has {} entries for {layers} layers", local.len());
        return Err(LoadError::InvalidMetadata { key: pattern, message });
    }
    let length = file.count(&length, 1 << 24)?;
    Ok(Some(Window { length, local, rope_base: rope_base(file, &key("rope.freq_base_swa"))? }))
}

/// The width by whose square root queries are divided: that of a head, but for Gemma 3 27B, which divides by
/// `query_pre_attn_scalar`, 5376 / 32 = 168. Files do not carry it; 62 layers give the model away, as in llama.cpp.
fn query_width(
    architecture: Architecture,
    layers: usize,
    hidden: usize,
    heads: usize,
    head_dim: usize,
) -> usize {
    if architecture == Architecture::Gemma3 && layers == 62 { hidden / heads } else { head_dim }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use candle_core::quantized::gguf_file::{Value, write};

    use super::*;

    /// What a file of `architecture` says that is no tensor, with `more`.
    fn read(architecture: &str, more: &[(&str, Value)]) -> Result<Hyperparameters, LoadError> {
        let number = |value: u32| Value::U32(value);
        let mut metadata = vec![
            ("general.architecture".to_owned(), Value::String(architecture.into())),
            ("tokenizer.ggml.tokens".to_owned(), Value::Array(vec![Value::String("a".into())])),
        ];
        let usual = [
            ("block_count", number(7)),
            ("context_length", number(512)),
            ("embedding_length", number(640)),
            ("feed_forward_length", number(2048)),
            ("attention.head_count", number(4)),
            ("attention.head_count_kv", number(1)),
            ("attention.key_length", number(256)),
            ("rope.freq_base", Value::F32(1_000_000.0)),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ];
        let others = usual.iter().filter(|(key, _)| more.iter().all(|(other, _)| other != key));
        for (key, value) in others.chain(more) {
            metadata.push((format!("{architecture}.{key}"), value.clone()));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let metadata: Vec<(&str, &Value)> =
            metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        write(&mut File::create(&path).unwrap(), &metadata, &[]).unwrap();
        Hyperparameters::read(&Gguf::open(&path).unwrap())
    }

    #[test]
    fn every_sixth_layer_of_gemma_sees_everything_and_scales_positions() {
        let scaling =
            [("rope.scaling.type", Value::String("linear".into())), ("rope.scaling.factor", Value::F32(8.0))];
        let model =
            read("gemma3", &[&[("attention.sliding_window", Value::U32(512))], &scaling[..]].concat());
        let model = model.unwrap();
        let local = Reach { window: Some(512), rope_base: 10_000.0, rope_scale: 1.0 };
        let global = Reach { window: None, rope_base: 1_000_000.0, rope_scale: 8.0 };
        let reaches: Vec<Reach> = (0..7).map(|layer| model.reach(layer)).collect();
        assert_eq!(reaches, [local, local, local, local, local, global, local]);
        assert!((model.embedding_scale - 640f32.sqrt()).abs() < 1e-4);
        assert!((model.query_scale - 1.0 / 16.0).abs() < 1e-6);
        assert!(model.head_norms && model.post_norms && !model.qkv_bias);
        assert_eq!(model.activation, Activation::GeluTanh);
    }

    #[test]
    fn a_file_may_say_itself_which_layers_are_local() {
        let window = ("attention.sliding_window", Value::U32(512));
        let swa = ("rope.freq_base_swa", Value::F32(20_000.0));
        let local = |pattern: Value| {
            let more = [window.clone(), swa.clone(), ("attention.sliding_window_pattern", pattern)];
            read("gemma3", &more).map(|model| model.window.unwrap())
        };
        let found = local(Value::U32(2)).unwrap();
        assert_eq!(found.local, [true, false, true, false, true, false, true]);
        assert!((found.rope_base - 20_000.0).abs() < f64::EPSILON);
        let list = |length: usize| Value::Array((0..length).map(|layer| Value::Bool(layer == 1)).collect());
        assert_eq!(local(list(7)).unwrap().local.iter().filter(|local| **local).count(), 1);
        let error = local(list(6)).unwrap_err().to_string();
        assert!(
            error.contains("sliding_window_pattern") && error.contains("6 entries for 7 layers"),
            "{error}"
        );
    }

    #[test]
    fn only_the_largest_gemma_divides_queries_by_another_root() {
        let more = [
            ("block_count", Value::U32(62)),
            ("embedding_length", Value::U32(5376)),
            ("attention.head_count", Value::U32(32)),
            ("attention.head_count_kv", Value::U32(16)),
            ("attention.key_length", Value::U32(128)),
        ];
        let model = read("gemma3", &more).unwrap();
        assert!((model.query_scale - 1.0 / 168f32.sqrt()).abs() < 1e-6);
        assert_eq!(model.window, None, "the file has no window");
        let model = read("llama", &more).unwrap();
        assert!((model.query_scale - 1.0 / 128f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn other_families_have_no_window_and_a_cap_on_scores_is_refused() {
        let model = read("qwen2", &[("attention.sliding_window", Value::U32(512))]).unwrap();
        assert_eq!(model.reach(0).window, None);
        assert!(model.qkv_bias && !model.head_norms && !model.post_norms);
        assert!((model.embedding_scale - 1.0).abs() < f32::EPSILON);
        let error = read("gemma3", &[("final_logit_softcapping", Value::F32(30.0))]).unwrap_err();
        assert!(error.to_string().contains("`final_logit_softcapping`"), "{error}");
    }
}
