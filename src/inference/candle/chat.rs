//! [`CandleChat`]: a model on its own thread, behind a bounded queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use futures::stream;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::device::ComputeDevice;
use super::engine::{Draft, Ended, Engine, Listener};
use super::error::LoadError;
use super::gguf::Gguf;
use super::model::Model;
use super::team::Team;
use super::template::ChatTemplate;
use super::tokenizer::Tokenizer;
use crate::inference::{Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, InferenceError, ModelInfo};

/// `[candle]`: local inference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CandleConfig {
    /// Where the chat model computes: `cpu`, or `cuda` where Ponto was built with the feature `cuda`. Embedding and all
    /// else stays on the CPU.
    pub device: ComputeDevice,
    /// Longest prompt and reply together, in tokens; never more than the model was trained on. Memory grows with
    /// what is used: about 28 KB a token for a model of 1.5 billion parameters.
    pub context_length: usize,
    /// Threads of all local inference; 0 takes every core. More than there are cores makes it slower.
    pub threads: usize,
    /// Calls that are answered at once; each step of the model serves them all.
    pub parallel: usize,
    /// Calls that may wait while others are answered; the next one is refused as overloaded.
    pub queue: usize,
    /// Memory for what was read, in MB: a prompt that begins as an earlier one is read only from where it parts. On the
    /// CPU alone.
    pub prefix_cache_mb: usize,
    /// A lone reply guesses its next words from those of its prompt, and keeps what the model would have said: the same
    /// reply, sooner.
    pub prompt_lookup: bool,
}

impl Default for CandleConfig {
    fn default() -> Self {
        Self {
            device: ComputeDevice::default(),
            context_length: 4096,
            threads: 0,
            parallel: 8,
            queue: 8,
            prefix_cache_mb: 256,
            prompt_lookup: true,
        }
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
        if self.parallel == 0 || self.parallel > 64 {
            problem("candle.parallel", "write how many calls are answered at once, from 1 to 64");
        }
        if self.prefix_cache_mb > 1 << 20 {
            problem("candle.prefix_cache_mb", "write megabytes of memory, or 0 to keep nothing");
        }
        if self.queue == 0 {
            problem("candle.queue", "let at least 1 call wait");
        }
        problems
    }

    /// The part that a loaded model takes.
    pub fn options(&self) -> CandleOptions {
        CandleOptions {
            device: self.device,
            context_length: self.context_length,
            threads: self.threads,
            parallel: self.parallel,
            queue: self.queue,
            prefix_cache_mb: self.prefix_cache_mb,
            prompt_lookup: self.prompt_lookup,
        }
    }
}

/// How a model is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CandleOptions {
    /// Where the model computes.
    pub device: ComputeDevice,
    /// Longest sequence in tokens.
    pub context_length: usize,
    /// Threads; 0 takes every core.
    pub threads: usize,
    /// Calls that are answered at once.
    pub parallel: usize,
    /// Calls that may wait.
    pub queue: usize,
    /// Memory for what was read, in MB.
    pub prefix_cache_mb: usize,
    /// Whether a lone reply guesses its next tokens from its prompt.
    pub prompt_lookup: bool,
}

impl Default for CandleOptions {
    fn default() -> Self {
        CandleConfig::default().options()
    }
}

/// A GGUF model that answers several calls at once, on a thread of its own.
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
    events: Events,
}

type Events = mpsc::UnboundedSender<Result<ChatEvent, InferenceError>>;

impl Listener for Events {
    fn delta(&mut self, text: String) -> bool {
        self.send(Ok(ChatEvent::Delta(text))).is_ok()
    }

    fn listening(&self) -> bool {
        !self.is_closed()
    }
}

impl CandleChat {
    /// Loads the file at `gguf` and starts its thread. It blocks for as long as the weights take to pack.
    pub fn load(
        name: &str,
        gguf: &Path,
        fingerprint: &str,
        options: CandleOptions,
    ) -> Result<Self, InferenceError> {
        let engine = load_engine(name, gguf, fingerprint, options)?;
        let info = engine.info().clone();
        let queue = options.queue.max(1);
        let (jobs, waiting) = mpsc::channel::<Job>(queue);
        std::thread::Builder::new()
            .name("chat-model".into())
            .spawn(move || serve(engine, waiting, options.parallel.max(1)))
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
    options: CandleOptions,
) -> Result<Engine, InferenceError> {
    let in_file = |error: LoadError| match error {
        LoadError::Unreadable { .. } | LoadError::WithoutCuda | LoadError::NoDevice(_) => {
            InferenceError::from(error)
        }
        error => InferenceError::Permanent(format!("{}: {error}", PathBuf::from(gguf).display())),
    };
    let team = Team::behind_others("chat", options.threads).map_err(|error| {
        InferenceError::Permanent(format!("the threads of inference cannot be started: {error}"))
    })?;
    let file = Gguf::open(gguf).map_err(in_file)?;
    let source = file.string("tokenizer.chat_template").map(str::to_owned);
    // Packing weights waits for memory and building a vocabulary for one core: side by side they take half as long. The
    // vocabulary is built of a file of its own, which it takes apart.
    let (model, tokenizer) = std::thread::scope(|scope| {
        let tokenizer = scope.spawn(|| Gguf::open(gguf).and_then(Tokenizer::load));
        let model = team.run(|| Model::load(&file, options.context_length, options.device));
        (model, tokenizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (model, source, tokenizer) =
        (model.map_err(in_file)?, source.map_err(in_file)?, tokenizer.map_err(in_file)?);
    let template = ChatTemplate::new(&source, tokenizer.bos_text(), tokenizer.eos_text()).map_err(in_file)?;
    let info = ModelInfo {
        backend: "candle".into(),
        model: name.into(),
        fingerprint: options.device.fingerprint(fingerprint),
        context_length: model.context(),
    };
    let engine = Engine::new(model, tokenizer, template, info, team, options.prefix_cache_mb << 20);
    Ok(engine.with_prompt_lookup(options.prompt_lookup))
}

/// Answers calls, up to `parallel` at once, until nobody can call any more.
fn serve(mut engine: Engine, mut waiting: mpsc::Receiver<Job>, parallel: usize) {
    let mut drafts: Vec<Draft<Events>> = Vec::new();
    loop {
        if drafts.is_empty() {
            let Some(job) = waiting.blocking_recv() else { return };
            admit(&mut engine, job, &mut drafts);
        }
        while drafts.len() < parallel
            && let Ok(job) = waiting.try_recv()
        {
            admit(&mut engine, job, &mut drafts);
        }
        // A panic ends the calls that run and not the thread.
        let ended = catch_unwind(AssertUnwindSafe(|| engine.advance(&mut drafts)));
        let ended = ended.unwrap_or_else(|_| {
            engine.forget();
            let broken = || InferenceError::Permanent("the model's computation broke off".into());
            drafts.drain(..).map(|draft| (draft.into_listener(), Err(broken()))).collect()
        });
        ended.into_iter().for_each(tell);
    }
}

fn admit(engine: &mut Engine, job: Job, drafts: &mut Vec<Draft<Events>>) {
    let Job { request, budget, events } = job;
    match engine.begin(&request, budget, events) {
        Ok(draft) => drafts.push(draft),
        Err(ended) => tell(*ended),
    }
}

fn tell((events, result): Ended<Events>) {
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
