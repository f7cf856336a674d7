//! Attention of a few queries to the keys and values of one head, block by block.
//!
//! Softmax is taken along the way (Milakov and Gimelshein, 2018, <https://arxiv.org/abs/1805.02867>): a running
//! maximum, and what was summed before is scaled down when a larger score comes. A query's result depends on its own
//! numbers alone, whatever other queries are computed beside it.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#![expect(clippy::needless_range_loop, reason = "a closure is not compiled for the wider vectors")]

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::simd::{LANES, Simd, largest_lane};
use super::{Task, dispatch};

/// Positions of a block of keys and values.
pub const POSITIONS: usize = 32;
/// Vectors of scores a block.
const VECTORS: usize = POSITIONS / LANES;
/// Below every score.
const LOWEST: f32 = -3.0e38;

/// One head of one token.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Rotated and scaled; as wide as the head.
    pub values: &'a [f32],
    /// Positions that it sees, from and up to and with.
    pub sees: (usize, usize),
    /// Where the result goes: as many numbers, which nobody else touches.
    pub out: *mut f32,
}

/// Where the keys and values of one head lie: a pointer for each block of positions, to keys of
/// `[width, POSITIONS]` and behind them values of `[POSITIONS, padded]`.
#[derive(Debug, Clone, Copy)]
pub struct HeadBlocks<'a> {
    /// The blocks' beginnings.
    pub blocks: &'a [*const f16],
    /// Numbers a head.
    pub width: usize,
}

/// Width of a row of values: whole vectors.
pub fn padded(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// Half-precision numbers of one head's keys and values in a block.
pub fn head_size(width: usize) -> usize {
    POSITIONS * (width + padded(width))
}

/// Writes the key and the value of one position of a head to its block.
///
/// # Safety
/// The head's numbers in the block begin at `head`, and nobody else reads or writes this position meanwhile.
pub unsafe fn put(head: *mut f16, position: usize, key: &[f32], value: &[f32]) {
    let width = key.len();
    let mut rounded = [f16::ZERO; 64];
    for (index, numbers) in key.chunks(rounded.len()).enumerate() {
        let rounded = &mut rounded[..numbers.len()];
        rounded.convert_from_f32_slice(numbers);
        for (d, number) in rounded.iter().enumerate() {
            // SAFETY: the caller's promise; a block has `width` rows of positions.
            unsafe { head.add((index * 64 + d) * POSITIONS + position).write(*number) };
        }
    }
    // SAFETY: the caller's promise; behind the keys a block has a row of values for every position.
    let row = unsafe {
        std::slice::from_raw_parts_mut(head.add(width * POSITIONS + position * padded(width)), width)
    };
    row.convert_from_f32_slice(value);
}

/// Computes the queries, in groups of eight.
///
/// # Safety
/// Every block up to the last position seen is there and nobody writes to it; every `out` can be written.
pub unsafe fn attend(queries: &[Query<'_>], head: HeadBlocks<'_>, scratch: &mut Vec<f32>) {
    scratch.resize(8 * padded(head.width), 0.0);
    // SAFETY: the caller's promise.
    unsafe { dispatch(Attend { queries, head, scratch }) }
}

struct Attend<'a> {
    queries: &'a [Query<'a>],
    head: HeadBlocks<'a>,
    scratch: &'a mut [f32],
}

impl Task for Attend<'_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut rest = self.queries;
        while !rest.is_empty() {
            // SAFETY: the caller's promise.
            unsafe {
                rest = match rest.len() {
                    1 => some::<S, 1>(rest, self.head, self.scratch),
                    2 | 3 => some::<S, 2>(rest, self.head, self.scratch),
                    4..8 => some::<S, 4>(rest, self.head, self.scratch),
                    _ => some::<S, 8>(rest, self.head, self.scratch),
                };
            }
        }
    }
}

