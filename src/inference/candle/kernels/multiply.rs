//! Products of one input with several matrices, shared among the threads of a team.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use std::cell::RefCell;

use rayon::prelude::*;

use super::super::team::{each, share};
use super::activations::{Activations, Row, quantise};
use super::formats::{BLOCK, SUPER};
use super::matrix::{Input, Matrix};
use super::product::{Panel, Results};
use super::seven::SHARED;
use super::simd::Simd;
use super::{Task, dispatch};

/// Parts of the work for each thread: enough that a thread that was held up leaves the rest to the others.
const PARTS: usize = 8;

thread_local! {
    static PANEL: RefCell<Panel> = const { RefCell::new(Panel::new()) };
}

/// Room for the rounded rows of one input, to be used again and again.
#[derive(Debug, Default)]
pub struct Rounded {
    narrow: Activations,
    middle: Activations,
    wide: Activations,
}

/// One matrix and where its results are added: rows as wide as its outputs.
pub struct Product<'a> {
    /// The weights.
    pub matrix: &'a Matrix,
    /// `rows × outputs`.
    pub y: &'a mut [f32],
}

/// `y += x·Wᵀ` for every product; `x` has rows as wide as the inputs of all of them.
///
/// # Panics
/// Where the sizes do not fit together.
pub fn multiply(x: &[f32], rounded: &mut Rounded, products: &mut [Product<'_>]) {
    let Some(first) = products.first() else { return };
    let inputs = first.matrix.inputs();
    let rows = x.len() / inputs;
    for product in products.iter() {
        assert_eq!(product.matrix.inputs(), inputs);
        assert_eq!(product.y.len(), rows * product.matrix.outputs());
    }
    assert_eq!(x.len(), rows * inputs);
    let Rounded { narrow, middle, wide } = rounded;
    for (group, activations) in [(BLOCK, &mut *narrow), (SHARED, &mut *middle), (SUPER, &mut *wide)] {
        if products.iter().any(|product| product.matrix.group() == Some(group)) {
            round(x, inputs, group, activations);
        }
    }
    let pairs: usize = products.iter().map(|product| product.matrix.pairs()).sum();
    let size = pairs.div_ceil(rayon::current_num_threads() * PARTS).max(1);
    let work: Vec<Work<'_>> = products
        .iter_mut()
        .flat_map(|product| {
            let matrix = product.matrix;
            let x = match matrix.group() {
                None => Input::Exact(x),
                Some(BLOCK) => Input::Rounded(narrow),
                Some(SHARED) => Input::Rounded(middle),
                Some(_) => Input::Rounded(wide),
            };
            let y =
                Results { at: product.y.as_mut_ptr(), stride: matrix.outputs(), columns: matrix.outputs() };
            let starts = (0..matrix.pairs()).step_by(size);
            starts.map(move |start| Work { matrix, start, x, y })
        })
        .collect();
    share(work.len(), |part| {
        let Work { matrix, start, x, y } = work[part];
        let pairs = start..matrix.pairs().min(start + size);
        PANEL.with_borrow_mut(|panel| {
            // SAFETY: every part has its own columns of `y`, which was checked to have all rows of `x`.
            unsafe { matrix.apply(pairs, x, y, panel) }
        });
    });
}

#[derive(Clone, Copy)]
struct Work<'a> {
    matrix: &'a Matrix,
    start: usize,
    x: Input<'a>,
    y: Results,
}

// SAFETY: the parts write different columns through `y`; the rest is shared and only read.
unsafe impl Sync for Work<'_> {}

fn round(x: &[f32], inputs: usize, group: usize, out: &mut Activations) {
    out.resize(x.len() / inputs, inputs, group);
    let rows: Vec<_> = x.chunks_exact(inputs).zip(out.split()).collect();
    each(rows.into_par_iter(), |(x, mut row)| {
        // SAFETY: `resize` made the row as long as `x`, and matrices take multiples of their group.
        unsafe { dispatch(Quantise { x, group, row: &mut row }) }
    });
}

struct Quantise<'a, 'b> {
    x: &'a [f32],
    group: usize,
    row: &'a mut Row<'b>,
}

impl Task for Quantise<'_, '_> {
    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the caller's promise.
        unsafe { quantise::<S>(self.x, self.group, self.row) }
    }
}
