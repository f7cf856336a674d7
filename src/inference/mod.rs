//! Models behind traits: [`ChatModel`] writes, [`Embedder`] maps text to vectors.
//!
//! | implementation | module | needs |
//! |---|---|---|
//! | GGUF decoder on candle-core | [`candle`] | a model file |
//! | any OpenAI-compatible server | [`openai`] | a base URL |
//! | quoted sentences of the best passages | [`extractive`] | nothing |
//! | an ordered list of the above | [`routing`] | at least one of them |
//!
//! A provider's wire types never leave its module. Retries live in [`routing`] alone, which reads the variant of
//! [`InferenceError`] and never its text.

use std::pin::Pin;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

mod cached;
pub mod candle;
pub mod extractive;
mod masking;
pub mod models;
pub mod openai;
pub mod routing;

pub use cached::CachedEmbedder;
pub use masking::{Masked, Persons};

/// A model that continues a chat.
#[async_trait]
pub trait ChatModel: Send + Sync {
    /// What is behind this model; the fingerprint is part of a calibration's key.
    fn info(&self) -> &ModelInfo;

    /// Starts generating. The stream yields text as it comes and ends with exactly one [`ChatEvent::Done`], or with
    /// one error. Dropping the stream, or cancelling the budget, stops the work.
    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError>;

    /// Generates to the end.
    async fn complete(&self, request: ChatRequest, budget: Budget) -> Result<Completion, InferenceError> {
        let mut stream = self.stream(request, budget).await?;
        while let Some(event) = stream.next().await {
            if let ChatEvent::Done(completion) = event? {
                return Ok(completion);
            }
        }
        Err(InferenceError::Malformed("the stream ended without a completion".into()))
    }
}

/// A model that maps texts to unit vectors.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// What is behind this embedder; the fingerprint is part of a calibration's and an index's key.
    fn info(&self) -> &EmbedderInfo;

    /// One L2-normalised vector a text, in order. The implementation adds the model's prefix for `purpose`
    /// (`query: `, `passage: `) and truncates at its maximum length.
    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError>;
}

/// Tokens of a reply as they come.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, InferenceError>> + Send>>;

/// Identity of a chat model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelInfo {
    /// `candle`, `openai` or `extractive`.
    pub backend: String,
    /// The model's name.
    pub model: String,
    /// Hash of what determines its output: weights, or server and model name.
    pub fingerprint: String,
    /// Tokens of prompt and reply together.
    pub context_length: usize,
}

impl ModelInfo {
    /// Whether it quotes what it is shown and writes nothing of its own.
    pub fn quotes(&self) -> bool {
        self.backend == extractive::BACKEND
    }
}

/// Identity of an embedder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct EmbedderInfo {
    /// The model's name.
    pub model: String,
    /// Hash of the weights, pooling and prefixes.
    pub fingerprint: String,
    /// Length of a vector.
    pub dimensions: usize,
    /// Longest input in tokens; the rest is cut.
    pub max_tokens: usize,
}

/// What a text is embedded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A question that searches.
    Query,
    /// A text that is searched.
    Passage,
}

/// One call to a chat model.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// System, user and assistant turns, oldest first.
    pub messages: Vec<ChatMessage>,
    /// The question and the sources the prompt was made of. A backend without a model quotes from them.
    pub grounding: Option<Grounding>,
    /// Whom the prompt speaks of, for a model that is not to read personal data ([`Masked`]).
    pub persons: Persons,
    /// Sampling and limits.
    pub options: ChatOptions,
}

/// Sampling and limits of one call.
#[derive(Debug, Clone)]
pub struct ChatOptions {
    /// Longest reply in tokens.
    pub max_tokens: usize,
    /// 0 is greedy.
    pub temperature: f32,
    /// Nucleus; 1 is off.
    pub top_p: f32,
    /// Seed of the sampler.
    pub seed: u64,
    /// Taken from a token's score for each time the reply holds it already, from 0 (off) to 2, as the
    /// `frequency_penalty` of hosted models.
    pub frequency_penalty: f32,
    /// Strings that end the reply; not part of it.
    pub stop: Vec<String>,
    /// JSON schema: the reply is one value of it. A local model can write nothing else, and its log-probabilities are
    /// over what the schema allows; a hosted one is asked for it and may not know how.
    pub schema: Option<serde_json::Value>,
    /// Whether log-probabilities of the chosen tokens are wanted.
    pub logprobs: bool,
}

impl Default for ChatOptions {
    fn default() -> Self {
        Self {
            max_tokens: 256,
            temperature: 0.0,
            top_p: 1.0,
            seed: 0,
            frequency_penalty: 0.0,
            stop: Vec::new(),
            schema: None,
            logprobs: false,
        }
    }
}

/// One turn of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said.
    pub content: String,
}

/// Who speaks in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// Instructions.
    System,
    /// The other side.
    User,
    /// The model.
    Assistant,
}

/// The question and the sources of a grounded reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounding {
    /// What is asked.
    pub question: String,
    /// ISO 639-1 code of the reply's language.
    pub language: String,
    /// Passages, best first.
    pub sources: Vec<Source>,
}

