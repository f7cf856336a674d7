//! Two-class figures that do not depend on how many rows of each class a set has.

/// Mean of the recall of both classes (Brodersen et al. 2010); each item is (said to be positive, is positive).
/// `None` unless both classes are there.
pub fn balanced_accuracy(items: impl IntoIterator<Item = (bool, bool)>) -> Option<f64> {
    // Right and all, of negatives and of positives.
    let mut counts = [(0_usize, 0_usize); 2];
    for (said, is) in items {
        let class = &mut counts[usize::from(is)];
        class.0 += usize::from(said == is);
        class.1 += 1;
    }
    let [(right, all), (found, positives)] = counts;
    (all > 0 && positives > 0)
        .then(|| f64::midpoint(right as f64 / all as f64, found as f64 / positives as f64))
}

/// Recall of the positives at the lowest threshold that at most a share of the negatives reaches; each item is (score, is
/// positive). `None` unless both classes are there.
pub fn recall_at(items: impl IntoIterator<Item = (f64, bool)>, false_alarms: f64) -> Option<f64> {
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for (score, positive) in items {
        if positive { positives.push(score) } else { negatives.push(score) }
    }
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    negatives.sort_by(|a: &f64, b| b.total_cmp(a));
    let allowed = (false_alarms * negatives.len() as f64).floor() as usize;
    // The best-scoring negative that may not be reached: positives have to lie above it.
    let found = match negatives.get(allowed) {
        Some(bar) => positives.iter().filter(|score| *score > bar).count(),
        None => positives.len(),
    };
    Some(found as f64 / positives.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::{balanced_accuracy, recall_at};

    #[test]
    fn balanced_accuracy_weighs_both_classes_alike() {
        let items =
            [(true, true), (false, true), (false, false), (false, false), (false, false), (true, false)];
        assert!((balanced_accuracy(items).unwrap() - 0.625).abs() < 1e-12);
        assert_eq!(balanced_accuracy([(true, true)]), None);
    }

    #[test]
    fn recall_stops_before_one_false_alarm_too_many() {
        // 20 negatives at 0.00 … 0.19: one may be reached, so positives have to lie above the second highest, 0.18.
        let negatives = (0..20).map(|i| (f64::from(i) / 100.0, false));
        let items: Vec<(f64, bool)> =
            negatives.chain([(0.185, true), (0.18, true), (0.5, true), (0.01, true)]).collect();
        assert!((recall_at(items.iter().copied(), 0.05).unwrap() - 0.5).abs() < 1e-12);
        assert!((recall_at(items.iter().copied(), 1.0).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(recall_at([(0.1, true)], 0.05), None);
    }
}
