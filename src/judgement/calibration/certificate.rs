//! What a held-out sample says about the replies at or above a threshold, and whether it still holds.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::conversation::Language;
use crate::retrieval::Sketch;

/// What a held-out sample certified: a threshold for each group of languages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Highest error rate among automatic replies that was asked for.
    pub alpha: f64,
    /// Risk that the certificate is wrong anywhere: one minus its confidence level.
    pub delta: f64,
    /// Languages that were tested together, each in one group; those for which nothing is certified are not here.
    pub groups: Vec<GroupCertificate>,
    /// The sample at or above the thresholds by language. Only what a group says is promised.
    pub by_language: BTreeMap<Language, LanguageCertificate>,
    /// Replies of the certifying sample, those below the thresholds included.
    pub rows: usize,
    /// Share of them that is not acceptable: the error rate if all were sent.
    pub base_error: f64,
    /// What it was made on.
    #[serde(flatten)]
    pub origin: Origin,
}

/// One group of languages and its threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupCertificate {
    /// The languages.
    pub languages: Vec<Language>,
    /// This group's part of the risk.
    pub delta: f64,
    /// Smallest calibrated probability that may be sent.
    pub threshold: f64,
    /// Replies of the sample at or above the threshold.
    pub n: usize,
    /// Those among them that were not acceptable.
    pub errors: usize,
    /// Exact (Clopper-Pearson) one-sided upper bound of the error rate at level `1 − delta`.
    pub upper_bound: f64,
    /// Share of the group's replies at or above the threshold.
    pub coverage: f64,
}

/// One language's share of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LanguageCertificate {
    /// Replies at or above the threshold.
    pub n: usize,
    /// Those among them that were not acceptable.
    pub errors: usize,
    /// Exact one-sided upper bound of the error rate at level `1 − delta` of the language's group.
    pub upper_bound: f64,
}

/// What a certificate was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Hash of the questions and the knowledge, or of the feedback.
    pub dataset_hash: String,
    /// When.
    pub made_at: DateTime<Utc>,
    /// The knowledge it was made on.
    pub knowledge: Sketch,
    /// How the rows came to fit or to certify.
    pub split: Split,
    /// Seed of the split and of the plan.
    pub seed: u64,
    /// SHA-256 of the labels beside the calibration, from which all of this can be computed again.
    pub labels_hash: String,
    /// Hashes of the calibration that gave the labels their probabilities, and of the certificate itself, by part
    /// ([`Calibration::hashes`](super::Calibration::hashes)).
    pub hashes: BTreeMap<String, String>,
}

/// How the rows came to fit or to certify.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// By a seeded hash of their ids; the number is the share of the rows that fits.
    Hash(f64),
    /// They came from a set of their own each.
    Sets,
    /// What was drawn at random for an audit certifies; the other labels, which agents chose, fit.
    Audit,
}

/// How a certificate stands to a language and the knowledge of today.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    /// Replies at or above this probability may be sent.
    Certified(f64),
    /// It says nothing of the language.
    Silent,
    /// It spoke of another state of the knowledge: this share of the passages has changed since, more than is tolerated.
    Lapsed(f64),
}

impl Certificate {
    /// All that it says but its hashes, with numbers as far as they count.
    pub(super) fn digest(&self) -> serde_json::Value {
        let origin = Origin { hashes: BTreeMap::new(), ..self.origin.clone() };
        // What does not serialise says nothing.
        let mut value = serde_json::to_value(Self { origin, ..self.clone() }).unwrap_or_default();
        value.sort_all_objects();
        shorten(&mut value);
        value
    }

    /// The threshold for a language; `None` where the sample says nothing of it.
    pub fn threshold_for(&self, language: Language) -> Option<f64> {
        self.by_language.get(&language).filter(|share| share.n > 0)?;
        let group = self.groups.iter().find(|group| group.languages.contains(&language))?;
        Some(group.threshold)
    }

    /// The threshold, unless more than the share `tolerated` of the knowledge has changed. While the knowledge is not
    /// known, nothing counts.
    pub fn standing(&self, language: Language, knowledge: Option<&Sketch>, tolerated: f64) -> Standing {
        let Some(threshold) = self.threshold_for(language) else { return Standing::Silent };
        let drift = knowledge.map_or(1.0, |knowledge| self.origin.knowledge.drift(knowledge));
        if drift > tolerated { Standing::Lapsed(drift) } else { Standing::Certified(threshold) }
    }
}

/// Writes the numbers that are not whole with the digits that count.
fn shorten(value: &mut serde_json::Value) {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => {
            *value = number.as_f64().map_or(Value::Null, |number| super::digits(number).into());
        }
        Value::Array(values) => values.iter_mut().for_each(shorten),
        Value::Object(values) => values.values_mut().for_each(shorten),
        _ => {}
    }
}

#[cfg(test)]
pub(in crate::judgement) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sketch(names: &[&str]) -> Sketch {
        Sketch::of(&names.iter().map(|name| format!("{name:0>12}")).collect::<BTreeSet<_>>())
    }

    pub(in crate::judgement) fn certificate() -> Certificate {
        let share = |n| LanguageCertificate { n, errors: 0, upper_bound: 0.05 };
        Certificate {
            alpha: 0.05,
            delta: 0.05,
            groups: vec![GroupCertificate {
                languages: vec![Language::Pt, Language::It],
                delta: 0.05,
                threshold: 0.9,
                n: 60,
                errors: 0,
                upper_bound: 0.049,
                coverage: 0.6,
            }],
            by_language: BTreeMap::from([(Language::Pt, share(60)), (Language::It, share(0))]),
            rows: 100,
            base_error: 0.1,
            origin: Origin {
                dataset_hash: "d".into(),
                made_at: DateTime::<Utc>::UNIX_EPOCH,
                knowledge: sketch(&["a", "b", "c", "d"]),
                split: Split::Hash(0.5),
                seed: 1,
                labels_hash: "l".into(),
                hashes: BTreeMap::new(),
            },
        }
    }

    #[test]
    fn without_evidence_there_is_no_threshold() {
        let certificate = certificate();
        assert_eq!(certificate.threshold_for(Language::Pt), Some(0.9));
        assert_eq!(certificate.threshold_for(Language::It), None, "no reply was that sure");
        assert_eq!(certificate.threshold_for(Language::En), None, "no group");
    }

    #[test]
    fn a_certificate_lapses_once_too_much_of_the_knowledge_has_changed() {
        let certificate = certificate();
        let standing = |language, knowledge: Option<&[&str]>| {
            certificate.standing(language, knowledge.map(sketch).as_ref(), 0.3)
        };
        assert_eq!(standing(Language::Pt, Some(&["a", "b", "c", "d"])), Standing::Certified(0.9));
        assert_eq!(
            standing(Language::Pt, Some(&["a", "b", "c", "x"])),
            Standing::Certified(0.9),
            "a quarter"
        );
        assert_eq!(standing(Language::Pt, Some(&["a", "b", "x", "y"])), Standing::Lapsed(0.5));
        assert_eq!(
            standing(Language::Pt, None),
            Standing::Lapsed(1.0),
            "what is not known counts as changed"
        );
        assert_eq!(standing(Language::En, Some(&["a", "b", "c", "d"])), Standing::Silent);
    }
}
