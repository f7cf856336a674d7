//! Any OpenAI-compatible server, through async-openai with types of our own: an unknown `finish_reason`, a missing
//! `usage` or an empty string never fails a call.
//!
//! The library's retries are off (ours are in [`super::routing`]), and so is its reading of error bodies. It still logs
//! chunks that are no JSON: [`LOG_TARGETS_WITH_BODIES`] have to be silenced.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_openai::Client;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, FinishReason, InferenceError,
    ModelInfo, TokenUsage,
};

mod config;
mod transport;
mod wire;

pub use config::{ApiKey, OpenAiConfig};
use transport::{Endpoint, exchange, from_library};
use wire::{Chunk, Optional, WireError, body};

/// Logging targets that write what a server sent, message text included. No log may take them at any level.
pub const LOG_TARGETS_WITH_BODIES: &[&str] = &["async_openai"];

/// At most so many refused parameters are left out of one call.
const NEGOTIATIONS: usize = 4;
/// A token has at most about so many characters: a prompt longer than this many times the context cannot fit.
const CHARS_PER_TOKEN: usize = 8;

type Events = Pin<Box<dyn Stream<Item = Result<Value, OpenAIError>> + Send>>;

/// A model behind an OpenAI-compatible server.
pub struct OpenAiChat {
    info: ModelInfo,
    endpoint: Endpoint,
    http: reqwest::Client,
    /// What this server has refused so far.
    left_out: RwLock<BTreeSet<Optional>>,
}

impl OpenAiChat {
    /// Prepares calls; connects to nothing.
    pub fn new(config: &OpenAiConfig) -> Result<Self, InferenceError> {
        if let Some((setting, message)) = config.validate().into_iter().next() {
            return Err(InferenceError::Permanent(format!("{setting}: {message}")));
        }
        if config.model.is_empty() {
            return Err(InferenceError::Permanent(
                "openai.model: write the name of the server's model".into(),
            ));
        }
        let base_url = config.base_url.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs_f64(config.connect_timeout_s))
            // A server may close a kept connection at any time, and a request that meets its end is lost. Drafts take
            // seconds: a handshake does not count.
            .pool_max_idle_per_host(0)
            // A redirect would carry the key and the conversation elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|_| {
                InferenceError::Permanent("the HTTP client cannot be set up on this machine".into())
            })?;
        let identity = format!("openai\n{base_url}\n{}", config.model);
        let info = ModelInfo {
            backend: "openai".into(),
            model: config.model.clone(),
            fingerprint: hex::encode(Sha256::digest(identity)),
            context_length: config.context_length,
        };
        let endpoint = Endpoint { base_url, key: config.api_key.expose().to_owned().into() };
        Ok(Self { info, endpoint, http, left_out: RwLock::default() })
    }

    /// Starts a stream, leaving out what the server refuses by name.
    async fn open(&self, request: &ChatRequest, ended: &Arc<AtomicBool>) -> Result<Events, InferenceError> {
        for _ in 0..=NEGOTIATIONS {
            let left_out = self.left_out.read().unwrap_or_else(PoisonError::into_inner).clone();
            let refused = match self.call(body(&self.info.model, request, &left_out), ended).await {
                Ok(events) => return Ok(events),
                Err(error) => from_library(error)?,
            };
            match Optional::refused_in(&refused.message, &left_out).filter(|_| refused.negotiable) {
                Some(parameter) => {
                    tracing::info!(
                        ?parameter,
                        model = self.info.model,
                        "the model server refuses a parameter; it is left out from now on"
                    );
                    self.left_out.write().unwrap_or_else(PoisonError::into_inner).insert(parameter);
                }
                None => return Err(refused.error),
            }
        }
        Err(InferenceError::Permanent("the model server refuses one parameter after another".into()))
    }

    async fn call(&self, body: Value, ended: &Arc<AtomicBool>) -> Result<Events, OpenAIError> {
        let (http, ended, limit) = (self.http.clone(), Arc::clone(ended), self.info.context_length);
        let service = tower::service_fn(move |factory: HttpRequestFactory| {
            exchange(http.clone(), factory, Arc::clone(&ended), limit)
        });
        let client = Client::build(self.http.clone(), self.endpoint.clone()).with_http_service(service);
        client.chat().create_stream_byot(body).await
    }

    fn refuse_hopeless(&self, request: &ChatRequest) -> Result<(), InferenceError> {
        let chars: usize = request.messages.iter().map(|message| message.content.chars().count()).sum();
        let (limit, actual) = (self.info.context_length, chars / CHARS_PER_TOKEN);
        if actual > limit { Err(InferenceError::ContextLengthExceeded { limit, actual }) } else { Ok(()) }
    }
}

