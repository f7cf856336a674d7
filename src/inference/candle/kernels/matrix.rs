//! A weight matrix in tiles.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use std::ops::Range;

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use rayon::prelude::*;

use super::activations::Activations;
use super::dense;
use super::flat::OfBlocks;
use super::formats::{BLOCK, Bits, Eight, Five, Four, Nested, SUPER, Simple, Six, Symmetric, WithMinimums};
use super::lines::{Line, Lines};
use super::nested::OfSuperblocks;
use super::product::{PAIR, Panel, Results, Tiles, product};
use super::seven::{self, SHARED};
use super::simd::{LANES, Simd, WIDTH};
use super::{Task, dispatch};

/// The words of the longest block there is.
const MOST_WORDS: usize = <Symmetric as Nested>::WORDS;

/// How the weights are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4K,
    Q5K,
    Q6K,
    F16,
    F32,
    /// Of no model file: [`seven`].
    Seven,
}

/// `outputs × inputs` weights, packed for the kernels; as many bytes as in the file, to within a few in a hundred.
#[derive(Debug)]
pub struct Matrix {
    format: Format,
    words: Lines,
    scales: Vec<f16>,
    inputs: usize,
    outputs: usize,
}

impl Matrix {
    /// Packs the rows of a GGUF tensor. `None` where `bytes` is not of this size or the type has no kernel; such
    /// weights come [as numbers](Self::of_numbers).
    pub fn pack(dtype: GgmlDType, bytes: &[u8], outputs: usize, inputs: usize) -> Option<Self> {
        let format = match dtype {
            GgmlDType::Q4_0 => Format::Q4_0,
            GgmlDType::Q4_1 => Format::Q4_1,
            GgmlDType::Q5_0 => Format::Q5_0,
            GgmlDType::Q5_1 => Format::Q5_1,
            GgmlDType::Q8_0 => Format::Q8_0,
            GgmlDType::Q4K => Format::Q4K,
            GgmlDType::Q5K => Format::Q5K,
            GgmlDType::Q6K => Format::Q6K,
            GgmlDType::F16 => Format::F16,
            GgmlDType::F32 | GgmlDType::BF16 => Format::F32,
            _ => return None,
        };
        let layout = format.layout();
        let elements = outputs.checked_mul(inputs)?;
        let (block, size) = (dtype.block_size(), dtype.type_size());
        if elements == 0
            || !inputs.is_multiple_of(layout.inputs)
            || bytes.len() != (elements / block).checked_mul(size)?
        {
            return None;
        }
        let tiles = outputs.div_ceil(LANES * PAIR) * PAIR;
        let blocks = inputs / layout.inputs;
        let mut words = Lines::zeroed(tiles * blocks * layout.words)?;
        let mut scales = vec![f16::ZERO; tiles * blocks * layout.scales * LANES];
        let row_bytes = bytes.len() / outputs;
        let block_bytes = layout.inputs / block * size;
        let pair_words = PAIR * blocks * layout.words;
        let pair_scales = PAIR * blocks * layout.scales * LANES;
        let pack_pair = |pair: usize, words: &mut [Line], scales: &mut [f16]| {
            let mut one = [[0; 4]; MOST_WORDS];
            let rows = bytes.chunks_exact(row_bytes).skip(pair * PAIR * LANES).take(PAIR * LANES);
            for (output, row) in rows.enumerate() {
                let (tile, lane) = (output / LANES, output % LANES);
                for (index, block) in row.chunks_exact(block_bytes).enumerate() {
                    let at = index * PAIR + tile;
                    let (numbers, rest) = block.split_at(2 * layout.scales);
                    format.pack(dtype, rest, &mut one);
                    let lines = &mut words[index * PAIR * layout.words..][..PAIR * layout.words];
                    for (word, bytes) in one[..layout.words].iter().enumerate() {
                        let line = layout.line(tile, word);
                        lines[line].0[lane * 4..][..4].copy_from_slice(bytes);
                    }
                    for (scale, bytes) in numbers.chunks_exact(2).enumerate() {
                        scales[(at * layout.scales + scale) * LANES + lane] =
                            f16::from_le_bytes([bytes[0], bytes[1]]);
                    }
                }
            }
        };
        if layout.scales == 0 {
            words
                .par_chunks_mut(pair_words)
                .enumerate()
                .for_each(|(pair, words)| pack_pair(pair, words, &mut []));
        } else {
            words
                .par_chunks_mut(pair_words)
                .zip(scales.par_chunks_mut(pair_scales))
                .enumerate()
                .for_each(|(pair, (words, scales))| pack_pair(pair, words, scales));
        }
        Some(Self { format, words, scales, inputs, outputs })
    }

