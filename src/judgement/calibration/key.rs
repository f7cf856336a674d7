//! What a calibration is valid for.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What makes a reply and its signals what they are. Where any part differs it is another procedure, and what is known of
/// this one says nothing of it. The knowledge is no part: a certificate compares it with its own state
/// ([`Certificate::standing`](super::Certificate::standing)), because it may change a little.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationKey {
    /// Fingerprint of the chat model.
    pub model: String,
    /// Hash of the prompt template and of what shapes a prompt; for quotes, how many passages they come from.
    pub prompt: String,
    /// Fingerprint of the embedder.
    pub embedder: String,
    /// Hash of the settings of the search, and of its revision.
    pub retrieval: String,
    /// Hash of how a draft is measured: the revision of the signals and the settings that choose among them.
    pub judgement: String,
    /// Hash of what decides which replies come so far: the revision of the policies, their floors and limits, whether quotes
    /// go before a model, the topics that are heard, and the rules in force.
    pub decision: String,
}

/// The names of a key's parts, in the order they are written in.
const PARTS: [&str; 6] = ["model", "prompt", "embedder", "retrieval", "judgement", "decision"];

impl CalibrationKey {
    /// Twelve hexadecimal digits that stand for the whole key, for file names.
    pub fn short_id(&self) -> String {
        let mut id = hex::encode(Sha256::digest(self.to_string()));
        id.truncate(12);
        id
    }

    fn values(&self) -> [&str; 6] {
        let Self { model, prompt, embedder, retrieval, judgement, decision } = self;
        [model, prompt, embedder, retrieval, judgement, decision]
    }

    /// Parts that this key of a file, as JSON, does not have.
    pub(super) fn lacking(key: &serde_json::Value) -> Vec<&'static str> {
        PARTS.into_iter().filter(|part| key.get(part).is_none()).collect()
    }

    /// Parts in which this differs from another key.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let both = self.values().into_iter().zip(other.values());
        PARTS.into_iter().zip(both).filter(|(_, (own, other))| own != other).map(|(part, _)| part).collect()
    }
}

impl std::fmt::Display for CalibrationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> =
            PARTS.iter().zip(self.values()).map(|(part, value)| format!("{part}={value}")).collect();
        f.write_str(&parts.join(" "))
    }
}

impl std::str::FromStr for CalibrationKey {
    type Err = KeyError;

    /// Reads what [`Display`](std::fmt::Display) writes.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut written = text.split(' ');
        let mut part = |name: &str| {
            written
                .next()
                .and_then(|part| part.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or_else(|| KeyError(text.to_owned()))
        };
        let [model, prompt, embedder, retrieval, judgement, decision] = PARTS;
        let key = Self {
            model: part(model)?,
            prompt: part(prompt)?,
            embedder: part(embedder)?,
            retrieval: part(retrieval)?,
            judgement: part(judgement)?,
            decision: part(decision)?,
        };
        if written.next().is_some() { Err(KeyError(text.to_owned())) } else { Ok(key) }
    }
}

/// A text is not the key of a calibration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the key of a calibration (model=… prompt=… embedder=… retrieval=… judgement=… decision=…); keys of \
     earlier versions had fewer parts, and what was made with them does not count any more"
)]
pub struct KeyError(String);

/// The settings around a judge that make it another procedure, as hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Procedure {
    /// Of the search.
    pub(in crate::judgement) retrieval: String,
    /// Of what decides beside the confidence.
    pub(in crate::judgement) decision: String,
}

impl Procedure {
    /// From what shapes the search, and what decides beside the confidence: of either the settings, and the revision of its
    /// code.
    pub fn of(retrieval: &impl Serialize, decision: &impl Serialize) -> Self {
        Self { retrieval: hash_of(retrieval), decision: hash_of(decision) }
    }

    /// What decides beside the confidence where this version of the rules is in force; empty for no rules.
    pub(in crate::judgement) fn under(&self, policies: &str) -> String {
        if policies.is_empty() { self.decision.clone() } else { hash_of(&(&self.decision, policies)) }
    }
}

/// Sixteen hexadecimal digits that stand for settings.
pub(in crate::judgement) fn hash_of(settings: &impl Serialize) -> String {
    // What does not serialise has no settings to differ in.
    let text = serde_json::to_string(settings).unwrap_or_default();
    let mut hash = hex::encode(Sha256::digest(text));
    hash.truncate(16);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_from_its_text_and_an_earlier_form_does_not() {
        let key = CalibrationKey { model: "sha256:a=b".into(), ..super::super::tests::key("m") };
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let error = "model=a prompt=b embedder=c".parse::<CalibrationKey>().unwrap_err();
        assert!(error.to_string().contains("earlier versions"), "{error}");
        assert!(format!("{key} more=x").parse::<CalibrationKey>().is_err());
    }

    #[test]
    fn names_what_differs() {
        let key = super::super::tests::key("m");
        let other = CalibrationKey { retrieval: "r2".into(), decision: "d2".into(), ..key.clone() };
        assert_eq!(key.differences(&other), ["retrieval", "decision"]);
        assert_ne!(key.short_id(), other.short_id());
        assert!(key.differences(&key).is_empty());
    }

    #[test]
    fn other_settings_are_another_procedure() {
        let of = |weight: f32| Procedure::of(&("weights", weight), &"floors");
        assert_eq!(of(1.0), of(1.0));
        assert_ne!(of(1.0), of(0.3));
        let under = |rules: &str| of(1.0).under(rules);
        assert_eq!(under(""), of(1.0).decision, "no rules");
        assert_ne!(under("v1"), under(""));
        assert_ne!(under("v1"), under("v2"), "a changed file");
    }
}
