//! Sample quantiles with linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).

/// The quantile at `share` (0 to 1) of sorted values; `None` when there are none.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share.clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    Some(sorted[below] + (position - below as f64) * (sorted[above] - sorted[below]))
}

/// The quantile at `share` of values in any order.
pub fn quantile_of(values: impl IntoIterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, share)
}

#[cfg(test)]
mod tests {
    use super::{quantile, quantile_of};

    #[test]
    fn interpolates_between_order_statistics() {
        assert_eq!(quantile(&[], 0.5), None);
        assert!((quantile_of([4.0, 1.0, 3.0, 2.0], 0.5).unwrap() - 2.5).abs() < 1e-12);
        assert!((quantile_of([10.0, 20.0, 30.0], 0.95).unwrap() - 29.0).abs() < 1e-12);
        assert!((quantile(&[7.0], 0.0).unwrap() - 7.0).abs() < 1e-12);
    }
}