    /// From `outputs × inputs` numbers; `None` where there are not so many.
    pub fn of_numbers(numbers: &[f32], outputs: usize, inputs: usize) -> Option<Self> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::pack(GgmlDType::F32, &bytes, outputs, inputs)
    }

    /// From `outputs × inputs` numbers, rounded to seven bits; `None` where there are not so many, or the inputs are no
    /// multiple of 128.
    pub fn rounded(numbers: &[f32], outputs: usize, inputs: usize) -> Option<Self> {
        if numbers.is_empty()
            || numbers.len() != outputs.checked_mul(inputs)?
            || !inputs.is_multiple_of(SHARED)
        {
            return None;
        }
        let tiles = outputs.div_ceil(LANES * PAIR) * PAIR;
        let blocks = inputs / SHARED;
        let mut words = Lines::zeroed(tiles * blocks * seven::WORDS)?;
        let mut scales = vec![f16::ZERO; tiles * blocks * LANES];
        let rows = numbers.par_chunks(inputs * LANES * PAIR);
        let pairs = words.par_chunks_mut(blocks * seven::WORDS * PAIR);
        let pairs = pairs.zip(scales.par_chunks_mut(blocks * PAIR * LANES));
        pairs.zip(rows).for_each(|((words, scales), rows)| {
            for (output, row) in rows.chunks_exact(inputs).enumerate() {
                let (tile, lane) = (output / LANES, output % LANES);
                for (index, weights) in row.chunks_exact(SHARED).enumerate() {
                    let mut one = [[0; 4]; seven::WORDS];
                    scales[(index * PAIR + tile) * LANES + lane] = seven::pack(weights, &mut one);
                    for (word, bytes) in one.iter().enumerate() {
                        let line = (index * seven::WORDS + word) * PAIR + tile;
                        words[line].0[lane * 4..][..4].copy_from_slice(bytes);
                    }
                }
            }
        });
        Some(Self { format: Format::Seven, words, scales, inputs, outputs })
    }

    /// Width of a row of activations.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Width of a row of results.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs that share a scale in the [`Activations`] it takes; `None` where it takes numbers as they are.
    pub fn group(&self) -> Option<usize> {
        match self.format {
            Format::F16 | Format::F32 => None,
            Format::Q4K | Format::Q5K | Format::Q6K => Some(SUPER),
            Format::Seven => Some(SHARED),
            _ => Some(BLOCK),
        }
    }

    /// Pairs of tiles, the parts in which threads can share the work.
    pub(super) fn pairs(&self) -> usize {
        self.outputs.div_ceil(LANES * PAIR)
    }

    /// `y += x·Wᵀ` for some pairs of tiles.
    ///
    /// # Safety
    /// `y` points to as many rows as `x` has, whose columns of these pairs nobody else touches; `x` fits.
    pub(super) unsafe fn apply(&self, pairs: Range<usize>, x: Input<'_>, y: Results, panel: &mut Panel) {
        // SAFETY: the caller's promise.
        unsafe { dispatch(Part { matrix: self, pairs, x, y, panel }) }
    }
}

/// Rows as a matrix takes them.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    Rounded(&'a Activations),
    Exact(&'a [f32]),
}

struct Part<'a> {
    matrix: &'a Matrix,
    pairs: Range<usize>,
    x: Input<'a>,
    y: Results,
    panel: &'a mut Panel,
}

