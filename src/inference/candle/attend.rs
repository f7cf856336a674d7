//! Attention of a forward pass: positions, the cache, and who computes what.
//!
//! Grouped-query attention (Ainslie et al., 2023, <https://arxiv.org/abs/2305.13245>): the query heads of a group share
//! the keys and values of one head.

use std::cell::RefCell;
use std::ops::Range;

use half::f16;
use rayon::prelude::*;

use super::cache::BlockShape;
use super::decoder::{Norm, Packed, Scratch};
use super::hyperparameters::Hyperparameters;
use super::kernels::attention::{HeadBlocks, POSITIONS, Query, attend as attend_head, put as write_head};
use super::network::Block;
use super::rope::{Angles, Rope};
use super::team::{Shared, each, each_row, share};

/// Queries that one thread takes at once.
const QUERIES: usize = 32;

/// Where the rows of a forward pass stand.
pub(super) struct Place<'a> {
    pub(super) shape: BlockShape,
    pub(super) layer: usize,
    /// Of every row.
    pub(super) positions: &'a [usize],
    /// Of every sequence.
    pub(super) tables: &'a [Table],
    /// Positions that a token sees, its own among them; `None` sees everything before it.
    pub(super) window: Option<usize>,
    pub(super) rope: &'a Rope,
    pub(super) angles: &'a Angles,
}

/// The rows of one sequence, and where its blocks begin. Each row's position is written by one thread, before any reads.
pub(super) struct Table {
    pub(super) rows: Range<usize>,
    pub(super) blocks: Vec<Shared<f16>>,
}

thread_local! {
    static ROOM: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Rotates queries and keys, puts keys and values into the cache, and sets `scratch.mixed` to what attention gives.
pub(super) fn attend(
    model: &Hyperparameters,
    block: &Block<Packed>,
    place: &Place<'_>,
    scratch: &mut Scratch,
) {
    let Hyperparameters { heads, kv_heads, head_dim, query_scale, .. } = *model;
    let rows = place.positions.len();
    turn(&mut scratch.query, head_dim, place, block.query_norm.as_ref(), query_scale);
    turn(&mut scratch.key, head_dim, place, block.key_norm.as_ref(), 1.0);
    for table in place.tables {
        put(model, place, table, &scratch.key, &scratch.value);
    }

    let group = heads / kv_heads;
    let run = (QUERIES / group).max(1);
    let mut work = Vec::new();
    for table in place.tables {
        for start in table.rows.clone().step_by(run) {
            for head in 0..kv_heads {
                work.push((start..table.rows.end.min(start + run), head, table));
            }
        }
    }
    scratch.mixed.resize(rows * heads * head_dim, 0.0);
    let query = &scratch.query;
    let out = Shared::new(scratch.mixed.as_mut_ptr());
    share(work.len(), |part| {
        let (rows, head, table) = &work[part];
        let head = *head;
        let offset = place.shape.offset(place.layer, head);
        let blocks: Vec<*const f16> =
            table.blocks.iter().map(|block| block.at(offset).cast_const()).collect();
        let mut queries = Vec::with_capacity(rows.len() * group);
        for row in rows.clone() {
            let position = place.positions[row];
            let from = place.window.map_or(0, |window| (position + 1).saturating_sub(window));
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

/// Writes a sequence's new keys and values to the cache.
fn put(model: &Hyperparameters, place: &Place<'_>, table: &Table, keys: &[f32], values: &[f32]) {
    let Hyperparameters { kv_heads, head_dim, .. } = *model;
    each(table.rows.clone().into_par_iter(), |row| {
        let position = place.positions[row];
        let block = table.blocks[position / POSITIONS];
        for head in 0..kv_heads {
            let from = (row * kv_heads + head) * head_dim;
            let (key, value) = (&keys[from..from + head_dim], &values[from..from + head_dim]);
            let to = block.at(place.shape.offset(place.layer, head));
            // SAFETY: the block was made for this shape and holds this position, which is written by this row alone.
            unsafe { write_head(to, position % POSITIONS, key, value) };
        }
    });
}
