//! Products with 4-bit weights and 8-bit activations, for processors with AVX-512 VNNI.
//!
//! The arithmetic is that of GGML's `Q4_0 × Q8_0`: weights are `(n − 8)·d` in blocks of 32 with one scale, activations
//! are rounded to 8 bits in blocks of 32 of the same inputs, and the integer sums are exact.

/// Weights that share a scale.
const BLOCK: usize = 32;
/// Outputs computed side by side: the lanes of a vector.
const LANES: usize = 16;
/// Bytes of a `Q4_0` block: an f16 scale and 32 weights of 4 bits.
const Q4_0_BYTES: usize = 18;
/// Bytes of one block of [`LANES`] outputs.
const TILE: usize = BLOCK * LANES;

/// A weight matrix laid out for the kernel.
#[derive(Debug)]
pub(super) struct Blocks {
    /// `[output / 16][input / 32][input % 32 / 4][output % 16][input % 4]`, each 0 to 15.
    values: Vec<u8>,
    /// `[output / 16][input / 32][output % 16]`.
    scales: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

/// Rows of activations in 8 bits.
#[derive(Debug, Default)]
pub(super) struct Activations {
    /// `rows × inputs`.
    values: Vec<i8>,
    /// `rows × inputs / 32`.
    scales: Vec<f32>,
    /// −8 times the sum of each block: what the offset of the weights adds.
    offsets: Vec<i32>,
}

impl Blocks {
    /// Whether this processor and these sizes suit the kernel.
    pub(super) fn fit(outputs: usize, inputs: usize) -> bool {
        available() && inputs.is_multiple_of(BLOCK) && outputs.is_multiple_of(LANES)
    }

    /// Lays out `outputs × inputs` weights of `Q4_0`, row by row; `None` where they do not [fit](Self::fit).
    pub(super) fn new(q4_0: &[u8], outputs: usize, inputs: usize) -> Option<Self> {
        let per_row = inputs / BLOCK;
        if !Self::fit(outputs, inputs) || q4_0.len() != outputs * per_row * Q4_0_BYTES {
            return None;
        }
        let mut values = vec![0; outputs * inputs];
        let mut scales = vec![0.0; outputs * per_row];
        for (index, block) in q4_0.chunks_exact(Q4_0_BYTES).enumerate() {
            let (output, column) = (index / per_row, index % per_row);
            let tile = output / LANES * per_row + column;
            scales[tile * LANES + output % LANES] = half::f16::from_le_bytes([block[0], block[1]]).to_f32();
            for (low, byte) in block[2..].iter().enumerate() {
                for (input, value) in [(low, byte & 15), (low + BLOCK / 2, byte >> 4)] {
                    values[tile * TILE + input / 4 * (4 * LANES) + output % LANES * 4 + input % 4] = value;
                }
            }
        }
        Some(Self { values, scales, inputs, outputs })
    }

    /// `y ← x·Wᵀ + bias` for `rows × inputs` activations; `y` is `rows × outputs`.
    #[cfg_attr(not(target_arch = "x86_64"), expect(unused_variables, reason = "there is no kernel here"))]
    pub(super) fn apply(&self, x: &[f32], bias: &[f32], y: &mut [f32], scratch: &mut Activations) {
        let rows = x.len() / self.inputs;
        assert!(
            x.len() == rows * self.inputs && y.len() == rows * self.outputs && bias.len() == self.outputs
        );
        scratch.resize(x.len());
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a value of this type exists only where `available` found every feature these functions are compiled
        // for.
        unsafe {
            kernel::quantise(x, scratch);
            kernel::product(self, scratch, bias, y);
        }
    }
}

impl Activations {
    fn resize(&mut self, count: usize) {
        self.values.resize(count, 0);
        self.scales.resize(count / BLOCK, 0.0);
        self.offsets.resize(count / BLOCK, 0);
    }
}

/// Whether this processor has what the kernel is compiled for.
fn available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(target_arch = "x86_64")]
mod kernel {
    use std::arch::x86_64::{
        __m512i, _mm_storeu_si128, _mm512_abs_ps, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
        _mm512_cvtps_epi32, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512,
        _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_add_epi32, _mm512_reduce_max_ps, _mm512_set1_epi32,
        _mm512_set1_ps, _mm512_storeu_ps,
    };

