//! Reads a message: phrases at once, example sentences through the embedder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::meaning::{Compared, Examples, Meaning};
use super::phrases::normalise;
use super::{MatchedBy, TopicMatch, Understanding, UnderstandingConfig};
use super::{injection, meaning, questions, topics, vectors};
use crate::inference::{Embedder, InferenceError};

/// Reads messages for their topics.
pub struct MessageReader {
    embedder: Option<Arc<dyn Embedder>>,
    examples: Arc<Examples>,
    /// Remembers the vectors of the examples from one process to the next.
    file: Option<PathBuf>,
    /// Computed once, by the first message or by [`Self::warm_up`].
    meaning: OnceCell<Meaning>,
}

impl MessageReader {
    /// A reader of the built-in topics and the operator's. Without an embedder, phrases alone count. `file` remembers the
    /// vectors of the examples from one process to the next.
    pub fn new(
        config: &UnderstandingConfig,
        embedder: Option<Arc<dyn Embedder>>,
        file: Option<PathBuf>,
    ) -> Self {
        Self { embedder, examples: Arc::new(Examples::of(config)), file, meaning: OnceCell::new() }
    }

    /// Reads by phrases alone: what is left of the topics when the embedder does not answer.
    pub fn by_phrases(text: &str) -> Understanding {
        Self::understanding(text, Compared::default())
    }

    fn understanding(text: &str, compared: Compared) -> Understanding {
        let normal = normalise(text);
        let said = topics::Said::of(text, &normal);
        let by_phrase = topics::all().iter().filter_map(|topic| {
            topic.phrase(&said).map(|phrase| TopicMatch {
                name: topic.name.to_owned(),
                score: 1.0,
                by: MatchedBy::Phrase,
                example: phrase,
            })
        });
        let mut found: Vec<TopicMatch> = by_phrase.collect();
        for topic in compared.topics {
            if found.iter().all(|other| other.name != topic.name) {
                found.push(topic);
            }
        }
        Understanding {
            topics: found,
            questions: questions::count(text),
            injection: injection::in_message(text, &normal, compared.injection),
        }
    }

    /// Reads a message. When the embedder does not answer within `longest`, phrases alone count.
    pub async fn read(&self, text: &str, longest: Duration) -> Understanding {
        let Some(embedder) = &self.embedder else { return Self::by_phrases(text) };
        let compared = match tokio::time::timeout(longest, self.compare(embedder.as_ref(), text)).await {
            Ok(Ok(compared)) => compared,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the message was read by phrases alone");
                Compared::default()
            }
            Err(_) => {
                tracing::warn!("the message was read by phrases alone: embedding it took too long");
                Compared::default()
            }
        };
        Self::understanding(text, compared)
    }

    /// Embeds the examples now; otherwise the first message waits for it.
    pub async fn warm_up(&self) {
        if let Some(embedder) = &self.embedder
            && let Err(error) = self.meaning(embedder.as_ref()).await
        {
            tracing::warn!(%error, "the examples of topics could not be embedded; the next message tries again");
        }
    }

    async fn meaning(&self, embedder: &dyn Embedder) -> Result<&Meaning, InferenceError> {
        let learn = async || {
            let vectors = vectors::embed_once(embedder, &self.examples.texts(), self.file.as_deref()).await?;
            let examples = Arc::clone(&self.examples);
            tokio::task::spawn_blocking(move || Meaning::of(&examples, vectors))
                .await
                .map_err(|error| InferenceError::Permanent(error.to_string()))
        };
        self.meaning.get_or_try_init(learn).await
    }

    /// What the score of an injection is made of, by name; for refitting its weights.
    pub async fn injection_measures(&self, text: &str) -> Result<Vec<(&'static str, f64)>, InferenceError> {
        let compared = match &self.embedder {
            Some(embedder) => self.compare(embedder.as_ref(), text).await?,
            None => Compared::default(),
        };
        Ok(injection::measured(text, &normalise(text), compared.injection.map_or(0.0, |(like, _)| like)))
    }

    async fn compare(&self, embedder: &dyn Embedder, text: &str) -> Result<Compared, InferenceError> {
        let pieces = meaning::pieces(text);
        if pieces.is_empty() {
            return Ok(Compared::default());
        }
        let known = self.meaning(embedder).await?;
        let vectors = vectors::embed(embedder, &pieces).await?;
        Ok(known.compare(&self.examples, &pieces, vectors))
    }
}

/// Compiles every pattern now.
pub fn compile() {
    topics::all();
    questions::warm_up();
    injection::warm_up();
}
