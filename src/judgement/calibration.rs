//! Calibrations: from signals to one probability, and the certificate that lets a probability send a reply.
//!
//! A calibration is fitted offline for exactly one chat model, prompt and embedder; [`Calibration::load`] refuses it
//! for any other. It is applied in three steps:
//!
//! 1. a logistic score: `s = σ(intercept + intercept[language] + Σ weight[i] · signal[i])`, where a signal that the
//!    backend does not give takes the value of `missing[i]` (the mean of the fitting set);
//! 2. an isotonic map of `s`, stored as breakpoints and interpolated linearly between them (Zadrozny and Elkan 2002);
//! 3. the result is a probability that the reply is acceptable, 0 to 1.
//!
//! Fitting and certifying live in the evaluation; this module holds the type that both sides read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::conversation::{Language, WorkspaceId};

/// What a calibration is valid for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationKey {
    /// Fingerprint of the chat model.
    pub model: String,
    /// Hash of the prompt template.
    pub prompt: String,
    /// Fingerprint of the embedder.
    pub embedder: String,
}

impl CalibrationKey {
    /// Twelve hexadecimal digits that stand for the whole key, for file names.
    pub fn short_id(&self) -> String {
        let mut id = hex::encode(Sha256::digest(self.to_string()));
        id.truncate(12);
        id
    }
}

impl std::fmt::Display for CalibrationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "model={} prompt={} embedder={}", self.model, self.prompt, self.embedder)
    }
}

impl std::str::FromStr for CalibrationKey {
    type Err = KeyError;

    /// Reads what [`Display`](std::fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split(' ');
        let mut part = |name: &str| {
            parts
                .next()
                .and_then(|part| part.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or_else(|| KeyError(text.to_owned()))
        };
        Ok(Self { model: part("model")?, prompt: part("prompt")?, embedder: part("embedder")? })
    }
}

/// A text is not the key of a calibration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the key of a calibration (model=… prompt=… embedder=…)")]
pub struct KeyError(String);

/// A fitted map from signals to a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What it was fitted for.
    pub key: CalibrationKey,
    /// Names of model and embedder, for people.
    #[serde(default)]
    pub description: String,
    /// Logistic intercept over all languages.
    pub intercept: f64,
    /// Added to the intercept, by language; 0 where absent.
    #[serde(default)]
    pub language_intercepts: BTreeMap<Language, f64>,
    /// Logistic weight by name of signal; a signal not named here does not count.
    pub weights: BTreeMap<String, f64>,
    /// Stands in for a weighted signal that is absent, by name; 0.5 where absent here too.
    #[serde(default)]
    pub missing: BTreeMap<String, f64>,
    /// Isotonic step: rising in both coordinates; empty leaves the logistic score as it is.
    #[serde(default)]
    pub isotonic: Vec<Breakpoint>,
    /// What a held-out sample certified; without one nothing is sent automatically.
    #[serde(default)]
    pub certificate: Option<Certificate>,
}

/// A point of the isotonic map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakpoint {
    /// Logistic score, 0 to 1.
    pub score: f64,
    /// Probability at this score, 0 to 1.
    pub probability: f64,
}

/// What a held-out sample says about the replies at or above a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Highest error rate among automatic replies that was asked for.
    pub alpha: f64,
    /// Risk that the certificate is wrong: one minus its confidence level.
    pub delta: f64,
    /// Smallest calibrated probability that may be sent.
    pub threshold: f64,
    /// Replies of the sample at or above the threshold.
    pub n: usize,
    /// Those among them that were not acceptable.
    pub errors: usize,
    /// Exact (Clopper-Pearson) one-sided upper bound of the error rate at level `1 − delta`.
    pub upper_bound: f64,
    /// The same sample by language.
    pub by_language: BTreeMap<Language, LanguageCertificate>,
    /// Where it holds, and what it was made on.
    #[serde(flatten)]
    pub origin: Origin,
}

/// What a certificate was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The workspace whose knowledge and customers the sample stands for. Nothing is sent automatically in another one.
    pub workspace: WorkspaceId,
    /// Hash of the questions and the knowledge.
    pub dataset_hash: String,
    /// When.
    pub made_at: DateTime<Utc>,
}

/// One language's share of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageCertificate {
    /// Replies at or above the threshold.
    pub n: usize,
    /// Those among them that were not acceptable.
    pub errors: usize,
    /// Exact one-sided upper bound of the error rate at level `1 − delta`.
    pub upper_bound: f64,
}

impl Certificate {
    /// The threshold for a workspace and a language; `None` where the sample says nothing of them.
    pub fn threshold_for(&self, workspace: &WorkspaceId, language: Language) -> Option<f64> {
        if *workspace != self.origin.workspace {
            return None;
        }
        self.by_language.get(&language).filter(|share| share.n > 0).map(|_| self.threshold)
    }
}

