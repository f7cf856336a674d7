//! Rows of activations in eight bits.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use super::formats::{BLOCK, SUPER};
use super::simd::{LANES, Simd, largest_lane};

/// Rows rounded to eight bits, in groups that share a scale: `x ≈ scale · q` with `q` from −127 to 127.
///
/// The group is what the weights' type sums exactly: 32 or 128 inputs, or 256 for the types with superblocks.
#[derive(Debug, Default)]
pub struct Activations {
    pub(super) inputs: usize,
    pub(super) group: usize,
    /// `rows × inputs`.
    pub(super) values: Vec<i8>,
    /// `rows × inputs / group`.
    pub(super) scales: Vec<f32>,
    /// Minus the sum of the values of every group, or of every 16 inputs where the group is 256.
    pub(super) sums: Vec<i32>,
    /// For groups of 32: scale times the sum of the values.
    pub(super) shifts: Vec<f32>,
    /// For groups of 256: the sums of its eight blocks of 32 as `128·upper + lower`: eight uppers, then eight lowers.
    pub(super) halves: Vec<[i8; 16]>,
}

/// One row of [`Activations`], mutable.
pub(super) struct Row<'a> {
    pub(super) values: &'a mut [i8],
    pub(super) scales: &'a mut [f32],
    pub(super) sums: &'a mut [i32],
    pub(super) shifts: &'a mut [f32],
    pub(super) halves: &'a mut [[i8; 16]],
}

impl Activations {
    /// Room for `rows` rows of `inputs` numbers in groups of `group`.
    pub(super) fn resize(&mut self, rows: usize, inputs: usize, group: usize) {
        let nested = group == SUPER;
        self.inputs = inputs;
        self.group = group;
        self.values.resize(rows * inputs, 0);
        self.scales.resize(rows * inputs / group, 0.0);
        self.sums.resize(rows * inputs / if nested { 16 } else { group }, 0);
        self.shifts.resize(if group == BLOCK { rows * inputs / BLOCK } else { 0 }, 0.0);
        self.halves.resize(if nested { rows * inputs / SUPER } else { 0 }, [0; 16]);
    }

    /// Rows held.
    pub(super) fn rows(&self) -> usize {
        self.values.len().checked_div(self.inputs).unwrap_or(0)
    }

    /// The rows one by one.
    pub(super) fn split(&mut self) -> impl Iterator<Item = Row<'_>> {
        let rows = self.rows().max(1);
        let sizes = [
            self.inputs,
            self.scales.len() / rows,
            self.sums.len() / rows,
            self.shifts.len() / rows,
            self.halves.len() / rows,
        ]
        .map(|size| size.max(1));
        let shifts = self.shifts.chunks_mut(sizes[3]).map(Some).chain(std::iter::repeat_with(|| None));
        let halves = self.halves.chunks_mut(sizes[4]).map(Some).chain(std::iter::repeat_with(|| None));
        self.values
            .chunks_mut(sizes[0])
            .zip(self.scales.chunks_mut(sizes[1]))
            .zip(self.sums.chunks_mut(sizes[2]))
            .zip(shifts)
            .zip(halves)
            .map(|((((values, scales), sums), shifts), halves)| Row {
                values,
                scales,
                sums,
                shifts: shifts.unwrap_or_default(),
                halves: halves.unwrap_or_default(),
            })
    }
}

/// Rounds one row in groups of 32 or 256.
///
/// # Safety
/// The processor has `S`; `x` and `row` have the same length, a multiple of `group`.
#[inline(always)]
pub(super) unsafe fn quantise<S: Simd>(x: &[f32], group: usize, row: &mut Row<'_>) {
    let blocks = x.chunks_exact(group).zip(row.values.chunks_exact_mut(group)).zip(row.scales.iter_mut());
    for (index, ((x, values), scale)) in blocks.enumerate() {
        // SAFETY: chunks of 16 numbers are read and written; the features are the caller's promise.
        unsafe {
            let largest = largest::<S>(x);
            *scale = largest / 127.0;
            let inverse = S::splat_float(if largest > 0.0 { 127.0 / largest } else { 0.0 });
            for (x, values) in x.chunks_exact(LANES).zip(values.chunks_exact_mut(LANES)) {
                let mut whole = [0_i32; LANES];
                S::store(
                    whole.as_mut_ptr().cast(),
                    S::round(S::product(S::load_floats(x.as_ptr()), inverse)),
                );
                for (value, whole) in values.iter_mut().zip(whole) {
                    *value = whole as i8;
                }
            }
        }
        let sum = |values: &[i8]| values.iter().map(|value| i32::from(*value)).sum::<i32>();
        if group < SUPER {
            let sum = sum(values);
            row.sums[index] = -sum;
            if let Some(shift) = row.shifts.get_mut(index) {
                *shift = *scale * sum as f32;
            }
        } else {
            let sums = &mut row.sums[index * (SUPER / 16)..][..SUPER / 16];
            for (out, values) in sums.iter_mut().zip(values.chunks_exact(16)) {
                *out = -sum(values);
            }
            let halves = &mut row.halves[index];
            for (block, pair) in sums.chunks_exact(2).enumerate() {
                let sum = -(pair[0] + pair[1]);
                let upper = (sum + 64) >> 7;
                halves[block] = upper as i8;
                halves[8 + block] = (sum - (upper << 7)) as i8;
            }
        }
    }
}

/// The largest magnitude of `x`, whose length is a multiple of 16.
#[inline(always)]
unsafe fn largest<S: Simd>(x: &[f32]) -> f32 {
    // SAFETY: chunks of 16 numbers are read; the features are the caller's promise.
    unsafe {
        let zero = S::splat_float(0.0);
        let minus = S::splat_float(-1.0);
        let mut most = zero;
        for chunk in x.chunks_exact(LANES) {
            let x = S::load_floats(chunk.as_ptr());
            most = S::max(most, S::max(x, S::product(x, minus)));
        }
        largest_lane::<S>(most)
    }
}