/// A passage as a backend sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Heading path of the passage.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// What a stream yields.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// More text.
    Delta(String),
    /// What came so far is void: another backend begins anew. Whoever shows text as it comes clears it.
    Restart,
    /// The end, with the whole reply.
    Done(Completion),
}

/// A whole reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The text, trimmed of stop strings.
    pub text: String,
    /// Why it ended.
    pub finish: FinishReason,
    /// Tokens spent.
    pub usage: TokenUsage,
    /// Natural-log probabilities of the reply's tokens, where asked for and known.
    pub logprobs: Option<Vec<f32>>,
    /// Which model wrote it (routing may have chosen).
    pub model: ModelInfo,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model finished, or met a stop string.
    Stop,
    /// The token limit cut it, or it went round in circles.
    Length,
}

/// Tokens of one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenUsage {
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Tokens written.
    pub completion_tokens: usize,
}

/// How long a call may take, and the handle that stops it.
#[derive(Debug, Clone)]
pub struct Budget {
    /// The call fails with [`InferenceError::DeadlineExceeded`] past this instant.
    pub deadline: Instant,
    /// Cancelling it stops the call.
    pub cancel: CancellationToken,
}

impl Budget {
    /// A budget of `duration` from now, with its own cancellation.
    pub fn of(duration: Duration) -> Self {
        Self { deadline: Instant::now() + duration, cancel: CancellationToken::new() }
    }

    /// The time left; zero once spent.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits for `work`, no longer than the budget and not past its cancellation; both drop the work.
    pub async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, InferenceError>>,
    ) -> Result<T, InferenceError> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(InferenceError::Cancelled),
            () = tokio::time::sleep_until(self.deadline.into()) => Err(InferenceError::DeadlineExceeded),
            done = work => done,
        }
    }

    /// The same cancellation with a deadline no later than `duration` from now.
    #[must_use]
    pub fn at_most(&self, duration: Duration) -> Self {
        Self { deadline: self.deadline.min(Instant::now() + duration), cancel: self.cancel.clone() }
    }
}

/// What went wrong, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InferenceError {
    /// Try again later, or elsewhere: the queue is full.
    #[error("the model is busy: its queue of {queue} calls is full")]
    Overloaded {
        /// Length of the queue.
        queue: usize,
    },
    /// Trying again may help.
    #[error("{message}")]
    Transient {
        /// What happened.
        message: String,
        /// How long the provider asked to wait.
        retry_after: Option<Duration>,
    },
    /// Trying again will not help.
    #[error("{0}")]
    Permanent(String),
    /// The prompt is too long for the model.
    #[error("the prompt needs {actual} tokens and the model takes {limit}")]
    ContextLengthExceeded {
        /// The model's limit.
        limit: usize,
        /// What was asked.
        actual: usize,
    },
    /// The budget is spent.
    #[error("the deadline passed before the model answered")]
    DeadlineExceeded,
    /// The caller gave up.
    #[error("the call was cancelled")]
    Cancelled,
    /// The provider answered something that is not an answer.
    #[error("the model's answer could not be read: {0}")]
    Malformed(String),
}

/// `[inference]`: which models answer, in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct InferenceConfig {
    /// Backends in order of preference; `extractive` always stands at the end, named or not.
    pub backends: Vec<BackendKind>,
    /// Longest wait for a whole draft, in seconds, over all backends.
    pub deadline_s: f64,
    /// Retries within one backend before the next is tried.
    pub retries: u32,
    /// Seconds a failing backend rests before it is tried again.
    pub cooldown_s: f64,
    /// Whether sentences are quoted before a model is asked, in milliseconds: a quote whose confidence is certified is
    /// sent without the model, and one that is not becomes the draft where the model finds no answer.
    pub quote_first: bool,
}

impl Default for InferenceConfig {
    fn default() -> Self {
        Self {
            backends: vec![BackendKind::Candle],
            deadline_s: 90.0,
            retries: 2,
            cooldown_s: 5.0,
            quote_first: true,
        }
    }
}

impl InferenceConfig {
    /// Prefers this backend to those that are set, where one is named.
    pub fn use_only(&mut self, backend: Option<BackendKind>) {
        if let Some(backend) = backend {
            self.backends = vec![backend];
        }
    }

    /// Checks the section: (setting, what is wrong and what to do).
    pub fn validate(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut check = |right: bool, setting: &str, message: &str| {
            if !right {
                problems.push((format!("inference.{setting}"), message.to_owned()));
            }
        };
        check(!self.backends.is_empty(), "backends", "name at least one of candle, openai, extractive");
        check(
            self.deadline_s > 0.0 && self.deadline_s <= 3_600.0,
            "deadline_s",
            "write a number of seconds above 0, up to 3600",
        );
        check(self.retries <= 10, "retries", "write a number from 0 to 10");
        check(
            (0.0..=3_600.0).contains(&self.cooldown_s),
            "cooldown_s",
            "write a number of seconds from 0 to 3600",
        );
        problems
    }
}

/// A kind of backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// Local inference from a GGUF file.
    Candle,
    /// An OpenAI-compatible server.
    Openai,
    /// Quoted sentences, no model.
    Extractive,
}
