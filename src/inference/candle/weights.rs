//! Weights: which ones a model must have, and how they come out of the mapped file.

use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::ggml_file::qtensor_from_ggml;
use candle_core::quantized::gguf_file::TensorInfo;
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use memmap2::Mmap;

use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::Hyperparameters;
use super::kernels::Matrix;

/// Checks that every weight exists in the right shape, that none is left over, and that the tokenizer fits.
pub fn check(file: &Gguf, model: &Hyperparameters) -> Result<(), LoadError> {
    let mut found = file.shapes();
    let rows = found.get("token_embd.weight").and_then(|shape| shape.first()).copied();
    if let Some(rows) = rows.filter(|rows| *rows != model.vocabulary) {
        return Err(LoadError::TokenizerVocabularyMismatch { expected: rows, actual: model.vocabulary });
    }
    for (name, shape, required) in expected(model) {
        match found.remove(name.as_str()) {
            Some(actual) if actual == shape => {}
            Some(actual) => {
                return Err(LoadError::TensorShapeMismatch {
                    name,
                    expected: shape,
                    actual: actual.to_vec(),
                });
            }
            None if required => return Err(LoadError::MissingTensor { name }),
            None => {}
        }
    }
    match found.into_keys().min() {
        Some(name) => Err(LoadError::UnknownTensor { name: name.into() }),
        None => Ok(()),
    }
}

/// Name, shape and need of every tensor.
fn expected(model: &Hyperparameters) -> Vec<(String, Vec<usize>, bool)> {
    let (hidden, wide) = (model.hidden, model.feed_forward);
    let (queries, keys) = (model.heads * model.head_dim, model.kv_heads * model.head_dim);
    let mut all = vec![
        ("token_embd.weight".to_owned(), vec![model.vocabulary, hidden], true),
        ("output.weight".to_owned(), vec![model.vocabulary, hidden], false),
        ("output_norm.weight".to_owned(), vec![hidden], true),
        ("rope_freqs.weight".to_owned(), vec![model.head_dim / 2], false),
    ];
    for layer in 0..model.layers {
        let mut add = |name: &str, shape: &[usize], required: bool| {
            all.push((format!("blk.{layer}.{name}"), shape.to_vec(), required));
        };
        add("attn_norm.weight", &[hidden], true);
        add("attn_q.weight", &[queries, hidden], true);
        add("attn_k.weight", &[keys, hidden], true);
        add("attn_v.weight", &[keys, hidden], true);
        add("attn_q.bias", &[queries], model.qkv_bias);
        add("attn_k.bias", &[keys], model.qkv_bias);
        add("attn_v.bias", &[keys], model.qkv_bias);
        if model.head_norms {
            add("attn_q_norm.weight", &[model.head_dim], true);
            add("attn_k_norm.weight", &[model.head_dim], true);
        }
        add("attn_output.weight", &[hidden, queries], true);
        if model.post_norms {
            add("post_attention_norm.weight", &[hidden], true);
            add("post_ffw_norm.weight", &[hidden], true);
        }
        add("ffn_norm.weight", &[hidden], true);
        add("ffn_gate.weight", &[wide, hidden], true);
        add("ffn_up.weight", &[wide, hidden], true);
        add("ffn_down.weight", &[hidden, wide], true);
    }
    all
}

/// A tensor inside the mapped file, as it stands there.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    map: Arc<Mmap>,
    range: Range<usize>,
    dtype: GgmlDType,
    shape: Vec<usize>,
    name: String,
}

impl Raw {
    /// The tensor that `info` describes; an error where the file ends before it.
    pub(super) fn new(
        map: &Arc<Mmap>,
        offset: u64,
        name: &str,
        info: &TensorInfo,
    ) -> Result<Self, LoadError> {
        let truncated = || LoadError::Truncated { name: name.into() };
        let dtype = info.ggml_dtype;
        let elements = info.shape.elem_count();
        let start = offset.checked_add(info.offset).and_then(|start| usize::try_from(start).ok());
        let size = (elements / dtype.block_size()).checked_mul(dtype.type_size());
        let range = start.zip(size).and_then(|(start, size)| Some(start..start.checked_add(size)?));
        let range = range.filter(|range| range.end <= map.len()).ok_or_else(truncated)?;
        let shape = info.shape.dims().to_vec();
        if !elements.is_multiple_of(dtype.block_size())
            || shape.last().is_none_or(|width| !width.is_multiple_of(dtype.block_size()))
            || !(map.as_ptr() as usize + range.start).is_multiple_of(align_of::<f32>())
        {
            return Err(LoadError::Weights(format!("{name} does not consist of whole blocks")));
        }
        Ok(Self { map: map.clone(), range, dtype, shape, name: name.into() })
    }

