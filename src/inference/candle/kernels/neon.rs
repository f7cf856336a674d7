//! NEON, with the dot products of ARMv8.2 where the processor has them.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the dot products")]

use std::arch::aarch64::{
    float32x4_t, int32x4_t, uint16x4_t, vaddq_f32, vaddq_s32, vandq_s32, vbslq_f32, vcgtq_f32, vcvt_f32_f16,
    vcvtnq_s32_f32, vcvtq_f32_s32, vdupq_n_f32, vdupq_n_s32, veorq_s32, vfmaq_f32, vget_low_s8, vld1_u16,
    vld1q_f32, vld1q_s32, vmovn_u32, vmull_high_s8, vmull_s8, vmulq_f32, vorrq_s32, vpadalq_s16, vpaddlq_s8,
    vpaddlq_s16, vpaddq_s16, vreinterpret_f16_u16, vreinterpretq_f32_s32, vreinterpretq_s8_s32,
    vreinterpretq_s32_u32, vreinterpretq_u32_s32, vshlq_n_s32, vshlq_s32, vshlq_u32, vst1q_f32, vst1q_s32,
};
use std::arch::{asm, is_aarch64_feature_detected};
use std::array::from_fn;

use half::f16;

use super::Task;
use super::simd::{Simd, both, each, promised};

/// Four 128-bit registers: NEON, and its dot products if `DOTS` is set.
#[derive(Clone, Copy)]
pub(super) struct Neon<const DOTS: bool>;

impl<const DOTS: bool> Neon<DOTS> {
    /// Whether this processor has it.
    pub(super) fn available() -> bool {
        is_aarch64_feature_detected!("neon") && (!DOTS || is_aarch64_feature_detected!("dotprod"))
    }
}

#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
unsafe fn with_dots<T: Task>(task: T) {
    // SAFETY: the caller's promise.
    unsafe { task.run::<Neon<true>>() }
}

#[inline(never)]
#[target_feature(enable = "neon")]
unsafe fn without_dots<T: Task>(task: T) {
    // SAFETY: the caller's promise.
    unsafe { task.run::<Neon<false>>() }
}

type Ints = [int32x4_t; 4];
type Floats = [float32x4_t; 4];

impl<const DOTS: bool> Simd for Neon<DOTS> {
    type Ints = Ints;
    type Floats = Floats;
    const ROWS: usize = 2;

