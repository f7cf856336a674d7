//! The forward pass on a device.

use std::ops::Range;

use candle_core::quantized::QMatMul;
use candle_core::{Device, Module, Result, Tensor};
use candle_nn::ops::{rms_norm, softmax_last_dim};
use candle_nn::rotary_emb::{rope, rope_i};

use super::super::decoder::Part;
use super::super::error::LoadError;
use super::super::gguf::Gguf;
use super::super::hyperparameters::{Activation, Hyperparameters, RopeStyle};
use super::super::network::{Block, Hold, Network};
use super::super::weights::Raw;

/// A loaded model; it holds no state of a sequence.
pub struct DeviceDecoder {
    model: Hyperparameters,
    context: usize,
    device: Device,
    network: Network<OnDevice>,
}

/// Weights on a device.
struct OnDevice(Device);

struct Linear {
    matrix: QMatMul,
    bias: Option<Tensor>,
}

impl Hold for OnDevice {
    type Matrix = QMatMul;
    type Linear = Linear;
    type Norm = Tensor;

    /// What is not quantised becomes 32-bit floats.
    fn matrix(&self, raw: &Raw) -> std::result::Result<QMatMul, LoadError> {
        QMatMul::from_qtensor(raw.on(&self.0)?).map_err(|error| broken(&error))
    }

    fn linear(&self, matrix: QMatMul, bias: Option<Vec<f32>>) -> std::result::Result<Linear, LoadError> {
        Ok(Linear { matrix, bias: bias.map(|bias| self.norm(bias)).transpose()? })
    }

    fn norm(&self, weight: Vec<f32>) -> std::result::Result<Tensor, LoadError> {
        let length = weight.len();
        Tensor::from_vec(weight, length, &self.0).map_err(|error| broken(&error))
    }
}

impl Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.matrix.forward(x)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

/// What layers of one kind know of the rows of a forward pass.
struct Place {
    /// Cosines and sines of every row's position, `[rows, 1, width / 2]`.
    angles: [Tensor; 2],
    /// Of every sequence.
    views: Vec<View>,
}

/// What the rows of one sequence see of it.
struct View {
    positions: Range<usize>,
    /// What is added to the scores of attention, `[rows, 1, positions]`; a single row sees everything.
    mask: Option<Tensor>,
}

impl DeviceDecoder {
    /// Takes the weights of `file` to `device`, for sequences of up to `context` tokens, cut to what the model was
    /// trained on. Every metadata value and every shape is checked first.
    pub fn load(file: &Gguf, context: usize, device: Device) -> std::result::Result<Self, LoadError> {
        let model = Hyperparameters::read(file)?;
        let network = Network::load(file, &model, &OnDevice(device.clone()))?;
        Ok(Self { context: context.min(model.context_length), device, network, model })
    }

