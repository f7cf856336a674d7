//! What a customer's message is about, before anything is searched or written: topics, how many questions it asks, and
//! whether it tries to steer the assistant.
//!
//! A topic is known by phrases (precise, and in force without a model) and by example sentences, which the embedder compares
//! with the message's own sentences (for what no phrase foresaw). Both stand in one file a topic, `topics/*.toml`; an operator
//! adds `[[understanding.topics]]` with a name and about five sentences. No chat model is called and nothing is trained.
//! What follows from a topic is not decided here: the policies read an [`Understanding`] and give reasons.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

mod config;
pub mod injection;
mod kernel;
mod meaning;
pub mod phrases;
mod questions;
mod reader;
mod topics;
mod vectors;

pub use config::{TopicConfig, UnderstandingConfig, known};
pub use injection::Injection;
pub use reader::{MessageReader, compile};
pub use topics::{built_in, names, revision};

/// What was measured in a message.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Understanding {
    /// Topics that the message touches, by name.
    pub topics: Vec<TopicMatch>,
    /// Questions that it asks.
    pub questions: usize,
    /// Whether it tries to steer the assistant.
    pub injection: Injection,
}

impl Understanding {
    /// What was found of a topic.
    pub fn topic(&self, name: &str) -> Option<&TopicMatch> {
        self.topics.iter().find(|found| found.name == name)
    }
}

/// A topic that a message touches, with the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopicMatch {
    /// Name of the topic.
    pub name: String,
    /// How sure, 0 to 1; 1 for a phrase.
    pub score: f64,
    /// How it was found.
    pub by: MatchedBy,
    /// The phrase of the message that was found, or the example that one of its sentences is like.
    pub example: String,
}

/// How a topic was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// The message holds a phrase.
    Phrase,
    /// A sentence of the message means nearly what an example says.
    Example,
}
