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
    /// Rows of a product that are computed at once, 2 or 4: the registers hold the sums of so many by two tiles.
    const ROWS: usize = 4;

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

/// Functions whose caller has promised the features and the pointers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! promised {
    ($($(#[$doc:meta])* fn $name:ident$(<const $wide:ident: bool>)?($($argument:ident: $kind:ty),*) -> $out:ty $body:block)*) => {
        $(
            #[inline(always)]
            unsafe fn $name$(<const $wide: bool>)?($($argument: $kind),*) -> $out {
                // SAFETY: the caller's promise.
                unsafe { $body }
            }
        )*
    };
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use promised;

/// Any processor, and the reference for the others.
#[derive(Clone, Copy)]
pub(super) struct Scalar;

pub(super) fn each<A: Copy, B, const N: usize>(a: [A; N], f: impl Fn(A) -> B) -> [B; N] {
    a.map(f)
}

pub(super) fn both<A: Copy, B, const N: usize>(a: [A; N], b: [A; N], f: impl Fn(A, A) -> B) -> [B; N] {
    std::array::from_fn(|at| f(a[at], b[at]))
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

/// The largest of the lanes.
#[expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
#[inline(always)]
pub(super) unsafe fn largest_lane<S: Simd>(a: S::Floats) -> f32 {
    let mut lanes = [0_f32; LANES];
    // SAFETY: there is room for every lane; the features are the caller's promise.
    unsafe { S::store_floats(lanes.as_mut_ptr(), a) };
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            let other = lanes[lane + half];
            lanes[lane] = if lanes[lane] > other { lanes[lane] } else { other };
        }
        half /= 2;
    }
    lanes[0]
}

/// What a function generic over [`Simd`] gives with every implementation that this processor has beside [`Scalar`],
/// and the implementation's name.
#[cfg(test)]
macro_rules! on_every_processor {
    ($function:ident($($argument:expr),*)) => {{
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use $crate::inference::candle::kernels::x86::{Avx2, Avx512};
            if Avx2::available() {
                all.push(("AVX2", $function::<Avx2>($($argument),*)));
            }
            if Avx512::available() {
                all.push(("AVX-512", $function::<Avx512>($($argument),*)));
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use $crate::inference::candle::kernels::neon::Neon;
            if Neon::<false>::available() {
                all.push(("NEON", $function::<Neon<false>>($($argument),*)));
            }
            if Neon::<true>::available() {
                all.push(("NEON with dot products", $function::<Neon<true>>($($argument),*)));
            }
        }
        all
    }};
}

#[cfg(test)]
pub(super) use on_every_processor;

#[cfg(test)]
mod tests {
    use super::*;

    /// Puts down what each operation gives.
    struct Operations<'a>(&'a mut Vec<[u32; LANES]>);

    impl Task for Operations<'_> {
        #[expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]
        #[inline(always)]
        unsafe fn run<S: Simd>(self) {
            let numbers: [f32; LANES] = [
                0.0, -0.0, 0.5, 1.5, -2.5, 126.5, -126.5, 3.4e-39, -1.0e-45, 1.0e9, -1.0e9, 7.3, -7.7, 2.5,
                88.1, -87.3,
            ];
            let others: [f32; LANES] =
                std::array::from_fn(
                    |lane| if lane < 2 { -numbers[lane] } else { numbers[LANES - 1 - lane] * 0.3 },
                );
            // Bytes of weights from 0 to 255, and of values from −127 to 127.
            let w: [[u8; 4]; LANES] =
                std::array::from_fn(|lane| [lane as u8 * 17, 255 - lane as u8, 128, 127]);
            let x: [[i8; 4]; LANES] =
                std::array::from_fn(|lane| [(lane as i32 * 16 - 120) as i8, 127, -127, -(lane as i8)]);
            let narrow = w.map(|bytes| bytes.map(|byte| byte & 127));
            // Zeros, the largest and smallest numbers, those without a full exponent, and infinities.
            let halves: [u16; LANES] = [
                0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0xfbff, 0x0400, 0x8400, 0x0001, 0x8001, 0x03ff,
                0x83ff, 0x7c00, 0xfc00, 0x3555, 0xb555,
            ];
            let upper: [u32; LANES] = halves.map(|half| u32::from(half) | 0x7e01_0000);
            // SAFETY: the caller has the features; sixteen elements are read and written every time.
            unsafe {
                let (a, b) = (S::load_floats(numbers.as_ptr()), S::load_floats(others.as_ptr()));
                let (w, x, narrow) =
                    (S::load(w.as_ptr().cast()), S::load(x.as_ptr().cast()), S::load(narrow.as_ptr().cast()));
                let start = S::splat(-12_345);
                let whole = [
                    S::and(w, x),
                    S::or(w, x),
                    S::add(w, x),
                    S::shl(w, 7),
                    S::shl(w, 0),
                    S::shr(x, 4),
                    S::shr(x, 0),
                    S::sar(x, 24),
                    S::dot::<true>(start, w, x),
                    S::dot::<false>(start, narrow, x),
                    S::round(a),
                ];
                let floats = [
                    S::sum(a, b),
                    S::product(a, b),
                    S::fma(a, b, a),
                    S::max(a, b),
                    S::max(b, a),
                    S::float(w),
                    S::as_floats(x),
                    S::load_halves(halves.as_ptr().cast()),
                    S::low_halves(S::load(upper.as_ptr().cast())),
                    S::splat_float(0.1),
                ];
                for value in whole {
                    let mut out = [0; LANES];
                    S::store(out.as_mut_ptr().cast(), value);
                    self.0.push(out);
                }
                for value in floats {
                    let mut out = [0.0; LANES];
                    S::store_floats(out.as_mut_ptr(), value);
                    self.0.push(out.map(f32::to_bits));
                }
            }
        }
    }

    fn operations<S: Simd>() -> Vec<[u32; LANES]> {
        let mut out = Vec::new();
        // SAFETY: the caller names what the processor has.
        unsafe { S::outlined(Operations(&mut out)) };
        out
    }

    #[test]
    fn every_operation_gives_the_same_bits_on_every_processor() {
        let plain = operations::<Scalar>();
        for (name, wide) in on_every_processor!(operations()) {
            for (at, (wide, plain)) in wide.iter().zip(&plain).enumerate() {
                assert_eq!(wide, plain, "operation {at}, {name}");
            }
        }
    }
}
