//! Products of packed weights and activations in eight bits.
//!
//! One kernel for each family of formats, over registers of `ROWS` rows by two tiles of outputs. With a few rows the
//! weights are taken from the tiles as they pass; with many they are first spread out, 256 inputs of two tiles at a
//! time, into a panel that stays in the nearest cache. Either way the sums are the same, bit for bit: whole numbers
//! within a group of activations, then one fused multiply-add after the other in the order of the inputs.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use std::marker::PhantomData;
use std::ops::Range;

use half::f16;

use super::Task;
use super::activations::Activations;
use super::formats::{BLOCK, Bits, Flat, GROUP, Nested, SUPER, Shared};
use super::simd::{LANES, Simd, WIDTH};

/// Tiles in a register block.
pub(super) const PAIR: usize = 2;
/// Rows in a register block.
const ROWS: usize = 4;
/// From so many rows on a panel pays.
const MANY: usize = 12;
/// Groups of four inputs in a panel.
const GROUPS: usize = SUPER / GROUP;

/// Packed weights and where they lie.
#[derive(Clone, Copy)]
pub(super) struct Tiles<'a> {
    /// `[pair of tiles][block][tile][word][lane]`; of nested formats `[pair of tiles][superblock]`, and there the heads
    /// `[tile][word][lane]` before the blocks `[block][tile][word][lane]`.
    pub(super) words: &'a [u8],
    /// `[pair of tiles][block][tile][lane]`, with minimums `[…][tile][2][lane]`; nothing for nested formats.
    pub(super) scales: &'a [f16],
    /// Multiple of the format's block.
    pub(super) inputs: usize,
}

/// Rows of results that several threads write, each its own columns.
#[derive(Clone, Copy)]
pub(super) struct Results {
    pub(super) at: *mut f32,
    /// From one row to the next.
    pub(super) stride: usize,
    /// Columns that exist; the last pair of tiles may reach past them.
    pub(super) columns: usize,
}

/// Scales of the blocks of a superblock, or of eight blocks.
type BlockScales = [[f32; LANES]; SUPER / 16];

/// Two tiles' weights spread out: one byte a weight.
#[repr(align(64))]
pub(super) struct Panel {
    weights: [[[u8; WIDTH]; GROUPS]; PAIR],
    /// Scales of blocks.
    scales: [BlockScales; PAIR],
    /// Minimums of blocks: eight vectors of numbers, or two of bytes.
    minimums: [[[u8; WIDTH]; SUPER / BLOCK]; PAIR],
    scale: [[f32; LANES]; PAIR],
    minimum: [[f32; LANES]; PAIR],
}

impl Panel {
    pub(super) const fn new() -> Self {
        Self {
            weights: [[[0; WIDTH]; GROUPS]; PAIR],
            scales: [[[0.0; LANES]; SUPER / 16]; PAIR],
            minimums: [[[0; WIDTH]; SUPER / BLOCK]; PAIR],
            scale: [[0.0; LANES]; PAIR],
            minimum: [[0.0; LANES]; PAIR],
        }
    }
}

/// Four signed bytes in every lane.
#[inline(always)]
unsafe fn four<S: Simd>(values: *const i8) -> S::Ints {
    // SAFETY: the caller promises four bytes.
    unsafe { S::splat(values.cast::<i32>().read_unaligned()) }
}

/// The registers of `R` rows by two tiles.
pub(super) type Block<T, const R: usize> = [[T; PAIR]; R];

#[inline(always)]
fn block<T: Copy, const R: usize>(value: T) -> Block<T, R> {
    [[value; PAIR]; R]
}

/// The results so far of `R` rows from `row` in the tiles from `tile`; zeros where there are no columns any more.
#[inline(always)]
pub(super) unsafe fn read<S: Simd, const R: usize>(
    y: Results,
    row: usize,
    tile: usize,
) -> Block<S::Floats, R> {
    let column = tile * LANES;
    // SAFETY: the caller promises `R` rows; the columns are checked here, and the last ones go by way of a copy.
    unsafe {
        let mut sums = block::<S::Floats, R>(S::splat_float(0.0));
        for (r, sums) in sums.iter_mut().enumerate() {
            let at = y.at.add((row + r) * y.stride + column);
            for (t, sum) in sums.iter_mut().enumerate() {
                let rest = y.columns.saturating_sub(column + t * LANES);
                if rest >= LANES {
                    *sum = S::load_floats(at.add(t * LANES));
                } else if rest > 0 {
                    let mut copy = [0_f32; LANES];
                    std::ptr::copy_nonoverlapping(at.add(t * LANES), copy.as_mut_ptr(), rest);
                    *sum = S::load_floats(copy.as_ptr());
                }
            }
        }
        sums
    }
}

