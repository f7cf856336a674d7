//! Example conversations, and what the rules are expected to do with them.

use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::conversation::{Channel, Conversation, Customer, Labels, Language, Message, Role};
use crate::decision::Action;
use crate::decision::rules::document::OneOrMore;
use crate::decision::rules::routing::Priority;

/// A file of examples: `[[examples]]` in TOML, or one object a line in JSONL.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Examples {
    examples: Vec<Example>,
}

/// An example conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Example {
    /// What it shows.
    pub(super) name: String,
    /// The workspace that is asked.
    #[serde(default = "default_workspace")]
    pub(super) workspace: String,
    /// When it is asked; now when left out.
    #[serde(default)]
    pub(super) at: Option<DateTime<Utc>>,
    /// Where the customer writes.
    #[serde(default = "web_chat")]
    channel: Channel,
    /// The customer's language; found out when left out.
    #[serde(default)]
    pub(super) language: Option<Language>,
    /// Labels of the conversation.
    #[serde(default)]
    labels: Labels,
    /// Who writes.
    #[serde(default)]
    customer: Option<Customer>,
    /// The customer's one message.
    #[serde(default)]
    message: Option<String>,
    /// The messages, oldest first, where there are several.
    #[serde(default)]
    messages: Vec<Line>,
    /// The draft, where rules read one.
    #[serde(default)]
    pub(super) draft: Option<String>,
    /// Labels of the passage that the draft cites.
    #[serde(default)]
    pub(super) cites: Option<Labels>,
    /// Confidence of the draft.
    #[serde(default = "certain")]
    pub(super) confidence: f64,
    /// Topics of the message; found out when left out.
    #[serde(default)]
    pub(super) topics: Option<Vec<String>>,
    /// What the rules are to do.
    pub(super) expect: Expected,
}

/// A message of an example.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    role: Role,
    text: String,
}

/// What the rules are to do; what is left out may be anything.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Expected {
    /// The least that the rules demand: `auto_reply` where none objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) action: Option<Action>,
    /// The rules that apply: exactly these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<OneOrMore<String>>,
    /// The queue that takes over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<String>,
    /// How urgent that is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) priority: Option<Priority>,
    /// The reply after what the rules take out and add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply: Option<String>,
}

fn default_workspace() -> String {
    "default".into()
}

fn web_chat() -> Channel {
    Channel::WebChat
}

fn certain() -> f64 {
    1.0
}

impl Example {
    /// The conversation that it describes.
    pub(super) fn conversation(&self) -> Conversation {
        let single = self.message.iter().map(|text| Line { role: Role::Customer, text: text.clone() });
        let messages = self.messages.iter().cloned().chain(single).enumerate();
        Conversation {
            id: self.name.clone(),
            channel: self.channel,
            locale: None,
            customer: self.customer.clone(),
            labels: self.labels.clone(),
            handed_back_after: None,
            messages: messages
                .map(|(number, Line { role, text })| Message {
                    id: format!("m-{}", number + 1),
                    role,
                    text,
                    at: self.at,
                })
                .collect(),
        }
    }
}

/// Reads a file of examples.
pub(super) fn read(file: &Path) -> anyhow::Result<Vec<Example>> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("{shown} cannot be read"))?;
    let examples = if file.extension().is_some_and(|extension| extension == "jsonl") {
        text.lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| {
                serde_json::from_str(line).with_context(|| format!("{shown}, line {}", number + 1))
            })
            .collect::<anyhow::Result<Vec<_>>>()?
    } else {
        toml::from_str::<Examples>(&text)
            .with_context(|| {
                format!("{shown} holds no examples; write [[examples]] with name, message and expect")
            })?
            .examples
    };
    anyhow::ensure!(
        !examples.is_empty(),
        "{shown} holds no example; write [[examples]] with name, message and expect"
    );
    for example in &examples {
        anyhow::ensure!(
            example.message.is_some() || !example.messages.is_empty(),
            "{shown}: the example {:?} has no message; write `message` or `messages`",
            example.name
        );
    }
    Ok(examples)
}
