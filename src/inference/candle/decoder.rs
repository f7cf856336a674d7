//! The forward pass of the llama, qwen2 and qwen3 family.
//!
//! One block: RMS normalisation, attention over grouped keys and values with rotary positions, RMS normalisation,
//! gated feed-forward network (`SwiGLU`); both with a residual. Qwen2 adds a bias to query, key and value, Qwen3
//! normalises query and key for each head. The output matrix is the embedding where the file has no other.

use std::sync::Arc;

use candle_core::quantized::QTensor;
use candle_core::{D, Device, Result, Tensor};
use candle_nn::ops;

use super::cache::KvCache;
use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::Hyperparameters;
use super::rope::Rope;
use super::weights::{self, Linear, Weights};

/// A loaded model; it holds no state of a sequence.
pub struct Decoder {
    model: Hyperparameters,
    context: usize,
    embedding: Arc<QTensor>,
    blocks: Vec<Block>,
    norm: RmsNorm,
    output: Linear,
    rope: Rope,
}

struct Block {
    attention_norm: RmsNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    query_norm: Option<RmsNorm>,
    key_norm: Option<RmsNorm>,
    attention_output: Linear,
    feed_forward_norm: RmsNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
}

/// Normalisation by the root mean square (Zhang and Sennrich, 2019, <https://arxiv.org/abs/1910.07467>).
struct RmsNorm {
    weight: Tensor,
    epsilon: f32,
}

impl RmsNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::rms_norm(x, &self.weight, self.epsilon)
    }
}

impl Decoder {
    /// Maps the weights of `file` for sequences of up to `context` tokens, cut to what the model was trained on.
    /// Every metadata value and every shape is checked first.
    pub fn load(file: &Gguf, context: usize) -> std::result::Result<Self, LoadError> {
        let model = Hyperparameters::read(file)?;
        weights::check(file, &model)?;
        let context = context.min(model.context_length);
        let mut weights = Weights::new(file);
        let norm = |weight: Tensor| RmsNorm { weight, epsilon: model.rms_epsilon as f32 };
        let factors = weights
            .vector("rope_freqs.weight")?
            .map(|factors| factors.to_vec1::<f32>())
            .transpose()
            .map_err(|error| LoadError::Weights(format!("rope_freqs.weight: {error}")))?;
        let rope = Rope::new(&model, context, factors.as_deref())
            .map_err(|error| LoadError::Weights(error.to_string()))?;
        let mut blocks = Vec::with_capacity(model.layers);
        for layer in 0..model.layers {
            let name = |suffix: &str| format!("blk.{layer}.{suffix}");
            let mut linear = |part: &str| -> std::result::Result<Linear, LoadError> {
                let bias = weights.vector(&name(&format!("{part}.bias")))?;
                Ok(Linear::new(weights.matrix(&name(&format!("{part}.weight")))?, bias))
            };
            let (query, key, value) = (linear("attn_q")?, linear("attn_k")?, linear("attn_v")?);
            let attention_output = linear("attn_output")?;
            let (gate, up, down) = (linear("ffn_gate")?, linear("ffn_up")?, linear("ffn_down")?);
            blocks.push(Block {
                attention_norm: norm(weights.required(&name("attn_norm.weight"))?),
                query,
                key,
                value,
                query_norm: weights.vector(&name("attn_q_norm.weight"))?.map(norm),
                key_norm: weights.vector(&name("attn_k_norm.weight"))?.map(norm),
                attention_output,
                feed_forward_norm: norm(weights.required(&name("ffn_norm.weight"))?),
                gate,
                up,
                down,
            });
        }
        let embedding = weights.matrix("token_embd.weight")?;
        let output = match weights.matrix("output.weight") {
            Err(LoadError::MissingTensor { .. }) => embedding.clone(),
            other => other?,
        };
        let norm = norm(weights.required("output_norm.weight")?);
        Ok(Self { model, context, embedding, blocks, norm, output: Linear::new(output, None), rope })
    }

