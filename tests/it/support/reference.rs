//! The forward pass of every chat architecture in plain 32-bit formulas: what the decoder's kernels are held against.
//!
//! It knows the architectures by name and reads the file by itself, so that it shares no mistake with the product. The
//! formulas are those of the models' papers and of their code in Hugging Face Transformers (`modeling_llama`, `_qwen2`,
//! `_qwen3`, `_gemma3`); the names of weights and keys are llama.cpp's. Every weight is dequantised first, every pair
//! of positions is computed, nothing is kept from one call to the next.

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{D, Device, IndexOp, Result, Tensor};

/// A whole model in memory.
pub(crate) struct Reference {
    architecture: String,
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, Tensor>,
}

impl Reference {
    /// Reads every weight of the file at `path`.
    pub(crate) fn open(path: &Path) -> Self {
        let mut file = File::open(path).unwrap();
        let content = Content::read(&mut file).unwrap();
        let tensors = content
            .tensor_infos
            .keys()
            .map(|name| {
                let tensor = content.tensor(&mut file, name, &Device::Cpu).unwrap();
                (name.clone(), tensor.dequantize(&Device::Cpu).unwrap())
            })
            .collect();
        let architecture = content.metadata["general.architecture"].to_string().unwrap().clone();
        Self { architecture, metadata: content.metadata, tensors }
    }

    /// Scores of what comes behind `tokens`.
    pub(crate) fn scores(&self, tokens: &[u32]) -> Vec<f32> {
        self.forward(tokens).unwrap()
    }

    fn is_gemma(&self) -> bool {
        self.architecture == "gemma3"
    }

    fn number(&self, key: &str) -> Option<f64> {
        let value = self.metadata.get(&format!("{}.{key}", self.architecture))?;
        let float = value.to_f32().map(f64::from);
        Some(float.or_else(|_| value.to_u32().map(f64::from)).unwrap())
    }

    fn count(&self, key: &str) -> usize {
        self.number(key).unwrap() as usize
    }

    fn forward(&self, tokens: &[u32]) -> Result<Vec<f32>> {
        let embedding = &self.tensors["token_embd.weight"];
        let mut x = embedding.index_select(&Tensor::new(tokens, &Device::Cpu)?, 0)?;
        if self.is_gemma() {
            x = (x * (self.count("embedding_length") as f64).sqrt())?;
        }
        for layer in 0..self.count("block_count") {
            let block = Block { model: self, layer };
            let attended = block.attention(&block.norm("attn_norm", &x)?)?;
            x = (x + block.post_norm("post_attention_norm", attended)?)?;
            let fed = block.feed_forward(&block.norm("ffn_norm", &x)?)?;
            x = (x + block.post_norm("post_ffw_norm", fed)?)?;
        }
        let last = self.rms_norm(&x.i(tokens.len() - 1..)?, &self.tensors["output_norm.weight"])?;
        let output = self.tensors.get("output.weight").unwrap_or(embedding);
        last.matmul(&output.t()?)?.flatten_all()?.to_vec1()
    }

    /// `x / √(mean(x²) + ε) · w`. Files of Gemma hold `1 + w` already.
    fn rms_norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let epsilon = self.number("attention.layer_norm_rms_epsilon").unwrap();
        let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
        x.broadcast_div(&(mean + epsilon)?.sqrt()?)?.broadcast_mul(weight)
    }
}

struct Block<'a> {
    model: &'a Reference,
    layer: usize,
}