impl Calibration {
    /// Reads a calibration file and refuses it unless it was fitted for `key`.
    pub fn load(path: &Path, key: &CalibrationKey) -> Result<Self, CalibrationError> {
        let calibration = Self::read(path)?;
        if &calibration.key != key {
            return Err(CalibrationError::OtherKey {
                path: path.to_path_buf(),
                expected: Box::new(key.clone()),
                actual: Box::new(calibration.key),
            });
        }
        Ok(calibration)
    }

    /// Reads and checks a calibration file, whatever its key.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        let bytes = std::fs::read(path)
            .map_err(|error| CalibrationError::Io { path: path.to_path_buf(), message: error.to_string() })?;
        Self::parse(&bytes, path)
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), CalibrationError> {
        let failed = |message: String| CalibrationError::Io { path: path.to_path_buf(), message };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| failed(error.to_string()))?;
        text.push('\n');
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let partial = path.with_extension("json.part");
        std::fs::write(&partial, text).map_err(|error| failed(error.to_string()))?;
        std::fs::rename(&partial, path).map_err(|error| failed(error.to_string()))
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, CalibrationError> {
        let invalid = |message: String| CalibrationError::Invalid { path: path.to_path_buf(), message };
        let calibration: Self = serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        calibration.check().map_err(invalid)?;
        Ok(calibration)
    }

    fn check(&self) -> Result<(), String> {
        let numbers = std::iter::once(self.intercept)
            .chain(self.language_intercepts.values().copied())
            .chain(self.weights.values().copied())
            .chain(self.missing.values().copied());
        if numbers.into_iter().any(|number| !number.is_finite()) {
            return Err("a weight is not a finite number".into());
        }
        let unit = 0.0..=1.0;
        if self
            .isotonic
            .iter()
            .any(|point| !unit.contains(&point.score) || !unit.contains(&point.probability))
        {
            return Err("a breakpoint lies outside 0 to 1".into());
        }
        if self.isotonic.is_sorted_by(|a, b| a.score < b.score && a.probability <= b.probability) {
            Ok(())
        } else {
            Err("the breakpoints do not rise".into())
        }
    }

    /// The logistic score before the isotonic step, 0 to 1.
    pub fn score(&self, signals: &BTreeMap<String, f64>, language: Language) -> f64 {
        let mut sum = self.intercept + self.language_intercepts.get(&language).copied().unwrap_or(0.0);
        for (name, weight) in &self.weights {
            let value = signals.get(name).or_else(|| self.missing.get(name)).copied().unwrap_or(0.5);
            sum += weight * value;
        }
        1.0 / (1.0 + (-sum).exp())
    }

    /// The calibrated probability that the reply is acceptable, 0 to 1.
    ///
    /// The isotonic map is level over whole blocks; a hundredth of the score keeps the order within them, so that a
    /// threshold can lie anywhere.
    pub fn apply(&self, signals: &BTreeMap<String, f64>, language: Language) -> f64 {
        let score = self.score(signals, language);
        (1.0 - ORDER) * interpolate(&self.isotonic, score) + ORDER * score
    }
}

/// Share of the score in a calibrated probability.
const ORDER: f64 = 0.01;

/// Piecewise linear through the points, constant beyond both ends; the identity without points.
fn interpolate(points: &[Breakpoint], score: f64) -> f64 {
    let above = points.partition_point(|point| point.score <= score);
    match (above.checked_sub(1).map(|below| points[below]), points.get(above)) {
        (None, None) => score,
        (Some(last), None) => last.probability,
        (None, Some(first)) => first.probability,
        (Some(low), Some(high)) => {
            let share = (score - low.score) / (high.score - low.score);
            low.probability + share * (high.probability - low.probability)
        }
    }
}

/// Calibrations of the binary.
#[derive(RustEmbed)]
#[folder = "models/calibrations/"]
struct Embedded;

/// Every calibration at hand, by key.
#[derive(Debug, Clone, Default)]
pub struct Calibrations {
    by_key: BTreeMap<CalibrationKey, Arc<Calibration>>,
}

impl Calibrations {
    /// The embedded calibrations, and over them those of a folder (`*.json`); a folder that is named must be readable.
    pub fn load(folder: Option<&Path>) -> Result<Self, CalibrationError> {
        let mut all = Self::default();
        for name in Embedded::iter().filter(|name| name.ends_with(".json")) {
            if let Some(file) = Embedded::get(&name) {
                all.add(Calibration::parse(&file.data, Path::new(name.as_ref()))?);
            }
        }
        if let Some(folder) = folder {
            let unreadable = |error: std::io::Error| CalibrationError::Io {
                path: folder.to_path_buf(),
                message: error.to_string(),
            };
            let mut paths = Vec::new();
            for entry in std::fs::read_dir(folder).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                if path.extension().is_some_and(|extension| extension == "json") {
                    paths.push(path);
                }
            }
            paths.sort();
            for path in paths {
                all.add(Calibration::read(&path)?);
            }
        }
        Ok(all)
    }

    /// Adds one; a later one replaces an earlier one of the same key.
    pub fn add(&mut self, calibration: Calibration) {
        self.by_key.insert(calibration.key.clone(), Arc::new(calibration));
    }

    /// The calibration fitted for exactly this key.
    pub fn find(&self, key: &CalibrationKey) -> Option<Arc<Calibration>> {
        self.by_key.get(key).cloned()
    }

    /// Every calibration, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Calibration> {
        self.by_key.values().map(AsRef::as_ref)
    }
}

