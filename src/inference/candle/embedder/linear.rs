//! Matrix products in f32.

use gemm::Parallelism;

/// A dense layer: `y = x·Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    /// `outputs × inputs`, row by row.
    weight: Vec<f32>,
    /// `outputs` numbers.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl Linear {
    /// `weight` is `outputs × inputs`, row by row; `bias` has `outputs` numbers.
    pub(super) fn new(weight: Vec<f32>, bias: Vec<f32>, inputs: usize) -> Self {
        let outputs = bias.len();
        debug_assert_eq!(weight.len(), inputs * outputs);
        Self { weight, bias, inputs, outputs }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `rows × inputs` → `rows × outputs`.
    pub(super) fn apply(&self, x: &[f32], y: &mut Vec<f32>) {
        let rows = x.len() / self.inputs;
        y.clear();
        y.reserve(rows * self.outputs);
        for _ in 0..rows {
            y.extend_from_slice(&self.bias);
        }
        product(
            Matrix { at: &mut y[..], rows, columns: self.outputs, stride: self.outputs },
            Operand { at: x, row: self.inputs, column: 1 },
            Operand { at: &self.weight, row: 1, column: self.inputs },
            self.inputs,
            Add::Onto,
            Parallelism::Rayon(rayon::current_num_threads()),
        );
    }
}

/// Where a product goes: rows of `columns` numbers, `stride` apart.
pub(super) struct Matrix<'a> {
    pub(super) at: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

/// A factor: steps from one row, and from one column, to the next.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) at: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Whether a product replaces what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Add {
    Onto,
    Replace,
}

/// `out = left·right`, or `out += left·right`; `depth` is the inner dimension.
pub(super) fn product(
    out: Matrix<'_>,
    left: Operand<'_>,
    right: Operand<'_>,
    depth: usize,
    add: Add,
    parallelism: Parallelism,
) {
    let Matrix { at, rows, columns, stride } = out;
    if rows == 0 || columns == 0 || depth == 0 {
        return;
    }
    let last = |operand: &Operand<'_>, rows: usize, columns: usize| {
        (rows - 1) * operand.row + (columns - 1) * operand.column
    };
    assert!((rows - 1) * stride + columns <= at.len());
    assert!(last(&left, rows, depth) < left.at.len());
    assert!(last(&right, depth, columns) < right.at.len());
    // SAFETY: the assertions above hold every element that the product touches inside the three slices; the output is
    // borrowed mutably, so it overlaps neither factor.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            depth,
            at.as_mut_ptr(),
            1,
            stride as isize,
            add == Add::Onto,
            left.at.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.at.as_ptr(),
            right.column as isize,
            right.row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_and_adds_the_bias() {
        let layer = Linear::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.5, -0.5, 0.0], 2);
        let mut y = Vec::new();
        layer.apply(&[1.0, 1.0, 0.0, 2.0], &mut y);
        assert_eq!(y, [3.5, 6.5, 11.0, 4.5, 7.5, 12.0]);
    }
}
