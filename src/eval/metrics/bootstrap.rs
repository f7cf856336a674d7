//! Percentile bootstrap (Efron and Tibshirani 1993, chapter 13): rows are resampled with replacement, the statistic is
//! computed on each resample, and the interval runs from the 2.5th to the 97.5th percentile of what came out.
//!
//! The generator is seeded, so the same rows in the same order give the same interval. A resample on which the statistic
//! is undefined (an AUROC without one of the classes) is left out.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::Estimate;
use super::quantile::quantile_of;

/// How the resampling is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap {
    /// How many resamples; 1000 at least for percentile intervals.
    pub resamples: usize,
    /// Seed of the generator.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 2000, seed: 20_260_101 }
    }
}

impl Bootstrap {
    /// The statistic on all rows with its 95% interval; `None` where it is undefined on them.
    pub fn estimate<T>(&self, rows: &[T], statistic: impl Fn(&[&T]) -> Option<f64>) -> Option<Estimate> {
        let mut sample: Vec<&T> = rows.iter().collect();
        let value = statistic(&sample)?;
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut values = Vec::with_capacity(self.resamples);
        for _ in 0..self.resamples {
            for slot in &mut sample {
                *slot = &rows[rng.random_range(0..rows.len())];
            }
            values.extend(statistic(&sample));
        }
        let low = quantile_of(values.iter().copied(), 0.025).unwrap_or(value);
        let high = quantile_of(values, 0.975).unwrap_or(value);
        Some(Estimate { value, low, high })
    }

    /// The mean of `measure` over the rows where it is defined.
    pub fn mean<T>(&self, rows: &[T], measure: impl Fn(&T) -> Option<f64>) -> Option<Estimate> {
        let values: Vec<f64> = rows.iter().filter_map(measure).collect();
        self.estimate(&values, |sample| {
            (!sample.is_empty()).then(|| sample.iter().copied().sum::<f64>() / sample.len() as f64)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Bootstrap;

    #[test]
    fn has_about_the_width_of_the_normal_interval() {
        // 400 draws of a fair coin: the standard error is 0.025, so the half width is about 0.049.
        let rows: Vec<f64> = (0..400).map(|i| f64::from(i % 2)).collect();
        let estimate = Bootstrap::default().mean(&rows, |row| Some(*row)).unwrap();
        assert!((estimate.value - 0.5).abs() < 1e-12);
        assert!((estimate.high - estimate.low - 0.098).abs() < 0.012, "{estimate:?}");
    }

    #[test]
    fn is_undefined_without_rows() {
        assert_eq!(Bootstrap::default().mean(&[] as &[f64], |row| Some(*row)), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_seed_decides_and_the_value_lies_within(
            rows in proptest::collection::vec(0.0..1.0_f64, 2..60),
            seed in any::<u64>(),
        ) {
            let bootstrap = Bootstrap { resamples: 1000, seed };
            let first = bootstrap.mean(&rows, |row| Some(*row)).unwrap();
            let second = bootstrap.mean(&rows, |row| Some(*row)).unwrap();
            prop_assert_eq!(first, second);
            prop_assert!(first.low <= first.value + 1e-9 && first.value <= first.high + 1e-9);
        }
    }
}
