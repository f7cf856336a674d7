//! Products with weights in seven bits, of which 128 inputs share a scale: for encoders, which read many rows at a time.
//!
//! The sums stay whole numbers for longer than in the formats of model files, so that hardly anything but products is
//! computed; and seven bits, because the sums of 16 bits that AVX2 makes on its way do not saturate then.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use std::ops::Range;

use half::f16;

use super::Task;
use super::activations::Activations;
use super::formats::GROUP;
use super::product::{PAIR, Results, Tiles, block, four, read, write};
use super::simd::{LANES, Simd, WIDTH};

/// Inputs that share a scale.
pub(super) const SHARED: usize = 128;
/// Vectors of a tile for them.
pub(super) const WORDS: usize = SHARED / GROUP;
/// Largest magnitude of a weight, and what is added to it: the kernel multiplies whole numbers from 0 to 127.
const LARGEST: f32 = 63.0;
const SHIFT: u32 = 6;
/// Rows in a register block.
const ROWS: usize = 6;

/// Rounds the weights of one output; the scale.
pub(super) fn pack(weights: &[f32], words: &mut [[u8; 4]]) -> f16 {
    let largest = weights.iter().fold(0_f32, |most, weight| most.max(weight.abs()));
    let scale = f16::from_f32(largest / LARGEST);
    let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
    for (word, weights) in words.iter_mut().zip(weights.chunks_exact(GROUP)) {
        for (byte, weight) in word.iter_mut().zip(weights) {
            *byte = (weight * inverse).round_ties_even() as i8 as u8 + (1 << SHIFT);
        }
    }
    scale
}

/// `y += x·Wᵀ` for a run of tiles, an even number of them.
///
/// # Safety
/// The processor has `S`. `x` is grouped by [`SHARED`] and has as many inputs as the tiles; `y` points to `x.rows()`
/// rows, whose columns of these tiles nobody else touches.
#[inline(always)]
pub(super) unsafe fn product<S: Simd>(weights: Tiles<'_>, tiles: Range<usize>, x: &Activations, y: Results) {
    let rows = x.rows();
    // Fewer sums of the results than in the other formats are in use at once: six rows fit where four do there.
    let most = if S::ROWS < 4 { S::ROWS } else { ROWS };
    for tile in tiles.step_by(PAIR) {
        let mut row = 0;
        while row < rows {
            // SAFETY: the sizes were checked when the matrix was packed; the rest is the caller's promise.
            row += unsafe {
                match (rows - row).min(most) {
                    1 => some::<S, 1>(weights, tile, x, row, y),
                    2 | 3 => some::<S, 2>(weights, tile, x, row, y),
                    4 | 5 => some::<S, 4>(weights, tile, x, row, y),
                    _ => some::<S, ROWS>(weights, tile, x, row, y),
                }
            };
        }
    }
}

#[inline(always)]
unsafe fn some<S: Simd, const R: usize>(
    weights: Tiles<'_>,
    tile: usize,
    x: &Activations,
    row: usize,
    y: Results,
) -> usize {
    // SAFETY: the caller's promise.
    unsafe { S::outlined(Rows::<R> { weights, tile, x, row, y }) };
    R
}

/// Some rows by two tiles.
struct Rows<'a, const R: usize> {
    weights: Tiles<'a>,
    tile: usize,
    x: &'a Activations,
    row: usize,
    y: Results,
}

impl<const R: usize> Task for Rows<'_, R> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { weights, tile, x, row, y } = self;
        let per_row = x.inputs / SHARED;
        // SAFETY: the caller promises rows and tiles that exist.
        unsafe {
            let words = weights.words.as_ptr().add(tile * per_row * WORDS * WIDTH);
            let scales = weights.scales.as_ptr().add(tile * per_row * LANES);
            let mut sums = read::<S, R>(y, row, tile);
            for index in 0..per_row {
                let at = row * per_row + index;
                let mut exact = block::<S::Ints, R>(S::splat(0));
                for r in 0..R {
                    let sum = S::splat(*x.sums.get_unchecked(at + r * per_row));
                    exact[r] = [S::shl(sum, SHIFT); PAIR];
                }
                let words = words.add(index * PAIR * WORDS * WIDTH);
                let values = x.values.as_ptr().add(at * SHARED);
                for group in 0..WORDS {
                    let w = [
                        S::load(words.add(group * PAIR * WIDTH)),
                        S::load(words.add((group * PAIR + 1) * WIDTH)),
                    ];
                    for r in 0..R {
                        let x = four::<S>(values.add(r * x.inputs + group * GROUP));
                        for t in 0..PAIR {
                            exact[r][t] = S::dot::<false>(exact[r][t], w[t], x);
                        }
                    }
                }
                for t in 0..PAIR {
                    let scale = S::load_halves(scales.add((index * PAIR + t) * LANES));
                    for r in 0..R {
                        let factor = S::splat_float(*x.scales.get_unchecked(at + r * per_row));
                        sums[r][t] = S::fma(S::float(exact[r][t]), S::product(scale, factor), sums[r][t]);
                    }
                }
            }
            write::<S, R>(y, row, tile, &sums);
        }
    }
}
