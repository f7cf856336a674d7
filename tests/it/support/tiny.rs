//! A model of random weights: small enough to make in a test, complete enough for llama.cpp to load.

use std::path::Path;

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Tokens: the 256 bytes, one merged pair and two special tokens.
pub(crate) const VOCABULARY: usize = 259;

const HIDDEN: usize = 64;
const WIDE: usize = 96;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const LAYERS: usize = 2;

/// A file to be written; tests bend it before they do.
pub(crate) struct Tiny {
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<(String, Tensor)>,
}

impl Tiny {
    /// A model of `architecture` whose heads are `head_dim` wide, with everything that family has.
    pub(crate) fn new(architecture: &str, head_dim: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(11);
        let mut random = |shape: &[usize], around: f32, spread: f32| {
            let count = shape.iter().product();
            let values: Vec<f32> =
                (0..count).map(|_| around + spread * (rng.random::<f32>() * 2.0 - 1.0)).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        };
        let (queries, keys) = (HEADS * head_dim, KV_HEADS * head_dim);
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), random(&[VOCABULARY, HIDDEN], 0.0, 1.0)),
            ("output_norm.weight".to_owned(), random(&[HIDDEN], 1.0, 0.2)),
        ];
        for layer in 0..LAYERS {
            let mut add = |name: &str, shape: &[usize], around: f32, spread: f32| {
                tensors.push((format!("blk.{layer}.{name}"), random(shape, around, spread)));
            };
            add("attn_norm.weight", &[HIDDEN], 1.0, 0.2);
            add("attn_q.weight", &[queries, HIDDEN], 0.0, 0.2);
            add("attn_k.weight", &[keys, HIDDEN], 0.0, 0.2);
            add("attn_v.weight", &[keys, HIDDEN], 0.0, 0.2);
            add("attn_output.weight", &[HIDDEN, queries], 0.0, 0.2);
            add("ffn_norm.weight", &[HIDDEN], 1.0, 0.2);
            add("ffn_gate.weight", &[WIDE, HIDDEN], 0.0, 0.2);
            add("ffn_up.weight", &[WIDE, HIDDEN], 0.0, 0.2);
            add("ffn_down.weight", &[HIDDEN, WIDE], 0.0, 0.2);
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
                _ => {}
            }
        }
        let number = |value: usize| Value::U32(value as u32);
        let text = |value: &str| Value::String(value.to_owned());
        let mut metadata = vec![("general.architecture".to_owned(), text(architecture))];
        for (key, value) in [
            ("block_count", number(LAYERS)),
            ("context_length", number(512)),
            ("embedding_length", number(HIDDEN)),
            ("feed_forward_length", number(WIDE)),
            ("attention.head_count", number(HEADS)),
            ("attention.head_count_kv", number(KV_HEADS)),
            ("attention.key_length", number(head_dim)),
            ("attention.value_length", number(head_dim)),
            ("rope.dimension_count", number(head_dim)),
            ("rope.freq_base", Value::F32(10_000.0)),
            ("attention.layer_norm_rms_epsilon", Value::F32(1e-6)),
        ] {
            metadata.push((format!("{architecture}.{key}"), value));
        }
        let mut tokens: Vec<String> = byte_names();
        tokens.extend(["Ġt", "<|im_start|>", "<|im_end|>"].map(str::to_owned));
        let kinds = (0..VOCABULARY).map(|id| Value::I32(if id < 257 { 1 } else { 3 })).collect();
        for (key, value) in [
            ("model", text("gpt2")),
            ("pre", text("qwen2")),
            ("tokens", Value::Array(tokens.into_iter().map(Value::String).collect())),
            ("token_type", Value::Array(kinds)),
            ("merges", Value::Array(vec![text("Ġ t")])),
            ("bos_token_id", number(257)),
            ("eos_token_id", number(258)),
            ("add_bos_token", Value::Bool(false)),
        ] {
            metadata.push((format!("tokenizer.ggml.{key}"), value));
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
        let tensors: Vec<(&str, QTensor)> = self
            .tensors
            .iter()
            .map(|(name, tensor)| (name.as_str(), QTensor::quantize(tensor, GgmlDType::F32).unwrap()))
            .collect();
        let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        let metadata: Vec<(&str, &Value)> =
            self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let mut file = std::fs::File::create(path).unwrap();
        gguf_file::write(&mut file, &metadata, &tensors).unwrap();
    }
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
