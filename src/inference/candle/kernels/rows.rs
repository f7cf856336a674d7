//! What lies between the matrix products, row by row.
#![expect(clippy::inline_always, reason = "what is not inlined is not compiled for the wider vectors")]

/// Compiles a function a second and a third time for wider vectors, and calls the widest that the processor has.
macro_rules! widened {
    ($(#[$doc:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),*) $body:block) => {
        $(#[$doc])*
        $visible fn $name($($argument: $kind),*) {
            #[inline(always)]
            fn plain($($argument: $kind),*) $body
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2($($argument: $kind),*) {
                    plain($($argument),*);
                }
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $kind),*) {
                    plain($($argument),*);
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                {
                    // SAFETY: the processor has these features.
                    return unsafe { avx512($($argument),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has these features.
                    return unsafe { avx2($($argument),*) };
                }
            }
            plain($($argument),*);
        }
    };
}

widened! {
    /// `x ← (x − mean) / √(variance + ε) · weight + bias` for one row.
    pub fn layer_norm(x: &mut [f32], weight: &[f32], bias: &[f32], epsilon: f32) {
        let count = x.len() as f32;
        let mean = sum(x, |value| value) / count;
        let variance = sum(x, |value| (value - mean) * (value - mean)) / count;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for ((value, weight), bias) in x.iter_mut().zip(weight).zip(bias) {
            *value = (*value - mean) * scale * weight + bias;
        }
    }
}

widened! {
    /// `out ← x / √(mean(x²) + ε) · weight` for one row: RMS normalisation (Zhang and Sennrich 2019).
    pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
        let scale = 1.0 / (sum(x, |value| value * value) / x.len() as f32 + epsilon).sqrt();
        for ((out, value), weight) in out.iter_mut().zip(x).zip(weight) {
            *out = value * scale * weight;
        }
    }
}

widened! {
    /// `gate ← silu(gate) · up` (Shazeer 2020).
    pub fn swiglu(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            *gate = *gate / (1.0 + exp(-*gate)) * up;
        }
    }
}

widened! {
    /// `gate ← gelu(gate) · up` with the approximation by tanh (Hendrycks & Gimpel 2016).
    pub fn geglu(gate: &mut [f32], up: &[f32]) {
        for (gate, up) in gate.iter_mut().zip(up) {
            let x = *gate;
            // x/2 · (1 + tanh u) = x / (1 + e^(−2u))
            let twice = 1.595_769 * (x + 0.044_715 * x * x * x);
            *gate = x / (1.0 + exp(-twice)) * up;
        }
    }
}

widened! {
    /// Rotates one head by angles whose cosines and sines are given: elements `i` and `i + d/2` together.
    pub fn rotate_halves(x: &mut [f32], cosines: &[f32], sines: &[f32]) {
        let (first, second) = x.split_at_mut(cosines.len());
        for (((a, b), cosine), sine) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
            let (x, y) = (*a, *b);
            *a = x * cosine - y * sine;
            *b = x * sine + y * cosine;
        }
    }
}

widened! {
    /// As [`rotate_halves`], elements `2i` and `2i + 1` together.
    pub fn rotate_pairs(x: &mut [f32], cosines: &[f32], sines: &[f32]) {
        for ((pair, cosine), sine) in x.chunks_exact_mut(2).zip(cosines).zip(sines) {
            let (x, y) = (pair[0], pair[1]);
            pair[0] = x * cosine - y * sine;
            pair[1] = x * sine + y * cosine;
        }
    }
}

widened! {
    /// Softmax of `scale · x` for one row.
    pub fn softmax(x: &mut [f32], scale: f32) {
        let largest = largest(x);
        for value in x.iter_mut() {
            *value = exp((*value - largest) * scale);
        }
        let inverse = 1.0 / sum(x, |value| value);
        for value in x {
            *value *= inverse;
        }
    }
}

