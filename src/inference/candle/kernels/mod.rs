//! The arithmetic that local inference spends its time in. A reader of the models can skip this folder: what it gives
//! is [`Matrix`] (weights, packed), [`Activations`] (rows in eight bits), [`attention`] and [`rows`].
//!
//! Everything is written once, over the vectors of `simd`, and compiled for AVX-512 with VNNI, for AVX2, for NEON with
//! dot products, for NEON without them, and for any other processor; which one runs is found out when it runs. The
//! products and attention give the same bits on all of them, and a row gives the same whatever rows are computed beside
//! it, so that a reply does not depend on who else asks.

mod activations;
pub mod attention;
mod dense;
mod flat;
mod formats;
mod lines;
mod matrix;
mod multiply;
#[cfg(target_arch = "aarch64")]
mod neon;
mod nested;
mod product;
pub mod rows;
mod seven;
mod simd;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use activations::Activations;
pub use matrix::Matrix;
pub use multiply::{Product, Rounded, multiply};

use simd::Simd;

/// Work that is compiled for each kind of processor.
trait Task {
    /// # Safety
    /// The processor has `S`, and whatever the task itself needs.
    unsafe fn run<S: Simd>(self);
}

/// Runs a task on the widest vectors that the processor has.
///
/// # Safety
/// What the task itself needs.
unsafe fn dispatch<T: Task>(task: T) {
    #[cfg(target_arch = "x86_64")]
    if x86::Avx512::available() {
        // SAFETY: just found; the rest is the caller's promise.
        return unsafe { x86::Avx512::outlined(task) };
    } else if x86::Avx2::available() {
        // SAFETY: just found; the rest is the caller's promise.
        return unsafe { x86::Avx2::outlined(task) };
    }
    #[cfg(target_arch = "aarch64")]
    if neon::Neon::<true>::available() {
        // SAFETY: just found; the rest is the caller's promise.
        return unsafe { neon::Neon::<true>::outlined(task) };
    } else if neon::Neon::<false>::available() {
        // SAFETY: just found; the rest is the caller's promise.
        return unsafe { neon::Neon::<false>::outlined(task) };
    }
    // SAFETY: this one asks nothing of the processor; the rest is the caller's promise.
    unsafe {
        simd::Scalar::outlined(task);
    }
}
