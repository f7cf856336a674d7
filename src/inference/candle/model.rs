//! A loaded model, wherever it computes.

use super::decoder::{Decoder, Part, Scratch};
use super::device::{ComputeDevice, DeviceDecoder};
use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::Hyperparameters;

/// What turns tokens into scores; it holds no state of a sequence.
pub enum Model {
    /// On the CPU, with kernels of our own, and the room that they compute in.
    Cpu(Box<Decoder>, Box<Scratch>),
    /// On a device, with candle's.
    Device(Box<DeviceDecoder>),
}

impl From<Decoder> for Model {
    fn from(decoder: Decoder) -> Self {
        Self::Cpu(Box::new(decoder), Box::default())
    }
}

impl Model {
    /// Loads `file` onto `device`, for sequences of up to `context` tokens, cut to what the model was trained on.
    pub fn load(file: &Gguf, context: usize, device: ComputeDevice) -> Result<Self, LoadError> {
        Ok(match device.open()? {
            None => Decoder::load(file, context)?.into(),
            Some(device) => Self::Device(Box::new(DeviceDecoder::load(file, context, device)?)),
        })
    }

    /// Shapes and constants.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        match self {
            Self::Cpu(decoder, _) => decoder.hyperparameters(),
            Self::Device(decoder) => decoder.hyperparameters(),
        }
    }

    /// Longest sequence in tokens.
    pub fn context(&self) -> usize {
        match self {
            Self::Cpu(decoder, _) => decoder.context(),
            Self::Device(decoder) => decoder.context(),
        }
    }

    /// Number of tokens that scores are given for.
    pub fn vocabulary(&self) -> usize {
        self.hyperparameters().vocabulary
    }

    /// Reads the tokens of every part behind what its sequence holds. Returns the scores wanted, part after part and
    /// token after token, [`Self::vocabulary`] numbers each. Quick on a thread of a [`super::team::Team`].
    ///
    /// A sequence stays with the model that has read its first token. An error leaves the sequences as they were.
    pub fn forward(&mut self, parts: &mut [Part<'_>]) -> Result<Vec<f32>, LoadError> {
        match self {
            Self::Cpu(decoder, scratch) => decoder.forward(parts, scratch),
            Self::Device(decoder) => decoder.forward(parts),
        }
    }
}
