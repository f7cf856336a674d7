//! Products with formats of superblocks.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use std::marker::PhantomData;
use std::ops::Range;

use super::activations::Activations;
use super::formats::{BLOCK, Bits, GROUP, Nested, SUPER, Shared};
use super::product::{Block, BlockScales, Kernel, PAIR, Panel, Rows, Tiles, block, four, read, write};
use super::simd::{LANES, Simd, WIDTH};

/// The kernel of a [`Nested`] format.
#[derive(Clone, Copy)]
pub(super) struct OfSuperblocks<F>(PhantomData<F>);

impl<F: Nested> Kernel for OfSuperblocks<F> {
    type Source = *const u8;
    const INPUTS: usize = SUPER;

    #[inline(always)]
    unsafe fn sources(weights: Tiles<'_>, tile: usize, blocks: usize) -> [Self::Source; PAIR] {
        // SAFETY: the caller's promise.
        unsafe {
            let words = weights.words.as_ptr().add(tile * blocks * F::WORDS * WIDTH);
            [words, words.add(F::HEAD * WIDTH)]
        }
    }

    #[inline(always)]
    unsafe fn spread<S: Simd>(sources: [Self::Source; PAIR], blocks: Range<usize>, panel: &mut Panel) {
        for (t, source) in sources.into_iter().enumerate() {
            // SAFETY: the caller promises a superblock.
            unsafe {
                let tile = source.add(superblock_offset::<F>(blocks.start));
                for block in 0..SUPER / BLOCK {
                    let from = tile.add(block_offset::<F>(t, block));
                    for group in 0..BLOCK / GROUP {
                        let to = panel.weights[t][block * (BLOCK / GROUP) + group].as_mut_ptr();
                        S::store(to, F::Bits::group::<S>(from, group));
                    }
                }
                spread_scales::<S, F>(tile, &mut panel.scales[t]);
                let shared = F::shared::<S>(tile);
                S::store_floats(panel.scale[t].as_mut_ptr(), shared.scale);
                S::store_floats(panel.minimum[t].as_mut_ptr(), shared.minimum);
                S::store(panel.minimums[t][0].as_mut_ptr(), shared.minimums[0]);
                S::store(panel.minimums[t][1].as_mut_ptr(), shared.minimums[1]);
            }
        }
    }

    #[inline(always)]
    unsafe fn add<S: Simd, const R: usize, const PANEL: bool>(rows: Rows<'_, Self, R, PANEL>) {
        let Rows { sources, panel, blocks, x, row, tile, y } = rows;
        let per_row = x.inputs / SUPER;
        // SAFETY: the caller promises rows, tiles and superblocks that exist; a panel holds the only one asked for.
        unsafe {
            let mut sums = read::<S, R>(y, row, tile);
            let mut scales = [[[0.0; LANES]; SUPER / 16]; PAIR];
            for index in blocks {
                let place = Place { at: row * per_row + index, per_row };
                let offset = superblock_offset::<F>(index);
                let tiles = [sources[0].add(offset), sources[1].add(offset)];
                let mut total = block::<S::Floats, R>(S::splat_float(0.0));
                if !PANEL {
                    for t in 0..PAIR {
                        spread_scales::<S, F>(tiles[t], &mut scales[t]);
                    }
                }
                let scales = if PANEL { &panel.scales } else { &scales };
                for block in 0..SUPER / BLOCK {
                    let weights = if PANEL {
                        [0, 1].map(|t| panel.weights[t].as_ptr().add(block * (BLOCK / GROUP)).cast())
                    } else {
                        [tiles[0].add(block_offset::<F>(0, block)), tiles[1].add(block_offset::<F>(1, block))]
                    };
                    nested_part::<S, F, R, PANEL, 0>(weights, block, scales, x, place, &mut total);
                    if F::SUB < BLOCK {
                        nested_part::<S, F, R, PANEL, 1>(weights, block, scales, x, place, &mut total);
                    }
                }
                let shared = if PANEL {
                    [panel_shared::<S>(panel, 0), panel_shared::<S>(panel, 1)]
                } else {
                    [F::shared::<S>(tiles[0]), F::shared::<S>(tiles[1])]
                };
                finished::<S, F, R>(&total, shared, x, place, &mut sums);
            }
            write::<S, R>(y, row, tile, &sums);
        }
    }
}

/// From the beginning of a tile to the head of one of its superblocks.
#[inline(always)]
fn superblock_offset<F: Nested>(index: usize) -> usize {
    index * PAIR * F::WORDS * WIDTH
}