/// Puts results where [`read`] took them from.
#[inline(always)]
pub(super) unsafe fn write<S: Simd, const R: usize>(
    y: Results,
    row: usize,
    tile: usize,
    sums: &Block<S::Floats, R>,
) {
    let column = tile * LANES;
    // SAFETY: as in `read`.
    unsafe {
        for (r, sums) in sums.iter().enumerate() {
            let at = y.at.add((row + r) * y.stride + column);
            for (t, sum) in sums.iter().enumerate() {
                let rest = y.columns.saturating_sub(column + t * LANES);
                if rest >= LANES {
                    S::store_floats(at.add(t * LANES), *sum);
                } else if rest > 0 {
                    let mut copy = [0_f32; LANES];
                    S::store_floats(copy.as_mut_ptr(), *sum);
                    std::ptr::copy_nonoverlapping(copy.as_ptr(), at.add(t * LANES), rest);
                }
            }
        }
    }
}

/// `y += x·Wᵀ` for a run of tiles, an even number of them.
///
/// # Safety
/// The processor has `S`. `x` is grouped as the format needs and has as many inputs as the tiles; `y` points to
/// `x.rows()` rows, whose columns of these tiles nobody else touches.
#[inline(always)]
pub(super) unsafe fn flat<S: Simd, F: Flat>(
    weights: Tiles<'_>,
    tiles: Range<usize>,
    x: &Activations,
    y: Results,
    panel: &mut Panel,
) {
    let rows = x.rows();
    let blocks = weights.inputs / BLOCK;
    let vectors = if F::MINIMUM { 2 } else { 1 };
    for tile in tiles.step_by(PAIR) {
        // SAFETY: the sizes were checked when the matrix was packed; the rest is the caller's promise.
        unsafe {
            let words = weights.words.as_ptr().add(tile * blocks * F::Bits::WORDS * WIDTH);
            let scales = weights.scales.as_ptr().add(tile * blocks * vectors * LANES);
            let sources = [(words, scales), (words.add(F::Bits::WORDS * WIDTH), scales.add(vectors * LANES))];
            let mut row = 0;
            if rows >= MANY {
                for first in (0..blocks).step_by(SUPER / BLOCK) {
                    let some = first..blocks.min(first + SUPER / BLOCK);
                    spread_flat::<S, F>(sources, some.clone(), panel);
                    row = 0;
                    while row + ROWS <= rows {
                        flat_block::<S, F, ROWS, true>(sources, panel, some.clone(), x, row, tile, y);
                        row += ROWS;
                    }
                    for row in row..rows {
                        flat_block::<S, F, 1, true>(sources, panel, some.clone(), x, row, tile, y);
                    }
                }
                continue;
            }
            while row < rows {
                row += match rows - row {
                    1 => {
                        flat_block::<S, F, 1, false>(sources, panel, 0..blocks, x, row, tile, y);
                        1
                    }
                    2 | 3 => {
                        flat_block::<S, F, 2, false>(sources, panel, 0..blocks, x, row, tile, y);
                        2
                    }
                    _ => {
                        flat_block::<S, F, ROWS, false>(sources, panel, 0..blocks, x, row, tile, y);
                        ROWS
                    }
                };
            }
        }
    }
}

#[inline(always)]
unsafe fn spread_flat<S: Simd, F: Flat>(
    sources: [(*const u8, *const f16); PAIR],
    blocks: Range<usize>,
    panel: &mut Panel,
) {
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

/// Some rows by two tiles. Every block is a function of its own, whose registers the compiler can oversee.
struct Rows<'a, F, P, const R: usize, const PANEL: bool> {
    format: PhantomData<F>,
    /// Where each tile begins.
    sources: [P; PAIR],
    panel: &'a Panel,
    /// Blocks or superblocks.
    blocks: Range<usize>,
    x: &'a Activations,
    row: usize,
    tile: usize,
    y: Results,
}

/// The words and scales of a tile.
type Flats = (*const u8, *const f16);

#[inline(always)]
unsafe fn flat_block<S: Simd, F: Flat, const R: usize, const PANEL: bool>(
    sources: [Flats; PAIR],
    panel: &Panel,
    blocks: Range<usize>,
    x: &Activations,
    row: usize,
    tile: usize,
    y: Results,
) {
    let rows = Rows::<F, Flats, R, PANEL> { format: PhantomData, sources, panel, blocks, x, row, tile, y };
    // SAFETY: the caller's promise.
    unsafe { S::outlined(rows) }
}

