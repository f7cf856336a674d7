//! Dense layers and matrix products.

use gemm::Parallelism;

use super::blocks::{Activations, Blocks};

/// A weight matrix as a file has it, `outputs × inputs`, row by row.
#[derive(Debug)]
pub(super) enum Weights {
    /// Single numbers.
    F32(Vec<f32>),
    /// `Q4_0` blocks, which [`Blocks`] can compute with.
    Q4_0(Vec<u8>),
}

/// A dense layer: `y = x·Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    form: Form,
    /// `outputs` numbers.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

#[derive(Debug)]
enum Form {
    Dense(Vec<f32>),
    Blocks(Blocks),
}

impl Linear {
    /// `None` when the weights do not have the size that the bias and `inputs` say, or no kernel takes them.
    pub(super) fn new(weights: Weights, bias: Vec<f32>, inputs: usize) -> Option<Self> {
        let outputs = bias.len();
        let form = match weights {
            Weights::F32(weight) if weight.len() == inputs * outputs => Form::Dense(weight),
            Weights::F32(_) => return None,
            Weights::Q4_0(bytes) => Form::Blocks(Blocks::new(&bytes, outputs, inputs)?),
        };
        Some(Self { form, bias, inputs, outputs })
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `rows × inputs` → `rows × outputs`, on the calling thread.
    pub(super) fn apply(&self, x: &[f32], y: &mut [f32], scratch: &mut Activations) {
        let weight = match &self.form {
            Form::Blocks(blocks) => return blocks.apply(x, &self.bias, y, scratch),
            Form::Dense(weight) => weight,
        };
        for row in y.chunks_exact_mut(self.outputs) {
            row.copy_from_slice(&self.bias);
        }
        product(
            Matrix { rows: y.len() / self.outputs, columns: self.outputs, stride: self.outputs, at: y },
            Operand { at: x, row: self.inputs, column: 1 },
            Operand { at: weight, row: 1, column: self.inputs },
            self.inputs,
            Add::Onto,
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

/// `out = left·right`, or `out += left·right`, on the calling thread; `depth` is the inner dimension.
#[expect(clippy::cast_possible_wrap, reason = "no slice is longer than isize::MAX")]
pub(super) fn product(out: Matrix<'_>, left: Operand<'_>, right: Operand<'_>, depth: usize, add: Add) {
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
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_and_adds_the_bias() {
        let weights = Weights::F32(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let layer = Linear::new(weights, vec![0.5, -0.5, 0.0], 2).unwrap();
        let mut y = [0.0; 6];
        layer.apply(&[1.0, 1.0, 0.0, 2.0], &mut y, &mut Activations::default());
        let right = [3.5, 6.5, 11.0, 4.5, 7.5, 12.0];
        assert!(y.iter().zip(right).all(|(value, right)| (value - right).abs() < 1e-6), "{y:?}");
        assert!(Linear::new(Weights::F32(vec![0.0; 5]), vec![0.0; 3], 2).is_none());
    }
}
