//! Files → encoder: GGUF of the architecture `bert`, or safetensors of `bert` and `xlm-roberta`.
//!
//! Sizes are checked before a weight is read, and every tensor against them.

use std::collections::HashMap;
use std::path::Path;

use candle_core::quantized::gguf_file::Value;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use super::super::super::models::ModelFiles;
use super::super::super::models::manifest::EmbedderSpec;
use super::super::gguf::Gguf;
use super::super::kernels::Matrix;
use super::super::linear::Linear;
use super::super::weights::Raw;
use super::encoder::{Encoder, Layer, Norm, Shape, Words};

/// Loads the encoder; `Err` says what is wrong.
pub(super) fn load(files: &ModelFiles, spec: &EmbedderSpec) -> Result<Encoder, String> {
    if let Some(path) = files.gguf() {
        return from_gguf(path, spec);
    }
    let file = |name: &str| files.files.get(name).ok_or_else(|| format!("it has no {name}"));
    from_safetensors(file("config.json")?, file("model.safetensors")?, spec)
}

/// Gives tensors by the names of GGUF.
trait Tensors {
    fn words(&mut self) -> Result<Words, String>;
    fn tensor(&mut self, name: &str) -> Result<Tensor, String>;

    /// A matrix as the kernels take it.
    fn matrix(&mut self, name: &str) -> Result<Matrix, String> {
        let tensor = self.tensor(name)?;
        let wrong = |error: candle_core::Error| format!("its tensor {name}: {error}");
        let (outputs, inputs) = tensor.dims2().map_err(wrong)?;
        let numbers: Vec<f32> =
            tensor.to_dtype(DType::F32).and_then(|tensor| tensor.flatten_all()?.to_vec1()).map_err(wrong)?;
        Matrix::of_numbers(&numbers, outputs, inputs).ok_or_else(|| format!("its tensor {name} is empty"))
    }
}

/// What both formats say about an encoder.
struct Sizes {
    layers: usize,
    feed_forward: usize,
    shape: Shape,
}

fn build(sizes: &Sizes, tensors: &mut impl Tensors) -> Result<Encoder, String> {
    let Sizes { layers, feed_forward, shape } = sizes;
    let hidden = shape.hidden;
    if hidden == 0 || shape.heads == 0 || !hidden.is_multiple_of(shape.heads) {
        return Err(format!("{} heads do not divide {hidden} numbers a token", shape.heads));
    }
    if *feed_forward == 0 || *layers == 0 {
        return Err(format!(
            "it has {layers} layers with {feed_forward} inner numbers; both must be above 0"
        ));
    }
    let words = tensors.words()?;
    let (vocabulary, width) = words.dims()?;
    if width != hidden {
        return Err(format!("its token vectors have {width} numbers and its layers {hidden}"));
    }
    let mut reader = Reader(tensors);
    // The number of positions and of types is what the tensors have (0 in a shape stands for any).
    let mut positions = reader.numbers("position_embd.weight", &[0, hidden])?;
    let types = reader.numbers("token_types.weight", &[0, hidden])?;
    for row in positions.chunks_exact_mut(hidden) {
        for (value, kind) in row.iter_mut().zip(&types) {
            *value += kind;
        }
    }
    let norm = reader.norm("token_embd_norm", hidden)?;
    let mut blocks = Vec::new();
    for index in 0..*layers {
        let name = |part: &str| format!("blk.{index}.{part}");
        blocks.push(Layer {
            qkv: [
                reader.linear(&name("attn_q"), hidden, hidden)?,
                reader.linear(&name("attn_k"), hidden, hidden)?,
                reader.linear(&name("attn_v"), hidden, hidden)?,
            ],
            output: reader.linear(&name("attn_output"), hidden, hidden)?,
            attention_norm: reader.norm(&name("attn_output_norm"), hidden)?,
            up: reader.linear(&name("ffn_up"), *feed_forward, hidden)?,
            down: reader.linear(&name("ffn_down"), hidden, *feed_forward)?,
            output_norm: reader.norm(&name("layer_output_norm"), hidden)?,
        });
    }
    Ok(Encoder { shape: *shape, words, vocabulary, positions, norm, layers: blocks })
}

/// Reads tensors and holds them to their shapes.
struct Reader<'a, T>(&'a mut T);

impl<T: Tensors> Reader<'_, T> {
    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.0.tensor(name)?;
        let fits = tensor.rank() == shape.len()
            && tensor.dims().iter().zip(shape).all(|(actual, expected)| *expected == 0 || actual == expected);
        if !fits {
            return Err(format!("its tensor {name} is {:?} and should be {shape:?}", tensor.dims()));
        }
        tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.flatten_all()?.to_vec1())
            .map_err(|error| format!("its tensor {name}: {error}"))
    }

    fn norm(&mut self, name: &str, hidden: usize) -> Result<Norm, String> {
        Ok(Norm {
            weight: self.numbers(&format!("{name}.weight"), &[hidden])?,
            bias: self.numbers(&format!("{name}.bias"), &[hidden])?,
        })
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, String> {
        let name = |kind: &str| format!("{name}.{kind}");
        let matrix = self.0.matrix(&name("weight"))?;
        if (matrix.outputs(), matrix.inputs()) != (outputs, inputs) {
            return Err(format!(
                "its tensor {} is {:?} and should be {:?}",
                name("weight"),
                [matrix.outputs(), matrix.inputs()],
                [outputs, inputs]
            ));
        }
        Ok(Linear { matrix, bias: Some(self.numbers(&name("bias"), &[outputs])?) })
    }
}