#[async_trait]
impl ChatModel for OpenAiChat {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        self.refuse_hopeless(&request)?;
        let ended = Arc::new(AtomicBool::new(false));
        let events = budget.run(self.open(&request, &ended)).await?;
        let reading = Reading {
            events,
            ended,
            budget,
            stop: request.options.stop,
            completion: Completion {
                text: String::new(),
                finish: FinishReason::Stop,
                usage: TokenUsage::default(),
                logprobs: None,
                model: self.info.clone(),
            },
            finished: false,
            over: false,
        };
        Ok(Box::pin(futures::stream::unfold(reading, |mut reading| async move {
            let event = reading.next().await?;
            Some((event, reading))
        })))
    }
}

/// A stream being read.
struct Reading {
    events: Events,
    ended: Arc<AtomicBool>,
    budget: Budget,
    stop: Vec<String>,
    completion: Completion,
    /// A reason to finish, or usage, has come.
    finished: bool,
    /// The last event has been given out.
    over: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<ChatEvent, InferenceError>> {
        if self.over {
            return None;
        }
        let event = self.read().await;
        self.over = !matches!(event, Ok(ChatEvent::Delta(_)));
        Some(event)
    }

    async fn read(&mut self) -> Result<ChatEvent, InferenceError> {
        loop {
            let events = &mut self.events;
            let Some(event) = self.budget.run(async { Ok(events.next().await) }).await? else {
                return self.end();
            };
            let value = event.map_err(|error| match from_library(error) {
                Ok(refused) => refused.error,
                Err(error) => error,
            })?;
            if let Some(error) = WireError::of_chunk(&value) {
                return Err(self.midway(&error));
            }
            let chunk = Chunk::read(&value);
            if let Some(finish) = chunk.finish {
                self.completion.finish = finish;
                self.finished = true;
            }
            if let Some(usage) = chunk.usage {
                self.completion.usage = usage;
                self.finished = true;
            }
            if !chunk.logprobs.is_empty() {
                self.completion.logprobs.get_or_insert_default().extend(chunk.logprobs);
            }
            if !chunk.text.is_empty() {
                self.completion.text.push_str(&chunk.text);
                return Ok(ChatEvent::Delta(chunk.text));
            }
        }
    }

    fn midway(&self, error: &WireError) -> InferenceError {
        let limit = self.completion.model.context_length;
        transport::error_of(reqwest::StatusCode::INTERNAL_SERVER_ERROR, None, error, limit)
    }

    fn end(&mut self) -> Result<ChatEvent, InferenceError> {
        if !self.finished && !self.ended.load(Ordering::Relaxed) {
            return Err(InferenceError::Transient {
                message: "the model server ended its answer midway".into(),
                retry_after: None,
            });
        }
        let mut completion = self.completion.clone();
        if let Some(end) = self.stop.iter().filter_map(|stop| completion.text.find(stop.as_str())).min() {
            completion.text.truncate(end);
        }
        if completion.text.trim().is_empty() {
            return Err(InferenceError::Malformed("the answer is empty".into()));
        }
        Ok(ChatEvent::Done(completion))
    }
}
