//! The parts of a model and their names in the file, the same wherever it computes.

use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::{Hyperparameters, Reach};
use super::rope::Rope;
use super::weights::{self, Raw};

/// How weights are held where they are computed with.
pub(super) trait Hold {
    /// `[outputs, inputs]`.
    type Matrix;
    /// A matrix, with or without a bias.
    type Linear;
    /// The weights of an RMS normalisation.
    type Norm;

    /// Takes a matrix out of the file.
    fn matrix(&self, raw: &Raw) -> Result<Self::Matrix, LoadError>;

    /// Joins a matrix and its bias.
    fn linear(&self, matrix: Self::Matrix, bias: Option<Vec<f32>>) -> Result<Self::Linear, LoadError>;

    /// Takes the weights of a normalisation.
    fn norm(&self, weight: Vec<f32>) -> Result<Self::Norm, LoadError>;
}

/// All weights of a model.
pub(super) struct Network<H: Hold> {
    pub(super) embedding: Raw,
    pub(super) blocks: Vec<Block<H>>,
    pub(super) norm: H::Norm,
    pub(super) output: H::Matrix,
    /// What the layers see, each kind once.
    pub(super) reaches: Vec<Reach>,
    /// One for each of `reaches`.
    pub(super) ropes: Vec<Rope>,
}

pub(super) struct Block<H: Hold> {
    pub(super) attention_norm: H::Norm,
    pub(super) query: H::Linear,
    pub(super) key: H::Linear,
    pub(super) value: H::Linear,
    pub(super) query_norm: Option<H::Norm>,
    pub(super) key_norm: Option<H::Norm>,
    pub(super) attention_output: H::Matrix,
    pub(super) attention_post_norm: Option<H::Norm>,
    pub(super) feed_forward_norm: H::Norm,
    pub(super) gate: H::Matrix,
    pub(super) up: H::Matrix,
    pub(super) down: H::Matrix,
    pub(super) feed_forward_post_norm: Option<H::Norm>,
    /// Which of the network's reaches and ropes.
    pub(super) reach: usize,
}

impl<H: Hold> Network<H> {
    /// Takes every weight of `file`, whose shapes are checked first.
    pub(super) fn load(file: &Gguf, model: &Hyperparameters, hold: &H) -> Result<Self, LoadError> {
        weights::check(file, model)?;
        let vector = |name: &str| match file.tensor(name) {
            Err(LoadError::MissingTensor { .. }) => Ok(None),
            other => other?.numbers().map(Some),
        };
        let norm = |name: &str| vector(name)?.map(|weight| hold.norm(weight)).transpose();
        let required = |name: &str| norm(name)?.ok_or_else(|| LoadError::MissingTensor { name: name.into() });
        let matrix = |name: &str| {
            let raw = file.tensor(name)?;
            let matrix = hold.matrix(&raw)?;
            raw.let_go();
            Ok::<H::Matrix, LoadError>(matrix)
        };
        let factors = vector("rope_freqs.weight")?;
        let mut reaches: Vec<Reach> = Vec::new();
        let blocks = (0..model.layers)
            .map(|layer| {
                let seen = model.reach(layer);
                let reach = reaches.iter().position(|known| *known == seen).unwrap_or(reaches.len());
                if reach == reaches.len() {
                    reaches.push(seen);
                }
                let name = |suffix: &str| format!("blk.{layer}.{suffix}");
                let linear = |part: &str| {
                    let bias = vector(&name(&format!("{part}.bias")))?;
                    hold.linear(matrix(&name(&format!("{part}.weight")))?, bias)
                };
                Ok(Block {
                    attention_norm: required(&name("attn_norm.weight"))?,
                    query: linear("attn_q")?,
                    key: linear("attn_k")?,
                    value: linear("attn_v")?,
                    query_norm: norm(&name("attn_q_norm.weight"))?,
                    key_norm: norm(&name("attn_k_norm.weight"))?,
                    attention_output: matrix(&name("attn_output.weight"))?,
                    attention_post_norm: norm(&name("post_attention_norm.weight"))?,
                    feed_forward_norm: required(&name("ffn_norm.weight"))?,
                    gate: matrix(&name("ffn_gate.weight"))?,
                    up: matrix(&name("ffn_up.weight"))?,
                    down: matrix(&name("ffn_down.weight"))?,
                    feed_forward_post_norm: norm(&name("post_ffw_norm.weight"))?,
                    reach,
                })
            })
            .collect::<Result<Vec<_>, LoadError>>()?;
        let output = match matrix("output.weight") {
            Err(LoadError::MissingTensor { .. }) => matrix("token_embd.weight"),
            other => other,
        }?;
        Ok(Self {
            embedding: file.tensor("token_embd.weight")?,
            blocks,
            norm: required("output_norm.weight")?,
            output,
            ropes: reaches.iter().map(|reach| Rope::new(model, *reach, factors.as_deref())).collect(),
            reaches,
        })
    }
}