    /// Shapes and constants.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.model
    }

    /// Longest sequence in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// An empty cache for one sequence.
    pub fn cache(&self) -> KvCache {
        KvCache::new(self.model.layers, self.context)
    }

    /// Reads `tokens` behind those in `cache`; where `logits` is set, returns the scores of every token of the
    /// vocabulary to come next. On an error the cache holds what it held before.
    pub fn forward(&self, tokens: &[u32], cache: &mut KvCache, logits: bool) -> Result<Option<Vec<f32>>> {
        let start = cache.len();
        let ids = Tensor::new(tokens, &Device::Cpu)?;
        let mut x = self.embedding.embedding(&ids)?;
        let mask = causal_mask(tokens.len(), start)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            let attended =
                self.attention(block, layer, &block.attention_norm.forward(&x)?, cache, mask.as_ref())?;
            x = (x + attended)?;
            let normed = block.feed_forward_norm.forward(&x)?;
            let [gate, up] = Linear::forward_all([&block.gate, &block.up], &normed)?;
            x = (x + block.down.forward(&(ops::silu(&gate)? * up)?)?)?;
        }
        cache.advance(tokens.len());
        if !logits {
            return Ok(None);
        }
        let last = x.narrow(0, tokens.len() - 1, 1)?.contiguous()?;
        let scores = self.output.forward(&self.norm.forward(&last)?)?;
        Ok(Some(scores.flatten_all()?.to_vec1()?))
    }

    /// Grouped-query attention (Ainslie et al., 2023, <https://arxiv.org/abs/2305.13245>) of `[tokens, hidden]`.
    fn attention(
        &self,
        block: &Block,
        layer: usize,
        x: &Tensor,
        cache: &mut KvCache,
        mask: Option<&Tensor>,
    ) -> Result<Tensor> {
        let Hyperparameters { heads, kv_heads, head_dim, .. } = self.model;
        let (tokens, start) = (x.dim(0)?, cache.len());
        let [query, key, value] = Linear::forward_all([&block.query, &block.key, &block.value], x)?;
        let split = |x: Tensor, heads: usize, norm: Option<&RmsNorm>| -> Result<Tensor> {
            let x = x.reshape((tokens, heads, head_dim))?;
            let x = if let Some(norm) = norm { norm.forward(&x)? } else { x };
            x.transpose(0, 1)?.contiguous()
        };
        let query = self.rope.rotate(&split(query, heads, block.query_norm.as_ref())?, start)?;
        let key = self.rope.rotate(&split(key, kv_heads, block.key_norm.as_ref())?, start)?;
        let (keys, values) = cache.put(layer, &key, &split(value, kv_heads, None)?)?;
        // The heads of one group stand behind one another and share keys and values: one product for the group.
        let rows = heads / kv_heads * tokens;
        let query = (query * (1.0 / (head_dim as f64).sqrt()))?.reshape((kv_heads, rows, head_dim))?;
        let mut scores = query.matmul(&keys.transpose(D::Minus1, D::Minus2)?)?;
        if let Some(mask) = mask {
            scores =
                scores.reshape((heads, tokens, ()))?.broadcast_add(mask)?.reshape((kv_heads, rows, ()))?;
        }
        let mixed = ops::softmax_last_dim(&scores)?.matmul(&values)?;
        let mixed =
            mixed.reshape((heads, tokens, head_dim))?.transpose(0, 1)?.reshape((tokens, heads * head_dim))?;
        block.attention_output.forward(&mixed)
    }
}

/// `[tokens, start + tokens]`: minus infinity where a token would see a later one; `None` for a single token.
fn causal_mask(tokens: usize, start: usize) -> Result<Option<Tensor>> {
    if tokens == 1 {
        return Ok(None);
    }
    let width = start + tokens;
    let mask: Vec<f32> = (0..tokens)
        .flat_map(|row| {
            (0..width).map(move |column| if column > start + row { f32::NEG_INFINITY } else { 0.0 })
        })
        .collect();
    Tensor::from_vec(mask, (tokens, width), &Device::Cpu).map(Some)
}