/// From the head of a tile to one of its blocks: the heads of a pair stand first, then the blocks of both in turn, so
/// that a product reads memory from end to end.
#[inline(always)]
fn block_offset<F: Nested>(tile: usize, block: usize) -> usize {
    ((PAIR - tile) * F::HEAD + (block * PAIR + tile) * F::Bits::WORDS) * WIDTH
}

#[inline(always)]
unsafe fn spread_scales<S: Simd, F: Nested>(tile: *const u8, to: &mut BlockScales) {
    // SAFETY: the caller promises a superblock.
    unsafe {
        let scales = F::scales::<S>(tile);
        for (block, to) in to[..SUPER / F::SUB].iter_mut().enumerate() {
            S::store_floats(to.as_mut_ptr(), scales.of(block));
        }
    }
}

/// Superblock of the first of some rows, counted over all rows, and how far it is to the next row's.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    per_row: usize,
}

/// One block of a superblock, or its first or second half where these have scales of their own.
#[inline(always)]
unsafe fn nested_part<S: Simd, F: Nested, const R: usize, const PANEL: bool, const PART: usize>(
    weights: [*const u8; PAIR],
    block: usize,
    scales: &[BlockScales; PAIR],
    x: &Activations,
    place: Place,
    total: &mut Block<S::Floats, R>,
) {
    let sub = block * (BLOCK / F::SUB) + PART;
    // SAFETY: the caller promises rows and a block that exist.
    unsafe {
        let mut exact = self::block::<S::Ints, R>(S::splat(0));
        if F::SHIFT > 0 {
            for r in 0..R {
                let at = (place.at + r * place.per_row) * (SUPER / 16) + sub;
                exact[r] = [S::shl(S::splat(*x.sums.get_unchecked(at)), F::SHIFT); PAIR];
            }
        }
        for group in 0..F::SUB / GROUP {
            let group = PART * (F::SUB / GROUP) + group;
            let mut w = [S::splat(0); PAIR];
            for t in 0..PAIR {
                w[t] = if PANEL {
                    S::load(weights[t].add(group * WIDTH))
                } else {
                    F::Bits::group::<S>(weights[t], group)
                };
            }
            for r in 0..R {
                let from = (place.at + r * place.per_row) * SUPER + block * BLOCK + group * GROUP;
                let x = four::<S>(x.values.as_ptr().add(from));
                for t in 0..PAIR {
                    exact[r][t] = S::dot::<false>(exact[r][t], w[t], x);
                }
            }
        }
        for t in 0..PAIR {
            let scale = S::load_floats(scales[t].get_unchecked(sub).as_ptr());
            for r in 0..R {
                total[r][t] = S::fma(S::float(exact[r][t]), scale, total[r][t]);
            }
        }
    }
}

/// Adds a superblock to the results.
#[inline(always)]
unsafe fn finished<S: Simd, F: Nested, const R: usize>(
    total: &Block<S::Floats, R>,
    shared: [Shared<S>; PAIR],
    x: &Activations,
    place: Place,
    sums: &mut Block<S::Floats, R>,
) {
    for r in 0..R {
        let at = place.at + r * place.per_row;
        // SAFETY: the caller promises rows that exist.
        unsafe {
            let scale = *x.scales.get_unchecked(at);
            for t in 0..PAIR {
                let factor = S::product(shared[t].scale, S::splat_float(scale));
                sums[r][t] = S::fma(total[r][t], factor, sums[r][t]);
                if F::MINIMUM {
                    let halves = x.halves.get_unchecked(at).as_ptr();
                    let [early, late] = shared[t].minimums;
                    let upper = S::dot::<false>(S::splat(0), early, four::<S>(halves));
                    let upper = S::dot::<false>(upper, late, four::<S>(halves.add(4)));
                    let below = S::dot::<false>(S::shl(upper, 7), early, four::<S>(halves.add(8)));
                    let below = S::dot::<false>(below, late, four::<S>(halves.add(12)));
                    let factor = S::product(shared[t].minimum, S::splat_float(-scale));
                    sums[r][t] = S::fma(S::float(below), factor, sums[r][t]);
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn panel_shared<S: Simd>(panel: &Panel, t: usize) -> Shared<S> {
    // SAFETY: the caller promises the features.
    unsafe {
        Shared {
            minimums: [S::load(panel.minimums[t][0].as_ptr()), S::load(panel.minimums[t][1].as_ptr())],
            scale: S::load_floats(panel.scale[t].as_ptr()),
            minimum: S::load_floats(panel.minimum[t].as_ptr()),
        }
    }
}
