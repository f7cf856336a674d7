//! The encoder of BERT (Devlin et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): post-norm Transformer layers over
//! the texts of a batch laid one after the other, so that no padding is computed.

use candle_core::quantized::QTensor;
use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::super::super::models::manifest::Pooling;
use super::blocks::Activations;
use super::linear::{Add, Linear, Matrix, Operand, product};
use super::math::{gelu, layer_norm, normalize, softmax};

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
    /// In blocks; rows are expanded as they are needed.
    Quantised(QTensor),
    /// In f32.
    Dense(Tensor),
}

impl Words {
    pub(super) fn dims(&self) -> candle_core::Result<(usize, usize)> {
        match self {
            Self::Quantised(words) => words.shape().dims2(),
            Self::Dense(words) => words.dims2(),
        }
    }

    fn rows(&self, ids: &[u32]) -> candle_core::Result<Vec<f32>> {
        let ids = Tensor::new(ids, &Device::Cpu)?;
        let rows = match self {
            Self::Quantised(words) => words.embedding(&ids)?,
            Self::Dense(words) => words.index_select(&ids, 0)?,
        };
        rows.flatten_all()?.to_vec1()
    }
}

/// Weight and bias of a layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// One Transformer layer.
#[derive(Debug)]
pub(super) struct Layer {
    /// Queries, keys and values in one product.
    pub(super) qkv: Linear,
    pub(super) output: Linear,
    pub(super) attention_norm: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: Norm,
}

/// Room that a thread computes in.
#[derive(Debug, Default)]
struct Scratch {
    activations: Activations,
    narrow: Vec<f32>,
    wide: Vec<f32>,
}

impl Layer {
    /// What follows attention: `context` is its result, `x` the input of the layer and then its output.
    fn rest(&self, x: &mut [f32], context: &[f32], epsilon: f32, scratch: &mut Scratch) {
        let Scratch { activations, narrow, wide } = scratch;
        narrow.resize(x.len(), 0.0);
        wide.resize(x.len() / self.output.outputs() * self.up.outputs(), 0.0);
        self.output.apply(context, narrow, activations);
        normalise(x, Some(narrow), &self.attention_norm, epsilon);
        self.up.apply(x, wide, activations);
        gelu(wide);
        self.down.apply(wide, narrow, activations);
        normalise(x, Some(narrow), &self.output_norm, epsilon);
    }
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
        let Shape { hidden, epsilon, first_position, .. } = self.shape;
        let ids = texts.concat();
        let mut x = self.words.rows(&ids).map_err(|error| error.to_string())?;
        let places = texts.iter().flat_map(|text| first_position..first_position + text.len());
        for (row, place) in x.chunks_exact_mut(hidden).zip(places) {
            add(row, &self.positions[place * hidden..][..hidden]);
        }
        let Some(first) = self.layers.first() else {
            return Err("the encoder has no layers".into());
        };
        // Everything but attention works on single tokens: each thread takes a run of them from one attention to the
        // next.
        let run = ids.len().div_ceil(rayon::current_num_threads()).max(1);
        let mut qkv = vec![0.0; ids.len() * 3 * hidden];
        let mut context = vec![0.0; ids.len() * hidden];
        let mut scratch: Vec<Scratch> = Vec::new();
        scratch.resize_with(ids.len().div_ceil(run), Scratch::default);
        x.par_chunks_mut(run * hidden).zip(qkv.par_chunks_mut(run * 3 * hidden)).zip(&mut scratch).for_each(
            |((x, qkv), scratch)| {
                normalise(x, None, &self.norm, epsilon);
                first.qkv.apply(x, qkv, &mut scratch.activations);
            },
        );
        for (index, layer) in self.layers.iter().enumerate() {
            self.attend(texts, &qkv, &mut context);
            x.par_chunks_mut(run * hidden)
                .zip(context.par_chunks(run * hidden))
                .zip(qkv.par_chunks_mut(run * 3 * hidden))
                .zip(&mut scratch)
                .for_each(|(((x, context), qkv), scratch)| {
                    layer.rest(x, context, epsilon, scratch);
                    if let Some(next) = self.layers.get(index + 1) {
                        next.qkv.apply(x, qkv, &mut scratch.activations);
                    }
                });
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
    fn attend(&self, texts: &[&[u32]], qkv: &[f32], context: &mut [f32]) {
        let Shape { hidden, heads, .. } = self.shape;
        let width = hidden / heads;
        let scale = 1.0 / (width as f32).sqrt();
        let mut rest = context;
        let mut at = 0;
        let mut pieces = Vec::with_capacity(texts.len());
        for text in texts {
            let (out, after) = rest.split_at_mut(text.len() * hidden);
            rest = after;
            pieces.push((&qkv[at * 3 * hidden..(at + text.len()) * 3 * hidden], out));
            at += text.len();
        }
        pieces.into_par_iter().for_each(|(qkv, out)| {
            let length = out.len() / hidden;
            let heads: Vec<Vec<f32>> = (0..heads)
                .into_par_iter()
                .map(|head| {
                    let part = |which: usize| &qkv[which * hidden + head * width..];
                    let mut scores = vec![0.0; length * length];
                    product(
                        Matrix { at: &mut scores, rows: length, columns: length, stride: length },
                        Operand { at: part(0), row: 3 * hidden, column: 1 },
                        Operand { at: part(1), row: 1, column: 3 * hidden },
                        width,
                        Add::Replace,
                    );
                    scores.chunks_exact_mut(length).for_each(|row| softmax(row, scale));
                    let mut mixed = vec![0.0; length * width];
                    product(
                        Matrix { at: &mut mixed, rows: length, columns: width, stride: width },
                        Operand { at: &scores, row: length, column: 1 },
                        Operand { at: part(2), row: 3 * hidden, column: 1 },
                        length,
                        Add::Replace,
                    );
                    mixed
                })
                .collect();
            for (head, mixed) in heads.iter().enumerate() {
                for (row, values) in out.chunks_exact_mut(hidden).zip(mixed.chunks_exact(width)) {
                    row[head * width..][..width].copy_from_slice(values);
                }
            }
        });
    }
}

/// `x ← norm(x + y)`, row by row.
fn normalise(x: &mut [f32], y: Option<&[f32]>, norm: &Norm, epsilon: f32) {
    let hidden = norm.weight.len();
    for (index, row) in x.chunks_exact_mut(hidden).enumerate() {
        if let Some(y) = y {
            add(row, &y[index * hidden..][..hidden]);
        }
        layer_norm(row, &norm.weight, &norm.bias, epsilon);
    }
}

fn add(x: &mut [f32], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += y;
    }
}
