//! Selective prediction (Geifman and El-Yaniv 2017): rows are answered from the most confident on; risk is the share of
//! errors among those answered, coverage the share answered.

/// One row: confidence, and whether its answer would be an error.
pub type Item = (f64, bool);

/// Risk after each row, from the most confident on. Rows of equal confidence share their errors evenly, so the order
/// in which they come does not matter.
pub fn risks(items: impl IntoIterator<Item = Item>) -> Vec<f64> {
    let mut items: Vec<Item> = items.into_iter().collect();
    items.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut risks = Vec::with_capacity(items.len());
    let (mut answered, mut errors) = (0.0, 0.0);
    for tied in items.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let share = tied.iter().filter(|(_, error)| *error).count() as f64 / tied.len() as f64;
        for _ in tied {
            answered += 1.0;
            errors += share;
            risks.push(errors / answered);
        }
    }
    risks
}

/// Area under the risk-coverage curve, 0 to 1, lower is better; `None` without rows.
pub fn aurc(items: impl IntoIterator<Item = Item>) -> Option<f64> {
    let risks = risks(items);
    (!risks.is_empty()).then(|| risks.iter().sum::<f64>() / risks.len() as f64)
}

/// Risk when the given share of rows (0 to 1, at least one row) is answered; `None` without rows.
pub fn risk_at_coverage(items: impl IntoIterator<Item = Item>, coverage: f64) -> Option<f64> {
    let risks = risks(items);
    let rows = (coverage.clamp(0.0, 1.0) * risks.len() as f64).ceil().max(1.0) as usize;
    risks.get(rows - 1).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{aurc, risk_at_coverage};

    #[test]
    fn equals_values_computed_by_hand() {
        // Best first: right, wrong, right → risks 0, ½, ⅓; mean 5/18.
        let items = [(0.2, false), (0.9, false), (0.5, true)];
        assert!((aurc(items).unwrap() - 5.0 / 18.0).abs() < 1e-12);
        assert!(risk_at_coverage(items, 0.3).unwrap().abs() < 1e-12);
        assert!((risk_at_coverage(items, 0.6).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(aurc([]), None);
        // All tied: the risk is the base rate at every coverage.
        assert!((aurc([(0.5, true), (0.5, false)]).unwrap() - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn full_coverage_is_the_base_rate_and_order_does_not_matter(
            items in proptest::collection::vec((0_u8..5, any::<bool>()), 1..40),
        ) {
            let items: Vec<(f64, bool)> = items.into_iter().map(|(c, e)| (f64::from(c), e)).collect();
            let base = items.iter().filter(|item| item.1).count() as f64 / items.len() as f64;
            prop_assert!((risk_at_coverage(items.iter().copied(), 1.0).unwrap() - base).abs() < 1e-9);
            let forward = aurc(items.iter().copied()).unwrap();
            let backward = aurc(items.iter().rev().copied()).unwrap();
            prop_assert!((forward - backward).abs() < 1e-9);
        }
    }
}