impl Task for Part<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { matrix, pairs, x, y, panel } = self;
        let tiles = pairs.start * PAIR..pairs.end * PAIR;
        // SAFETY: a `Line` is 64 bytes.
        let words = unsafe {
            std::slice::from_raw_parts(matrix.words.as_ptr().cast::<u8>(), matrix.words.len() * WIDTH)
        };
        let weights = Tiles { words, scales: &matrix.scales, inputs: matrix.inputs };
        // SAFETY: the caller's promise, and `pack` made the sizes.
        unsafe {
            match (matrix.format, x) {
                (Format::Q4_0, Input::Rounded(x)) => {
                    product::<S, OfBlocks<Simple<Four, 3, false>>>(weights, tiles, x, y, panel);
                }
                (Format::Q4_1, Input::Rounded(x)) => {
                    product::<S, OfBlocks<Simple<Four, 0, true>>>(weights, tiles, x, y, panel);
                }
                (Format::Q5_0, Input::Rounded(x)) => {
                    product::<S, OfBlocks<Simple<Five, 4, false>>>(weights, tiles, x, y, panel);
                }
                (Format::Q5_1, Input::Rounded(x)) => {
                    product::<S, OfBlocks<Simple<Five, 0, true>>>(weights, tiles, x, y, panel);
                }
                (Format::Q8_0, Input::Rounded(x)) => {
                    product::<S, OfBlocks<Simple<Eight, 7, false>>>(weights, tiles, x, y, panel);
                }
                (Format::Q4K, Input::Rounded(x)) => {
                    product::<S, OfSuperblocks<WithMinimums<Four>>>(weights, tiles, x, y, panel);
                }
                (Format::Q5K, Input::Rounded(x)) => {
                    product::<S, OfSuperblocks<WithMinimums<Five>>>(weights, tiles, x, y, panel);
                }
                (Format::Q6K, Input::Rounded(x)) => {
                    product::<S, OfSuperblocks<Symmetric>>(weights, tiles, x, y, panel);
                }
                (Format::Seven, Input::Rounded(x)) => seven::product::<S>(weights, tiles, x, y),
                (Format::F16, Input::Exact(x)) => dense::product::<S, true>(weights, tiles, x, y),
                (Format::F32, Input::Exact(x)) => dense::product::<S, false>(weights, tiles, x, y),
                (_, Input::Exact(_) | Input::Rounded(_)) => {
                    unreachable!("`Linear` gives every matrix what `group` says")
                }
            }
        }
    }
}

/// What a block of a format is made of.
struct Layout {
    inputs: usize,
    /// Vectors in a tile.
    words: usize,
    /// Vectors that stand before the blocks of a superblock, and vectors of each of these.
    head: usize,
    block: usize,
    /// Half-precision numbers at the block's beginning that are kept apart.
    scales: usize,
}

impl Layout {
    /// Where a word of one tile stands among those of a pair.
    fn line(&self, tile: usize, word: usize) -> usize {
        match word.checked_sub(self.head) {
            None => tile * self.head + word,
            Some(rest) => {
                PAIR * self.head + (rest / self.block * PAIR + tile) * self.block + rest % self.block
            }
        }
    }
}

impl Format {
    fn layout(self) -> Layout {
        let simple = |inputs: usize, words: usize, scales: usize| Layout {
            inputs,
            words,
            head: 0,
            block: words,
            scales,
        };
        let flat = |words: usize, scales: usize| simple(BLOCK, words, scales);
        let nested =
            |words: usize, head: usize, block: usize| Layout { inputs: SUPER, words, head, block, scales: 0 };
        match self {
            Self::Q4_0 => flat(Four::WORDS, 1),
            Self::Q4_1 => flat(Four::WORDS, 2),
            Self::Q5_0 => flat(Five::WORDS, 1),
            Self::Q5_1 => flat(Five::WORDS, 2),
            Self::Q8_0 => flat(Eight::WORDS, 1),
            Self::Q4K => nested(WithMinimums::<Four>::WORDS, 4, Four::WORDS),
            Self::Q5K => nested(WithMinimums::<Five>::WORDS, 4, Five::WORDS),
            Self::Q6K => nested(Symmetric::WORDS, Symmetric::HEAD, Six::WORDS),
            Self::F16 => simple(2, 1, 0),
            Self::F32 => simple(1, 1, 0),
            Self::Seven => simple(SHARED, seven::WORDS, 1),
        }
    }

    /// One output's words of a block, whose separate scales have been taken off.
    fn pack(self, dtype: GgmlDType, block: &[u8], words: &mut [[u8; 4]; MOST_WORDS]) {
        match self {
            Self::Q4_0 | Self::Q4_1 => Four::pack(&halves(&block[..16]), words),
            Self::Q5_0 | Self::Q5_1 => {
                let mut values = halves(&block[4..20]);
                for (k, value) in values.iter_mut().enumerate() {
                    *value |= (block[k / 8] >> (k % 8) & 1) << 4;
                }
                Five::pack(&values, words);
            }
            Self::Q8_0 => Eight::pack(&std::array::from_fn(|k| block[k] ^ 0x80), words),
            Self::Q4K => {
                copy_words(&block[..16], words);
                for (index, words) in words[4..].chunks_exact_mut(Four::WORDS).take(8).enumerate() {
                    let bytes = &block[16 + index / 2 * 32..][..32];
                    let shift = index % 2 * 4;
                    Four::pack(&std::array::from_fn(|k| bytes[k] >> shift & 15), words);
                }
            }
            Self::Q5K => {
                copy_words(&block[..16], words);
                for (index, words) in words[4..].chunks_exact_mut(Five::WORDS).take(8).enumerate() {
                    let (fifth, bytes) = (&block[16..48], &block[48 + index / 2 * 32..][..32]);
                    let shift = index % 2 * 4;
                    let value = |k: usize| bytes[k] >> shift & 15 | (fifth[k] >> index & 1) << 4;
                    Five::pack(&std::array::from_fn(value), words);
                }
            }
            Self::Q6K => {
                copy_words(&block[192..208], words);
                words[4] = [block[208], block[209], 0, 0];
                for (index, words) in words[5..].chunks_exact_mut(Six::WORDS).take(8).enumerate() {
                    let (half, quarter) = (index / 4, index % 4);
                    let low = &block[half * 64 + quarter % 2 * 32..][..32];
                    let high = &block[128 + half * 32..][..32];
                    let (shift, place) = (quarter / 2 * 4, quarter * 2);
                    let value = |k: usize| low[k] >> shift & 15 | (high[k] >> place & 3) << 4;
                    Six::pack(&std::array::from_fn(value), words);
                }
            }
            Self::F32 if dtype == GgmlDType::BF16 => {
                words[0] = bf16::from_le_bytes([block[0], block[1]]).to_f32().to_le_bytes();
            }
            Self::F16 | Self::F32 | Self::Seven => copy_words(&block[..4], words),
        }
    }
}