impl<F: Flat, const R: usize, const PANEL: bool> Task for Rows<'_, F, Flats, R, PANEL> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { sources, panel, blocks, x, row, tile, y, .. } = self;
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

/// As [`flat`].
///
/// # Safety
/// As there.
#[inline(always)]
pub(super) unsafe fn nested<S: Simd, F: Nested>(
    weights: Tiles<'_>,
    tiles: Range<usize>,
    x: &Activations,
    y: Results,
    panel: &mut Panel,
) {
    let rows = x.rows();
    let supers = weights.inputs / SUPER;
    for tile in tiles.step_by(PAIR) {
        // SAFETY: the sizes were checked when the matrix was packed; the rest is the caller's promise.
        unsafe {
            let words = weights.words.as_ptr().add(tile * supers * F::WORDS * WIDTH);
            let sources = [words, words.add(F::HEAD * WIDTH)];
            let mut row = 0;
            if rows >= MANY {
                for index in 0..supers {
                    let offset = index * PAIR * F::WORDS * WIDTH;
                    spread_nested::<S, F>([sources[0].add(offset), sources[1].add(offset)], panel);
                    row = 0;
                    while row + ROWS <= rows {
                        nested_block::<S, F, ROWS, true>(sources, panel, index..index + 1, x, row, tile, y);
                        row += ROWS;
                    }
                    for row in row..rows {
                        nested_block::<S, F, 1, true>(sources, panel, index..index + 1, x, row, tile, y);
                    }
                }
                continue;
            }
            while row < rows {
                row += match rows - row {
                    1 => {
                        nested_block::<S, F, 1, false>(sources, panel, 0..supers, x, row, tile, y);
                        1
                    }
                    2 | 3 => {
                        nested_block::<S, F, 2, false>(sources, panel, 0..supers, x, row, tile, y);
                        2
                    }
                    _ => {
                        nested_block::<S, F, ROWS, false>(sources, panel, 0..supers, x, row, tile, y);
                        ROWS
                    }
                };
            }
        }
    }
}

#[inline(always)]
unsafe fn spread_nested<S: Simd, F: Nested>(tiles: [*const u8; PAIR], panel: &mut Panel) {
    for (t, tile) in tiles.into_iter().enumerate() {
        // SAFETY: the caller promises a superblock.
        unsafe {
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
unsafe fn spread_scales<S: Simd, F: Nested>(tile: *const u8, to: &mut BlockScales) {
    // SAFETY: the caller promises a superblock.
    unsafe {
        let scales = F::scales::<S>(tile);
        for (block, to) in to[..SUPER / F::SUB].iter_mut().enumerate() {
            S::store_floats(to.as_mut_ptr(), scales.of(block));
        }
    }
}

#[inline(always)]
unsafe fn nested_block<S: Simd, F: Nested, const R: usize, const PANEL: bool>(
    sources: [*const u8; PAIR],
    panel: &Panel,
    blocks: Range<usize>,
    x: &Activations,
    row: usize,
    tile: usize,
    y: Results,
) {
    let rows =
        Rows::<F, *const u8, R, PANEL> { format: PhantomData, sources, panel, blocks, x, row, tile, y };
    // SAFETY: the caller's promise.
    unsafe { S::outlined(rows) }
}

impl<F: Nested, const R: usize, const PANEL: bool> Task for Rows<'_, F, *const u8, R, PANEL> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { sources, panel, blocks, x, row, tile, y, .. } = self;
        let per_row = x.inputs / SUPER;
        // SAFETY: the caller promises rows, tiles and superblocks that exist; a panel holds the only one asked for.
        unsafe {
            let mut sums = read::<S, R>(y, row, tile);
            let mut scales = [[[0.0; LANES]; SUPER / 16]; PAIR];
            for index in blocks {
                let place = Place { at: row * per_row + index, per_row };
                let offset = index * PAIR * F::WORDS * WIDTH;
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

/// From the head of a tile to one of its blocks: the heads of a pair stand first, then the blocks of both in turn, so
/// that a product reads memory from end to end.
#[inline(always)]
fn block_offset<F: Nested>(tile: usize, block: usize) -> usize {
    ((PAIR - tile) * F::HEAD + (block * PAIR + tile) * F::Bits::WORDS) * WIDTH
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
