//! Rotary position embedding (Su et al., 2021, <https://arxiv.org/abs/2104.09864>).

use super::hyperparameters::{Hyperparameters, Reach, RopeStyle};
use super::kernels::rows::{rotate_halves, rotate_pairs};

/// The frequencies of one kind of layer.
#[derive(Debug)]
pub struct Rope {
    /// Radians a position, for each pair of elements.
    frequencies: Vec<f64>,
    style: RopeStyle,
}

/// Cosines and sines of some positions, `[positions, head_dim / 2]` each.
#[derive(Debug, Default)]
pub struct Angles {
    cosines: Vec<f32>,
    sines: Vec<f32>,
}

impl Angles {
    /// Cosines, position after position.
    pub fn cosines(&self) -> &[f32] {
        &self.cosines
    }

    /// Sines, position after position.
    pub fn sines(&self) -> &[f32] {
        &self.sines
    }
}

impl Rope {
    /// The angle of position p and pair i is `p / (scale · base^(2i/d) · f_i)`, with `f` the file's own factors
    /// (`rope_freqs`, Llama 3.1) where there are any.
    pub fn new(model: &Hyperparameters, reach: Reach, factors: Option<&[f32]>) -> Self {
        let frequencies = (0..model.head_dim / 2)
            .map(|i| {
                let factor =
                    factors.and_then(|factors| factors.get(i)).map_or(1.0, |factor| f64::from(*factor));
                let exponent = -2.0 * i as f64 / model.head_dim as f64;
                reach.rope_base.powf(exponent) / (reach.rope_scale * factor)
            })
            .collect();
        Self { frequencies, style: model.architecture.rope_style() }
    }

    /// The angles of the positions.
    pub fn angles(&self, positions: &[usize]) -> Angles {
        let (sines, cosines) = positions
            .iter()
            .flat_map(|position| self.frequencies.iter().map(|frequency| *position as f64 * frequency))
            .map(|angle| {
                let (sine, cosine) = angle.sin_cos();
                (sine as f32, cosine as f32)
            })
            .unzip();
        Angles { cosines, sines }
    }

    /// Rotates one head by the angles of the `index`th position.
    pub fn rotate(&self, head: &mut [f32], angles: &Angles, index: usize) {
        let half = self.frequencies.len();
        let (cosines, sines) =
            (&angles.cosines[index * half..][..half], &angles.sines[index * half..][..half]);
        match self.style {
            RopeStyle::Interleaved => rotate_pairs(head, cosines, sines),
            RopeStyle::Halves => rotate_halves(head, cosines, sines),
        }
    }
}
