//! The encoder of BERT (Devlin et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): post-norm Transformer layers over
//! the texts of a batch laid one after the other, so that no padding is computed.

use candle_core::{Device, Tensor};
use half::f16;

use super::super::super::models::manifest::Pooling;
use super::super::kernels::attention::{HeadBlocks, POSITIONS, Query, attend, head_size, put};
use super::super::kernels::rows::{gelu, layer_norm, normalize};
use super::super::kernels::{Product, Rounded, multiply};
use super::super::linear::Linear;
use super::super::team::{Shared, each_row, share};
use super::super::weights::Raw;

/// Tokens that go through the layers together: enough to read each weight seldom, few enough that what lies between two
/// layers stays in the cache of a core.
const TOGETHER: usize = 256;

/// Sizes and constants of an encoder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Numbers a token.
    pub(super) hidden: usize,
    /// Attention heads; they divide `hidden`.
    pub(super) heads: usize,
    /// Added to a variance.
    pub(super) epsilon: f32,
    /// Position of the first token: 0 for BERT, 2 for XLM-RoBERTa, which counts from after its padding.
    pub(super) first_position: usize,
    /// How tokens become one vector.
    pub(super) pooling: Pooling,
}

/// Vectors of the vocabulary.
#[derive(Debug)]
pub(super) enum Words {
    /// In a mapped file; rows are expanded as they are needed.
    Mapped(Raw),
    /// In f32.
    Dense(Tensor),
}

impl Words {
    pub(super) fn dims(&self) -> Result<(usize, usize), String> {
        let shape = match self {
            Self::Mapped(words) => words.shape(),
            Self::Dense(words) => words.dims(),
        };
        match shape {
            [rows, width] => Ok((*rows, *width)),
            other => Err(format!("its token vectors have the shape {other:?}")),
        }
    }

    fn rows(&self, ids: &[u32]) -> Result<Vec<f32>, String> {
        match self {
            Self::Mapped(words) => {
                let mut all = Vec::new();
                for id in ids {
                    all.extend(words.row(*id as usize).map_err(|error| error.to_string())?);
                }
                Ok(all)
            }
            Self::Dense(words) => Tensor::new(ids, &Device::Cpu)
                .and_then(|ids| words.index_select(&ids, 0)?.flatten_all()?.to_vec1())
                .map_err(|error| error.to_string()),
        }
    }
}

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Norm {
    fn rows(&self, x: &mut [f32], epsilon: f32) {
        each_row(x, self.weight.len(), |_, row| layer_norm(row, &self.weight, &self.bias, epsilon));
    }
}

/// One Transformer layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// Queries, keys and values.
    pub(super) qkv: [Linear; 3],
    pub(super) output: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: Norm,
}

/// Room that a batch is computed in.
#[derive(Debug, Default)]
struct Scratch {
    rounded: Rounded,
    qkv: [Vec<f32>; 3],
    context: Vec<f32>,
    wide: Vec<f32>,
    /// Keys and values of every head of every text.
    heads: Vec<f16>,
}

/// A whole encoder.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) shape: Shape,
    pub(super) words: Words,
    pub(super) vocabulary: usize,
    /// `positions × hidden`, the vector of token type 0 added.
    pub(super) positions: Vec<f32>,
    pub(super) norm: Norm,
    pub(super) layers: Vec<Layer>,
}

impl Encoder {
    /// Numbers a vector.
    pub(super) fn dimensions(&self) -> usize {
        self.shape.hidden
    }

    /// Token vectors it has.
    pub(super) fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Longest text in tokens.
    pub(super) fn max_tokens(&self) -> usize {
        (self.positions.len() / self.shape.hidden).saturating_sub(self.shape.first_position)
    }

    /// One unit vector a text. Every text has at least one token, at most [`Self::max_tokens`], and all ids are below
    /// [`Self::vocabulary`].
    pub(super) fn encode(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, String> {
        let mut scratch = Scratch::default();
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fitting = rest.iter().take_while(|text| {
                tokens += text.len();
                tokens <= TOGETHER
            });
            let (some, others) = rest.split_at(fitting.count().max(1));
            vectors.extend(self.layers(some, &mut scratch)?);
            rest = others;
        }
        Ok(vectors)
    }

