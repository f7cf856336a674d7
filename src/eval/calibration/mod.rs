//! From labelled replies to a calibration and its certificate.
//!
//! 1. [`Sample`]: rows go to a fitting and a certifying half. A certificate must come from rows that neither the fit nor
//!    the choice of thresholds has seen.
//! 2. [`fit()`]: a ridge logistic regression on the signals, with an intercept a language that is shrunk towards the
//!    pooled one, then an isotonic map; on the fitting half alone.
//! 3. [`plan`]: sequences of thresholds from strict to lax, for all languages together or for some apart; made on the
//!    fitting half alone.
//! 4. [`certify`]: Learn-then-Test (Angelopoulos et al., arXiv 2110.01052) on the certifying half: thresholds are tested in
//!    the planned order with exact binomial p-values until the first that fails; the last that passed is certified.
//! 5. [`labels`]: the table of outcomes, from which [`verify`] computes the certificate again.
//!
//! What is guaranteed: if the rows that will be answered are exchangeable with those of the certifying half, then with
//! probability at least 1 − δ over the draw of that half, at most a share α of the replies at or above the certified
//! threshold is unacceptable, in every group of languages that was tested. Within a group the figures by language are
//! observed rates with their own one-sided bounds and carry no promise of their own. It is void once anything of the
//! [key](crate::judgement::calibration::CalibrationKey) changes, and lapses once too much of the knowledge has.

use std::collections::BTreeMap;

use crate::conversation::{Language, WorkspaceId};
use crate::judgement::calibration::{CalibrationKey, Split};

use super::dataset::seeded_hash;

mod certify;
mod feedback;
mod fit;
mod isotonic;
pub mod labels;
mod logistic;
mod plan;
mod study;
mod verify;

pub use certify::{Certification, Feasibility, GroupTests, Outlook, Target, Tested, certify};
pub use feedback::{Reading, Tally, from_feedback};
pub use fit::{cross_fitted, fit};
pub use plan::{GroupPlan, plan};
pub use study::{Counts, Figures, Made, Quality, Study, study};
pub use verify::{Difference, verify};

/// What a calibration is fitted for.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The procedure.
    pub key: CalibrationKey,
    /// The workspace whose knowledge and customers the labels stand for.
    pub workspace: WorkspaceId,
    /// Both in words, for people.
    pub description: String,
}

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

/// Labelled replies in two halves.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What the calibration and the plan are made on.
    pub fit: Vec<Example>,
    /// What the thresholds are tested on.
    pub certify: Vec<Example>,
    /// How a row came to its half.
    pub split: Split,
}

impl Sample {
    /// A fitting part of about `fit_share` and a certifying part, by a seeded hash of the hashed ids: adding or removing
    /// other rows does not move a row to the other side, and who has the table of labels can check the sides.
    pub fn by_hash(examples: &[Example], fit_share: f64, seed: u64) -> Self {
        let (fit, certify) =
            examples.iter().cloned().partition(|example| fits(&labels::hashed(&example.id), fit_share, seed));
        Self { fit, certify, split: Split::Hash(fit_share) }
    }
}

/// Whether the row with this hashed id falls into the fitting part.
fn fits(hashed_id: &str, fit_share: f64, seed: u64) -> bool {
    let hash = seeded_hash(seed, hashed_id);
    let head = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (head as f64) < fit_share * u64::MAX as f64
}

#[cfg(test)]
pub(super) mod tests {
    use chrono::DateTime;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::judgement::calibration::{Origin, tests::key};
    use crate::retrieval::Sketch;

    /// What a simulated calibration is for.
    pub(in crate::eval) fn subject() -> Subject {
        Subject { key: key("m"), workspace: WorkspaceId("simulated".into()), description: String::new() }
    }

    /// What a simulated certificate is made on.
    pub(in crate::eval) fn origin() -> Origin {
        Origin {
            dataset_hash: "hash".into(),
            made_at: DateTime::UNIX_EPOCH,
            knowledge: Sketch::default(),
            split: Split::Hash(0.5),
            seed: 1,
            labels_hash: "hash".into(),
            hashes: BTreeMap::new(),
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
        let sample = Sample::by_hash(&examples, 0.5, 7);
        assert_eq!(sample.fit.len() + sample.certify.len(), 400);
        assert!((150..250).contains(&sample.fit.len()), "{}", sample.fit.len());
        let fewer = Sample::by_hash(&examples[..100], 0.5, 7);
        assert!(fewer.fit.iter().all(|example| sample.fit.contains(example)));
        assert_ne!(sample.fit, Sample::by_hash(&examples, 0.5, 8).fit);
    }
}
