//! A second reading: the chat model is asked, apart from the conversation, whether the sources support its draft, and the
//! probability of its yes is a signal. It sees what words do not show, a condition left out say, at the price of a
//! prompt of its own a draft; `eval/README.md` has what it adds.

use std::sync::Arc;
use std::time::Duration;

use super::judge::JudgeInput;
use crate::generation::prompts::{Prompts, SecondReadingPrompt};
use crate::generation::{GenerationError, persons, yes_no};
use crate::inference::{ChatModel, ChatRequest, InferenceError, ModelInfo};
use crate::retrieval::Passage;

/// Characters of the sources that are read again, best cited first, each from its beginning.
const MOST: usize = 3_000;
/// Share of the time left that a reading may take: without it the draft can still be judged, and is held.
const SHARE: f64 = 0.8;

/// A model that reads drafts again.
pub(super) struct SecondReading {
    chat: Arc<dyn ChatModel>,
    prompts: Prompts,
    longest: Duration,
}

impl SecondReading {
    /// Readings by `chat` that take no longer than `longest`.
    pub(super) fn new(chat: Arc<dyn ChatModel>, longest: Duration) -> Result<Self, GenerationError> {
        Ok(Self { chat, prompts: Prompts::load()?, longest })
    }

    /// Whether drafts of this model are read again. Quotes are in their sources as they are.
    pub(super) fn reads(&self, writer: &ModelInfo) -> bool {
        !writer.quotes()
    }

    /// What determines its answers, for a calibration's key.
    pub(super) fn identity(&self) -> (&str, &str, usize) {
        (self.prompts.second_reading_version(), &self.chat.info().fingerprint, MOST)
    }

    /// The probability that the sources support the draft, 0 to 1. No answer in time, one that is neither yes nor no, and one
    /// of another model than the preferred one count as a no.
    pub(super) async fn supported(&self, input: JudgeInput<'_>) -> f64 {
        match self.ask(input).await {
            Ok(Some(probability)) => probability,
            Ok(None) => 0.0,
            Err(error) => {
                tracing::warn!(%error, "no model read the draft again");
                0.0
            }
        }
    }

    async fn ask(&self, input: JudgeInput<'_>) -> Result<Option<f64>, InferenceError> {
        let passages = read_again(input);
        let prompt = SecondReadingPrompt::new(&passages, &input.draft.text, MOST);
        let messages = self.prompts.second_reading(&prompt).map_err(|error| {
            InferenceError::Permanent(format!("the prompt of a second reading does not render: {error}"))
        })?;
        let persons =
            input.conversation.map(|conversation| persons(conversation, &passages)).unwrap_or_default();
        let request = ChatRequest { messages, persons, options: yes_no::options(), grounding: None };
        let longest = self.longest.min(input.budget.remaining().mul_f64(SHARE));
        let answer = self.chat.complete(request, input.budget.at_most(longest)).await?;
        let same = answer.model.fingerprint == self.chat.info().fingerprint;
        Ok(yes_no::probability(&answer).filter(|_| same))
    }
}

/// The cited passages, best first; all of them where none is cited.
fn read_again(input: JudgeInput<'_>) -> Vec<&Passage> {
    let found = input.retrieved.iter().map(|hit| &hit.passage);
    let cited =
        |passage: &&Passage| input.draft.citations.iter().any(|citation| citation.passage_id == passage.id);
    let passages: Vec<_> = found.clone().filter(cited).collect();
    if passages.is_empty() { found.collect() } else { passages }
}
