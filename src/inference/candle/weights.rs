//! Weights: which ones a model must have, how they are mapped, and the one [`Linear`] that multiplies with them.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use candle_core::quantized::gguf_file::TensorInfo;
use candle_core::quantized::k_quants::{
    self, BlockQ2K, BlockQ3K, BlockQ4_0, BlockQ4_1, BlockQ4K, BlockQ5_0, BlockQ5_1, BlockQ5K, BlockQ6K,
    BlockQ8_0,
};
use candle_core::quantized::{GgmlDType, GgmlType, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, DType, Device, Result, Tensor};
use half::{bf16, f16};
use memmap2::Mmap;

use super::error::LoadError;
use super::gguf::Gguf;
use super::hyperparameters::{Architecture, Hyperparameters};

/// Checks that every weight exists in the right shape, that none is left over, and that the tokenizer fits.
pub fn check(file: &Gguf, model: &Hyperparameters) -> std::result::Result<(), LoadError> {
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
    let bias = model.architecture == Architecture::Qwen2;
    let normed = model.architecture == Architecture::Qwen3;
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
        add("attn_q.bias", &[queries], bias);
        add("attn_k.bias", &[keys], bias);
        add("attn_v.bias", &[keys], bias);
        if normed {
            add("attn_q_norm.weight", &[model.head_dim], true);
            add("attn_k_norm.weight", &[model.head_dim], true);
        }
        add("attn_output.weight", &[hidden, queries], true);
        add("ffn_norm.weight", &[hidden], true);
        add("ffn_gate.weight", &[wide, hidden], true);
        add("ffn_up.weight", &[wide, hidden], true);
        add("ffn_down.weight", &[hidden, wide], true);
    }
    all
}

/// Blocks of a quantised tensor inside the mapped file.
struct Mapped<T> {
    map: Arc<Mmap>,
    start: usize,
    blocks: usize,
    kind: PhantomData<T>,
}

impl<T: GgmlType + Send + Sync> Mapped<T> {
    fn blocks(&self) -> &[T] {
        let bytes = &self.map[self.start..self.start + self.blocks * size_of::<T>()];
        // SAFETY: `mapped` checked the range and the alignment; the block types are plain numbers, valid for every
        // bit pattern, and the map lives as long as `self`.
        unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast::<T>(), self.blocks) }
    }
}

impl<T: GgmlType + Send + Sync> QuantizedType for Mapped<T> {
    fn dtype(&self) -> GgmlDType {
        T::DTYPE
    }

    fn matmul_t(&self, mkn: (usize, usize, usize), lhs: &[f32], dst: &mut [f32]) -> Result<()> {
        k_quants::matmul(mkn, lhs, self.blocks(), dst)
    }

    fn matmul_t_f16(&self, _: (usize, usize, usize), _: &[f16], _: &mut [f16]) -> Result<()> {
        Err(candle_core::Error::Msg("activations are f32".into()))
    }

    fn embedding(&self, ids: &[u32], rows: usize, hidden: usize) -> Result<CpuStorage> {
        let width = hidden / T::BLCK_SIZE;
        let mut out = vec![0f32; ids.len() * hidden];
        for (id, out) in ids.iter().zip(out.chunks_exact_mut(hidden)) {
            let row = *id as usize;
            if row >= rows {
                return Err(candle_core::Error::Msg(format!("token {row} is not one of {rows}")));
            }
            T::to_float(&self.blocks()[row * width..(row + 1) * width], out);
        }
        Ok(CpuStorage::F32(out))
    }

    fn dequantize(&self, elements: usize) -> Result<CpuStorage> {
        let mut out = vec![0f32; elements];
        T::to_float(self.blocks(), &mut out);
        Ok(CpuStorage::F32(out))
    }

    fn storage_size_in_bytes(&self) -> usize {
        self.blocks * size_of::<T>()
    }

    fn as_ptr(&self) -> *const u8 {
        self.blocks().as_ptr().cast()
    }

    fn block_size(&self) -> usize {
        T::BLCK_SIZE
    }

    /// Does nothing: a mapped file is not written to, and nothing here quantises.
    fn from_float(&mut self, _: &[f32]) {}

    /// Does nothing, like `from_float`.
    fn from_float_imatrix(&mut self, _: &[f32], _: &[f32], _: usize) {}

    fn size(&self) -> usize {
        self.storage_size_in_bytes()
    }
}

