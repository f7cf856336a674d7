//! Reciprocal rank fusion: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
//! Rank Learning Methods", SIGIR 2009.
//!
//! A document's score is `Σ weight / (k + rank)` over the lists that hold it, **with the first rank being 0**, as
//! Qdrant counts. The paper counts from 1: its constant of 60 is 61 here, and Qdrant's default of 2 is 2 here.

use std::collections::HashMap;

/// One list of ids, best first, and how much it counts.
#[derive(Debug, Clone)]
pub struct Ranking<'a> {
    /// Ids, best first. Of an id that repeats, the best rank counts.
    pub ids: Vec<&'a str>,
    /// 1 is neutral; 0 leaves the list out.
    pub weight: f32,
}

/// Fuses lists into one, best first. Equal scores are ordered by the first list that tells them apart, then by id, so
/// the same lists always give the same order.
pub fn reciprocal_rank_fusion(rankings: &[Ranking<'_>], k: f32) -> Vec<(String, f32)> {
    let ranks: Vec<HashMap<&str, usize>> = rankings
        .iter()
        .map(|ranking| {
            let mut ranks = HashMap::with_capacity(ranking.ids.len());
            for (rank, id) in ranking.ids.iter().enumerate() {
                ranks.entry(*id).or_insert(rank);
            }
            ranks
        })
        .collect();
    let mut scores: HashMap<&str, f32> = HashMap::new();
    for (ranking, ranks) in rankings.iter().zip(&ranks) {
        for (id, rank) in ranks {
            *scores.entry(id).or_default() += ranking.weight / (k + *rank as f32);
        }
    }
    let mut fused: Vec<(&str, f32)> = scores.into_iter().filter(|(_, score)| *score > 0.0).collect();
    fused.sort_by(|(left, left_score), (right, right_score)| {
        right_score
            .total_cmp(left_score)
            .then_with(|| {
                let place = |id: &str| {
                    ranks.iter().map(|ranks| ranks.get(id).copied().unwrap_or(usize::MAX)).collect::<Vec<_>>()
                };
                place(left).cmp(&place(right))
            })
            .then_with(|| left.cmp(right))
    });
    fused.into_iter().map(|(id, score)| (id.to_owned(), score)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fuse(lists: &[(&[&str], f32)], k: f32) -> Vec<(String, f32)> {
        let rankings: Vec<_> =
            lists.iter().map(|(ids, weight)| Ranking { ids: ids.to_vec(), weight: *weight }).collect();
        reciprocal_rank_fusion(&rankings, k)
    }

    #[test]
    fn scores_follow_the_formula() {
        let fused = fuse(&[(&["a", "b"], 1.0), (&["b", "c"], 0.5)], 2.0);
        let expected = [("b", 1.0 / 3.0 + 0.5 / 2.0), ("a", 0.5), ("c", 0.5 / 3.0)];
        assert_eq!(fused.len(), expected.len());
        for ((id, score), (expected_id, expected_score)) in fused.iter().zip(expected) {
            assert_eq!(id, expected_id);
            assert!((score - expected_score).abs() < 1e-6, "{id}: {score}");
        }
    }

    #[test]
    fn ties_go_to_the_first_list() {
        let fused = fuse(&[(&["z", "a"], 1.0), (&["a", "z"], 1.0)], 60.0);
        assert_eq!(fused.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["z", "a"]);
    }

    #[test]
    fn a_list_of_weight_zero_counts_for_nothing() {
        assert_eq!(fuse(&[(&["a"], 0.0)], 2.0), []);
        assert_eq!(fuse(&[], 2.0), []);
    }

    proptest! {
        /// Being better in one list never makes a document worse in the whole.
        #[test]
        fn fusion_is_monotone(
            mut ids in Just((0..8).map(|id| id.to_string()).collect::<Vec<_>>()).prop_shuffle(),
            other in Just((0..8).map(|id| id.to_string()).collect::<Vec<_>>()).prop_shuffle(),
            at in 1_usize..8,
            k in 1.0_f32..100.0,
        ) {
            let score = |ids: &[String], id: &str| {
                let lists = [ids, &other].map(|ids| Ranking {
                    ids: ids.iter().map(String::as_str).collect(),
                    weight: 1.0,
                });
                reciprocal_rank_fusion(&lists, k).into_iter().find(|(found, _)| found == id).map(|found| found.1)
            };
            let id = ids[at].clone();
            let before = score(&ids, &id);
            ids.swap(at, at - 1);
            prop_assert!(score(&ids, &id) > before);
        }
    }
}
