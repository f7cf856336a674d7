//! Sixteen lanes of 32 bits, as each kind of processor has them.
//!
//! The kernels are written once over [`Simd`]. All implementations give the same bits: integer sums are exact, and
//! floating-point sums are fused multiply-adds in the same order everywhere.

use half::f16;

use super::Task;

/// Lanes of a vector.
pub(super) const LANES: usize = 16;
/// Bytes of a vector.
pub(super) const WIDTH: usize = 64;

/// Operations on sixteen lanes.
///
/// # Safety
/// Every function may be called only where the processor has the features of the implementation; those that take a
/// pointer read or write 16 elements there.
pub(super) trait Simd: Copy {
    /// Sixteen 32-bit integers, or 64 bytes.
    type Ints: Copy;
    /// Sixteen numbers.
    type Floats: Copy;

    /// Runs a task as a function of its own.
    unsafe fn outlined<T: Task>(task: T);

    unsafe fn load(from: *const u8) -> Self::Ints;
    unsafe fn store(to: *mut u8, value: Self::Ints);
    unsafe fn splat(value: i32) -> Self::Ints;
    unsafe fn and(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn or(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn add(a: Self::Ints, b: Self::Ints) -> Self::Ints;
    unsafe fn shl(a: Self::Ints, bits: u32) -> Self::Ints;
    /// Logical shift.
    unsafe fn shr(a: Self::Ints, bits: u32) -> Self::Ints;
    /// Arithmetic shift.
    unsafe fn sar(a: Self::Ints, bits: u32) -> Self::Ints;
    /// Adds the products of the four unsigned bytes of `w` and the four signed bytes of `x` to each lane. The bytes
    /// of `w` are below 128 unless `WIDE` is set.
    unsafe fn dot<const WIDE: bool>(sum: Self::Ints, w: Self::Ints, x: Self::Ints) -> Self::Ints;
    /// Integers as numbers.
    unsafe fn float(a: Self::Ints) -> Self::Floats;
    /// Numbers as integers, rounded to nearest.
    unsafe fn round(a: Self::Floats) -> Self::Ints;
    /// The same bits.
    unsafe fn as_floats(a: Self::Ints) -> Self::Floats;

    unsafe fn load_floats(from: *const f32) -> Self::Floats;
    unsafe fn store_floats(to: *mut f32, value: Self::Floats);
    /// Sixteen half-precision numbers.
    unsafe fn load_halves(from: *const f16) -> Self::Floats;
    /// The lower half of each lane, as a half-precision number.
    unsafe fn low_halves(a: Self::Ints) -> Self::Floats;
    unsafe fn splat_float(value: f32) -> Self::Floats;
    unsafe fn sum(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn product(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a · b + c`, rounded once.
    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats;
}

/// Any processor, and the reference for the others.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

fn each<A: Copy, B>(a: [A; LANES], f: impl Fn(A) -> B) -> [B; LANES] {
    a.map(f)
}

fn both<A: Copy, B>(a: [A; LANES], b: [A; LANES], f: impl Fn(A, A) -> B) -> [B; LANES] {
    std::array::from_fn(|lane| f(a[lane], b[lane]))
}

impl Simd for Scalar {
    type Ints = [i32; LANES];
    type Floats = [f32; LANES];

    #[inline(never)]
    unsafe fn outlined<T: Task>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { task.run::<Self>() }
    }

    unsafe fn load(from: *const u8) -> Self::Ints {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::Ints>().read_unaligned() }
    }

    unsafe fn store(to: *mut u8, value: Self::Ints) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::Ints>().write_unaligned(value) }
    }

    unsafe fn splat(value: i32) -> Self::Ints {
        [value; LANES]
    }

    unsafe fn and(a: Self::Ints, b: Self::Ints) -> Self::Ints {
        both(a, b, |a, b| a & b)
    }

    unsafe fn or(a: Self::Ints, b: Self::Ints) -> Self::Ints {
        both(a, b, |a, b| a | b)
    }

    unsafe fn add(a: Self::Ints, b: Self::Ints) -> Self::Ints {
        both(a, b, i32::wrapping_add)
    }

    unsafe fn shl(a: Self::Ints, bits: u32) -> Self::Ints {
        each(a, |a| a << bits)
    }

    unsafe fn shr(a: Self::Ints, bits: u32) -> Self::Ints {
        each(a, |a| (a as u32 >> bits) as i32)
    }

    unsafe fn sar(a: Self::Ints, bits: u32) -> Self::Ints {
        each(a, |a| a >> bits)
    }

    #[inline(never)]
    unsafe fn dot<const WIDE: bool>(sum: Self::Ints, w: Self::Ints, x: Self::Ints) -> Self::Ints {
        std::array::from_fn(|lane| {
            let products = w[lane].to_ne_bytes().into_iter().zip(x[lane].to_ne_bytes());
            products.fold(sum[lane], |sum, (w, x)| sum.wrapping_add(i32::from(w) * i32::from(x as i8)))
        })
    }

    unsafe fn float(a: Self::Ints) -> Self::Floats {
        each(a, |a| a as f32)
    }

    unsafe fn round(a: Self::Floats) -> Self::Ints {
        each(a, |a| a.round_ties_even() as i32)
    }

    unsafe fn as_floats(a: Self::Ints) -> Self::Floats {
        each(a, |a| f32::from_bits(a as u32))
    }

    unsafe fn load_floats(from: *const f32) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { from.cast::<Self::Floats>().read_unaligned() }
    }

    unsafe fn store_floats(to: *mut f32, value: Self::Floats) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::Floats>().write_unaligned(value) }
    }

    unsafe fn load_halves(from: *const f16) -> Self::Floats {
        // SAFETY: the caller's promise.
        each(unsafe { from.cast::<[f16; LANES]>().read_unaligned() }, f16::to_f32)
    }

    unsafe fn low_halves(a: Self::Ints) -> Self::Floats {
        each(a, |a| f16::from_bits(a as u16).to_f32())
    }

    unsafe fn splat_float(value: f32) -> Self::Floats {
        [value; LANES]
    }

    unsafe fn sum(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        both(a, b, |a, b| a + b)
    }

    unsafe fn product(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        both(a, b, |a, b| a * b)
    }

    unsafe fn fma(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    unsafe fn max(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        both(a, b, |a, b| if a > b { a } else { b })
    }
}
