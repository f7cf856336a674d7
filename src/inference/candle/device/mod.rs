//! The decoder on a graphics card, in candle's tensors.
//!
//! [`ComputeDevice`] is the setting. [`DeviceDecoder`] does what [`super::decoder`] does on the CPU: it reads tokens of
//! several sequences in one forward pass and gives their scores. Matrices keep their quantisation; everything else, keys
//! and values among it ([`cache`]), is in 32-bit floats. The code names no kind of device, and the tests run it on the CPU
//! too. The feature `cuda` brings candle's kernels for NVIDIA cards.
//!
//! What differs from the CPU: what one sequence has read is not shared with another, so that no prompt's beginning is
//! known from an earlier one; and the kernels for up to 8 rows and for more add in another order, so that in the last
//! digits a token's scores do depend on how many are read beside it.

pub mod cache;
mod decoder;

use candle_core::{Device, Error};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::LoadError;

pub use decoder::DeviceDecoder;

/// Where the chat model computes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ComputeDevice {
    /// The CPU.
    #[default]
    Cpu,
    /// The first NVIDIA card that `CUDA_VISIBLE_DEVICES` shows. Only where Ponto was built with the feature `cuda`.
    Cuda,
}

impl ComputeDevice {
    /// The device; `None` is the CPU, which has a decoder of its own.
    pub fn open(self) -> Result<Option<Device>, LoadError> {
        match self {
            Self::Cpu => Ok(None),
            // One stream for all threads: by default candle takes each thread's own, and nothing orders those.
            Self::Cuda => match Device::new_cuda_with_stream(0) {
                Ok(device) => Ok(Some(device)),
                Err(Error::NotCompiledWithCudaSupport) => Err(LoadError::WithoutCuda),
                Err(error) => Err(LoadError::NoDevice(error.to_string())),
            },
        }
    }

    /// What stands for a model on this device in a calibration's key: the scores differ in their last digits.
    pub fn fingerprint(self, model: &str) -> String {
        match self {
            Self::Cpu => model.to_owned(),
            Self::Cuda => hex::encode(Sha256::digest(format!("cuda\n{model}"))),
        }
    }
}
