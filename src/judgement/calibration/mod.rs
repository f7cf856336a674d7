//! Calibrations: from signals to one probability, and the certificate that lets a probability send a reply.
//!
//! A calibration is fitted offline for exactly one procedure ([`CalibrationKey`]); [`Calibration::load`] refuses it for
//! any other. It is applied in three steps:
//!
//! 1. a logistic score: `s = σ(intercept + intercept[language] + Σ weight[i] · signal[i])`, where a signal that the
//!    backend does not give takes the value of `missing[i]` (the mean of the fitting set);
//! 2. an isotonic map of `s`, stored as breakpoints and interpolated linearly between them (Zadrozny and Elkan 2002);
//! 3. the result is a probability that the reply is acceptable, 0 to 1.
//!
//! Fitting and certifying live in the evaluation; this module holds the type that both sides read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

use crate::conversation::Language;

mod certificate;
mod key;

pub use certificate::{Certificate, GroupCertificate, LanguageCertificate, Origin, Split, Standing};
pub(super) use key::hash_of;
pub use key::{CalibrationKey, KeyError, Procedure};

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

    /// Writes the file, and the table of its labels beside it; each whole or not at all, the table first.
    pub fn save(&self, path: &Path, labels: &[u8]) -> Result<(), CalibrationError> {
        let failed = |error: &dyn std::fmt::Display| CalibrationError::Io {
            path: path.to_path_buf(),
            message: error.to_string(),
        };
        let mut text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        text.push('\n');
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        for (path, bytes) in [(labels_beside(path), labels), (path.to_path_buf(), text.as_bytes())] {
            let mut partial = path.clone().into_os_string();
            partial.push(".part");
            std::fs::write(&partial, bytes).map_err(|error| failed(&error))?;
            std::fs::rename(&partial, &path).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, CalibrationError> {
        let invalid = |message: String| CalibrationError::Invalid { path: path.to_path_buf(), message };
        let value: serde_json::Value =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if let Some(key) = value.get("key") {
            let lacking = CalibrationKey::lacking(key);
            if !lacking.is_empty() {
                return Err(CalibrationError::Outdated {
                    path: path.to_path_buf(),
                    lacking: lacking.join(", "),
                });
            }
        }
        let calibration: Self = serde_json::from_value(value).map_err(|error| invalid(error.to_string()))?;
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

    /// What each weighted signal adds to the logistic score's exponent, over what it adds in a reply with the mean of the
    /// fitting set: the largest negative one is what would raise the probability most.
    pub fn contributions(&self, signals: &BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        let of = |(name, weight): (&String, &f64)| {
            let mean = self.missing.get(name).copied().unwrap_or(0.5);
            let value = signals.get(name).copied().unwrap_or(mean);
            (name.clone(), weight * (value - mean))
        };
        self.weights.iter().filter(|(_, weight)| **weight != 0.0).map(of).collect()
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

/// Calibrations of the binary, by name.
fn embedded() -> impl Iterator<Item = (String, Cow<'static, [u8]>)> {
    let names = Embedded::iter().filter(|name| name.ends_with(".json"));
    names.filter_map(|name| Some((name.to_string(), Embedded::get(&name)?.data)))
}

/// A calibration by its name, with the table of labels beside it.
pub type Named = (String, Calibration, Option<Vec<u8>>);

/// The calibrations of the binary.
pub fn of_the_binary() -> Result<Vec<Named>, CalibrationError> {
    embedded()
        .map(|(name, bytes)| {
            let path = Path::new(&name);
            let labels = labels_beside(path);
            let labels = Embedded::get(&labels.to_string_lossy()).map(|file| file.data.into_owned());
            let calibration = Calibration::parse(&bytes, path)?;
            Ok((name, calibration, labels))
        })
        .collect()
}

/// The calibrations of a folder, by name.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, CalibrationError> {
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
    Ok(paths)
}

/// Where the table of the labels that a calibration was made from lies.
pub fn labels_beside(calibration: &Path) -> PathBuf {
    calibration.with_extension("labels.csv")
}

/// Every calibration at hand, by key.
#[derive(Debug, Clone, Default)]
pub struct Calibrations {
    by_key: BTreeMap<CalibrationKey, Arc<Calibration>>,
}

impl Calibrations {
    /// The embedded calibrations, and over them those of a folder (`*.json`); a folder that is named must be readable.
    pub fn load(folder: Option<&Path>) -> Result<Self, CalibrationError> {
        let mut all = Self::default();
        for (name, bytes) in embedded() {
            all.add(Calibration::parse(&bytes, Path::new(&name))?);
        }
        for path in folder.map(files).transpose()?.unwrap_or_default() {
            all.add(Calibration::read(&path)?);
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
    /// An earlier version made it.
    #[error(
        "{} was made by an earlier version of Ponto: its key does not say {lacking}, so it may speak of another procedure \
         than the one that runs; make a new one with `ponto calibrate`, and take this file away",
        .path.display()
    )]
    Outdated {
        /// The file.
        path: PathBuf,
        /// Parts that its key does not have.
        lacking: String,
    },
    /// It was fitted for something else.
    #[error(
        "the calibration {} was fitted for another procedure (another {}): for {actual}, not for {expected}; make one \
         with `ponto calibrate`",
        .path.display(), .actual.differences(expected).join(", ")
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
pub(crate) mod tests {
    use super::*;

    pub(crate) fn key(model: &str) -> CalibrationKey {
        CalibrationKey {
            model: model.into(),
            prompt: "p1".into(),
            embedder: "e1".into(),
            retrieval: "r1".into(),
            judgement: "j1".into(),
            decision: "d1".into(),
        }
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
            certificate: Some(certificate::tests::certificate()),
        }
    }

    #[test]
    fn scores_by_the_logistic_formula() {
        let signals = BTreeMap::from([("retrieval_top".to_owned(), 0.5), ("unknown".to_owned(), 9.0)]);
        let expected = 1.0 / (1.0 + f64::exp(-(-1.0 + 2.0 * 0.5 + 0.8)));
        assert!((sample().score(&signals, Language::Pt) - expected).abs() < 1e-12);
        assert!(sample().score(&signals, Language::It) > expected);
    }

    #[test]
    fn contributions_tell_what_holds_a_reply_back() {
        let signals = BTreeMap::from([("token_logprob".to_owned(), 0.3), ("retrieval_top".to_owned(), 0.9)]);
        let calibration = sample();
        let parts = calibration.contributions(&signals);
        assert!((parts["token_logprob"] + 0.5).abs() < 1e-12, "{parts:?}");
        assert!((parts["retrieval_top"] - 0.8).abs() < 1e-12, "{parts:?}");
        // They add up to what separates the reply from the mean one.
        let exponent = |signals: &BTreeMap<String, f64>| {
            let score = calibration.score(signals, Language::Pt);
            (score / (1.0 - score)).ln()
        };
        let difference = exponent(&signals) - exponent(&BTreeMap::from([("retrieval_top".to_owned(), 0.5)]));
        assert!((parts.values().sum::<f64>() - difference).abs() < 1e-9);
        assert!(calibration.contributions(&BTreeMap::new()).values().all(|part| part.abs() < 1e-12));
    }

    #[test]
    fn a_file_of_an_earlier_version_is_refused_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut value = serde_json::to_value(sample()).unwrap();
        let key = value["key"].as_object_mut().unwrap();
        for part in ["retrieval", "judgement", "decision"] {
            key.remove(part);
        }
        std::fs::write(&path, value.to_string()).unwrap();
        let error = Calibrations::load(Some(folder.path())).unwrap_err();
        assert!(matches!(error, CalibrationError::Outdated { .. }));
        let text = error.to_string();
        assert!(
            text.contains("retrieval, judgement, decision") && text.contains("ponto calibrate"),
            "{text}"
        );
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
        sample().save(&path, b"id\n").unwrap();
        assert_eq!(std::fs::read(folder.path().join("one.labels.csv")).unwrap(), b"id\n");
        assert_eq!(Calibration::load(&path, &key("m1")).unwrap(), sample());
        let error = Calibration::load(&path, &key("m2")).unwrap_err();
        assert!(matches!(error, CalibrationError::OtherKey { .. }));
        assert!(error.to_string().contains("(another model)"), "{error}");

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
        falling.save(&path, b"").unwrap();
        assert!(matches!(Calibration::read(&path), Err(CalibrationError::Invalid { .. })));
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(Calibration::read(&path), Err(CalibrationError::Invalid { .. })));
    }
}
