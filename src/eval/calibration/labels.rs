//! The table of outcomes beside a calibration: enough to compute its certificate again, and nothing that a customer wrote.

use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Example, Sample};
use crate::conversation::Language;
use crate::eval::EvalError;
use crate::judgement::calibration::Calibration;

/// Hexadecimal digits of an id in the table.
const DIGITS: usize = 16;

/// What a row was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Half {
    /// The calibration and the plan were made on it.
    Fit,
    /// The thresholds were tested on it.
    Certify,
}

/// One labelled reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Hash of the row's id.
    pub id: String,
    /// Language of the reply.
    pub language: Language,
    /// What it was for.
    pub half: Half,
    /// The calibrated probability.
    pub probability: f64,
    /// Of a row that fits: the probability by a fit that did not see it.
    pub cross_fitted: Option<f64>,
    /// The label.
    pub acceptable: bool,
}

/// Stands for the id of a row where the id itself must not be read.
pub(super) fn hashed(id: &str) -> String {
    let mut hash = hex::encode(Sha256::digest(id));
    hash.truncate(DIGITS);
    hash
}

/// The table of a sample under a calibration that was fitted on its fitting half, with the cross-fitted probabilities of
/// that half.
pub(super) fn table(sample: &Sample, calibration: &Calibration, cross_fitted: &[f64]) -> Vec<Label> {
    let row = |example: &Example, half: Half, cross_fitted: Option<f64>| Label {
        id: hashed(&example.id),
        language: example.language,
        half,
        probability: calibration.apply(&example.signals, example.language),
        cross_fitted,
        acceptable: example.acceptable,
    };
    let fit = sample.fit.iter().zip(cross_fitted);
    let fit = fit.map(|(example, cross_fitted)| row(example, Half::Fit, Some(*cross_fitted)));
    fit.chain(sample.certify.iter().map(|example| row(example, Half::Certify, None))).collect()
}

/// The table as it is written: numbers so that they read back exactly.
pub fn to_csv(labels: &[Label]) -> Result<Vec<u8>, EvalError> {
    let failed = |error: &dyn std::fmt::Display| EvalError::io("the table of labels", &error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for label in labels {
        writer.serialize(label).map_err(|error| failed(&error))?;
    }
    writer.into_inner().map_err(|error| failed(&error.error()))
}

/// Reads a table; `path` is for messages.
pub fn from_csv(bytes: &[u8], path: &Path) -> Result<Vec<Label>, EvalError> {
    let rows = csv::Reader::from_reader(bytes).into_deserialize();
    rows.collect::<Result<_, csv::Error>>().map_err(|error| EvalError::io(path, &error))
}

/// SHA-256 of a table as it is written.
pub fn hash_of(csv: &[u8]) -> String {
    hex::encode(Sha256::digest(csv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_reads_back_exactly_and_holds_no_id() {
        let label = |id: &str, half, cross_fitted| Label {
            id: hashed(id),
            language: Language::It,
            half,
            probability: 1.0 / 3.0,
            cross_fitted,
            acceptable: true,
        };
        let labels =
            vec![label("conversation-7", Half::Fit, Some(0.1 + 0.2)), label("b", Half::Certify, None)];
        let csv = to_csv(&labels).unwrap();
        assert_eq!(from_csv(&csv, Path::new("x")).unwrap(), labels);
        let text = String::from_utf8(csv).unwrap();
        assert!(text.starts_with("id,language,half,probability,cross_fitted,acceptable\n"), "{text}");
        assert!(!text.contains("conversation-7"));
        let error = from_csv(b"id,language\nx,pt\n", Path::new("broken.csv")).unwrap_err();
        assert!(error.to_string().contains("broken.csv"), "{error}");
    }
}