    /// Its dimensions, outermost first.
    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Everything as numbers.
    pub(super) fn tensor(&self) -> Result<Tensor, LoadError> {
        self.expand(self.range.clone(), self.shape.clone())
    }

    /// Everything as a list of numbers.
    pub(super) fn numbers(&self) -> Result<Vec<f32>, LoadError> {
        let list = self.tensor()?.flatten_all().and_then(|tensor| tensor.to_vec1());
        list.map_err(|error| self.unusable(&error))
    }

    /// One row of a matrix as numbers.
    pub(super) fn row(&self, row: usize) -> Result<Vec<f32>, LoadError> {
        let [rows, width] = self.shape[..] else {
            return Err(LoadError::Weights(format!("{} is no matrix", self.name)));
        };
        if row >= rows {
            return Err(LoadError::Weights(format!("{} has no row {row}", self.name)));
        }
        let bytes = width / self.dtype.block_size() * self.dtype.type_size();
        let start = self.range.start + row * bytes;
        let tensor = self.expand(start..start + bytes, vec![width])?;
        tensor.to_vec1().map_err(|error| self.unusable(&error))
    }

    /// The matrix packed for the kernels. Types without a kernel are packed as numbers.
    pub(super) fn matrix(&self) -> Result<Matrix, LoadError> {
        let [outputs, inputs] = self.shape[..] else {
            return Err(LoadError::Weights(format!("{} is no matrix", self.name)));
        };
        let bytes = &self.map[self.range.clone()];
        let packed = Matrix::pack(self.dtype, bytes, outputs, inputs);
        let packed =
            if packed.is_some() { packed } else { Matrix::of_numbers(&self.numbers()?, outputs, inputs) };
        packed.ok_or_else(|| LoadError::Weights(format!("{} does not consist of whole blocks", self.name)))
    }

    /// As [`Self::matrix`], for whoever multiplies with many rows at a time: weights of up to six bits are rounded to
    /// seven, which takes less to multiply and adds little to what their own rounding lost.
    pub(super) fn matrix_for_many_rows(&self) -> Result<Matrix, LoadError> {
        if let [outputs, inputs] = self.shape[..]
            && self.dtype.type_size() * 8 < self.dtype.block_size() * 7
            && let Some(matrix) = Matrix::rounded(&self.numbers()?, outputs, inputs)
        {
            return Ok(matrix);
        }
        self.matrix()
    }

    /// Tells the system that the file's pages are not needed any more; they are read again where they are.
    pub(super) fn let_go(&self) {
        #[cfg(unix)]
        {
            let page = 4096;
            let start = self.range.start.next_multiple_of(page);
            let length = self.range.end.saturating_sub(start) / page * page;
            // SAFETY: the map is of a file and nobody writes to it, so that dropped pages come back as they were.
            let advice =
                unsafe { self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, length) };
            if let Err(error) = advice {
                tracing::debug!(%error, "the pages of a tensor stay in memory");
            }
        }
    }

    /// Everything as it stands in the file, on a device.
    pub(super) fn on(&self, device: &Device) -> Result<QTensor, LoadError> {
        qtensor_from_ggml(self.dtype, &self.map[self.range.clone()], self.shape.clone(), device)
            .map_err(|error| self.unusable(&error))
    }

    fn expand(&self, range: Range<usize>, shape: Vec<usize>) -> Result<Tensor, LoadError> {
        qtensor_from_ggml(self.dtype, &self.map[range], shape, &Device::Cpu)
            .and_then(|tensor| tensor.dequantize(&Device::Cpu)?.to_dtype(DType::F32))
            .map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &candle_core::Error) -> LoadError {
        LoadError::Weights(format!("{}: {error}", self.name))
    }
}
