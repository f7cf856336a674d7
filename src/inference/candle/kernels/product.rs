//! Products of packed weights and activations in eight bits.
//!
//! One [`Kernel`] for each family of formats, over registers of a few rows by two tiles of outputs. With a few rows the
//! weights are taken from the tiles as they pass; with many they are first spread out, 256 inputs of two tiles at a
//! time, into a panel that stays in the nearest cache. Either way the sums are the same, bit for bit: whole numbers
//! within a group of activations, then one fused multiply-add after the other in the order of the inputs.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use std::ops::Range;

use half::f16;

use super::Task;
use super::activations::Activations;
use super::formats::{BLOCK, GROUP, SUPER};
use super::simd::{LANES, Simd, WIDTH};

/// Tiles in a register block.
pub(super) const PAIR: usize = 2;
/// Rows in a register block at most.
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
pub(super) type BlockScales = [[f32; LANES]; SUPER / 16];

/// Two tiles' weights spread out: one byte a weight.
#[repr(align(64))]
pub(super) struct Panel {
    pub(super) weights: [[[u8; WIDTH]; GROUPS]; PAIR],
    /// Scales of blocks.
    pub(super) scales: [BlockScales; PAIR],
    /// Minimums of blocks: eight vectors of numbers, or two of bytes.
    pub(super) minimums: [[[u8; WIDTH]; SUPER / BLOCK]; PAIR],
    pub(super) scale: [[f32; LANES]; PAIR],
    pub(super) minimum: [[f32; LANES]; PAIR],
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
pub(super) unsafe fn four<S: Simd>(values: *const i8) -> S::Ints {
    // SAFETY: the caller promises four bytes.
    unsafe { S::splat(values.cast::<i32>().read_unaligned()) }
}

/// The registers of `R` rows by two tiles.
pub(super) type Block<T, const R: usize> = [[T; PAIR]; R];

#[inline(always)]
pub(super) fn block<T: Copy, const R: usize>(value: T) -> Block<T, R> {
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

/// A family of formats: how a register block of theirs is computed.
pub(super) trait Kernel: Copy {
    /// Where a tile begins.
    type Source: Copy;
    /// Inputs of a block.
    const INPUTS: usize;

    /// Where the tiles of the pair from `tile` begin, each row of which has `blocks` blocks.
    ///
    /// # Safety
    /// The weights have these tiles and blocks.
    unsafe fn sources(weights: Tiles<'_>, tile: usize, blocks: usize) -> [Self::Source; PAIR];

    /// Spreads out up to 256 inputs.
    ///
    /// # Safety
    /// The processor has `S`; the tiles have these blocks.
    unsafe fn spread<S: Simd>(sources: [Self::Source; PAIR], blocks: Range<usize>, panel: &mut Panel);

    /// Adds the products of some rows.
    ///
    /// # Safety
    /// The processor has `S`; the rows, tiles and blocks exist, and with `PANEL` the panel holds the blocks.
    unsafe fn add<S: Simd, const R: usize, const PANEL: bool>(rows: Rows<'_, Self, R, PANEL>);
}

/// Some rows by two tiles.
pub(super) struct Rows<'a, K: Kernel, const R: usize, const PANEL: bool> {
    pub(super) sources: [K::Source; PAIR],
    pub(super) panel: &'a Panel,
    pub(super) blocks: Range<usize>,
    pub(super) x: &'a Activations,
    pub(super) row: usize,
    pub(super) tile: usize,
    pub(super) y: Results,
}

/// A function of its own for every kernel, whose registers the compiler can oversee.
impl<K: Kernel, const R: usize, const PANEL: bool> Task for Rows<'_, K, R, PANEL> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's promise.
        unsafe { K::add::<S, R, PANEL>(self) }
    }
}

/// `y += x·Wᵀ` for a run of tiles, an even number of them.
///
/// # Safety
/// The processor has `S`. `x` is grouped as the format needs and has as many inputs as the tiles; `y` points to
/// `x.rows()` rows, whose columns of these tiles nobody else touches.
#[inline(always)]
pub(super) unsafe fn product<S: Simd, K: Kernel>(
    weights: Tiles<'_>,
    tiles: Range<usize>,
    x: &Activations,
    y: Results,
    panel: &mut Panel,
) {
    let blocks = weights.inputs / K::INPUTS;
    for tile in tiles.step_by(PAIR) {
        // SAFETY: the sizes were checked when the matrix was packed; the rest is the caller's promise.
        unsafe {
            let sources = K::sources(weights, tile, blocks);
            if x.rows() < MANY {
                every_row::<S, K, false>(sources, panel, 0..blocks, x, tile, y);
                continue;
            }
            for first in (0..blocks).step_by(SUPER / K::INPUTS) {
                let some = first..blocks.min(first + SUPER / K::INPUTS);
                K::spread::<S>(sources, some.clone(), panel);
                every_row::<S, K, true>(sources, panel, some, x, tile, y);
            }
        }
    }
}

#[inline(always)]
unsafe fn every_row<S: Simd, K: Kernel, const PANEL: bool>(
    sources: [K::Source; PAIR],
    panel: &Panel,
    blocks: Range<usize>,
    x: &Activations,
    tile: usize,
    y: Results,
) {
    let rows = x.rows();
    let mut row = 0;
    while row < rows {
        let blocks = blocks.clone();
        // SAFETY: the caller's promise.
        row += unsafe {
            match (rows - row).min(S::ROWS) {
                1 => {
                    S::outlined(Rows::<K, 1, PANEL> { sources, panel, blocks, x, row, tile, y });
                    1
                }
                2 | 3 => {
                    S::outlined(Rows::<K, 2, PANEL> { sources, panel, blocks, x, row, tile, y });
                    2
                }
                _ => {
                    S::outlined(Rows::<K, ROWS, PANEL> { sources, panel, blocks, x, row, tile, y });
                    ROWS
                }
            }
        };
    }
}
