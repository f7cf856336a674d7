//! Products of weights that are numbers, in half or single precision.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use std::ops::Range;

use super::product::{PAIR, Results, Tiles, read, write};
use super::simd::{Simd, WIDTH};

/// `y += x·Wᵀ` for a run of tiles. In half precision a word holds two inputs, the first in its lower half.
///
/// # Safety
/// The processor has `S`; `x` has whole rows; `y` as for [`super::product::flat`].
#[inline(always)]
pub(super) unsafe fn product<S: Simd, const HALF: bool>(
    weights: Tiles<'_>,
    tiles: Range<usize>,
    x: &[f32],
    y: Results,
) {
    let rows = x.len() / weights.inputs;
    for tile in tiles.step_by(PAIR) {
        let mut row = 0;
        while row < rows {
            // SAFETY: the caller's promise.
            unsafe {
                if rows - row >= 4 {
                    block::<S, HALF, 4>(weights, x, row, tile, y);
                    row += 4;
                } else {
                    block::<S, HALF, 1>(weights, x, row, tile, y);
                    row += 1;
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn block<S: Simd, const HALF: bool, const R: usize>(
    weights: Tiles<'_>,
    x: &[f32],
    row: usize,
    tile: usize,
    y: Results,
) {
    let inputs = weights.inputs;
    let step = if HALF { 2 } else { 1 };
    let words = inputs / step;
    // SAFETY: the caller's promise; the sizes were checked when the matrix was packed.
    unsafe {
        let mut sums = read::<S, R>(y, row, tile);
        for word in 0..words {
            let from = weights.words.as_ptr().add((tile * words + word * PAIR) * WIDTH);
            let both = [S::load(from), S::load(from.add(WIDTH))];
            for part in 0..step {
                let mut w = [S::splat_float(0.0); PAIR];
                for t in 0..PAIR {
                    w[t] = match (HALF, part) {
                        (true, 0) => S::low_halves(both[t]),
                        (true, _) => S::low_halves(S::shr(both[t], 16)),
                        (false, _) => S::as_floats(both[t]),
                    };
                }
                for r in 0..R {
                    let x = S::splat_float(*x.get_unchecked((row + r) * inputs + word * step + part));
                    for t in 0..PAIR {
                        sums[r][t] = S::fma(w[t], x, sums[r][t]);
                    }
                }
            }
        }
        write::<S, R>(y, row, tile, &sums);
    }
}