fn from_gguf(path: &Path, spec: &EmbedderSpec) -> Result<Encoder, String> {
    let file = Gguf::open(path).map_err(|error| error.to_string())?;
    let content = file.content();
    let value = |key: &str| content.metadata.get(key).ok_or_else(|| format!("its metadata has no {key}"));
    let count =
        |key: &str| Ok::<usize, String>(value(key)?.to_u32().map_err(|error| error.to_string())? as usize);
    let architecture = value("general.architecture")?.to_string().map_err(|error| error.to_string())?;
    if architecture != "bert" {
        return Err(format!(
            "its architecture is {architecture}; an embedder in GGUF is of the architecture bert"
        ));
    }
    if matches!(content.metadata.get("bert.attention.causal"), Some(Value::Bool(true))) {
        return Err("its attention is causal, which no supported embedder's is".into());
    }
    let sizes = Sizes {
        layers: count("bert.block_count")?,
        feed_forward: count("bert.feed_forward_length")?,
        shape: Shape {
            hidden: count("bert.embedding_length")?,
            heads: count("bert.attention.head_count")?,
            epsilon: value("bert.attention.layer_norm_epsilon")?
                .to_f32()
                .map_err(|error| error.to_string())?,
            first_position: 0,
            pooling: spec.pooling,
        },
    };
    build(&sizes, &mut GgufTensors(&file))
}

struct GgufTensors<'a>(&'a Gguf);

impl GgufTensors<'_> {
    fn raw(&self, name: &str) -> Result<Raw, String> {
        self.0.tensor(name).map_err(|error| format!("its tensor {name}: {error}"))
    }
}

impl Tensors for GgufTensors<'_> {
    fn words(&mut self) -> Result<Words, String> {
        self.raw("token_embd.weight").map(Words::Mapped)
    }

    fn tensor(&mut self, name: &str) -> Result<Tensor, String> {
        self.raw(name)?.tensor().map_err(|error| format!("its tensor {name}: {error}"))
    }

    fn matrix(&mut self, name: &str) -> Result<Matrix, String> {
        let raw = self.raw(name)?;
        let matrix = raw.matrix_for_many_rows().map_err(|error| format!("its tensor {name}: {error}"))?;
        raw.let_go();
        Ok(matrix)
    }
}

/// The part of `config.json` that matters.
#[derive(Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    layer_norm_eps: f32,
    #[serde(default = "gelu")]
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(default)]
    pad_token_id: usize,
}

fn gelu() -> String {
    "gelu".into()
}

fn absolute() -> String {
    "absolute".into()
}

fn from_safetensors(config: &Path, weights: &Path, spec: &EmbedderSpec) -> Result<Encoder, String> {
    let text = std::fs::read(config).map_err(|error| format!("{}: {error}", config.display()))?;
    let config: Config =
        serde_json::from_slice(&text).map_err(|error| format!("its config.json: {error}"))?;
    let first_position = match config.model_type.as_str() {
        "bert" => 0,
        "xlm-roberta" => config.pad_token_id + 1,
        other => return Err(format!("its model type is {other}; supported are bert and xlm-roberta")),
    };
    if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
        return Err(format!(
            "its activation is {} and its positions are {}; supported are gelu and absolute",
            config.hidden_act, config.position_embedding_type
        ));
    }
    let sizes = Sizes {
        layers: config.num_hidden_layers,
        feed_forward: config.intermediate_size,
        shape: Shape {
            hidden: config.hidden_size,
            heads: config.num_attention_heads,
            epsilon: config.layer_norm_eps,
            first_position,
            pooling: spec.pooling,
        },
    };
    let tensors = candle_core::safetensors::load(weights, &Device::Cpu)
        .map_err(|error| format!("{}: {error}", weights.display()))?;
    let word = "embeddings.word_embeddings.weight";
    let prefix = tensors
        .keys()
        .find_map(|name| name.strip_suffix(word))
        .ok_or_else(|| format!("its weights have no tensor {word}"))?
        .to_string();
    build(&sizes, &mut Safetensors { tensors, prefix })
}

struct Safetensors {
    tensors: HashMap<String, Tensor>,
    prefix: String,
}

impl Safetensors {
    fn take(&mut self, name: &str) -> Result<Tensor, String> {
        let name = format!("{}{name}", self.prefix);
        self.tensors.remove(&name).ok_or_else(|| format!("its weights have no tensor {name}"))
    }
}

impl Tensors for Safetensors {
    fn words(&mut self) -> Result<Words, String> {
        let words = self.take("embeddings.word_embeddings.weight")?;
        words.to_dtype(DType::F32).map(Words::Dense).map_err(|error| error.to_string())
    }

    fn tensor(&mut self, name: &str) -> Result<Tensor, String> {
        self.take(&published_name(name).ok_or_else(|| format!("{name} has no published name"))?)
    }
}

/// The name in safetensors of a tensor by its name in GGUF.
fn published_name(name: &str) -> Option<String> {
    if let Some(rest) = name.strip_prefix("blk.") {
        let (index, rest) = rest.split_once('.')?;
        let (part, kind) = rest.rsplit_once('.')?;
        let part = match part {
            "attn_q" => "attention.self.query",
            "attn_k" => "attention.self.key",
            "attn_v" => "attention.self.value",
            "attn_output" => "attention.output.dense",
            "attn_output_norm" => "attention.output.LayerNorm",
            "ffn_up" => "intermediate.dense",
            "ffn_down" => "output.dense",
            "layer_output_norm" => "output.LayerNorm",
            _ => return None,
        };
        return Some(format!("encoder.layer.{index}.{part}.{kind}"));
    }
    let part = match name {
        "position_embd.weight" => "position_embeddings.weight",
        "token_types.weight" => "token_type_embeddings.weight",
        "token_embd_norm.weight" => "LayerNorm.weight",
        "token_embd_norm.bias" => "LayerNorm.bias",
        _ => return None,
    };
    Some(format!("embeddings.{part}"))
}