/// A tensor that stays in the mapped file.
pub(super) fn mapped(
    map: &Arc<Mmap>,
    data_offset: u64,
    name: &str,
    info: &TensorInfo,
) -> std::result::Result<QTensor, LoadError> {
    fn place<T: GgmlType + Send + Sync + 'static>(
        map: &Arc<Mmap>,
        start: Option<usize>,
        elements: usize,
    ) -> Option<QStorage> {
        let start = start?;
        let blocks = elements / T::BLCK_SIZE;
        let end = start.checked_add(blocks.checked_mul(size_of::<T>())?)?;
        let aligned = (map.as_ptr() as usize + start).is_multiple_of(align_of::<T>());
        (end <= map.len() && aligned && elements.is_multiple_of(T::BLCK_SIZE)).then(|| {
            QStorage::Cpu(Box::new(Mapped::<T> { map: map.clone(), start, blocks, kind: PhantomData }))
        })
    }
    let start = data_offset.checked_add(info.offset).and_then(|start| usize::try_from(start).ok());
    let elements = info.shape.elem_count();
    let storage = match info.ggml_dtype {
        GgmlDType::F32 => place::<f32>(map, start, elements),
        GgmlDType::F16 => place::<f16>(map, start, elements),
        GgmlDType::BF16 => place::<bf16>(map, start, elements),
        GgmlDType::Q4_0 => place::<BlockQ4_0>(map, start, elements),
        GgmlDType::Q4_1 => place::<BlockQ4_1>(map, start, elements),
        GgmlDType::Q5_0 => place::<BlockQ5_0>(map, start, elements),
        GgmlDType::Q5_1 => place::<BlockQ5_1>(map, start, elements),
        GgmlDType::Q8_0 => place::<BlockQ8_0>(map, start, elements),
        GgmlDType::Q2K => place::<BlockQ2K>(map, start, elements),
        GgmlDType::Q3K => place::<BlockQ3K>(map, start, elements),
        GgmlDType::Q4K => place::<BlockQ4K>(map, start, elements),
        GgmlDType::Q5K => place::<BlockQ5K>(map, start, elements),
        GgmlDType::Q6K => place::<BlockQ6K>(map, start, elements),
        other => {
            return Err(LoadError::UnsupportedFeature { feature: format!("weights of type {other:?}") });
        }
    };
    let storage = storage.ok_or_else(|| LoadError::Truncated { name: name.into() })?;
    QTensor::new(storage, info.shape.clone()).map_err(|error| LoadError::Weights(format!("{name}: {error}")))
}

/// A matrix `[n, k]` and an optional bias `[n]`: maps rows of width k to rows of width n.
pub struct Linear {
    weight: Arc<QTensor>,
    bias: Option<Tensor>,
}

impl Linear {
    /// From a mapped matrix and an f32 vector.
    pub fn new(weight: Arc<QTensor>, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// `x·Wᵀ + b` for `x` of shape `[rows, k]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.shifted(x.apply_op1_no_bwd(self.weight.as_ref())?)
    }

    /// Several products of the same `x`. With one row they share its quantisation where the kernels allow it.
    pub fn forward_all<const N: usize>(linears: [&Self; N], x: &Tensor) -> Result<[Tensor; N]> {
        let mut out: Vec<Tensor> = Vec::with_capacity(N);
        if x.dim(0)? == 1 {
            let weights: Vec<&QTensor> = linears.iter().map(|linear| linear.weight.as_ref()).collect();
            for shared in (2..=N).rev() {
                if let Some(products) = QTensor::gemv_fused_shared_lhs(&weights[..shared], x)? {
                    for (product, linear) in products.into_iter().zip(linears) {
                        out.push(linear.shifted(product)?);
                    }
                    break;
                }
            }
        }
        for linear in &linears[out.len()..] {
            out.push(linear.forward(x)?);
        }
        out.try_into().map_err(|_| candle_core::Error::Msg("a product is missing".into()))
    }

    fn shifted(&self, product: Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// The weights of one file by name, as the decoder takes them.
pub struct Weights<'a> {
    file: &'a Gguf,
    shared: HashMap<String, Arc<QTensor>>,
}

impl<'a> Weights<'a> {
    /// Over a file that passed [`check`].
    pub fn new(file: &'a Gguf) -> Self {
        Self { file, shared: HashMap::new() }
    }

    /// A matrix, quantised.
    pub fn matrix(&mut self, name: &str) -> std::result::Result<Arc<QTensor>, LoadError> {
        if let Some(tensor) = self.shared.get(name) {
            return Ok(tensor.clone());
        }
        let tensor = Arc::new(self.file.tensor(name)?);
        self.shared.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// A vector as f32; `None` where it does not exist.
    pub fn vector(&self, name: &str) -> std::result::Result<Option<Tensor>, LoadError> {
        match self.file.tensor(name) {
            Err(LoadError::MissingTensor { .. }) => Ok(None),
            Err(error) => Err(error),
            Ok(tensor) => tensor
                .dequantize(&Device::Cpu)
                .and_then(|tensor| tensor.to_dtype(DType::F32))
                .map(Some)
                .map_err(|error| LoadError::Weights(format!("{name}: {error}"))),
        }
    }

    /// A vector that must exist.
    pub fn required(&self, name: &str) -> std::result::Result<Tensor, LoadError> {
        self.vector(name)?.ok_or_else(|| LoadError::MissingTensor { name: name.into() })
    }
}
