//! Rotary position embedding (Su et al., 2021, <https://arxiv.org/abs/2104.09864>).

use candle_core::{Device, Result, Tensor};
use candle_nn::rotary_emb;

use super::hyperparameters::{Hyperparameters, RopeStyle};

/// Cosines and sines of the positions in use.
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
    style: RopeStyle,
}

impl Rope {
    /// Tables `[positions, head_dim / 2]`: the angle of position p and pair i is `p / (scale · base^(2i/d) · f_i)`,
    /// with `f` the file's own factors (`rope_freqs`, Llama 3.1) where there are any.
    pub fn new(model: &Hyperparameters, positions: usize, factors: Option<&[f32]>) -> Result<Self> {
        let half = model.head_dim / 2;
        let frequencies: Vec<f64> = (0..half)
            .map(|i| {
                let factor =
                    factors.and_then(|factors| factors.get(i)).map_or(1.0, |factor| f64::from(*factor));
                let exponent = -2.0 * i as f64 / model.head_dim as f64;
                model.rope_base.powf(exponent) / (model.rope_scale * factor)
            })
            .collect();
        let table = |f: fn(f64) -> f64| -> Result<Tensor> {
            let values: Vec<f32> = (0..positions)
                .flat_map(|position| {
                    frequencies.iter().map(move |frequency| f(position as f64 * frequency) as f32)
                })
                .collect();
            Tensor::from_vec(values, (positions, half), &Device::Cpu)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)?, style: model.architecture.rope_style() })
    }

    /// Rotates `x` of shape `[heads, tokens, head_dim]` whose first token stands at position `start`.
    pub fn rotate(&self, x: &Tensor, start: usize) -> Result<Tensor> {
        let tokens = x.dim(1)?;
        let (cos, sin) = (self.cos.narrow(0, start, tokens)?, self.sin.narrow(0, start, tokens)?);
        let x = x.unsqueeze(0)?;
        let rotated = match self.style {
            RopeStyle::Interleaved => rotary_emb::rope_i(&x, &cos, &sin),
            RopeStyle::Halves => rotary_emb::rope(&x, &cos, &sin),
        };
        rotated?.squeeze(0)
    }
}
