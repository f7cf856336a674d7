//! Mean reciprocal rank (Voorhees 1999, "The TREC-8 question answering track report"), here of one query.

/// 1 ∕ rank of the first relevant passage, 0 when none was found. `relevance` is by rank, best first; how deep it goes
/// is the caller's choice and part of the metric's definition.
pub fn reciprocal_rank(relevance: &[bool]) -> f64 {
    relevance.iter().position(|relevant| *relevant).map_or(0.0, |index| 1.0 / (index as f64 + 1.0))
}

#[cfg(test)]
mod tests {
    use super::reciprocal_rank;

    #[test]
    fn is_the_inverse_of_the_first_relevant_rank() {
        assert!((reciprocal_rank(&[false, true, true]) - 0.5).abs() < 1e-12);
        assert!((reciprocal_rank(&[true]) - 1.0).abs() < 1e-12);
        assert!(reciprocal_rank(&[false, false]).abs() < 1e-12);
    }
}