/// Computes the first `N` queries and returns the others.
#[inline(always)]
unsafe fn some<'a, S: Simd, const N: usize>(
    queries: &'a [Query<'a>],
    head: HeadBlocks<'_>,
    scratch: &mut [f32],
) -> &'a [Query<'a>] {
    let Some((now, rest)) = queries.split_first_chunk::<N>() else { return &[] };
    let width = head.width;
    let wide = padded(width);
    let mixed = &mut scratch[..N * wide];
    mixed.fill(0.0);
    let mut highest = [LOWEST; N];
    let from = now.iter().map(|query| query.sees.0 / POSITIONS).min().unwrap_or(0);
    let to = now.iter().map(|query| query.sees.1 / POSITIONS).max().unwrap_or(0);
    // SAFETY: the caller promises the blocks and the features.
    unsafe {
        let mut totals = [S::splat_float(0.0); N];
        for block in from..=to {
            let keys = head.blocks[block];
            let values = keys.add(width * POSITIONS);
            let mut scores = [[S::splat_float(0.0); VECTORS]; N];
            for d in 0..width {
                let key = [
                    S::load_halves(keys.add(d * POSITIONS)),
                    S::load_halves(keys.add(d * POSITIONS + LANES)),
                ];
                for n in 0..N {
                    let value = S::splat_float(*now[n].values.get_unchecked(d));
                    scores[n][0] = S::fma(key[0], value, scores[n][0]);
                    scores[n][1] = S::fma(key[1], value, scores[n][1]);
                }
            }
            let mut shares = [[0_f32; POSITIONS]; N];
            for n in 0..N {
                S::store_floats(shares[n].as_mut_ptr(), scores[n][0]);
                S::store_floats(shares[n].as_mut_ptr().add(LANES), scores[n][1]);
            }
            for (n, query) in now.iter().enumerate() {
                let shares = &mut shares[n];
                let sees = |j: usize| (query.sees.0..=query.sees.1).contains(&(block * POSITIONS + j));
                let hidden = !sees(0) || !sees(POSITIONS - 1);
                if hidden {
                    for (j, share) in shares.iter_mut().enumerate() {
                        if !sees(j) {
                            *share = LOWEST;
                        }
                    }
                }
                let before = highest[n];
                let highest = &mut highest[n];
                let most =
                    S::max(S::load_floats(shares.as_ptr()), S::load_floats(shares.as_ptr().add(LANES)));
                *highest = largest_lane::<S>(S::max(S::splat_float(before), most));
                let lower = S::splat_float(-*highest);
                for v in 0..VECTORS {
                    let score = S::load_floats(shares.as_ptr().add(v * LANES));
                    S::store_floats(shares.as_mut_ptr().add(v * LANES), exp::<S>(S::sum(score, lower)));
                }
                if hidden {
                    for (j, share) in shares.iter_mut().enumerate() {
                        if !sees(j) {
                            *share = 0.0;
                        }
                    }
                }
                if before < *highest {
                    let scale = exp::<S>(S::splat_float(before - *highest));
                    totals[n] = S::product(totals[n], scale);
                    for chunk in mixed[n * wide..][..wide].chunks_exact_mut(LANES) {
                        let scaled = S::product(S::load_floats(chunk.as_ptr()), scale);
                        S::store_floats(chunk.as_mut_ptr(), scaled);
                    }
                }
                for v in 0..VECTORS {
                    totals[n] = S::sum(totals[n], S::load_floats(shares.as_ptr().add(v * LANES)));
                }
            }
            let mut column = 0;
            while column < wide {
                column += if wide - column >= 2 * LANES {
                    mix::<S, N, 2>(values.add(column), &shares, &mut mixed[column..], wide)
                } else {
                    mix::<S, N, 1>(values.add(column), &shares, &mut mixed[column..], wide)
                };
            }
        }
        for (n, query) in now.iter().enumerate() {
            let mut lanes = [0_f32; LANES];
            S::store_floats(lanes.as_mut_ptr(), totals[n]);
            let inverse = 1.0 / lanes.into_iter().sum::<f32>();
            let out = std::slice::from_raw_parts_mut(query.out, width);
            for (out, mixed) in out.iter_mut().zip(&mixed[n * wide..]) {
                *out = mixed * inverse;
            }
        }
    }
    rest
}

/// Exponential of numbers up to 0, to 2e-7 relative: 2ⁿ·eʳ with |r| ≤ ln 2 / 2 and the polynomial of Cephes' `expf`
/// (Moshier 1989); below −87 as at −87.
#[inline(always)]
unsafe fn exp<S: Simd>(x: S::Floats) -> S::Floats {
    // SAFETY: the caller promises the features.
    unsafe {
        let x = S::max(x, S::splat_float(-87.0));
        let whole = S::round(S::product(x, S::splat_float(std::f32::consts::LOG2_E)));
        let n = S::float(whole);
        let r = S::fma(n, S::splat_float(-0.693_359_4), x);
        let r = S::fma(n, S::splat_float(2.121_944_4e-4), r);
        let mut p = S::splat_float(1.987_569_2e-4);
        for term in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
            p = S::fma(p, r, S::splat_float(term));
        }
        let power = S::as_floats(S::shl(S::add(whole, S::splat(127)), 23));
        S::product(S::sum(S::fma(p, S::product(r, r), r), S::splat_float(1.0)), power)
    }
}