    /// Shapes and constants.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.model
    }

    /// Longest sequence in tokens.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Reads the tokens of every part behind what its sequence holds and returns the scores wanted, part after part.
    /// An error leaves the sequences as they were.
    pub fn forward(&self, parts: &mut [Part<'_>]) -> std::result::Result<Vec<f32>, LoadError> {
        let mut embedded = Vec::new();
        for token in parts.iter().flat_map(|part| part.tokens) {
            let row = self.network.embedding.row(*token as usize)?;
            embedded.extend(row.into_iter().map(|value| value * self.model.embedding_scale));
        }
        let scores = self.compute(embedded, parts).map_err(|error| broken(&error))?;
        for part in parts {
            part.sequence.advance(part.tokens.len());
        }
        Ok(scores)
    }

    fn compute(&self, embedded: Vec<f32>, parts: &mut [Part<'_>]) -> Result<Vec<f32>> {
        let rows = embedded.len() / self.model.hidden;
        if rows == 0 {
            return Ok(Vec::new());
        }
        let mut x = Tensor::from_vec(embedded, (rows, self.model.hidden), &self.device)?;
        let places = (0..self.network.ropes.len())
            .map(|reach| self.place(reach, parts))
            .collect::<Result<Vec<_>>>()?;
        for (layer, block) in self.network.blocks.iter().enumerate() {
            let normed = self.norm(&x, &block.attention_norm)?;
            let mixed = self.attention(&normed, layer, &places[block.reach], parts)?;
            let added = block.attention_output.forward(&mixed)?;
            x = (x + self.post_norm(added, block.attention_post_norm.as_ref())?)?;
            let normed = self.norm(&x, &block.feed_forward_norm)?;
            let added = self.feed_forward(&normed, block)?;
            x = (x + self.post_norm(added, block.feed_forward_post_norm.as_ref())?)?;
        }
        let mut last = Vec::new();
        let mut row = 0;
        for part in parts.iter() {
            row += part.tokens.len();
            let wanted = part.scores.min(part.tokens.len());
            if wanted > 0 {
                last.push(x.narrow(0, row - wanted, wanted)?);
            }
        }
        if last.is_empty() {
            // Nobody waits for numbers, but for the step: its errors and its time belong to it.
            self.device.synchronize()?;
            return Ok(Vec::new());
        }
        let last = self.norm(&Tensor::cat(&last, 0)?, &self.network.norm)?;
        self.network.output.forward(&last)?.flatten_all()?.to_vec1()
    }

    fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        rms_norm(x, weight, self.model.rms_epsilon as f32)
    }

    fn post_norm(&self, x: Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
        match weight {
            Some(weight) => self.norm(&x, weight),
            None => Ok(x),
        }
    }

    fn feed_forward(&self, x: &Tensor, block: &Block<OnDevice>) -> Result<Tensor> {
        let gate = block.gate.forward(x)?;
        let gate = match self.model.activation {
            Activation::Silu => gate.silu(),
            Activation::GeluTanh => gate.gelu(),
        }?;
        block.down.forward(&(gate * block.up.forward(x)?)?)
    }

    /// Where the rows stand for layers of one kind.
    fn place(&self, reach: usize, parts: &[Part<'_>]) -> Result<Place> {
        let mut positions = Vec::new();
        let mut views = Vec::with_capacity(parts.len());
        for part in parts {
            let first = part.sequence.len();
            let end = first + part.tokens.len();
            positions.extend(first..end);
            views.push(self.view(first..end, self.network.reaches[reach].window)?);
        }
        let angles = self.network.ropes[reach].angles(&positions);
        let tensor = |values: &[f32]| {
            Tensor::from_slice(values, (positions.len(), 1, self.model.head_dim / 2), &self.device)
        };
        Ok(Place { angles: [tensor(angles.cosines())?, tensor(angles.sines())?], views })
    }

    /// What the rows at `new` positions see.
    fn view(&self, new: Range<usize>, window: Option<usize>) -> Result<View> {
        let from = |position: usize| window.map_or(0, |window| (position + 1).saturating_sub(window));
        let positions = from(new.start)..new.end;
        if new.len() <= 1 {
            return Ok(View { positions, mask: None });
        }
        let mut mask = Vec::with_capacity(new.len() * positions.len());
        for row in new.clone() {
            let seen = from(row)..=row;
            let values = positions.clone().map(|at| if seen.contains(&at) { 0.0 } else { f32::NEG_INFINITY });
            mask.extend(values);
        }
        let mask = Tensor::from_vec(mask, (new.len(), 1, positions.len()), &self.device)?;
        Ok(View { positions, mask: Some(mask) })
    }

    /// Matrix products over the rows of all sequences; what is between them, one sequence after the other.
    fn attention(&self, x: &Tensor, layer: usize, place: &Place, parts: &mut [Part<'_>]) -> Result<Tensor> {
        let Hyperparameters { heads, kv_heads, query_scale, .. } = self.model;
        let block = &self.network.blocks[layer];
        let query = self.turn(&block.query.forward(x)?, heads, block.query_norm.as_ref(), place)?;
        let query = (query * f64::from(query_scale))?;
        let key = self.turn(&block.key.forward(x)?, kv_heads, block.key_norm.as_ref(), place)?;
        let value = self.split(&block.value.forward(x)?, kv_heads)?;
        let mut mixed = Vec::with_capacity(parts.len());
        let mut row = 0;
        for (part, view) in parts.iter_mut().zip(&place.views) {
            let tokens = part.tokens.len();
            if tokens == 0 {
                continue;
            }
            let by_head = |x: &Tensor| x.narrow(0, row, tokens)?.transpose(0, 1)?.contiguous();
            let new = [by_head(&key)?, by_head(&value)?];
            let length = part.sequence.len();
            let held = part.sequence.device.put(layer, length, &new)?;
            mixed.push(self.mix(&query.narrow(0, row, tokens)?, held, view)?);
            row += tokens;
        }
        Tensor::cat(&mixed, 0)
    }

    /// `[rows, heads · width]` as `[rows, heads, width]`.
    fn split(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        x.reshape((x.dim(0)?, heads, self.model.head_dim))
    }

    /// Splits into heads, normalises each where there is a norm, and rotates it by its row's position.
    fn turn(&self, x: &Tensor, heads: usize, norm: Option<&Tensor>, place: &Place) -> Result<Tensor> {
        let x = self.post_norm(self.split(x, heads)?, norm)?;
        let [cosines, sines] = &place.angles;
        // As a batch of sequences of one position each: every row has its own.
        let rotate = match self.model.architecture.rope_style() {
            RopeStyle::Interleaved => rope_i,
            RopeStyle::Halves => rope,
        };
        rotate(&x.unsqueeze(2)?, cosines, sines)?.squeeze(2)
    }

    /// Attention of one sequence; the query heads of a group share the keys and values of one head.
    fn mix(&self, query: &Tensor, held: &[Tensor; 2], view: &View) -> Result<Tensor> {
        let Hyperparameters { heads, kv_heads, head_dim, .. } = self.model;
        let (tokens, group) = (query.dim(0)?, heads / kv_heads);
        let (first, length) = (view.positions.start, view.positions.len());
        let [keys, values] = held;
        let (keys, values) = (keys.narrow(1, first, length)?, values.narrow(1, first, length)?);
        let query = query.reshape((tokens, kv_heads, group, head_dim))?.transpose(0, 1)?;
        let query = query.reshape((kv_heads, tokens * group, head_dim))?;
        let mut scores = query.matmul(&keys.t()?)?;
        if let Some(mask) = &view.mask {
            let split = scores.reshape((kv_heads, tokens, group, length))?;
            scores = split.broadcast_add(mask)?.reshape((kv_heads, tokens * group, length))?;
        }
        let mixed = softmax_last_dim(&scores)?.matmul(&values)?;
        let mixed = mixed.reshape((kv_heads, tokens, group, head_dim))?.transpose(0, 1)?;
        mixed.reshape((tokens, heads * head_dim))
    }
}

fn broken(error: &candle_core::Error) -> LoadError {
    LoadError::Device(error.to_string())
}
