//! Reads a message: phrases at once, example sentences through the embedder.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::meaning::{Examples, Meaning};
use super::{
    MatchedBy, TopicMatch, Understanding, UnderstandingConfig, injection, meaning, questions, topics,
};
use crate::inference::Embedder;

/// Reads messages for their topics.
pub struct MessageReader {
    embedder: Option<Arc<dyn Embedder>>,
    examples: Examples,
    /// Vectors of the examples; computed once, by the first message or by [`Self::warm_up`].
    meaning: OnceCell<Meaning>,
}

impl MessageReader {
    /// A reader of the built-in topics and the operator's. Without an embedder, phrases alone count.
    pub fn new(config: &UnderstandingConfig, embedder: Option<Arc<dyn Embedder>>) -> Self {
        Self { embedder, examples: Examples::of(config), meaning: OnceCell::new() }
    }

    /// Reads by phrases alone: what is left of the topics when the embedder does not answer.
    pub fn by_phrases(text: &str) -> Understanding {
        let found = topics::all().iter().filter_map(|topic| {
            topic.phrase(text).map(|phrase| TopicMatch {
                name: topic.name.to_owned(),
                score: 1.0,
                by: MatchedBy::Phrase,
                example: phrase,
            })
        });
        Understanding {
            topics: found.collect(),
            questions: questions::count(text),
            injection: injection::in_message(text),
        }
    }

    /// Reads a message. When the embedder does not answer within `longest`, phrases alone count.
    pub async fn read(&self, text: &str, longest: Duration) -> Understanding {
        let mut understanding = Self::by_phrases(text);
        let Some(embedder) = &self.embedder else { return understanding };
        let compared = tokio::time::timeout(longest, self.compare(embedder.as_ref(), text));
        match compared.await {
            Ok(Ok(found)) => {
                for found in found {
                    if understanding.topic(&found.name).is_none() {
                        understanding.topics.push(found);
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "the message was read by phrases alone"),
            Err(_) => tracing::warn!("the message was read by phrases alone: its embedding took too long"),
        }
        understanding
    }

    /// Compiles the patterns and embeds the examples now; otherwise the first message waits for it.
    pub async fn warm_up(&self) {
        compile();
        if let Some(embedder) = &self.embedder
            && let Err(error) = self.meaning(embedder.as_ref()).await
        {
            tracing::warn!(%error, "the examples of topics could not be embedded; the next message tries again");
        }
    }

    async fn meaning(&self, embedder: &dyn Embedder) -> Result<&Meaning, crate::inference::InferenceError> {
        self.meaning.get_or_try_init(|| Meaning::of(&self.examples, embedder)).await
    }

    async fn compare(
        &self,
        embedder: &dyn Embedder,
        text: &str,
    ) -> Result<Vec<TopicMatch>, crate::inference::InferenceError> {
        let pieces = meaning::pieces(text);
        if pieces.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.meaning(embedder).await?;
        let vectors = meaning::embed(embedder, pieces).await?;
        Ok(known.topics(&self.examples, &vectors))
    }
}

/// Compiles every pattern now.
pub fn compile() {
    topics::all();
    questions::warm_up();
    injection::warm_up();
}
