//! Exact binomial statistics: intervals of Clopper and Pearson (1934), and p-values for a rate above a target.
//!
//! The cumulative distribution is the regularised incomplete beta function: P(X ≤ k) = I₁₋ₚ(n − k, k + 1).

use statrs::function::beta::beta_reg;

use super::Estimate;

/// P(X ≤ `errors`) for X binomial with `n` trials of probability `rate`.
pub fn at_most(errors: usize, n: usize, rate: f64) -> f64 {
    if errors >= n || rate <= 0.0 {
        1.0
    } else if rate >= 1.0 {
        0.0
    } else {
        beta_reg((n - errors) as f64, errors as f64 + 1.0, 1.0 - rate)
    }
}

/// One-sided upper bound: the largest rate under which `errors` or fewer in `n` still have probability `delta`.
/// 1 when there are no trials.
pub fn upper_bound(errors: usize, n: usize, delta: f64) -> f64 {
    if errors >= n { 1.0 } else { solve(|rate| at_most(errors, n, rate) > delta) }
}

/// One-sided lower bound, the mirror image of [`upper_bound`]. 0 when there are no trials.
pub fn lower_bound(errors: usize, n: usize, delta: f64) -> f64 {
    if errors == 0 { 0.0 } else { 1.0 - upper_bound(n - errors, n, delta) }
}

/// Rate with its two-sided 95% interval; `None` when there are no trials.
pub fn rate(errors: usize, n: usize) -> Option<Estimate> {
    (n > 0).then(|| Estimate {
        value: errors as f64 / n as f64,
        low: lower_bound(errors, n, 0.025),
        high: upper_bound(errors, n, 0.025),
    })
}

/// Trials without a single error that are needed to bound the rate by `alpha` at level 1 − `delta`.
pub fn trials_for(alpha: f64, delta: f64) -> usize {
    trials_with(0, alpha, delta)
}

/// Trials needed to bound the rate by `alpha` at level 1 − `delta` when `errors` of them are errors.
pub fn trials_with(errors: usize, alpha: f64, delta: f64) -> usize {
    let enough = |n: usize| at_most(errors, n, alpha) <= delta;
    let mut high = errors + 1;
    while !enough(high) && high < 1 << 30 {
        high *= 2;
    }
    let mut low = errors;
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if enough(middle) { high = middle } else { low = middle }
    }
    high
}

/// Where a condition that holds below a rate and fails above it changes.
fn solve(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if holds(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{at_most, lower_bound, rate, trials_for, trials_with, upper_bound};

    #[test]
    fn bounds_equal_published_values() {
        assert!((upper_bound(0, 59, 0.05) - 0.0495).abs() < 5e-5);
        assert!((upper_bound(3, 400, 0.05) - 0.0193).abs() < 5e-5);
        assert!((upper_bound(5, 500, 0.05) - 0.0209).abs() < 5e-5);
        // Two-sided, 5 of 10: 0.1871 to 0.8129.
        let half = rate(5, 10).unwrap();
        assert!((half.low - 0.1871).abs() < 5e-5 && (half.high - 0.8129).abs() < 5e-5);
        assert!((upper_bound(0, 0, 0.05) - 1.0).abs() < 1e-12);
        assert!((upper_bound(7, 7, 0.05) - 1.0).abs() < 1e-12);
        assert!(lower_bound(0, 7, 0.05).abs() < 1e-12);
        assert_eq!(rate(0, 0), None);
    }

    #[test]
    fn zero_errors_need_59_149_and_299_trials() {
        assert_eq!([0.05, 0.02, 0.01].map(|alpha| trials_for(alpha, 0.05)), [59, 149, 299]);
        assert_eq!(trials_with(1, 0.05, 0.05), 93);
    }

    #[test]
    fn the_distribution_equals_its_sum() {
        // P(X ≤ 2), n = 5, p = 0.3: 0.16807 + 0.36015 + 0.30870.
        assert!((at_most(2, 5, 0.3) - 0.836_92).abs() < 1e-9);
        assert!((at_most(5, 5, 0.3) - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_rate_and_the_bound_meets_its_level(n in 1_usize..300, share in 0.0..1.0_f64) {
            let errors = (share * n as f64) as usize;
            let estimate = rate(errors, n).unwrap();
            prop_assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
            if errors < n {
                prop_assert!((at_most(errors, n, upper_bound(errors, n, 0.05)) - 0.05).abs() < 1e-6);
            }
        }
    }
}
