//! Expected calibration error (Naeini et al. 2015; Guo et al. 2017) over ten bins of equal width: the mean gap between
//! the average probability of a bin and its share of good outcomes, weighted by the bin's rows.

const BINS: usize = 10;

/// ECE of (probability, outcome) pairs, 0 to 1; `None` without any. A probability outside 0 to 1 counts as the nearer end.
pub fn ece(items: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); BINS];
    for (probability, outcome) in items {
        let probability = probability.clamp(0.0, 1.0);
        let bin = &mut bins[((probability * BINS as f64) as usize).min(BINS - 1)];
        bin.0 += 1.0;
        bin.1 += probability;
        bin.2 += f64::from(u8::from(outcome));
    }
    let rows: f64 = bins.iter().map(|bin| bin.0).sum();
    (rows > 0.0).then(|| bins.iter().map(|bin| (bin.1 - bin.2).abs()).sum::<f64>() / rows)
}

#[cfg(test)]
mod tests {
    use super::ece;

    #[test]
    fn equals_values_computed_by_hand() {
        // Bin .9: mean .95, outcomes ½ → gap .45 on 2 rows; bin .2: .25 and 0 → .25 on 1 row; (0.9 + 0.25) / 3.
        let items = [(0.95, true), (0.95, false), (0.25, false)];
        assert!((ece(items).unwrap() - 1.15 / 3.0).abs() < 1e-12);
        assert_eq!(ece([]), None);
        assert!(ece([(1.0, true), (0.0, false)]).unwrap().abs() < 1e-12);
    }
}
