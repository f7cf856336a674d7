//! hit@k: whether any relevant passage stands among the first k (also called success@k).

/// 1 when a relevant passage stands at rank `k` or better, otherwise 0. `relevance` is by rank, best first.
pub fn hit_at(relevance: &[bool], k: usize) -> f64 {
    f64::from(u8::from(relevance.iter().take(k).any(|relevant| *relevant)))
}

#[cfg(test)]
mod tests {
    use super::hit_at;

    #[test]
    fn counts_the_first_k_ranks_alone() {
        let relevance = [false, false, true, false];
        assert!(hit_at(&relevance, 2) < 0.5);
        assert!(hit_at(&relevance, 3) > 0.5);
        assert!(hit_at(&[], 5) < 0.5);
    }
}
