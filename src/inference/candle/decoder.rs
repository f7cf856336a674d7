//! The forward pass of the llama, qwen2, qwen3 and gemma3 families.
//!
//! One block: RMS normalisation, attention over grouped keys and values with rotary positions, RMS normalisation,
//! gated feed-forward network; both with a residual. What sets the families apart is in [`Hyperparameters`]. The output
//! matrix is the embedding where the file has no other.
//!
//! Tokens of several sequences are read at once, and a token's scores do not depend on what is read beside it.

use super::attend::{Place, Table, attend};
use super::cache::{BlockShape, Sequence};
use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::{Activation, Hyperparameters};
use super::kernels::rows::{geglu, rms_norm, swiglu};
use super::kernels::{Matrix, Product, Rounded, multiply};
use super::linear::Linear;
use super::network::{Hold, Network};
use super::rope::Angles;
use super::team::each_row;
use super::weights::Raw;

/// A loaded model; it holds no state of a sequence.
pub struct Decoder {
    model: Hyperparameters,
    context: usize,
    network: Network<Packed>,
}

/// Weights packed for the kernels.
pub(super) struct Packed {
    epsilon: f32,
}

impl Hold for Packed {
    type Matrix = Matrix;
    type Linear = Linear;
    type Norm = Norm;

    fn matrix(&self, raw: &Raw) -> Result<Matrix, LoadError> {
        raw.matrix()
    }

    fn linear(&self, matrix: Matrix, bias: Option<Vec<f32>>) -> Result<Linear, LoadError> {
        Ok(Linear { matrix, bias })
    }

    fn norm(&self, weight: Vec<f32>) -> Result<Norm, LoadError> {
        Ok(Norm { weight, epsilon: self.epsilon })
    }
}

/// RMS normalisation.
pub(super) struct Norm {
    weight: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    fn rows(&self, x: &[f32], out: &mut Vec<f32>) {
        out.resize(x.len(), 0.0);
        let width = self.weight.len();
        each_row(out, width, |row, out| {
            rms_norm(&x[row * width..][..width], &self.weight, self.epsilon, out);
        });
    }

    /// One head, in place.
    pub(super) fn head(&self, x: &mut [f32], copy: &mut Vec<f32>) {
        copy.clear();
        copy.extend_from_slice(x);
        rms_norm(copy, &self.weight, self.epsilon, x);
    }
}

/// Tokens of one sequence, to be read in one forward pass.
pub struct Part<'a> {
    /// What was read before; afterwards the new tokens stand behind it.
    pub sequence: &'a mut Sequence,
    /// The new tokens.
    pub tokens: &'a [u32],
    /// Of how many tokens at the end scores are wanted.
    pub scores: usize,
}

/// Room that a forward pass computes in, to be used again and again.
#[derive(Default)]
pub struct Scratch {
    rounded: Rounded,
    x: Vec<f32>,
    normed: Vec<f32>,
    pub(super) query: Vec<f32>,
    pub(super) key: Vec<f32>,
    pub(super) value: Vec<f32>,
    pub(super) mixed: Vec<f32>,
    added: [Vec<f32>; 2],
    gate: Vec<f32>,
    up: Vec<f32>,
}

impl Decoder {
    /// Packs the weights of `file` for sequences of up to `context` tokens, cut to what the model was trained on.
    /// Every metadata value and every shape is checked first.
    pub fn load(file: &Gguf, context: usize) -> Result<Self, LoadError> {
        let model = Hyperparameters::read(file)?;
        let network = Network::load(file, &model, &Packed { epsilon: model.rms_epsilon as f32 })?;
        Ok(Self { context: context.min(model.context_length), network, model })
    }