widened! {
    /// `x·Φ(x)` with the Gaussian distribution function Φ (Hendrycks & Gimpel 2016), not its tanh approximation.
    pub fn gelu(x: &mut [f32]) {
        for value in x {
            *value *= 0.5 * (1.0 + erf(*value * std::f32::consts::FRAC_1_SQRT_2));
        }
    }
}

/// Scales to length 1.
pub fn normalize(x: &mut [f32]) {
    let length = sum(x, |value| value * value).sqrt().max(1e-12);
    for value in x {
        *value /= length;
    }
}

/// `ln Σ eˣ`, what is not a number left out.
pub fn log_sum_exp(x: &[f32]) -> f32 {
    let mut out = 0.0;
    add_exp(x, &mut out);
    out
}

widened! {
    fn add_exp(x: &[f32], out: &mut f32) {
        let most = largest(x);
        *out = most + sum(x, |value| if value.is_nan() { 0.0 } else { exp(value - most) }).ln();
    }
}

/// The largest number, in sixteen strands that run side by side.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    let mut strands = [f32::NEG_INFINITY; 16];
    let chunks = x.chunks_exact(16);
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, greater);
    for chunk in chunks {
        for (strand, value) in strands.iter_mut().zip(chunk) {
            *strand = greater(*value, *strand);
        }
    }
    strands.into_iter().fold(rest, greater)
}

/// Sum of `f(x)`, in sixteen strands that run side by side.
#[inline(always)]
fn sum(x: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut strands = [0.0; 16];
    let chunks = x.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|value| f(*value)).sum();
    for chunk in chunks {
        for (strand, value) in strands.iter_mut().zip(chunk) {
            *strand += f(*value);
        }
    }
    strands.iter().sum::<f32>() + rest
}

/// Error function to 2e-7: Abramowitz & Stegun 1964, 7.1.26. Without branches, so that it runs on vectors.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let polynomial =
        ((((1.061_405_4 * t - 1.453_152_1) * t + 1.421_413_8) * t - 0.284_496_72) * t + 0.254_829_6) * t;
    (1.0 - polynomial * exp(-a * a)).copysign(x)
}

/// Exponential to 2e-7 relative: 2ⁿ·eʳ with |r| ≤ ln 2 / 2 and the polynomial of Cephes' `expf` (Moshier 1989).
#[inline(always)]
fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5·2²³: adding and subtracting it rounds to an integer
    let x = x.clamp(-87.0, 88.0); // the smallest and largest powers that are normal numbers
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = ((((1.987_569_2e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
        + 1.666_666_5e-1)
        * r
        + 0.5;
    let power = f32::from_bits(((n as i32 + 127) << 23) as u32);
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_close_everywhere() {
        for step in -8700..8800 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            assert!((f64::from(exp(x)) / exact - 1.0).abs() < 3e-7, "{x}");
        }
    }

    #[test]
    fn gelu_has_its_known_values() {
        // Φ(1) = 0.841344746, Φ(−1) = 0.158655254, Φ(3) = 0.998650102
        let mut x = [0.0, 1.0, -1.0, 3.0, -9.0];
        gelu(&mut x);
        for (value, exact) in x.iter().zip([0.0, 0.841_344_8, -0.158_655_25, 2.995_950_3, 0.0]) {
            assert!((value - exact).abs() < 1e-6, "{value} {exact}");
        }
    }

    #[test]
    fn softmax_sums_to_one_whatever_the_size() {
        let mut x = [1000.0, 999.0, -1000.0];
        softmax(&mut x, 1.0);
        assert!((x.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((x[0] / x[1] - std::f32::consts::E).abs() < 1e-5);
    }

    #[test]
    fn layer_norm_centres_and_scales() {
        let mut x = [1.0, 2.0, 3.0, 4.0];
        layer_norm(&mut x, &[1.0; 4], &[0.5; 4], 0.0);
        let mean = x.iter().sum::<f32>() / 4.0;
        assert!((mean - 0.5).abs() < 1e-6);
        assert!((x[3] - 0.5 - 1.341_640_8).abs() < 1e-6);
    }
}