    use super::{Activations, BLOCK, Blocks, LANES, TILE};

    /// Rounds every block of `x` to 8 bits. `out` has been sized for `x`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn quantise(x: &[f32], out: &mut Activations) {
        let blocks = x.chunks_exact(BLOCK).zip(out.values.chunks_exact_mut(BLOCK));
        for ((x, values), (scale, offset)) in blocks.zip(out.scales.iter_mut().zip(&mut out.offsets)) {
            // SAFETY: `x` has 32 numbers and `values` 32 bytes.
            unsafe {
                let (a, b) = (_mm512_loadu_ps(x.as_ptr()), _mm512_loadu_ps(x.as_ptr().add(LANES)));
                let largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
                *scale = largest / 127.0;
                let inverse = _mm512_set1_ps(if largest > 0.0 { 127.0 / largest } else { 0.0 });
                let a = _mm512_cvtps_epi32(_mm512_mul_ps(a, inverse));
                let b = _mm512_cvtps_epi32(_mm512_mul_ps(b, inverse));
                let sum = _mm512_reduce_add_epi32(a).wrapping_add(_mm512_reduce_add_epi32(b));
                *offset = sum.wrapping_mul(-8);
                _mm_storeu_si128(values.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(a));
                _mm_storeu_si128(values.as_mut_ptr().add(LANES).cast(), _mm512_cvtepi32_epi8(b));
            }
        }
    }

    /// The product, four rows by thirty-two outputs at a time.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    pub(super) fn product(weights: &Blocks, x: &Activations, bias: &[f32], y: &mut [f32]) {
        let rows = y.len() / weights.outputs;
        let tiles = weights.outputs / LANES;
        let mut tile = 0;
        while tile < tiles {
            let wide = tiles - tile >= 2;
            let mut row = 0;
            while row < rows {
                let many = rows - row >= 4;
                match (many, wide) {
                    (true, true) => part::<4, 2>(weights, x, bias, y, row, tile),
                    (true, false) => part::<4, 1>(weights, x, bias, y, row, tile),
                    (false, true) => part::<1, 2>(weights, x, bias, y, row, tile),
                    (false, false) => part::<1, 1>(weights, x, bias, y, row, tile),
                }
                row += if many { 4 } else { 1 };
            }
            tile += if wide { 2 } else { 1 };
        }
    }

    /// `R` rows from `row` by `T` tiles from `tile`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn part<const R: usize, const T: usize>(
        weights: &Blocks,
        x: &Activations,
        bias: &[f32],
        y: &mut [f32],
        row: usize,
        tile: usize,
    ) {
        let (inputs, outputs) = (weights.inputs, weights.outputs);
        let blocks = inputs / BLOCK;
        let values: [&[i8]; R] = std::array::from_fn(|r| &x.values[(row + r) * inputs..][..inputs]);
        let factors: [&[f32]; R] = std::array::from_fn(|r| &x.scales[(row + r) * blocks..][..blocks]);
        let offsets: [&[i32]; R] = std::array::from_fn(|r| &x.offsets[(row + r) * blocks..][..blocks]);
        let tiles: [&[u8]; T] =
            std::array::from_fn(|t| &weights.values[(tile + t) * blocks * TILE..][..blocks * TILE]);
        let scales: [&[f32]; T] =
            std::array::from_fn(|t| &weights.scales[(tile + t) * blocks * LANES..][..blocks * LANES]);
        // SAFETY: every slice above has been cut to `blocks` blocks, and each access stays within one of them; the
        // output rows and columns are those of `y`, whose slices are cut below.
        unsafe {
            let mut sums: [[_; T]; R] = std::array::from_fn(|_| {
                std::array::from_fn(|t| _mm512_loadu_ps(bias[(tile + t) * LANES..][..LANES].as_ptr()))
            });
            for block in 0..blocks {
                let mut exact: [[__m512i; T]; R] =
                    std::array::from_fn(|r| [_mm512_set1_epi32(*offsets[r].get_unchecked(block)); T]);
                for group in 0..BLOCK / 4 {
                    let at = block * TILE + group * 4 * LANES;
                    let w: [__m512i; T] =
                        std::array::from_fn(|t| _mm512_loadu_si512(tiles[t].as_ptr().add(at).cast()));
                    for r in 0..R {
                        let four = values[r].as_ptr().add(block * BLOCK + group * 4).cast::<[u8; 4]>();
                        let four = _mm512_set1_epi32(i32::from_ne_bytes(four.read()));
                        for t in 0..T {
                            exact[r][t] = _mm512_dpbusd_epi32(exact[r][t], w[t], four);
                        }
                    }
                }
                for t in 0..T {
                    let scale = _mm512_loadu_ps(scales[t].as_ptr().add(block * LANES));
                    for r in 0..R {
                        let factor = _mm512_mul_ps(scale, _mm512_set1_ps(*factors[r].get_unchecked(block)));
                        sums[r][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(exact[r][t]), factor, sums[r][t]);
                    }
                }
            }
            for r in 0..R {
                for t in 0..T {
                    let out = &mut y[(row + r) * outputs + (tile + t) * LANES..][..LANES];
                    _mm512_storeu_ps(out.as_mut_ptr(), sums[r][t]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the same arithmetic written plainly, in f64.
    #[test]
    fn equals_the_plain_sum() {
        if !available() {
            println!("this processor has no AVX-512 VNNI: nothing to compare");
            return;
        }
        for (rows, outputs, inputs) in [(1, 16, 32), (4, 32, 64), (7, 48, 96), (9, 80, 384)] {
            let mut seed = 1_u32;
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 16) as f32 / 65_536.0
            };
            let mut q4_0 = Vec::new();
            let mut plain = vec![0.0; outputs * inputs];
            for weights in plain.chunks_exact_mut(BLOCK) {
                let scale = half::f16::from_f32(next() - 0.5);
                q4_0.extend(scale.to_le_bytes());
                let nibbles: Vec<u8> = (0..BLOCK).map(|_| (next() * 16.0) as u8).collect();
                for (weight, nibble) in weights.iter_mut().zip(&nibbles) {
                    *weight = (f32::from(*nibble) - 8.0) * scale.to_f32();
                }
                q4_0.extend((0..16).map(|j| nibbles[j] | nibbles[j + 16] << 4));
            }
            let x: Vec<f32> = (0..rows * inputs).map(|_| next() * 4.0 - 2.0).collect();
            let bias: Vec<f32> = (0..outputs).map(|_| next()).collect();
            let blocks = Blocks::new(&q4_0, outputs, inputs).unwrap();
            let mut y = vec![0.0; rows * outputs];
            blocks.apply(&x, &bias, &mut y, &mut Activations::default());

            let rounded: Vec<f64> = x
                .chunks_exact(BLOCK)
                .flat_map(|block| {
                    let largest = block.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                    let inverse = 127.0 / largest;
                    block.iter().map(move |value| {
                        f64::from((value * inverse).round_ties_even()) * f64::from(largest / 127.0)
                    })
                })
                .collect();
            for row in 0..rows {
                for output in 0..outputs {
                    let products = (0..inputs)
                        .map(|i| rounded[row * inputs + i] * f64::from(plain[output * inputs + i]));
                    let exact = products.sum::<f64>() + f64::from(bias[output]);
                    let value = f64::from(y[row * outputs + output]);
                    assert!((value - exact).abs() < 1e-4 * (1.0 + exact.abs()), "{value} {exact}");
                }
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_have_no_kernel() {
        assert!(Blocks::new(&[0; 18], 1, 32).is_none());
        assert!(Blocks::new(&[0; 17], 16, 32).is_none());
    }
}
