//! Products with formats of single blocks.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use std::marker::PhantomData;
use std::ops::Range;

use half::f16;

use super::formats::{BLOCK, Bits, Flat, GROUP};
use super::product::{Kernel, PAIR, Panel, Rows, Tiles, block, four, read, write};
use super::simd::{LANES, Simd, WIDTH};

/// The kernel of a [`Flat`] format.
#[derive(Clone, Copy)]
pub(super) struct OfBlocks<F>(PhantomData<F>);

impl<F: Flat> Kernel for OfBlocks<F> {
    /// Words and scales.
    type Source = (*const u8, *const f16);
    const INPUTS: usize = BLOCK;

    #[inline(always)]
    unsafe fn sources(weights: Tiles<'_>, tile: usize, blocks: usize) -> [Self::Source; PAIR] {
        let vectors = if F::MINIMUM { 2 } else { 1 };
        // SAFETY: the caller's promise.
        unsafe {
            let words = weights.words.as_ptr().add(tile * blocks * F::Bits::WORDS * WIDTH);
            let scales = weights.scales.as_ptr().add(tile * blocks * vectors * LANES);
            [(words, scales), (words.add(F::Bits::WORDS * WIDTH), scales.add(vectors * LANES))]
        }
    }

    #[inline(always)]
    unsafe fn spread<S: Simd>(sources: [Self::Source; PAIR], blocks: Range<usize>, panel: &mut Panel) {
        let vectors = if F::MINIMUM { 2 } else { 1 };
        for (t, (words, scales)) in sources.into_iter().enumerate() {
            for (index, block) in blocks.clone().enumerate() {
                // SAFETY: the blocks are inside the tile, by the caller's promise; the panel has room for eight.
                unsafe {
                    let from = words.add(block * PAIR * F::Bits::WORDS * WIDTH);
                    for group in 0..BLOCK / GROUP {
                        let to = &mut panel.weights[t][index * (BLOCK / GROUP) + group];
                        S::store(to.as_mut_ptr(), F::Bits::group::<S>(from, group));
                    }
                    let from = scales.add(block * PAIR * vectors * LANES);
                    S::store_floats(panel.scales[t][index].as_mut_ptr(), S::load_halves(from));
                    if F::MINIMUM {
                        let minimums = S::load_halves(from.add(LANES));
                        S::store_floats(panel.minimums[t][index].as_mut_ptr().cast(), minimums);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn add<S: Simd, const R: usize, const PANEL: bool>(rows: Rows<'_, Self, R, PANEL>) {
        let Rows { sources, panel, blocks, x, row, tile, y } = rows;
        let vectors = if F::MINIMUM { 2 } else { 1 };
        let per_row = x.inputs / BLOCK;
        let first = blocks.start;
        // SAFETY: the caller promises rows, tiles and blocks that exist.
        unsafe {
            let mut sums = read::<S, R>(y, row, tile);
            for block in blocks {
                let index = block - first;
                let at = row * per_row + block;
                let mut exact = self::block::<S::Ints, R>(S::splat(0));
                if F::SHIFT > 0 {
                    for r in 0..R {
                        let sum = S::splat(*x.sums.get_unchecked(at + r * per_row));
                        exact[r] = [S::shl(sum, F::SHIFT); PAIR];
                    }
                }
                for group in 0..BLOCK / GROUP {
                    let mut w = [S::splat(0); PAIR];
                    for t in 0..PAIR {
                        w[t] = if PANEL {
                            S::load(panel.weights[t].get_unchecked(index * (BLOCK / GROUP) + group).as_ptr())
                        } else {
                            F::Bits::group::<S>(
                                sources[t].0.add(block * PAIR * F::Bits::WORDS * WIDTH),
                                group,
                            )
                        };
                    }
                    for r in 0..R {
                        let x = four::<S>(x.values.as_ptr().add((at + r * per_row) * BLOCK + group * GROUP));
                        for t in 0..PAIR {
                            exact[r][t] = if F::Bits::WIDE {
                                S::dot::<true>(exact[r][t], w[t], x)
                            } else {
                                S::dot::<false>(exact[r][t], w[t], x)
                            };
                        }
                    }
                }
                for t in 0..PAIR {
                    let stored = sources[t].1.add(block * PAIR * vectors * LANES);
                    let scale = if PANEL {
                        S::load_floats(panel.scales[t].get_unchecked(index).as_ptr())
                    } else {
                        S::load_halves(stored)
                    };
                    for r in 0..R {
                        let factor = S::splat_float(*x.scales.get_unchecked(at + r * per_row));
                        sums[r][t] = S::fma(S::float(exact[r][t]), S::product(scale, factor), sums[r][t]);
                    }
                    if F::MINIMUM {
                        let minimum = if PANEL {
                            S::load_floats(panel.minimums[t].get_unchecked(index).as_ptr().cast())
                        } else {
                            S::load_halves(stored.add(LANES))
                        };
                        for r in 0..R {
                            let shift = S::splat_float(*x.shifts.get_unchecked(at + r * per_row));
                            sums[r][t] = S::fma(minimum, shift, sums[r][t]);
                        }
                    }
                }
            }
            write::<S, R>(y, row, tile, &sums);
        }
    }
}