/// Adds the values of a block's positions by their shares, in `C` vectors of columns; the columns.
#[inline(always)]
unsafe fn mix<S: Simd, const N: usize, const C: usize>(
    values: *const f16,
    shares: &[[f32; POSITIONS]; N],
    mixed: &mut [f32],
    wide: usize,
) -> usize {
    // SAFETY: the caller promises a block of values, `N` rows of `mixed`, as many columns in both, and the features.
    unsafe {
        let mut sums = [[S::splat_float(0.0); C]; N];
        for n in 0..N {
            for c in 0..C {
                sums[n][c] = S::load_floats(mixed.as_ptr().add(n * wide + c * LANES));
            }
        }
        for j in 0..POSITIONS {
            let mut value = [S::splat_float(0.0); C];
            for c in 0..C {
                value[c] = S::load_halves(values.add(j * wide + c * LANES));
            }
            for n in 0..N {
                let share = S::splat_float(shares[n][j]);
                for c in 0..C {
                    sums[n][c] = S::fma(value[c], share, sums[n][c]);
                }
            }
        }
        for n in 0..N {
            for c in 0..C {
                S::store_floats(mixed.as_mut_ptr().add(n * wide + c * LANES), sums[n][c]);
            }
        }
    }
    C * LANES
}

#[cfg(test)]
mod tests {
    use super::super::simd::{Scalar, on_every_processor};
    use super::*;

    const WIDTH: usize = 24;

    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) as f32 / 4_194_304.0 - 2.0
    }

    /// Keys and values of a head at `length` positions: as blocks, and plainly.
    fn head(length: usize) -> (Vec<Vec<f16>>, Vec<[Vec<f64>; 2]>) {
        let mut seed = 11;
        let mut blocks = vec![vec![f16::ZERO; head_size(WIDTH)]; length.div_ceil(POSITIONS)];
        let mut plain = Vec::new();
        for position in 0..length {
            let block = &mut blocks[position / POSITIONS];
            let mut numbers = || (0..WIDTH).map(|_| f16::from_f32(noise(&mut seed))).collect::<Vec<f16>>();
            let (key, value) = (numbers(), numbers());
            for d in 0..WIDTH {
                block[d * POSITIONS + position % POSITIONS] = key[d];
                block[WIDTH * POSITIONS + position % POSITIONS * padded(WIDTH) + d] = value[d];
            }
            plain.push([key, value].map(|numbers| numbers.iter().map(|number| number.to_f64()).collect()));
        }
        (blocks, plain)
    }

    fn run<S: Simd>(queries: &[(Vec<f32>, (usize, usize))], blocks: &[Vec<f16>]) -> Vec<f32> {
        let blocks: Vec<*const f16> = blocks.iter().map(Vec::as_ptr).collect();
        let mut out = vec![0.0; queries.len() * WIDTH];
        let queries: Vec<Query<'_>> = queries
            .iter()
            .zip(out.chunks_exact_mut(WIDTH))
            .map(|((values, sees), out)| Query { values, sees: *sees, out: out.as_mut_ptr() })
            .collect();
        let mut scratch = vec![0.0; 8 * padded(WIDTH)];
        let head = HeadBlocks { blocks: &blocks, width: WIDTH };
        // SAFETY: the caller names what the processor has; the blocks reach as far as the queries see.
        unsafe { S::outlined(Attend { queries: &queries, head, scratch: &mut scratch }) };
        out
    }

    /// Prompts, single tokens and windows, more queries than are computed at once, and blocks that are not full.
    #[test]
    fn gives_the_softmax_of_what_each_query_sees_on_every_processor() {
        let (blocks, plain) = head(101);
        let mut seed = 5;
        let spans = [
            (0, 0),
            (0, 31),
            (0, 32),
            (0, 100),
            (60, 100),
            (64, 95),
            (33, 70),
            (100, 100),
            (0, 50),
            (7, 9),
            (0, 64),
        ];
        let queries: Vec<(Vec<f32>, (usize, usize))> =
            spans.iter().map(|sees| ((0..WIDTH).map(|_| noise(&mut seed)).collect(), *sees)).collect();
        let out = run::<Scalar>(&queries, &blocks);
        for ((query, (from, to)), out) in queries.iter().zip(out.chunks_exact(WIDTH)) {
            let seen = &plain[*from..=*to];
            let scores = seen
                .iter()
                .map(|[key, _]| key.iter().zip(query).map(|(k, q)| k * f64::from(*q)).sum::<f64>());
            let weights: Vec<f64> = scores.map(f64::exp).collect();
            let total: f64 = weights.iter().sum();
            for (d, out) in out.iter().enumerate() {
                let exact = seen
                    .iter()
                    .zip(&weights)
                    .map(|([_, value], weight)| value[d] * weight / total)
                    .sum::<f64>();
                assert!((f64::from(*out) - exact).abs() < 1e-5, "{from} to {to}: {out} and {exact}");
            }
        }
        let bits = |out: &[f32]| out.iter().map(|out| out.to_bits()).collect::<Vec<_>>();
        for (at, query) in queries.iter().enumerate() {
            let alone = run::<Scalar>(std::slice::from_ref(query), &blocks);
            assert_eq!(bits(&alone), bits(&out[at * WIDTH..][..WIDTH]), "query {at} alone");
        }
        for (name, wide) in on_every_processor!(run(&queries, &blocks)) {
            assert_eq!(bits(&wide), bits(&out), "{name}");
        }
    }
}
