//! A dense layer.

use super::kernels::{Matrix, Product, Rounded, multiply};

/// `y = x·Wᵀ + b`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    /// As many numbers as there are outputs.
    pub(super) bias: Option<Vec<f32>>,
}

impl Linear {
    /// Sets `y` to the bias of every row and names the product that is to be added.
    pub(super) fn begin<'a>(&'a self, rows: usize, y: &'a mut Vec<f32>) -> Product<'a> {
        y.clear();
        match &self.bias {
            Some(bias) => (0..rows).for_each(|_| y.extend_from_slice(bias)),
            None => y.resize(rows * self.matrix.outputs(), 0.0),
        }
        Product { matrix: &self.matrix, y }
    }

    /// `y += x·Wᵀ + b`.
    pub(super) fn add(&self, x: &[f32], y: &mut [f32], rounded: &mut Rounded) {
        if let Some(bias) = &self.bias {
            for row in y.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
            }
        }
        multiply(x, rounded, &mut [Product { matrix: &self.matrix, y }]);
    }
}
