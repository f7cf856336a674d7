//! [`CandleChat`]: a model on its own thread, behind a bounded queue.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::decoder::Decoder;
use super::engine::{Engine, Listener};
use super::error::LoadError;
use super::gguf::Gguf;
use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use crate::inference::{Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, InferenceError, ModelInfo};

/// `[candle]`: local inference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CandleConfig {
    /// Longest prompt and reply together, in tokens; never more than the model was trained on. Memory grows with
    /// what is used: about 57 KB a token for a model of 1.5 billion parameters.
    pub context_length: usize,
    /// Threads of all local inference; 0 takes every core. More than there are cores makes it slower.
    pub threads: usize,
    /// Calls that may wait while one is answered; the next one is refused as overloaded.
    pub queue: usize,
}

impl Default for CandleConfig {
    fn default() -> Self {
        Self { context_length: 4096, threads: 0, queue: 8 }
    }
}

impl CandleConfig {
    /// What makes no sense, as (setting, remedy).
    pub fn validate(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        let mut problem =
            |setting: &str, message: &str| problems.push((setting.to_owned(), message.to_owned()));
        if self.context_length < 512 {
            problem(
                "candle.context_length",
                "leave room for a question and its sources: at least 512 tokens",
            );
        }
        if self.threads > 1024 {
            problem("candle.threads", "take at most as many threads as the machine has cores, or 0 for all");
        }
        if self.queue == 0 {
            problem("candle.queue", "let at least 1 call wait");
        }
        problems
    }

    /// The part that a loaded model takes.
    pub fn options(&self) -> CandleOptions {
        CandleOptions { context_length: self.context_length, threads: self.threads, queue: self.queue }
    }
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandleOptions {
    /// Longest sequence in tokens.
    pub context_length: usize,
    /// Threads; see [`super::threads::configure`], which takes effect for the whole process.
    pub threads: usize,
    /// Calls that may wait.
    pub queue: usize,
}

impl Default for CandleOptions {
    fn default() -> Self {
        CandleConfig::default().options()
    }
}

/// A GGUF model that answers one call at a time, on a thread of its own.
///
/// Dropping a stream or cancelling its budget stops the work at the next token or prompt chunk. The thread ends
/// when this is dropped.
pub struct CandleChat {
    info: ModelInfo,
    jobs: mpsc::Sender<Job>,
    queue: usize,
}

struct Job {
    request: ChatRequest,
    budget: Budget,
    events: mpsc::UnboundedSender<Result<ChatEvent, InferenceError>>,
}

impl Listener for mpsc::UnboundedSender<Result<ChatEvent, InferenceError>> {
    fn delta(&mut self, text: String) -> bool {
        self.send(Ok(ChatEvent::Delta(text))).is_ok()
    }

    fn listening(&self) -> bool {
        !self.is_closed()
    }
}

impl CandleChat {
    /// Loads the file at `gguf` and starts its thread. It blocks for as long as the file's tables take to read.
    pub fn load(
        name: &str,
        gguf: &Path,
        fingerprint: &str,
        options: CandleOptions,
    ) -> Result<Self, InferenceError> {
        let mut engine = load_engine(name, gguf, fingerprint, options.context_length)?;
        let info = engine.info().clone();
        let queue = options.queue.max(1);
        let (jobs, mut waiting) = mpsc::channel::<Job>(queue);
        std::thread::Builder::new()
            .name("chat-model".into())
            .spawn(move || {
                while let Some(job) = waiting.blocking_recv() {
                    answer(&mut engine, job);
                }
            })
            .map_err(|error| {
                InferenceError::Permanent(format!("the model's thread does not start: {error}"))
            })?;
        Ok(Self { info, jobs, queue })
    }
}

/// Loads everything a reply needs, for [`CandleChat`] and for measurements.
pub fn load_engine(
    name: &str,
    gguf: &Path,
    fingerprint: &str,
    context_length: usize,
) -> Result<Engine, InferenceError> {
    let in_file = |error: LoadError| match error {
        LoadError::Unreadable { .. } => InferenceError::from(error),
        error => InferenceError::Permanent(format!("{}: {error}", PathBuf::from(gguf).display())),
    };
    let file = Gguf::open(gguf).map_err(in_file)?;
    let decoder = Decoder::load(&file, context_length).map_err(in_file)?;
    let source = file.string("tokenizer.chat_template").map_err(in_file)?.to_owned();
    let tokenizer = Tokenizer::load(file).map_err(in_file)?;
    let template = ChatTemplate::new(&source, tokenizer.bos_text(), tokenizer.eos_text()).map_err(in_file)?;
    let info = ModelInfo {
        backend: "candle".into(),
        model: name.into(),
        fingerprint: fingerprint.into(),
        context_length: decoder.context(),
    };
    Ok(Engine::new(decoder, tokenizer, template, info))
}

/// Answers one call; a panic ends the call and not the thread.
fn answer(engine: &mut Engine, job: Job) {
    let Job { request, budget, mut events } = job;
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        engine.reply(&request, &budget, &mut events)
    }))
    .unwrap_or_else(|_| {
        engine.forget();
        Err(InferenceError::Permanent("the model's computation broke off".into()))
    });
    // Nobody listens any more when this fails, and nothing is lost.
    let _ = events.send(result.map(ChatEvent::Done));
}

#[async_trait]
impl ChatModel for CandleChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        let (events, received) = mpsc::unbounded_channel();
        let job = Job { request, budget: budget.clone(), events };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => InferenceError::Overloaded { queue: self.queue },
            TrySendError::Closed(_) => InferenceError::Permanent("the model's thread has ended".into()),
        })?;
        // The worker looks at the budget between steps; here it also ends the wait in the queue.
        Ok(Box::pin(stream::unfold(Some((received, budget)), |state| async {
            let (mut received, budget) = state?;
            let event = tokio::select! {
                biased;
                event = received.recv() => event.unwrap_or_else(|| {
                    Err(InferenceError::Permanent("the model's thread has ended".into()))
                }),
                () = budget.cancel.cancelled() => Err(InferenceError::Cancelled),
                () = tokio::time::sleep_until(budget.deadline.into()) => Err(InferenceError::DeadlineExceeded),
            };
            let more = matches!(event, Ok(ChatEvent::Delta(_)));
            Some((event, more.then_some((received, budget))))
        })))
    }
}
