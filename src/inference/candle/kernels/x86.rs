//! AVX-512 with VNNI, and AVX2.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, __m512i, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps,
    _mm256_and_si256, _mm256_andnot_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cvtepi32_ps,
    _mm256_cvtph_ps, _mm256_cvtps_epi32, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_max_ps, _mm256_mul_ps, _mm256_or_si256,
    _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_set1_ps,
    _mm256_setr_epi8, _mm256_shuffle_epi8, _mm256_sllv_epi32, _mm256_srav_epi32, _mm256_srlv_epi32,
    _mm256_storeu_ps, _mm256_storeu_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castsi512_ps, _mm512_cvtepi32_epi16, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_cvtps_epi32,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_max_ps, _mm512_mul_ps,
    _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_sllv_epi32, _mm512_srav_epi32,
    _mm512_srlv_epi32, _mm512_storeu_ps, _mm512_storeu_si512,
};

use half::f16;

use super::Task;
use super::simd::{Simd, promised};

/// One 512-bit register: AVX-512 F, BW, DQ, VL and VNNI.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

/// Two 256-bit registers: AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

impl Avx512 {
    /// Whether this processor has it.
    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni")
    }
}

impl Avx2 {
    /// Whether this processor has it.
    pub(super) fn available() -> bool {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
    }
}

#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
unsafe fn avx512<T: Task>(task: T) {
    // SAFETY: the caller's promise.
    unsafe { task.run::<Avx512>() }
}

impl Simd for Avx512 {
    type Ints = __m512i;
    type Floats = __m512;

    #[inline(always)]
    unsafe fn outlined<T: Task>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { avx512(task) }
    }

    promised! {
        fn load(from: *const u8) -> __m512i { _mm512_loadu_si512(from.cast()) }
        fn store(to: *mut u8, value: __m512i) -> () { _mm512_storeu_si512(to.cast(), value) }
        fn splat(value: i32) -> __m512i { _mm512_set1_epi32(value) }
        fn and(a: __m512i, b: __m512i) -> __m512i { _mm512_and_si512(a, b) }
        fn or(a: __m512i, b: __m512i) -> __m512i { _mm512_or_si512(a, b) }
        fn add(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi32(a, b) }
        fn shl(a: __m512i, bits: u32) -> __m512i { _mm512_sllv_epi32(a, _mm512_set1_epi32(bits as i32)) }
        fn shr(a: __m512i, bits: u32) -> __m512i { _mm512_srlv_epi32(a, _mm512_set1_epi32(bits as i32)) }
        fn sar(a: __m512i, bits: u32) -> __m512i { _mm512_srav_epi32(a, _mm512_set1_epi32(bits as i32)) }
        fn dot<const WIDE: bool>(sum: __m512i, w: __m512i, x: __m512i) -> __m512i {
            _mm512_dpbusd_epi32(sum, w, x)
        }
        fn float(a: __m512i) -> __m512 { _mm512_cvtepi32_ps(a) }
        fn round(a: __m512) -> __m512i { _mm512_cvtps_epi32(a) }
        fn as_floats(a: __m512i) -> __m512 { _mm512_castsi512_ps(a) }
        fn load_floats(from: *const f32) -> __m512 { _mm512_loadu_ps(from) }
        fn store_floats(to: *mut f32, value: __m512) -> () { _mm512_storeu_ps(to, value) }
        fn load_halves(from: *const f16) -> __m512 { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
        fn low_halves(a: __m512i) -> __m512 { _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)) }
        fn splat_float(value: f32) -> __m512 { _mm512_set1_ps(value) }
        fn sum(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn product(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
    }
}

type Ints = [__m256i; 2];
type Floats = [__m256; 2];

#[inline(never)]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn avx2<T: Task>(task: T) {
    // SAFETY: the caller's promise.
    unsafe { task.run::<Avx2>() }
}

impl Simd for Avx2 {
    type Ints = Ints;
    type Floats = Floats;

    #[inline(always)]
    unsafe fn outlined<T: Task>(task: T) {
        // SAFETY: the caller's promise.
        unsafe { avx2(task) }
    }

