//! Normalised discounted cumulated gain (Järvelin and Kekäläinen 2002) with binary relevance: a relevant passage at
//! rank r gains 1 ∕ log2(r + 1); the sum over the first k ranks is divided by that of the ideal order.

/// nDCG@k of one query. `relevance` is by rank, best first; `relevant` is how many relevant passages there are in all.
/// 0 when there are none.
pub fn ndcg_at(relevance: &[bool], relevant: usize, k: usize) -> f64 {
    let gain = |index: usize| 1.0 / (index as f64 + 2.0).log2();
    let ideal: f64 = (0..relevant.min(k)).map(gain).sum();
    if ideal == 0.0 {
        return 0.0;
    }
    let found: f64 =
        relevance.iter().take(k).enumerate().filter(|(_, relevant)| **relevant).map(|(i, _)| gain(i)).sum();
    found / ideal
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ndcg_at;

    #[test]
    fn equals_values_computed_by_hand() {
        // Relevant at ranks 1 and 3 of 2 relevant: (1 + 1/2) / (1 + 1/log2 3) = 1.5 / 1.63093 = 0.91972.
        assert!((ndcg_at(&[true, false, true], 2, 10) - 0.919_72).abs() < 1e-5);
        // One of three found, at rank 2, cut at 2: 0.63093 / 1.63093.
        assert!((ndcg_at(&[false, true], 3, 2) - 0.386_85).abs() < 1e-5);
        assert!(ndcg_at(&[false], 0, 10).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn stays_within_zero_and_one_and_is_one_for_the_ideal_order(
            relevance in proptest::collection::vec(any::<bool>(), 0..30),
            missed in 0_usize..5,
            k in 1_usize..20,
        ) {
            let found = relevance.iter().filter(|relevant| **relevant).count();
            let value = ndcg_at(&relevance, found + missed, k);
            prop_assert!((0.0..=1.0 + 1e-12).contains(&value));
            let mut ideal = relevance;
            ideal.sort_by_key(|relevant| !relevant);
            if found > 0 {
                prop_assert!((ndcg_at(&ideal, found, k) - 1.0).abs() < 1e-12);
            }
        }

        #[test]
        fn moving_a_relevant_passage_up_never_lowers_it(
            mut relevance in proptest::collection::vec(any::<bool>(), 2..15),
            at in 1_usize..14,
        ) {
            let at = at.min(relevance.len() - 1);
            relevance[at - 1] = false;
            relevance[at] = true;
            let total = relevance.iter().filter(|relevant| **relevant).count();
            let before = ndcg_at(&relevance, total, 10);
            relevance.swap(at - 1, at);
            prop_assert!(ndcg_at(&relevance, total, 10) >= before - 1e-12);
        }
    }
}