impl Block<'_> {
    fn weight(&self, name: &str) -> Option<&Tensor> {
        self.model.tensors.get(&format!("blk.{}.{name}", self.layer))
    }

    fn norm(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        self.model.rms_norm(x, self.weight(&format!("{name}.weight")).unwrap())
    }

    /// Gemma normalises what it adds to the residual stream.
    fn post_norm(&self, name: &str, x: Tensor) -> Result<Tensor> {
        if self.model.is_gemma() { self.norm(name, &x) } else { Ok(x) }
    }

    fn linear(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let product = x.matmul(&self.weight(&format!("{name}.weight")).unwrap().t()?)?;
        match self.weight(&format!("{name}.bias")) {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }

    /// Five of six layers of Gemma 3 see a window.
    fn window(&self) -> Option<usize> {
        let local = self.model.is_gemma() && !(self.layer + 1).is_multiple_of(6);
        local.then(|| self.model.count("attention.sliding_window"))
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let model = self.model;
        let (heads, kv_heads) = (model.count("attention.head_count"), model.count("attention.head_count_kv"));
        let (tokens, width) = (x.dim(0)?, model.count("attention.key_length"));
        let normed = matches!(model.architecture.as_str(), "qwen3" | "gemma3");
        let split = |name: &str, heads: usize, norm: &str| -> Result<Tensor> {
            let x = self.linear(name, x)?.reshape((tokens, heads, width))?;
            let x = if normed && !norm.is_empty() { self.norm(norm, &x)? } else { x };
            x.transpose(0, 1)?.contiguous()
        };
        let query = self.rotate(&split("attn_q", heads, "attn_q_norm")?)?;
        let key = self.rotate(&split("attn_k", kv_heads, "attn_k_norm")?)?;
        let value = split("attn_v", kv_heads, "")?;
        let mask: Vec<f32> = (0..tokens * tokens)
            .map(|at| {
                let (row, column) = (at / tokens, at % tokens);
                let seen = column <= row && self.window().is_none_or(|window| row - column < window);
                if seen { 0.0 } else { f32::NEG_INFINITY }
            })
            .collect();
        let mask = Tensor::from_vec(mask, (tokens, tokens), &Device::Cpu)?;
        let mut mixed = Vec::new();
        for head in 0..heads {
            let group = head / (heads / kv_heads);
            let scores = (query.i(head)?.matmul(&key.i(group)?.t()?)? / (width as f64).sqrt())?;
            mixed.push(softmax(&(scores + &mask)?)?.matmul(&value.i(group)?)?);
        }
        self.linear("attn_output", &Tensor::cat(&mixed, 1)?)
    }

    /// The pair `(a, b)` of a head turned by `position / scale · base^(-2i/d)`: `(a cos - b sin, b cos + a sin)`.
    /// Llama's pairs are neighbours, the others' are halves apart.
    fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let (heads, tokens, width) = x.dims3()?;
        let (base, scale) = if self.window().is_some() {
            (self.model.number("rope.freq_base_swa").unwrap_or(10_000.0), 1.0)
        } else {
            let scale = self.model.number("rope.scaling.factor").unwrap_or(1.0);
            (self.model.number("rope.freq_base").unwrap(), scale)
        };
        let half = width / 2;
        let angles: Vec<f32> = (0..tokens * half)
            .map(|at| {
                let (position, pair) = ((at / half) as f64, (at % half) as f64);
                (position / scale * base.powf(-2.0 * pair / width as f64)) as f32
            })
            .collect();
        let angles = Tensor::from_vec(angles, (1, tokens, half), &Device::Cpu)?;
        let (cos, sin) = (angles.cos()?, angles.sin()?);
        let neighbours = self.model.architecture == "llama";
        let (a, b) = if neighbours {
            let pairs = x.reshape((heads, tokens, half, 2))?;
            (pairs.i((.., .., .., 0))?, pairs.i((.., .., .., 1))?)
        } else {
            (x.narrow(2, 0, half)?, x.narrow(2, half, half)?)
        };
        let turned_a = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let turned_b = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        if neighbours {
            Tensor::stack(&[turned_a, turned_b], 3)?.reshape((heads, tokens, width))
        } else {
            Tensor::cat(&[turned_a, turned_b], 2)
        }
    }

    fn feed_forward(&self, x: &Tensor) -> Result<Tensor> {
        let gate = self.linear("ffn_gate", x)?;
        let gate = if self.model.is_gemma() {
            // x / 2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))
            let inner = ((&gate + (gate.powf(3.0)? * 0.044_715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
            (&gate * ((inner.tanh()? + 1.0)? * 0.5)?)?
        } else {
            // x / (1 + exp(-x))
            (&gate / (gate.neg()?.exp()? + 1.0)?)?
        };
        self.linear("ffn_down", &(gate * self.linear("ffn_up", x)?)?)
    }
}

fn softmax(scores: &Tensor) -> Result<Tensor> {
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}
