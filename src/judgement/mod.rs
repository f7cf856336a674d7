//! How sure a draft may be: groundedness sentence by sentence, signals, one calibrated probability.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod altered;
pub mod calibration;
mod claims;
mod grounded;
mod groundedness;
mod judge;
mod money;
mod numbers;
mod opposites;
mod second_reading;
mod semantic;
mod signals;

pub use altered::altered;
pub use judge::{Judge, JudgeInput, JudgementConfig};
pub use money::{Amount, amounts};

/// What is known about a draft before anything is decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Judgement {
    /// Every sentence against the cited passages.
    pub sentences: Vec<SentenceGrounding>,
    /// One probability that the reply is acceptable.
    pub confidence: Confidence,
}

impl Judgement {
    /// How probable the chat model that read the draft again finds it that the sources support it, 0 to 1; `None` where none
    /// did.
    pub fn second_reading(&self) -> Option<f64> {
        self.confidence.signals.get(SECOND_READING).copied()
    }

    /// How far the whole draft stands on its sources, 0 to 1: the signal `grounded`, which weighs the evidence of its words,
    /// claims, opposites and negations; 0 where it was not measured.
    pub fn groundedness(&self) -> f64 {
        self.confidence.signals.get("grounded").copied().unwrap_or(0.0)
    }
}

/// The signal of [`JudgementConfig::second_reading_s`].
const SECOND_READING: &str = "second_reading";

/// One sentence of a draft.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SentenceGrounding {
    /// The sentence.
    pub text: String,
    /// Share of its words, by weight, that the best passage holds, 0 to 1.
    pub support: f64,
    /// The passage that supports it best.
    pub passage_id: Option<String>,
    /// Numbers, dates, links and names in it that no source holds, and words that its source turns around: the opposite
    /// stands there, or it is negated on one side alone.
    pub unsupported: Vec<String>,
}

/// A probability with where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Confidence {
    /// Probability that the reply is acceptable, 0 to 1; without a calibration a plain mean of the signals.
    pub value: f64,
    /// Whether a calibration fitted for exactly this procedure (model, prompt, embedder, search, signals, floors) made it.
    pub calibrated: bool,
    /// Signals by name, each 0 to 1, higher is better.
    pub signals: BTreeMap<String, f64>,
    /// What each signal adds to the log-odds, over a reply that is like the mean of those the calibration was fitted on;
    /// the most negative ones are what would raise the probability. Empty without a calibration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contributions: BTreeMap<String, f64>,
}

#[cfg(test)]
pub(crate) mod tests;