    #[inline(always)]
    unsafe fn outlined<T: Task>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { if DOTS { with_dots(task) } else { without_dots(task) } }
    }

    promised! {
        fn load(from: *const u8) -> Ints { from_fn(|i| vld1q_s32(from.add(16 * i).cast())) }
        fn store(to: *mut u8, value: Ints) -> () {
            for (i, value) in value.into_iter().enumerate() {
                vst1q_s32(to.add(16 * i).cast(), value);
            }
        }
        fn splat(value: i32) -> Ints { [vdupq_n_s32(value); 4] }
        fn and(a: Ints, b: Ints) -> Ints { both(a, b, |a, b| vandq_s32(a, b)) }
        fn or(a: Ints, b: Ints) -> Ints { both(a, b, |a, b| vorrq_s32(a, b)) }
        fn add(a: Ints, b: Ints) -> Ints { both(a, b, |a, b| vaddq_s32(a, b)) }
        fn shl(a: Ints, bits: u32) -> Ints {
            let left = vdupq_n_s32(bits as i32);
            each(a, |a| vshlq_s32(a, left))
        }
        fn shr(a: Ints, bits: u32) -> Ints {
            let left = vdupq_n_s32(-(bits as i32));
            each(a, |a| vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), left)))
        }
        fn sar(a: Ints, bits: u32) -> Ints {
            let left = vdupq_n_s32(-(bits as i32));
            each(a, |a| vshlq_s32(a, left))
        }
        fn dot<const WIDE: bool>(sum: Ints, w: Ints, x: Ints) -> Ints {
            [
                quarter_dot::<DOTS, WIDE>(sum[0], w[0], x[0]),
                quarter_dot::<DOTS, WIDE>(sum[1], w[1], x[1]),
                quarter_dot::<DOTS, WIDE>(sum[2], w[2], x[2]),
                quarter_dot::<DOTS, WIDE>(sum[3], w[3], x[3]),
            ]
        }
        fn float(a: Ints) -> Floats { each(a, |a| vcvtq_f32_s32(a)) }
        fn round(a: Floats) -> Ints { each(a, |a| vcvtnq_s32_f32(a)) }
        fn as_floats(a: Ints) -> Floats { each(a, |a| vreinterpretq_f32_s32(a)) }
        fn load_floats(from: *const f32) -> Floats { from_fn(|i| vld1q_f32(from.add(4 * i))) }
        fn store_floats(to: *mut f32, value: Floats) -> () {
            for (i, value) in value.into_iter().enumerate() {
                vst1q_f32(to.add(4 * i), value);
            }
        }
        fn load_halves(from: *const f16) -> Floats { from_fn(|i| of_halves(vld1_u16(from.add(4 * i).cast()))) }
        fn low_halves(a: Ints) -> Floats { each(a, |a| of_halves(vmovn_u32(vreinterpretq_u32_s32(a)))) }
        fn splat_float(value: f32) -> Floats { [vdupq_n_f32(value); 4] }
        fn sum(a: Floats, b: Floats) -> Floats { both(a, b, |a, b| vaddq_f32(a, b)) }
        fn product(a: Floats, b: Floats) -> Floats { both(a, b, |a, b| vmulq_f32(a, b)) }
        fn fma(a: Floats, b: Floats, c: Floats) -> Floats { from_fn(|i| vfmaq_f32(c[i], a[i], b[i])) }
        // Not `vmaxq_f32`, which makes more of what is not a number than the others.
        fn max(a: Floats, b: Floats) -> Floats { both(a, b, |a, b| vbslq_f32(vcgtq_f32(a, b), a, b)) }
    }
}

#[inline(always)]
unsafe fn quarter_dot<const DOTS: bool, const WIDE: bool>(
    sum: int32x4_t,
    w: int32x4_t,
    x: int32x4_t,
) -> int32x4_t {
    // SAFETY: the caller's promise.
    unsafe {
        if !WIDE {
            return signed_dot::<DOTS>(sum, w, x);
        }
        // w · x = (w − 128) · x + 128 · x, where what is in brackets is a signed byte.
        let signed = veorq_s32(w, vdupq_n_s32(0x8080_8080_u32 as i32));
        let rest = vshlq_n_s32::<7>(vpaddlq_s16(vpaddlq_s8(vreinterpretq_s8_s32(x))));
        signed_dot::<DOTS>(vaddq_s32(sum, rest), signed, x)
    }
}

/// Adds the products of four signed bytes to each lane.
#[inline(always)]
unsafe fn signed_dot<const DOTS: bool>(sum: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: the caller's promise.
    unsafe {
        if DOTS {
            return sdot(sum, a, b);
        }
        // By way of 16 bits, which do not overflow: at most 2 · 128 · 127 at a time.
        let (a, b) = (vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
        let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
        vpadalq_s16(sum, vpaddq_s16(low, vmull_high_s8(a, b)))
    }
}

/// The instruction of that name, whose intrinsic is not stable yet.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn sdot(mut sum: int32x4_t, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: the processor has the feature; nothing but the registers named is touched.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
            sum = inout(vreg) sum,
            a = in(vreg) a,
            b = in(vreg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

#[inline(always)]
unsafe fn of_halves(bits: uint16x4_t) -> float32x4_t {
    // SAFETY: the caller's promise.
    unsafe { vcvt_f32_f16(vreinterpret_f16_u16(bits)) }
}
