//! A model of random weights: small enough to make in a test, complete enough for llama.cpp to load.

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Tokens: the 256 bytes, one merged pair and two special tokens.
pub(crate) const VOCABULARY: usize = 259;

/// Heads of queries, and of keys and values.
const HEADS: usize = 4;
const KV_HEADS: usize = 2;

/// Positions that the local layers of a gemma3 model see.
pub(crate) const WINDOW: usize = 24;

/// How wide a model is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Widths {
    /// Of the residual stream.
    pub(crate) hidden: usize,
    /// Of the feed-forward network.
    pub(crate) feed_forward: usize,
    /// Of a head; four heads of queries share two of keys and values.
    pub(crate) head: usize,
}

/// A file to be written; tests bend it before they do.
pub(crate) struct Tiny {
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<(String, Tensor)>,
}

impl Tiny {
    /// A model of `architecture` whose heads are `head_dim` wide, with everything that family has.
    pub(crate) fn new(architecture: &str, head_dim: usize) -> Self {
        Self::of(architecture, Widths { hidden: 64, feed_forward: 96, head: head_dim })
    }

    /// A model of `architecture` with everything that family has. The weights are as large as lets every part of the
    /// graph show in the scores.
    pub(crate) fn of(architecture: &str, widths: Widths) -> Self {
        let Widths { hidden, feed_forward, head: head_dim } = widths;
        let gemma = architecture == "gemma3";
        // Of six layers of a gemma3 model five are local.
        let layers = if gemma { 6 } else { 2 };
        let mut rng = StdRng::seed_from_u64(11);
        let mut random = |shape: &[usize], around: f32, spread: f32| {
            let count = shape.iter().product();
            let values: Vec<f32> =
                (0..count).map(|_| around + spread * (rng.random::<f32>() * 2.0 - 1.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let (queries, keys) = (HEADS * head_dim, KV_HEADS * head_dim);
        let spread = 1.6 / (hidden as f32).sqrt();
        // A gemma3 model multiplies its embeddings by the root of their width.
        let embedding = if gemma { spread } else { 1.0 };
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), random(&[VOCABULARY, hidden], 0.0, embedding)),
            ("output_norm.weight".to_owned(), random(&[hidden], 1.0, 0.2)),
        ];
        for layer in 0..layers {
            let mut add = |name: &str, shape: &[usize], around: f32, spread: f32| {
                tensors.push((format!("blk.{layer}.{name}"), random(shape, around, spread)));
            };
            add("attn_norm.weight", &[hidden], 1.0, 0.2);
            add("attn_q.weight", &[queries, hidden], 0.0, spread);
            add("attn_k.weight", &[keys, hidden], 0.0, spread);
            add("attn_v.weight", &[keys, hidden], 0.0, spread);
            add("attn_output.weight", &[hidden, queries], 0.0, spread);
            add("ffn_norm.weight", &[hidden], 1.0, 0.2);
            add("ffn_gate.weight", &[feed_forward, hidden], 0.0, spread);
            add("ffn_up.weight", &[feed_forward, hidden], 0.0, spread);
            add("ffn_down.weight", &[hidden, feed_forward], 0.0, spread);
            match architecture {
                "qwen2" => {
                    add("attn_q.bias", &[queries], 0.0, 1.0);
                    add("attn_k.bias", &[keys], 0.0, 1.0);
                    add("attn_v.bias", &[keys], 0.0, 1.0);
                }
                "qwen3" => {
                    add("attn_q_norm.weight", &[head_dim], 1.0, 0.5);
                    add("attn_k_norm.weight", &[head_dim], 1.0, 0.5);
                }
                "gemma3" => {
                    add("attn_q_norm.weight", &[head_dim], 1.0, 0.5);
                    add("attn_k_norm.weight", &[head_dim], 1.0, 0.5);
                    add("post_attention_norm.weight", &[hidden], 1.0, 0.5);
                    add("post_ffw_norm.weight", &[hidden], 1.0, 0.5);
                }
                _ => {}
            }
        }
        let mut metadata = vec![("general.architecture".to_owned(), text(architecture))];
        for (key, value) in [
            ("block_count", number(layers)),
            ("context_length", number(512)),
            ("embedding_length", number(hidden)),
            ("feed_forward_length", number(feed_forward)),
            ("attention.head_count", number(HEADS)),
            ("attention.head_count_kv", number(KV_HEADS)),
            ("attention.key_length", number(head_dim)),
            ("attention.value_length", number(head_dim)),
            ("rope.dimension_count", number(head_dim)),
            ("rope.freq_base", Value::F32(if gemma { 1_000_000.0 } else { 10_000.0 })),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ] {
            metadata.push((format!("{architecture}.{key}"), value));
        }
        if gemma {
            for (key, value) in [
                ("attention.sliding_window", number(WINDOW)),
                ("rope.scaling.type", text("linear")),
                ("rope.scaling.factor", Value::F32(4.0)),
            ] {
                metadata.push((format!("{architecture}.{key}"), value));
            }
            metadata.extend(sentencepiece());
        } else {
            metadata.extend(byte_level());
        }
        let template = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n";
        metadata.push(("tokenizer.chat_template".to_owned(), text(template)));
        Self { metadata, tensors }
    }

