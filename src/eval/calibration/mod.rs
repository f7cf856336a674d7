//! From labelled replies to a calibration and its certificate.
//!
//! 1. [`split`]: rows go to a fitting and a certifying half by a seeded hash of their id. A certificate must come from
//!    rows that neither the fit nor the choice of thresholds has seen.
//! 2. [`fit`]: a ridge logistic regression on the signals, with an intercept a language that is shrunk towards the
//!    pooled one, then an isotonic map; on the fitting half alone.
//! 3. [`plan`]: a sequence of thresholds from strict to lax, made on the fitting half alone.
//! 4. [`certify`]: Learn-then-Test (Angelopoulos et al., arXiv 2110.01052) on the certifying half: thresholds are tested in
//!    the planned order with exact binomial p-values until the first that fails; the last that passed is certified.
//!
//! What is guaranteed: if the rows that will be answered are exchangeable with those of the certifying half, then with
//! probability at least 1 − δ over the draw of that half, at most a share α of the replies at or above the certified
//! threshold is unacceptable. It is a statement about all languages together; the figures by language are observed
//! rates with their own one-sided bounds and carry no promise of their own. It is void once the model, the prompt, the
//! embedder or the knowledge changes.

use std::collections::BTreeMap;

use crate::conversation::Language;

use super::dataset::seeded_hash;

mod certify;
mod fit;
mod isotonic;
mod logistic;
mod study;

pub use certify::{Certification, Feasibility, Target, Tested, certify, plan};
pub use fit::{cross_fitted, fit};
pub use study::{Counts, Design, Quality, Study, study};

/// A reply that reached judgement, and whether it was acceptable.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// Id of its row.
    pub id: String,
    /// Language of the reply.
    pub language: Language,
    /// Signals by name.
    pub signals: BTreeMap<String, f64>,
    /// The label.
    pub acceptable: bool,
}

/// Splits examples into a fitting part of about `fit_share` and a certifying part, by a seeded hash of the id: adding
/// or removing other rows does not move a row to the other side.
pub fn split(examples: &[Example], fit_share: f64, seed: u64) -> (Vec<Example>, Vec<Example>) {
    examples.iter().cloned().partition(|example| {
        let hash = seeded_hash(seed, &example.id);
        let head = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        (head as f64) < fit_share * u64::MAX as f64
    })
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::DateTime;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::conversation::WorkspaceId;
    use crate::judgement::calibration::Origin;

    /// What a simulated certificate is made on.
    pub(in crate::eval) fn origin() -> Origin {
        Origin {
            workspace: WorkspaceId("simulated".into()),
            dataset_hash: "hash".into(),
            made_at: DateTime::UNIX_EPOCH,
        }
    }

    /// Replies whose chance to be right is the square root of their signal.
    pub(in crate::eval) fn simulated(n: usize, seed: u64) -> Vec<Example> {
        let mut rng = StdRng::seed_from_u64(seed);
        (0..n)
            .map(|i| {
                let signal: f64 = rng.random_range(0.0..1.0);
                let noise: f64 = rng.random_range(0.0..1.0);
                Example {
                    id: format!("row-{seed}-{i}"),
                    language: Language::ALL[i % 4],
                    signals: BTreeMap::from([("support".to_owned(), signal), ("noise".to_owned(), noise)]),
                    acceptable: rng.random_range(0.0..1.0) < signal.sqrt(),
                }
            })
            .collect()
    }

    #[test]
    fn a_row_keeps_its_side_whatever_else_is_there() {
        let examples = simulated(400, 3);
        let (fit, certify) = split(&examples, 0.5, 7);
        assert_eq!(fit.len() + certify.len(), 400);
        assert!((150..250).contains(&fit.len()), "{}", fit.len());
        let (fewer, _) = split(&examples[..100], 0.5, 7);
        assert!(fewer.iter().all(|example| fit.contains(example)));
        let (other, _) = split(&examples, 0.5, 8);
        assert_ne!(fit, other);
    }
}
