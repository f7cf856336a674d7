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

use crate::conversation::{Language, WorkspaceId};

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
    /// The workspace whose knowledge and customers its labels stand for. What it certifies holds there alone.
    pub workspace: WorkspaceId,
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
        let lacking = lacking(&value);
        if !lacking.is_empty() {
            return Err(CalibrationError::Outdated { path: path.to_path_buf(), lacking: lacking.join(", ") });
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

    /// The name of the file that it is written to where none is given: of its key and its workspace. A workspace may be
    /// called anything; where that is no safe part of a file's name, a hash of it stands there.
    pub fn file_name(&self) -> String {
        let (id, name) = (self.key.short_id(), &self.workspace.0);
        let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if (1..=40).contains(&name.len()) && name.chars().all(safe) {
            format!("{id}-{name}.json")
        } else {
            format!("{id}.{}.json", hash_of(name))
        }
    }

    /// With this certificate, which keeps the hashes of everything that it was made with and of itself.
    #[must_use]
    pub fn certified(self, certificate: Certificate) -> Self {
        let mut calibration = Self { certificate: Some(certificate), ..self };
        let hashes = calibration.hashes();
        if let Some(certificate) = &mut calibration.certificate {
            certificate.origin.hashes = hashes;
        }
        calibration
    }

    /// Hashes of what decides a probability, of what it is for, and of what is certified, by their names in the file. A
    /// certificate keeps those that it was made with ([`Origin::hashes`]), for it speaks of no other numbers.
    pub fn hashes(&self) -> BTreeMap<String, String> {
        let numbers = |numbers: &BTreeMap<String, f64>| -> Vec<(String, String)> {
            numbers.iter().map(|(name, number)| (name.clone(), digits(*number))).collect()
        };
        let languages = self.language_intercepts.iter();
        let languages: Vec<_> = languages.map(|(language, number)| (language, digits(*number))).collect();
        let points = self.isotonic.iter();
        let points: Vec<_> = points.map(|point| (digits(point.score), digits(point.probability))).collect();
        let hashes = [
            ("key", hash_of(&self.key)),
            ("workspace", hash_of(&self.workspace)),
            ("intercept", hash_of(&digits(self.intercept))),
            ("language_intercepts", hash_of(&languages)),
            ("weights", hash_of(&numbers(&self.weights))),
            ("missing", hash_of(&numbers(&self.missing))),
            ("isotonic", hash_of(&points)),
        ];
        let certificate =
            self.certificate.as_ref().map(|certificate| ("certificate", hash_of(&certificate.digest())));
        hashes.into_iter().chain(certificate).map(|(name, hash)| (name.to_owned(), hash)).collect()
    }

    /// Refuses a certificate of other numbers than those beside it.
    fn unchanged(self, path: &Path) -> Result<Self, CalibrationError> {
        let Some(certificate) = &self.certificate else { return Ok(self) };
        let hashes = self.hashes();
        let changed =
            hashes.iter().filter(|(name, hash)| certificate.origin.hashes.get(*name) != Some(*hash));
        let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
        if changed.is_empty() {
            return Ok(self);
        }
        Err(CalibrationError::Changed { path: path.to_path_buf(), changed: changed.join(", ") })
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

/// Digits that count in a number of a calibration.
const DIGITS: usize = 12;

/// A number as far as it counts: reading it from a file may change what comes after.
fn digits(number: f64) -> String {
    format!("{number:.*e}", DIGITS - 1)
}

/// The number with [`DIGITS`] digits, so that a file says all of it.
pub fn rounded(number: f64) -> f64 {
    digits(number).parse().unwrap_or(number)
}

/// What the file of a calibration, as JSON, does not say and those of today do.
fn lacking(file: &serde_json::Value) -> Vec<&'static str> {
    let Some(key) = file.get("key") else { return Vec::new() };
    let mut lacking = CalibrationKey::lacking(key);
    if file.get("workspace").is_none() {
        lacking.push("workspace");
    }
    let certificate = file.get("certificate").filter(|certificate| !certificate.is_null());
    if certificate.is_some_and(|certificate| certificate.get("hashes").is_none()) {
        lacking.push("hashes of what is certified");
    }
    lacking
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

/// What the files of a folder are good for.
#[derive(Debug, Default)]
pub struct Folder {
    /// The calibrations that count, one a key and workspace, by the name of their file.
    pub used: Vec<(PathBuf, Calibration)>,
    /// Why the other files do not.
    pub unused: Vec<CalibrationError>,
}

impl Folder {
    /// Reads every file of the folder. Of two calibrations of the same key and workspace the one that was certified later
    /// counts, and one with a certificate before one without; of two as old, the later by name.
    pub fn open(folder: &Path) -> Result<Self, CalibrationError> {
        let mut of_folder = Self::default();
        for path in files(folder)? {
            match Calibration::read(&path).and_then(|calibration| calibration.unchanged(&path)) {
                Ok(calibration) => of_folder.take(path, calibration),
                Err(error) => of_folder.unused.push(error),
            }
        }
        of_folder.used.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(of_folder)
    }

    fn take(&mut self, path: PathBuf, calibration: Calibration) {
        let made_at =
            |calibration: &Calibration| calibration.certificate.as_ref().map(|made| made.origin.made_at);
        let mut newest = (path, calibration);
        let same = |(_, other): &(PathBuf, Calibration)| {
            other.key == newest.1.key && other.workspace == newest.1.workspace
        };
        if let Some(at) = self.used.iter().position(same) {
            let mut older = self.used.swap_remove(at);
            if made_at(&older.1) > made_at(&newest.1) {
                std::mem::swap(&mut older, &mut newest);
            }
            self.unused.push(CalibrationError::Replaced { path: older.0, by: newest.0.clone() });
        }
        self.used.push(newest);
    }
}

/// Where the table of the labels that a calibration was made from lies.
pub fn labels_beside(calibration: &Path) -> PathBuf {
    calibration.with_extension("labels.csv")
}

/// Every calibration at hand.
#[derive(Debug, Clone, Default)]
pub struct Calibrations {
    by_key: BTreeMap<CalibrationKey, OfKey>,
}

/// The calibrations of one key.
#[derive(Debug, Clone)]
struct OfKey {
    by_workspace: BTreeMap<WorkspaceId, Arc<Calibration>>,
    /// The one that came last, without what it certifies: for the workspaces that have none of their own.
    for_others: Arc<Calibration>,
}

impl Calibrations {
    /// The embedded calibrations, and over them those of a folder (`*.json`). A folder that is named must be readable; a file
    /// in it that cannot be used is left out with a warning, for nothing is sent by what is not there.
    pub fn load(folder: Option<&Path>) -> Result<Self, CalibrationError> {
        let mut all = Self::default();
        for (name, bytes) in embedded() {
            let path = Path::new(&name);
            all.add(Calibration::parse(&bytes, path)?.unchanged(path)?);
        }
        if let Some(folder) = folder {
            let Folder { used, unused } = Folder::open(folder)?;
            for error in unused {
                tracing::warn!("{error}");
            }
            for (_, calibration) in used {
                all.add(calibration);
            }
        }
        Ok(all)
    }

    /// Adds one; a later one replaces an earlier one of the same key and workspace.
    pub fn add(&mut self, calibration: Calibration) {
        let for_others = Arc::new(Calibration { certificate: None, ..calibration.clone() });
        let of_key = self
            .by_key
            .entry(calibration.key.clone())
            .or_insert_with(|| OfKey { by_workspace: BTreeMap::new(), for_others: Arc::clone(&for_others) });
        of_key.for_others = for_others;
        of_key.by_workspace.insert(calibration.workspace.clone(), Arc::new(calibration));
    }

    /// The calibration fitted for exactly this key in this workspace. Where the workspace has none, that of another one
    /// says how sure a reply is, and certifies nothing.
    pub fn find(&self, key: &CalibrationKey, workspace: &WorkspaceId) -> Option<Arc<Calibration>> {
        let of_key = self.by_key.get(key)?;
        Some(Arc::clone(of_key.by_workspace.get(workspace).unwrap_or(&of_key.for_others)))
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
    #[error("{} is no calibration ({message}): it is not used; make a new one with `ponto calibrate`", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// An earlier version made it.
    #[error(
        "{} was made by an earlier version of Ponto: it does not say {lacking}, so it may speak of another procedure than \
         the one that runs. It is not used; make a new one with `ponto calibrate`",
        .path.display()
    )]
    Outdated {
        /// The file.
        path: PathBuf,
        /// What it does not say.
        lacking: String,
    },
    /// It is not what was certified.
    #[error(
        "{} was changed after it was certified ({changed}), so its certificate does not speak of it. It is not used; make a \
         new one with `ponto calibrate`",
        .path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The parts that are not as they were.
        changed: String,
    },
    /// Another one is for the same procedure and workspace.
    #[error(
        "{} is not used: {} is for the same procedure and workspace, and its certificate is the later one; take one away",
        .path.display(), .by.display()
    )]
    Replaced {
        /// The file.
        path: PathBuf,
        /// The file that counts.
        by: PathBuf,
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

    pub(crate) fn sample() -> Calibration {
        certified(Calibration {
            key: key("m1"),
            workspace: WorkspaceId("shop".into()),
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
        })
    }

    /// With a certificate of its numbers.
    fn certified(calibration: Calibration) -> Calibration {
        calibration.certified(certificate::tests::certificate())
    }

    /// Writes it to the folder.
    fn put(folder: &Path, name: &str, calibration: &Calibration) -> PathBuf {
        let path = folder.join(name);
        calibration.save(&path, b"").unwrap();
        path
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

    fn of_workspace(workspace: &str) -> Calibration {
        let workspace = WorkspaceId(workspace.into());
        certified(Calibration { workspace, intercept: rounded(-1.0 / 3.0), ..sample() })
    }

    #[test]
    fn every_workspace_has_its_own_calibration_and_lends_it_without_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let own = Calibration { intercept: 1.0, certificate: None, ..of_workspace("c") };
        for calibration in [of_workspace("a"), of_workspace("b"), own] {
            calibration.save(&folder.path().join(calibration.file_name()), b"").unwrap();
        }
        let all = Calibrations::load(Some(folder.path())).unwrap();
        let find = |workspace: &str| all.find(&key("m1"), &WorkspaceId(workspace.into())).unwrap();
        for workspace in ["a", "b"] {
            let found = find(workspace);
            assert_eq!(found.workspace.0, workspace);
            assert!(found.certificate.is_some(), "{workspace}: another one did not displace it");
        }
        assert!((find("c").intercept - 1.0).abs() < 1e-12);
        let mut all = Calibrations::load(Some(folder.path())).unwrap();
        all.add(of_workspace("b"));
        let lent = all.find(&key("m1"), &WorkspaceId("d".into())).unwrap();
        assert_eq!(
            (lent.workspace.0.as_str(), &lent.certificate),
            ("b", &None),
            "the last, without what it certifies"
        );
    }

    #[test]
    fn a_default_file_name_is_safe_and_of_one_workspace() {
        let names = ["shop", "Shop", "shop.json", "a/b", "a-b", "../up", "", "loja São José", "7"];
        let of = |name: &str| Calibration { workspace: WorkspaceId(name.into()), ..sample() }.file_name();
        let files: std::collections::BTreeSet<String> = names.into_iter().map(of).collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        assert!(files.iter().all(|file| file.chars().all(safe) && !file.contains("..")), "{files:?}");
        assert_eq!(of("shop"), format!("{}-shop.json", key("m1").short_id()));
    }

    /// Why the folder's file is not used, while a good one beside it is.
    fn left_out(folder: &Path) -> CalibrationError {
        put(folder, "good.json", &of_workspace("good"));
        let all = Calibrations::load(Some(folder)).unwrap();
        let good = all.find(&key("m1"), &WorkspaceId("good".into())).unwrap();
        assert!(good.certificate.is_some(), "one bad file takes no other away");
        let Folder { used, unused } = Folder::open(folder).unwrap();
        assert_eq!(used.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>(), [folder.join("good.json")]);
        let [error] = unused.try_into().unwrap();
        let text = error.to_string();
        assert!(text.contains("t is not used; make a new one with `ponto calibrate`"), "{text}");
        error
    }

    #[test]
    fn what_was_changed_after_it_was_certified_is_not_used() {
        type Change<'a> = &'a dyn Fn(&mut Calibration);
        let lower = |calibration: &mut Calibration| {
            calibration.certificate.as_mut().unwrap().groups[0].threshold = 0.5;
        };
        let another_language = |calibration: &mut Calibration| {
            calibration.certificate.as_mut().unwrap().groups[0].languages.push(Language::Es);
        };
        let other_knowledge = |calibration: &mut Calibration| {
            calibration.certificate.as_mut().unwrap().origin.knowledge = crate::retrieval::Sketch::default();
        };
        let other_numbers = |calibration: &mut Calibration| {
            calibration.intercept += 3.0;
            calibration.key.model = "m2".into();
        };
        let changes: [(&str, Change<'_>); 4] = [
            ("(certificate)", &lower),
            ("(certificate)", &another_language),
            ("(certificate)", &other_knowledge),
            ("(intercept, key)", &other_numbers),
        ];
        for (expected, change) in changes {
            let folder = tempfile::tempdir().unwrap();
            let mut calibration = of_workspace("shop");
            put(folder.path(), "one.json", &calibration);
            assert_eq!(Folder::open(folder.path()).unwrap().used.len(), 1, "as it was certified");
            change(&mut calibration);
            put(folder.path(), "one.json", &calibration);
            let text = left_out(folder.path()).to_string();
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn a_file_of_an_earlier_version_is_not_used_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.json");
        let mut value = serde_json::to_value(of_workspace("shop")).unwrap();
        value["certificate"].as_object_mut().unwrap().remove("hashes");
        value.as_object_mut().unwrap().remove("workspace");
        let key = value["key"].as_object_mut().unwrap();
        for part in ["retrieval", "judgement", "decision"] {
            key.remove(part);
        }
        std::fs::write(&path, value.to_string()).unwrap();
        let error = left_out(folder.path());
        assert!(matches!(error, CalibrationError::Outdated { .. }));
        let text = error.to_string();
        assert!(text.contains("retrieval, judgement, decision, workspace, hashes"), "{text}");
    }

    #[test]
    fn a_file_that_is_no_calibration_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("package.json"), "{}").unwrap();
        assert!(matches!(left_out(folder.path()), CalibrationError::Invalid { .. }));
        assert!(Calibrations::load(Some(&folder.path().join("nowhere"))).is_err(), "a folder must be there");
    }

    #[test]
    fn of_two_for_the_same_workspace_the_later_counts_whatever_its_name() {
        let of = |day: i64, intercept: f64| {
            let mut certificate = certificate::tests::certificate();
            certificate.origin.made_at += chrono::TimeDelta::days(day);
            Calibration { intercept, ..of_workspace("shop") }.certified(certificate)
        };
        for (newest, older) in [("a.json", "b.json"), ("b.json", "a.json")] {
            let folder = tempfile::tempdir().unwrap();
            put(folder.path(), newest, &of(1, 7.0));
            put(folder.path(), older, &of(0, -7.0));
            let all = Calibrations::load(Some(folder.path())).unwrap();
            let found = all.find(&key("m1"), &WorkspaceId("shop".into())).unwrap();
            assert!((found.intercept - 7.0).abs() < 1e-12, "{newest}");
            let told = Folder::open(folder.path()).unwrap().unused[0].to_string();
            assert!(told.contains(&format!("{older} is not used")) && told.contains(newest), "{told}");
        }
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
        let shop = WorkspaceId("shop".into());
        assert!(all.find(&key("m1"), &shop).is_some());
        assert!(all.find(&key("m2"), &shop).is_none());
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