    /// Sets a metadata value.
    pub(crate) fn set(&mut self, key: &str, value: Value) {
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.push((key.to_owned(), value));
    }

    /// Writes the file, with weights as 32-bit floats.
    pub(crate) fn write(&self, path: &Path) {
        self.write_as(path, GgmlDType::F32);
    }

    /// Writes the file, with matrices of the type `dtype` and vectors as 32-bit floats.
    pub(crate) fn write_as(&self, path: &Path, dtype: GgmlDType) {
        let quantize = |tensor: &Tensor| {
            let dtype = if tensor.rank() == 2 { dtype } else { GgmlDType::F32 };
            QTensor::quantize(tensor, dtype).unwrap()
        };
        let tensors: Vec<(&str, QTensor)> =
            self.tensors.iter().map(|(name, tensor)| (name.as_str(), quantize(tensor))).collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let metadata: Vec<(&str, &Value)> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let mut file = std::fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    }
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

fn number(value: usize) -> Value {
    Value::U32(value as u32)
}

/// A byte-level vocabulary, in which the byte `b` is the token `b`.
fn byte_level() -> Vec<(String, Value)> {
    let mut tokens = byte_names();
    tokens.extend(["Ġt", "<|im_start|>", "<|im_end|>"].map(str::to_owned));
    let kinds = (0..VOCABULARY).map(|id| Value::I32(if id < 257 { 1 } else { 3 })).collect();
    vocabulary(
        tokens,
        kinds,
        [("model", text("gpt2")), ("pre", text("qwen2")), ("merges", Value::Array(vec![text("Ġ t")]))],
    )
}

/// A vocabulary of `SentencePiece`, in which the byte `b` is the token `b`.
fn sentencepiece() -> Vec<(String, Value)> {
    let mut tokens: Vec<String> = (0..=u8::MAX).map(|byte| format!("<0x{byte:02X}>")).collect();
    tokens.extend(["▁", "<|im_start|>", "<|im_end|>"].map(str::to_owned));
    let kinds = (0..VOCABULARY)
        .map(|id| {
            Value::I32(match id {
                0..256 => 6,
                256 => 1,
                _ => 3,
            })
        })
        .collect();
    let scores = Value::Array(vec![Value::F32(0.0); VOCABULARY]);
    vocabulary(
        tokens,
        kinds,
        [("model", text("llama")), ("scores", scores), ("add_space_prefix", Value::Bool(false))],
    )
}

/// The keys that every vocabulary has, and `more`.
fn vocabulary(tokens: Vec<String>, kinds: Vec<Value>, more: [(&str, Value); 3]) -> Vec<(String, Value)> {
    let common = [
        ("tokens", Value::Array(tokens.into_iter().map(Value::String).collect())),
        ("token_type", Value::Array(kinds)),
        ("bos_token_id", number(257)),
        ("eos_token_id", number(258)),
        ("add_bos_token", Value::Bool(false)),
    ];
    more.into_iter().chain(common).map(|(key, value)| (format!("tokenizer.ggml.{key}"), value)).collect()
}

/// The stand-ins of byte-level BPE, in the order of the bytes.
fn byte_names() -> Vec<String> {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 0x100;
    (0..=u8::MAX)
        .map(|byte| {
            if printable(byte) {
                return char::from(byte).to_string();
            }
            next += 1;
            char::from_u32(next - 1).unwrap().to_string()
        })
        .collect()
}