    fn layers(&self, texts: &[&[u32]], scratch: &mut Scratch) -> Result<Vec<Vec<f32>>, String> {
        let Shape { hidden, epsilon, first_position, .. } = self.shape;
        let ids = texts.concat();
        let mut x = self.words.rows(&ids)?;
        let places = texts.iter().flat_map(|text| first_position..first_position + text.len());
        for (row, place) in x.chunks_exact_mut(hidden).zip(places) {
            add(row, &self.positions[place * hidden..][..hidden]);
        }
        self.norm.rows(&mut x, epsilon);
        for layer in &self.layers {
            let Scratch { rounded, qkv, .. } = &mut *scratch;
            let mut products: Vec<Product<'_>> =
                layer.qkv.iter().zip(qkv).map(|(linear, y)| linear.begin(ids.len(), y)).collect();
            multiply(&x, rounded, &mut products);
            self.attend(texts, scratch);
            let Scratch { rounded, context, wide, .. } = &mut *scratch;
            layer.output.add(context, &mut x, rounded);
            layer.attention_norm.rows(&mut x, epsilon);
            multiply(&x, rounded, &mut [layer.up.begin(ids.len(), wide)]);
            each_row(wide, layer.up.matrix.outputs(), |_, row| gelu(row));
            layer.down.add(wide, &mut x, rounded);
            layer.output_norm.rows(&mut x, epsilon);
        }
        let mut at = 0;
        Ok(texts
            .iter()
            .map(|text| {
                let rows = &x[at * hidden..(at + text.len()) * hidden];
                at += text.len();
                self.pool(rows)
            })
            .collect())
    }

    fn pool(&self, rows: &[f32]) -> Vec<f32> {
        let hidden = self.shape.hidden;
        let mut vector = rows[..hidden].to_vec();
        if self.shape.pooling == Pooling::Mean {
            for row in rows.chunks_exact(hidden).skip(1) {
                add(&mut vector, row);
            }
        }
        normalize(&mut vector); // the mean's division by the length falls away
        vector
    }

    /// Scaled dot-product attention (Vaswani et al. 2017), every text over its own tokens.
    fn attend(&self, texts: &[&[u32]], scratch: &mut Scratch) {
        let Shape { hidden, heads, .. } = self.shape;
        let width = hidden / heads;
        let scale = 1.0 / (width as f32).sqrt();
        let size = head_size(width);
        let Scratch { qkv: [query, key, value], context, heads: room, .. } = scratch;
        for value in query.iter_mut() {
            *value *= scale;
        }
        context.resize(query.len(), 0.0);
        // Of every text and head: its first row, its rows, the head, where its keys and values begin.
        let mut work = Vec::with_capacity(texts.len() * heads);
        let (mut row, mut at) = (0, 0);
        for text in texts {
            for head in 0..heads {
                work.push((row, text.len(), head, at));
                at += text.len().div_ceil(POSITIONS) * size;
            }
            row += text.len();
        }
        room.resize(at, f16::ZERO);
        let (room, out) = (Shared::new(room.as_mut_ptr()), Shared::new(context.as_mut_ptr()));
        share(work.len(), |index| {
            let (first, rows, head, at) = work[index];
            let from = |row: usize| (first + row) * hidden + head * width;
            let blocks: Vec<*mut f16> =
                (0..rows.div_ceil(POSITIONS)).map(|block| room.at(at + block * size)).collect();
            for row in 0..rows {
                let (block, place) = (blocks[row / POSITIONS], row % POSITIONS);
                let (key, value) = (&key[from(row)..][..width], &value[from(row)..][..width]);
                // SAFETY: `room` has `size` numbers for every block, and this text and head is this part's alone.
                unsafe { put(block, place, key, value) };
            }
            let queries: Vec<Query<'_>> = (0..rows)
                .map(|row| Query {
                    values: &query[from(row)..][..width],
                    sees: (0, rows - 1),
                    out: out.at(from(row)),
                })
                .collect();
            let blocks: Vec<*const f16> = blocks.into_iter().map(<*mut f16>::cast_const).collect();
            // SAFETY: the blocks reach to the last row; every query's result is its own.
            unsafe { attend(&queries, HeadBlocks { blocks: &blocks, width }, &mut Vec::new()) }
        });
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
