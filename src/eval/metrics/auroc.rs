//! Area under the receiver operating characteristic, as the Mann-Whitney statistic (Hanley 1982).

/// Probability that a positive scores above a negative, ties counting one half. Each item is (score, is positive).
/// `None` unless both classes are there.
pub fn auroc(items: impl IntoIterator<Item = (f64, bool)>) -> Option<f64> {
    let mut items: Vec<(f64, bool)> = items.into_iter().collect();
    items.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = items.iter().filter(|(_, positive)| *positive).count();
    let negatives = items.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let mut negatives_below = 0.0;
    let mut wins = 0.0;
    for tied in items.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let tied_positives = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let tied_negatives = tied.len() as f64 - tied_positives;
        wins += tied_positives * (negatives_below + tied_negatives / 2.0);
        negatives_below += tied_negatives;
    }
    Some(wins / (positives as f64 * negatives as f64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::auroc;

    #[test]
    fn equals_values_computed_by_hand() {
        // Positives .9 .6 .6, negatives .6 .2: pairs won 1+1 + ½+1 + ½+1 of 6.
        let items = [(0.9, true), (0.6, true), (0.6, true), (0.6, false), (0.2, false)];
        assert!((auroc(items).unwrap() - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(auroc([(0.3, true)]), None);
        assert!((auroc([(0.5, true), (0.5, false)]).unwrap() - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn equals_the_count_of_pairs_whatever_the_ties(
            items in proptest::collection::vec((0_u8..6, any::<bool>()), 0..40),
        ) {
            let items: Vec<(f64, bool)> = items.into_iter().map(|(score, is)| (f64::from(score), is)).collect();
            let mut pairs = 0.0;
            let mut won = 0.0;
            for (high, _) in items.iter().filter(|item| item.1) {
                for (low, _) in items.iter().filter(|item| !item.1) {
                    pairs += 1.0;
                    won += if high > low { 1.0 } else if high < low { 0.0 } else { 0.5 };
                }
            }
            match auroc(items.iter().copied()) {
                Some(value) => prop_assert!((value - won / pairs).abs() < 1e-9),
                None => prop_assert!(pairs == 0.0),
            }
        }

        #[test]
        fn turning_the_scores_around_turns_the_area_around(
            items in proptest::collection::vec((-1.0..1.0_f64, any::<bool>()), 2..40),
        ) {
            let turned = auroc(items.iter().map(|(score, is)| (-score, *is)));
            if let (Some(area), Some(turned)) = (auroc(items.iter().copied()), turned) {
                prop_assert!((area + turned - 1.0).abs() < 1e-9);
            }
        }
    }
}