    promised! {
        fn load(from: *const u8) -> Ints {
            [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())]
        }
        fn store(to: *mut u8, value: Ints) -> () {
            _mm256_storeu_si256(to.cast(), value[0]);
            _mm256_storeu_si256(to.add(32).cast(), value[1]);
        }
        fn splat(value: i32) -> Ints { [_mm256_set1_epi32(value); 2] }
        fn and(a: Ints, b: Ints) -> Ints { [_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])] }
        fn or(a: Ints, b: Ints) -> Ints { [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])] }
        fn add(a: Ints, b: Ints) -> Ints { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
        fn shl(a: Ints, bits: u32) -> Ints {
            let bits = _mm256_set1_epi32(bits as i32);
            [_mm256_sllv_epi32(a[0], bits), _mm256_sllv_epi32(a[1], bits)]
        }
        fn shr(a: Ints, bits: u32) -> Ints {
            let bits = _mm256_set1_epi32(bits as i32);
            [_mm256_srlv_epi32(a[0], bits), _mm256_srlv_epi32(a[1], bits)]
        }
        fn sar(a: Ints, bits: u32) -> Ints {
            let bits = _mm256_set1_epi32(bits as i32);
            [_mm256_srav_epi32(a[0], bits), _mm256_srav_epi32(a[1], bits)]
        }
        fn dot<const WIDE: bool>(sum: Ints, w: Ints, x: Ints) -> Ints {
            [half_dot::<WIDE>(sum[0], w[0], x[0]), half_dot::<WIDE>(sum[1], w[1], x[1])]
        }
        fn float(a: Ints) -> Floats { [_mm256_cvtepi32_ps(a[0]), _mm256_cvtepi32_ps(a[1])] }
        fn round(a: Floats) -> Ints { [_mm256_cvtps_epi32(a[0]), _mm256_cvtps_epi32(a[1])] }
        fn as_floats(a: Ints) -> Floats { [_mm256_castsi256_ps(a[0]), _mm256_castsi256_ps(a[1])] }
        fn load_floats(from: *const f32) -> Floats { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        fn store_floats(to: *mut f32, value: Floats) -> () {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
        fn load_halves(from: *const f16) -> Floats {
            [
                _mm256_cvtph_ps(_mm_loadu_si128(from.cast())),
                _mm256_cvtph_ps(_mm_loadu_si128(from.add(8).cast())),
            ]
        }
        fn low_halves(a: Ints) -> Floats { a.map(|a| _mm256_cvtph_ps(low_words(a))) }
        fn splat_float(value: f32) -> Floats { [_mm256_set1_ps(value); 2] }
        fn sum(a: Floats, b: Floats) -> Floats { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
        fn product(a: Floats, b: Floats) -> Floats { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
        fn fma(a: Floats, b: Floats, c: Floats) -> Floats {
            [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
        }
        fn max(a: Floats, b: Floats) -> Floats { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
}

/// Sums of products by way of 16 bits, which do not saturate: at most 2 · 128 · 127 at a time.
#[inline(always)]
unsafe fn half_dot<const WIDE: bool>(sum: __m256i, w: __m256i, x: __m256i) -> __m256i {
    // SAFETY: the caller's promise.
    unsafe {
        let ones = _mm256_set1_epi16(1);
        if !WIDE {
            return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones));
        }
        let top = _mm256_set1_epi8(-128);
        let low = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_andnot_si256(top, w), x), ones);
        let high = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_and_si256(top, w), x), ones);
        _mm256_add_epi32(sum, _mm256_add_epi32(low, high))
    }
}

/// The lower 16 bits of each lane.
#[inline(always)]
unsafe fn low_words(a: __m256i) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        let words = _mm256_shuffle_epi8(
            a,
            _mm256_setr_epi8(
                0, 1, 4, 5, 8, 9, 12, 13, -1, -1, -1, -1, -1, -1, -1, -1, 0, 1, 4, 5, 8, 9, 12, 13, -1, -1,
                -1, -1, -1, -1, -1, -1,
            ),
        );
        _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b00_00_10_00>(words))
    }
}
