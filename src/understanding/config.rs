//! `[understanding]`: topics of the operator's own.

use std::collections::{BTreeSet, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Problem;

/// `[understanding]`: topics by example sentences.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnderstandingConfig {
    /// Topics beside the built-in ones. The name of a built-in topic adds examples to it.
    pub topics: Vec<TopicConfig>,
}

/// `[[understanding.topics]]`: a topic by example sentences. Policies say what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicConfig {
    /// Name that policies refer to: lower-case letters, digits and `_`.
    pub name: String,
    /// About five sentences that a customer would write, in any of the four languages.
    pub examples: Vec<String>,
    /// Sentences that sound alike and are not meant.
    #[serde(default)]
    pub unlike: Vec<String>,
    /// How sure a match must be, 0 to 1; by default 0.5. Higher hears less.
    #[serde(default)]
    pub threshold: Option<f64>,
}

/// Names of the topics that there are: the built-in ones and those of the configuration.
pub fn known(config: &UnderstandingConfig) -> BTreeSet<String> {
    let own = config.topics.iter().map(|topic| topic.name.clone());
    super::built_in().map(str::to_owned).chain(own).collect()
}

/// Longest example in characters: it is compared with one sentence.
const LONGEST_EXAMPLE: usize = 300;
/// Most sentences of one topic: each is compared with every message.
const MOST_EXAMPLES: usize = 200;

impl UnderstandingConfig {
    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        let mut names = HashSet::new();
        for (position, topic) in self.topics.iter().enumerate() {
            let mut problem = |key: &str, message: &str| {
                problems.push(Problem::new(&format!("understanding.topics[{position}].{key}"), message));
            };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if topic.name.is_empty() || !topic.name.chars().all(plain) {
                problem("name", "write a name of lower-case letters, digits and _");
            } else if !names.insert(topic.name.as_str()) {
                problem("name", "two topics have this name; put their examples together");
            }
            if topic.examples.is_empty() || topic.examples.len() + topic.unlike.len() > MOST_EXAMPLES {
                problem("examples", "write one to 200 sentences; about five are enough");
            }
            let sentence = |text: &String| {
                text.chars().any(char::is_alphabetic) && text.chars().count() <= LONGEST_EXAMPLE
            };
            if !topic.examples.iter().chain(&topic.unlike).all(sentence) {
                problem("examples", "write each as one sentence of at most 300 characters");
            }
            if topic.threshold.is_some_and(|threshold| !(threshold > 0.0 && threshold < 1.0)) {
                problem("threshold", "write a number between 0 and 1");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_wrong_with_a_topic() {
        let topic = |name: &str, examples: &[&str], threshold| TopicConfig {
            name: name.into(),
            examples: examples.iter().map(ToString::to_string).collect(),
            unlike: Vec::new(),
            threshold,
        };
        let problems = |topics: Vec<TopicConfig>| {
            let mut problems = Vec::new();
            UnderstandingConfig { topics }.validate(&mut problems);
            problems.into_iter().map(|problem| problem.setting).collect::<Vec<_>>()
        };
        assert!(problems(vec![topic("wholesale", &["Do you sell to shops?"], Some(0.6))]).is_empty());
        for (wrong, setting) in [
            (topic("Wholesale!", &["Do you sell to shops?"], None), "understanding.topics[0].name"),
            (topic("wholesale", &[], None), "understanding.topics[0].examples"),
            (topic("wholesale", &["???"], None), "understanding.topics[0].examples"),
            (topic("wholesale", &["Do you sell to shops?"], Some(1.5)), "understanding.topics[0].threshold"),
        ] {
            assert_eq!(problems(vec![wrong]), [setting]);
        }
        let twice = topic("wholesale", &["Do you sell to shops?"], None);
        assert_eq!(problems(vec![twice.clone(), twice]), ["understanding.topics[1].name"]);
    }
}