    /// Shapes and constants.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.model
    }

    /// Longest sequence in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Number of tokens that scores are given for.
    pub fn vocabulary(&self) -> usize {
        self.network.output.outputs()
    }

    /// Reads the tokens of every part behind what its sequence holds. Returns the scores wanted, part after part and
    /// token after token, [`Self::vocabulary`] numbers each. Quick on a thread of a [`super::team::Team`].
    ///
    /// An error leaves the sequences as they were: it comes from tokens that the model does not have.
    pub fn forward(&self, parts: &mut [Part<'_>], scratch: &mut Scratch) -> Result<Vec<f32>, LoadError> {
        let Network { embedding, blocks, norm, output, reaches, ropes } = &self.network;
        let hidden = self.model.hidden;
        scratch.x.clear();
        for token in parts.iter().flat_map(|part| part.tokens) {
            let row = embedding.row(*token as usize)?;
            scratch.x.extend(row.into_iter().map(|value| value * self.model.embedding_scale));
        }
        let rows = scratch.x.len() / hidden;
        let shape = BlockShape::new(&self.model);
        let mut positions = Vec::with_capacity(rows);
        let mut tables = Vec::with_capacity(parts.len());
        for part in parts.iter_mut() {
            let first = positions.len();
            positions.extend((part.sequence.len()..).take(part.tokens.len()));
            let blocks = part.sequence.extend(shape, part.tokens.len());
            tables.push(Table { rows: first..positions.len(), blocks });
        }
        let angles: Vec<Angles> = ropes.iter().map(|rope| rope.angles(&positions)).collect();
        for (layer, block) in blocks.iter().enumerate() {
            let Scratch { rounded, x, normed, query, key, value, .. } = &mut *scratch;
            block.attention_norm.rows(x, normed);
            let mut products =
                [block.query.begin(rows, query), block.key.begin(rows, key), block.value.begin(rows, value)];
            multiply(normed, rounded, &mut products);
            let place = Place {
                shape,
                layer,
                positions: &positions,
                tables: &tables,
                window: reaches[block.reach].window,
                rope: &ropes[block.reach],
                angles: &angles[block.reach],
            };
            attend(&self.model, block, &place, scratch);
            let Scratch { rounded, x, normed, mixed, added, gate, up, .. } = &mut *scratch;
            let post = block.attention_post_norm.as_ref();
            add(&block.attention_output, post, mixed, x, rounded, added);
            block.feed_forward_norm.rows(x, normed);
            let wide = block.gate.outputs();
            for y in [&mut *gate, &mut *up] {
                y.clear();
                y.resize(rows * wide, 0.0);
            }
            let mut products =
                [Product { matrix: &block.gate, y: gate }, Product { matrix: &block.up, y: up }];
            multiply(normed, rounded, &mut products);
            each_row(gate, wide, |row, gate| {
                let up = &up[row * wide..][..wide];
                match self.model.activation {
                    Activation::Silu => swiglu(gate, up),
                    Activation::GeluTanh => geglu(gate, up),
                }
            });
            add(&block.down, block.feed_forward_post_norm.as_ref(), gate, x, rounded, added);
        }
        let mut last = Vec::new();
        let mut row = 0;
        for part in parts.iter() {
            row += part.tokens.len();
            let wanted = part.scores.min(part.tokens.len());
            last.extend_from_slice(&scratch.x[(row - wanted) * hidden..row * hidden]);
        }
        let mut scores = vec![0.0; last.len() / hidden * self.vocabulary()];
        if !last.is_empty() {
            norm.rows(&last, &mut scratch.normed);
            let product = Product { matrix: output, y: &mut scores };
            multiply(&scratch.normed, &mut scratch.rounded, &mut [product]);
        }
        Ok(scores)
    }
}

/// `x += from·Wᵀ`, normalised first where there is a norm; `room` is for that.
fn add(
    matrix: &Matrix,
    norm: Option<&Norm>,
    from: &[f32],
    x: &mut [f32],
    rounded: &mut Rounded,
    room: &mut [Vec<f32>; 2],
) {
    let Some(norm) = norm else {
        return multiply(from, rounded, &mut [Product { matrix, y: x }]);
    };
    let [given, normed] = room;
    given.clear();
    given.resize(x.len(), 0.0);
    multiply(from, rounded, &mut [Product { matrix, y: given }]);
    norm.rows(given, normed);
    x.iter_mut().zip(normed).for_each(|(x, normed)| *x += *normed);
}
