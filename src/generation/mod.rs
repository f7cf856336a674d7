//! From a conversation and passages to a [`Draft`] with citations.
//!
//! The way of a draft: [`prompts`] renders the question, the history and [`excerpt`]s of the passages, behind the turns
//! that the model was asked before; the chat model writes; [`refusal`] tells whether it refused; [`citations`] turns its
//! numbers, or its words, into quotes; [`plain`] flattens Markdown and drops every link that no cited passage holds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::Language;
use crate::inference::{FinishReason, ModelInfo, TokenUsage};

pub mod citations;
mod config;
mod deltas;
pub mod disclosure;
mod drafter;
pub mod excerpt;
mod holding;
mod letter;
pub mod plain;
pub mod prompts;
mod query;
pub mod refusal;
pub mod summary;
#[cfg(test)]
mod tests;
mod turns;
pub mod yes_no;

pub use config::GenerationConfig;
pub use deltas::RESTART;
pub use drafter::{DraftRequest, Drafter, persons};
pub use holding::holding_message;
pub use letter::letter;
pub use turns::EarlierTurn;

/// A template of `prompts/` is broken: a fault of this build, not of the input.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// It cannot be read.
    #[error("the prompt template is unusable: {0}")]
    Template(String),
    /// It does not compile or render.
    #[error("the prompt template does not render: {0}")]
    Render(#[from] minijinja::Error),
}

/// A reply nobody has sent yet.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Draft {
    /// Plain text.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// Always true: kept with every stored reply.
    pub ai_generated: bool,
    /// Which passages support it, in order of first use.
    pub citations: Vec<Citation>,
    /// How it was made; not part of the public answer.
    #[serde(skip)]
    pub production: Production,
}

impl Draft {
    /// A reply that no model wrote, to try measures and rules on.
    pub fn given(text: &str, language: Language, citations: Vec<Citation>) -> Self {
        let given = || "given".to_owned();
        let model = ModelInfo { backend: given(), model: given(), fingerprint: given(), context_length: 0 };
        Self {
            text: text.to_owned(),
            language,
            ai_generated: true,
            citations,
            production: Production {
                model,
                usage: TokenUsage::default(),
                finish: FinishReason::Stop,
                logprobs: None,
                prompt_version: given(),
                refused: false,
            },
        }
    }
}

/// How a draft was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Production {
    /// Which model wrote it.
    pub model: ModelInfo,
    /// Tokens spent.
    pub usage: TokenUsage,
    /// Why it ended.
    pub finish: FinishReason,
    /// Log-probabilities of its tokens, where known.
    pub logprobs: Option<Vec<f32>>,
    /// Hash of the prompt template.
    pub prompt_version: String,
    /// The model itself said that the sources do not hold the answer.
    pub refused: bool,
}

/// A passage that supports a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Citation {
    /// The passage.
    pub passage_id: String,
    /// Its document.
    pub document_id: String,
    /// Title and headings.
    pub title: String,
    /// Where a person can read it.
    pub url: Option<String>,
    /// The words of the passage that support the draft, verbatim.
    pub quote: String,
    /// Version of the document that was cited; 0 where it is not known.
    #[serde(default)]
    pub version: u32,
}