/// Sixteen lower halves, then sixteen upper ones.
fn halves(bytes: &[u8]) -> [u8; BLOCK] {
    std::array::from_fn(|k| if k < 16 { bytes[k] & 15 } else { bytes[k - 16] >> 4 })
}

fn copy_words(bytes: &[u8], words: &mut [[u8; 4]]) {
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
        word.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::QTensor;
    use candle_core::{Device, Tensor};

    use super::super::activations::{Activations, quantise};
    use super::super::simd::{Scalar, on_every_processor};
    use super::*;

    const TYPES: [GgmlDType; 11] = [
        GgmlDType::Q4_0,
        GgmlDType::Q4_1,
        GgmlDType::Q5_0,
        GgmlDType::Q5_1,
        GgmlDType::Q8_0,
        GgmlDType::Q4K,
        GgmlDType::Q5K,
        GgmlDType::Q6K,
        GgmlDType::F16,
        GgmlDType::BF16,
        GgmlDType::F32,
    ];

    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) as f32 / 8_388_608.0 - 1.0
    }

    /// A matrix and its weights as numbers.
    fn random(dtype: GgmlDType, outputs: usize, inputs: usize) -> (Matrix, Vec<f32>) {
        let mut seed = 7;
        let values: Vec<f32> = (0..outputs * inputs).map(|_| noise(&mut seed)).collect();
        let tensor = Tensor::from_vec(values, (outputs, inputs), &Device::Cpu).unwrap();
        let tensor = QTensor::quantize(&tensor, dtype).unwrap();
        let plain = tensor.dequantize(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        (Matrix::pack(dtype, &tensor.data().unwrap(), outputs, inputs).unwrap(), plain)
    }

    fn rounded(x: &[f32], inputs: usize, group: usize) -> Activations {
        let mut out = Activations::default();
        out.resize(x.len() / inputs, inputs, group);
        for (x, mut row) in x.chunks_exact(inputs).zip(out.split()) {
            // SAFETY: `Scalar` asks nothing of the processor, and the row was sized for `x`.
            unsafe { quantise::<Scalar>(x, group, &mut row) };
        }
        out
    }

    fn product<S: Simd>(matrix: &Matrix, x: Input<'_>, rows: usize) -> Vec<f32> {
        let mut y = vec![0.5; rows * matrix.outputs];
        let results = Results { at: y.as_mut_ptr(), stride: matrix.outputs, columns: matrix.outputs };
        let mut panel = Panel::new();
        let part = Part { matrix, pairs: 0..matrix.pairs(), x, y: results, panel: &mut panel };
        // SAFETY: the caller names what the processor has; `y` has all rows.
        unsafe { S::outlined(part) };
        y
    }

    /// Every type, as many rows as each of the kernels takes, and outputs that do not fill the last tile.
    #[test]
    fn every_type_gives_the_plain_sum_and_the_same_bits_on_every_processor() {
        for dtype in TYPES {
            let (outputs, inputs) = (75, 512);
            let (matrix, plain) = random(dtype, outputs, inputs);
            for rows in [1, 2, 3, 4, 7, 13, 18] {
                let mut seed = rows as u32;
                let x: Vec<f32> = (0..rows * inputs).map(|_| noise(&mut seed)).collect();
                let in_bytes = matrix.group().map(|group| rounded(&x, inputs, group));
                let input = in_bytes.as_ref().map_or(Input::Exact(&x), Input::Rounded);
                // What the kernel multiplies with: the rounded numbers.
                let x: Vec<f64> = match &in_bytes {
                    None => x.iter().map(|x| f64::from(*x)).collect(),
                    Some(x) => (x.values.iter().enumerate())
                        .map(|(at, value)| f64::from(*value) * f64::from(x.scales[at / x.group]))
                        .collect(),
                };
                let y = product::<Scalar>(&matrix, input, rows);
                for (at, y) in y.iter().enumerate() {
                    let (row, output) = (at / outputs, at % outputs);
                    let terms = x[row * inputs..].iter().zip(&plain[output * inputs..]).take(inputs);
                    let exact = 0.5 + terms.map(|(x, w)| x * f64::from(*w)).sum::<f64>();
                    assert!((f64::from(*y) - exact).abs() < 1e-3, "{dtype:?}, {rows} rows: {y} and {exact}");
                }
                let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
                for (name, wide) in on_every_processor!(product(&matrix, input, rows)) {
                    assert_eq!(bits(&wide), bits(&y), "{dtype:?}, {rows} rows, {name}");
                }
            }
        }
    }

    /// As many rows as each of the kernels takes, and outputs that do not fill the last tile.
    #[test]
    fn seven_bits_are_close_to_the_numbers_and_the_same_on_every_processor() {
        let (outputs, inputs) = (75, 384);
        let mut seed = 7;
        let mut numbers: Vec<f32> = (0..outputs * inputs).map(|_| noise(&mut seed)).collect();
        numbers[..inputs].fill(0.0);
        let matrix = Matrix::rounded(&numbers, outputs, inputs).unwrap();
        for rows in [1, 2, 3, 4, 5, 6, 13] {
            let x: Vec<f32> = (0..rows * inputs).map(|_| noise(&mut seed)).collect();
            let in_bytes = rounded(&x, inputs, SHARED);
            let y = product::<Scalar>(&matrix, Input::Rounded(&in_bytes), rows);
            for (at, y) in y.iter().enumerate() {
                let (row, output) = (at / outputs, at % outputs);
                let terms = x[row * inputs..].iter().zip(&numbers[output * inputs..]).take(inputs);
                let exact = 0.5 + terms.map(|(x, w)| f64::from(x * w)).sum::<f64>();
                // Half a step of 1/63 and of 1/127 in each of 384 products, which mostly cancel.
                assert!((f64::from(*y) - exact).abs() < 0.4, "{rows} rows: {y} and {exact}");
                assert!(output != 0 || (*y - 0.5).abs() < 1e-6, "weights of nothing but zeros");
            }
            let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
            for (name, wide) in on_every_processor!(product(&matrix, Input::Rounded(&in_bytes), rows)) {
                assert_eq!(bits(&wide), bits(&y), "{rows} rows, {name}");
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        let mut seed = 11;
        let numbers: Vec<f32> = (0..64 * 256).map(|_| noise(&mut seed)).collect();
        let seven = Matrix::rounded(&numbers, 64, 256).unwrap();
        let matrices = TYPES.map(|dtype| random(dtype, 64, 256).0);
        for matrix in matrices.into_iter().chain([seven]) {
            let (outputs, inputs, rows) = (64, 256, 18);
            let mut seed = 3;
            let x: Vec<f32> = (0..rows * inputs).map(|_| noise(&mut seed)).collect();
            let compute = |x: &[f32]| {
                let mut y = vec![0.0; x.len() / inputs * outputs];
                let mut room = super::super::Rounded::default();
                let product = super::super::Product { matrix: &matrix, y: &mut y };
                super::super::multiply(x, &mut room, &mut [product]);
                y
            };
            let all = compute(&x);
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                let same =
                    compute(x).iter().zip(&all[row * outputs..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{:?}, row {row}", matrix.format);
            }
        }
    }

    #[test]
    fn what_is_no_whole_number_of_blocks_is_refused() {
        assert!(Matrix::pack(GgmlDType::Q4_0, &[0; 18], 1, 33).is_none());
        assert!(Matrix::pack(GgmlDType::Q4_0, &[0; 17], 1, 32).is_none());
        assert!(Matrix::pack(GgmlDType::Q4K, &[0; 144], 1, 128).is_none());
        assert!(Matrix::pack(GgmlDType::Q4_0, &[], 0, 32).is_none());
        assert!(Matrix::pack(GgmlDType::Q2K, &[0; 84], 1, 256).is_none(), "no kernel");
        assert!(Matrix::rounded(&[0.0; 256], 2, 127).is_none());
        assert!(Matrix::rounded(&[0.0; 192], 1, 192).is_none());
        assert!(Matrix::rounded(&[], 0, 128).is_none());
    }
}
