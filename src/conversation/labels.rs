//! Whom a passage is for: its audience, and its labels such as product and region.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// Longest label in characters.
const LONGEST: usize = 200;

/// Who may read a passage.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    ToSchema,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Customers too: an automatic reply may rest on it.
    #[default]
    Public,
    /// Agents alone: a draft may rest on it, an automatic reply never.
    Agents,
}

impl Audience {
    /// The name used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Agents => "agents",
        }
    }

    /// From a word in a document.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word.trim().to_ascii_lowercase().as_str() {
            "public" => Ok(Self::Public),
            "agents" => Ok(Self::Agents),
            other => Err(format!("audience {other:?} is not known; write public or agents")),
        }
    }
}

/// Labels of the form `key=value`, such as `product=x`. A key may have several values; a word alone is a value of `tag`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, ToSchema, JsonSchema)]
#[serde(transparent)]
pub struct Labels(BTreeSet<String>);

impl Labels {
    /// From `key=value` texts; says which one is not of that form.
    pub fn parse<T: AsRef<str>>(labels: impl IntoIterator<Item = T>) -> Result<Self, String> {
        labels.into_iter().map(|label| one(label.as_ref())).collect::<Result<_, _>>().map(Self)
    }

    /// From one text with labels between commas, with or without brackets: `[product=x, region=br]`.
    pub fn parse_list(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        Self::parse(
            inner.split(',').map(|label| label.trim().trim_matches(['"', '\''])).filter(|it| !it.is_empty()),
        )
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every label, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The keys, each once.
    pub fn keys(&self) -> BTreeSet<&str> {
        self.by_key().into_keys().collect()
    }

    /// Labels by their key.
    pub fn by_key(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for label in self.iter() {
            keys.entry(label.split('=').next().unwrap_or_default()).or_default().push(label);
        }
        keys
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, more: &Self) -> Self {
        self.0.extend(more.0.iter().cloned());
        self
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Vec::<String>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn one(label: &str) -> Result<String, String> {
    let wrong = || format!("label {label:?} has the wrong form; write key=value, such as product=x");
    let (key, value) = label.split_once('=').unwrap_or(("tag", label));
    let (key, value) = (key.trim().to_lowercase(), value.trim());
    let plain = key.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if key.is_empty() || value.is_empty() || !plain || label.chars().count() > LONGEST {
        return Err(wrong());
    }
    Ok(format!("{key}={value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_key_and_value() {
        let labels = Labels::parse(["Product = x", "region=br", "region=pt"]).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["product=x", "region=br", "region=pt"]);
        assert_eq!(labels.by_key()["region"], ["region=br", "region=pt"]);
        assert_eq!(Labels::parse_list("beta").unwrap().iter().collect::<Vec<_>>(), ["tag=beta"]);
        assert_eq!(Labels::parse_list("[\"product=x\", region=br,region=pt]").unwrap(), labels);
        for wrong in ["", "=x", "a b=x", "a="] {
            assert!(Labels::parse([wrong]).unwrap_err().contains("key=value"), "{wrong}");
        }
        let read: Labels = serde_json::from_str("[\"a=b\"]").unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), "[\"a=b\"]");
        assert!(serde_json::from_str::<Labels>("[\"=a\"]").is_err());
    }

    #[test]
    fn an_audience_is_one_of_two() {
        assert_eq!(Audience::parse(" Agents "), Ok(Audience::Agents));
        assert!(Audience::parse("staff").unwrap_err().contains("public or agents"));
    }
}