/// Why a calibration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The file cannot be read or written.
    #[error("the calibration {} cannot be read or written: {message}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        message: String,
    },
    /// The file is not a calibration.
    #[error("{} is not a usable calibration: {message}; make a new one with `ponto calibrate`", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// It was fitted for something else.
    #[error(
        "the calibration {} was fitted for {actual}, not for {expected}; make one with `ponto calibrate`",
        .path.display()
    )]
    OtherKey {
        /// The file.
        path: PathBuf,
        /// What runs.
        expected: Box<CalibrationKey>,
        /// What it was fitted for.
        actual: Box<CalibrationKey>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(model: &str) -> CalibrationKey {
        CalibrationKey { model: model.into(), prompt: "p1".into(), embedder: "e1".into() }
    }

    fn sample() -> Calibration {
        Calibration {
            key: key("m1"),
            description: "test".into(),
            intercept: -1.0,
            language_intercepts: BTreeMap::from([(Language::It, 0.5)]),
            weights: BTreeMap::from([("retrieval_top".into(), 2.0), ("token_logprob".into(), 1.0)]),
            missing: BTreeMap::from([("token_logprob".into(), 0.8)]),
            isotonic: vec![
                Breakpoint { score: 0.2, probability: 0.1 },
                Breakpoint { score: 0.6, probability: 0.5 },
                Breakpoint { score: 0.9, probability: 0.5 },
            ],
            certificate: None,
        }
    }

    #[test]
    fn a_key_reads_back_from_its_text() {
        let key = CalibrationKey { model: "sha256:a=b".into(), ..key("m") };
        assert_eq!(key.to_string().parse(), Ok(key));
        assert!("model=a embedder=b".parse::<CalibrationKey>().is_err());
    }

    #[test]
    fn scores_by_the_logistic_formula() {
        let signals = BTreeMap::from([("retrieval_top".to_owned(), 0.5), ("unknown".to_owned(), 9.0)]);
        let expected = 1.0 / (1.0 + f64::exp(-(-1.0 + 2.0 * 0.5 + 0.8)));
        assert!((sample().score(&signals, Language::Pt) - expected).abs() < 1e-12);
        assert!(sample().score(&signals, Language::It) > expected);
    }

    #[test]
    fn interpolates_between_breakpoints_and_is_flat_beyond_them() {
        let points = sample().isotonic;
        for (score, expected) in [(0.0, 0.1), (0.2, 0.1), (0.4, 0.3), (0.6, 0.5), (0.8, 0.5), (1.0, 0.5)] {
            assert!((interpolate(&points, score) - expected).abs() < 1e-12, "{score}");
        }
        assert!((interpolate(&[], 0.3) - 0.3).abs() < 1e-12);
    }

    #[test]
    fn a_file_reads_back_and_refuses_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.json");
        sample().save(&path).unwrap();
        assert_eq!(Calibration::load(&path, &key("m1")).unwrap(), sample());
        let error = Calibration::load(&path, &key("m2")).unwrap_err();
        assert!(matches!(error, CalibrationError::OtherKey { .. }));
        assert!(error.to_string().contains("ponto calibrate"));

        let all = Calibrations::load(Some(folder.path())).unwrap();
        assert!(all.find(&key("m1")).is_some());
        assert!(all.find(&key("m2")).is_none());
    }

    #[test]
    fn refuses_falling_breakpoints_and_infinite_weights() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.json");
        let mut falling = sample();
        falling.isotonic.reverse();
        falling.save(&path).unwrap();
        assert!(matches!(Calibration::read(&path), Err(CalibrationError::Invalid { .. })));
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(Calibration::read(&path), Err(CalibrationError::Invalid { .. })));
    }

    #[test]
    fn without_evidence_there_is_no_threshold() {
        let share = |n| LanguageCertificate { n, errors: 0, upper_bound: 0.05 };
        let certificate = Certificate {
            alpha: 0.05,
            delta: 0.05,
            threshold: 0.9,
            n: 60,
            errors: 0,
            upper_bound: 0.049,
            by_language: BTreeMap::from([(Language::Pt, share(60)), (Language::It, share(0))]),
            origin: Origin {
                workspace: WorkspaceId("shop".into()),
                dataset_hash: "d".into(),
                made_at: DateTime::<Utc>::UNIX_EPOCH,
            },
        };
        let shop = WorkspaceId("shop".into());
        assert_eq!(certificate.threshold_for(&shop, Language::Pt), Some(0.9));
        assert_eq!(certificate.threshold_for(&shop, Language::It), None);
        assert_eq!(certificate.threshold_for(&shop, Language::En), None);
        assert_eq!(certificate.threshold_for(&WorkspaceId("other".into()), Language::Pt), None);
    }
}
