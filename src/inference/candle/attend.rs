//! Attention of a forward pass: positions, the cache, and who computes what.
//!
//! Grouped-query attention (Ainslie et al., 2023, <https://arxiv.org/abs/2305.13245>): the query heads of a group share
//! the keys and values of one head.

use std::cell::RefCell;

use half::f16;

use super::cache::{BlockShape, BlockStart};
use super::decoder::{Block, Norm, Scratch};
use super::hyperparameters::Hyperparameters;
use super::kernels::attention::{HeadBlocks, POSITIONS, Query, attend as attend_head, put as write_head};
use super::rope::{Angles, Rope};
use super::team::{each_row, share};

/// Queries that one thread takes at once.
const QUERIES: usize = 32;

/// Where the rows of a forward pass stand.
pub(super) struct Place<'a> {
    pub(super) shape: BlockShape,
    pub(super) layer: usize,
    /// Of every row.
    pub(super) positions: &'a [usize],
    /// For each sequence, how many rows it has and where its blocks begin.
    pub(super) tables: &'a [(usize, Vec<BlockStart>)],
    pub(super) rope: &'a Rope,
    pub(super) angles: &'a Angles,
}

/// Where results go, each by the one thread that computes it.
struct Out(*mut f32);

// SAFETY: a pointer alone; whoever writes through it says why it may.
unsafe impl Sync for Out {}

impl Out {
    fn at(&self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

thread_local! {
    static ROOM: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Rotates queries and keys, puts keys and values into the cache, and sets `scratch.mixed` to what attention gives.
pub(super) fn attend(model: &Hyperparameters, block: &Block, place: &Place<'_>, scratch: &mut Scratch) {
    let Hyperparameters { heads, kv_heads, head_dim, query_scale, .. } = *model;
    let rows = place.positions.len();
    turn(&mut scratch.query, head_dim, place, block.query_norm.as_ref(), query_scale);
    turn(&mut scratch.key, head_dim, place, block.key_norm.as_ref(), 1.0);
    // Of every sequence: its first row, its rows, its blocks.
    let mut first = 0;
    let tables: Vec<(usize, usize, &[BlockStart])> = place
        .tables
        .iter()
        .map(|(rows, blocks)| {
            first += rows;
            (first - rows, *rows, blocks.as_slice())
        })
        .collect();
    put(model, place, &tables, &scratch.key, &scratch.value);

    let group = heads / kv_heads;
    let run = (QUERIES / group).max(1);
    let mut work = Vec::new();
    for (first, rows, blocks) in &tables {
        for start in (0..*rows).step_by(run) {
            for head in 0..kv_heads {
                work.push((first + start, run.min(rows - start), head, *blocks));
            }
        }
    }
    scratch.mixed.resize(rows * heads * head_dim, 0.0);
    let query = &scratch.query;
    let out = Out(scratch.mixed.as_mut_ptr());
    share(work.len(), |part| {
        let (first, rows, head, blocks) = work[part];
        let offset = place.shape.offset(place.layer, head);
        let blocks: Vec<*const f16> = blocks.iter().map(|block| block.at(offset).cast_const()).collect();
        let mut queries = Vec::with_capacity(rows * group);
        for row in first..first + rows {
            let position = place.positions[row];
            let from = block.window.map_or(0, |window| (position + 1).saturating_sub(window));
            for member in 0..group {
                let at = (row * heads + head * group + member) * head_dim;
                let values = &query[at..at + head_dim];
                queries.push(Query { values, sees: (from, position), out: out.at(at) });
            }
        }
        ROOM.with_borrow_mut(|room| {
            let head = HeadBlocks { blocks: &blocks, width: head_dim };
            // SAFETY: the sequence's blocks reach to the last position; every query's result is its own.
            unsafe { attend_head(&queries, head, room) }
        });
    });
}

/// Normalises every head where there is a norm, rotates it by its row's position and scales it.
fn turn(x: &mut [f32], head_dim: usize, place: &Place<'_>, norm: Option<&Norm>, scale: f32) {
    let width = x.len() / place.positions.len().max(1);
    each_row(x, width, |row, x| {
        ROOM.with_borrow_mut(|room| {
            for head in x.chunks_exact_mut(head_dim) {
                if let Some(norm) = norm {
                    norm.head(head, room);
                }
                place.rope.rotate(head, place.angles, row);
                for value in head.iter_mut() {
                    *value *= scale;
                }
            }
        });
    });
}

/// Writes the new keys and values to the cache: keys with positions side by side, values with elements side by side.
fn put(
    model: &Hyperparameters,
    place: &Place<'_>,
    tables: &[(usize, usize, &[BlockStart])],
    keys: &[f32],
    values: &[f32],
) {
    let Hyperparameters { kv_heads, head_dim, .. } = *model;
    let width = kv_heads * head_dim;
    let write = |table: usize, row: usize| {
        let position = place.positions[row];
        let block: BlockStart = tables[table].2[position / POSITIONS];
        let at = position % POSITIONS;
        for head in 0..kv_heads {
            let from = row * width + head * head_dim;
            let to = block.at(place.shape.offset(place.layer, head));
            // SAFETY: the block was made for this shape and holds this position, which is written by this row alone.
            unsafe {
                write_head(to, at, &keys[from..from + head_dim], &values[from..from + head_dim]);
            }
        }
    };
    let rows: Vec<(usize, usize)> = tables
        .iter()
        .enumerate()
        .flat_map(|(table, (first, rows, _))| (*first..first + rows).map(move |row| (table, row)))
        .collect();
    let run = if rows.len() < 8 { rows.len() } else { rows.len().div_ceil(rayon::current_num_threads() * 4) };
    let runs: Vec<&[(usize, usize)]> = rows.chunks(run.max(1)).collect();
    share(runs.len(), |index| runs[index].iter().for_each(|(table, row)| write(*table, *row)));
}
