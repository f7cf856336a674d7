//! An ordered list of backends as one: deadlines, retries, cooldown and fallback live here and nowhere else.
//!
//! - **Deadline.** Of the time left, the first of *n* models gets 2 in *n* + 1 (all of it when it is the only one), so
//!   that a hanging one leaves time for the next; a moment is kept for quoting.
//! - **Retries.** A transient failure is tried again on the same backend, `inference.retries` times, after a growing
//!   pause or the one the backend asked for. A pause longer than a quarter of the backend's time sends the call on.
//! - **Cooldown.** See [`health`].
//! - **Fallback.** The next backend in the order; [`super::extractive`] always stands last.
//!
//! A reply that breaks off midway begins anew elsewhere after [`ChatEvent::Restart`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, stream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::extractive::Extractive;
use super::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, InferenceConfig, InferenceError,
    ModelInfo,
};

mod health;

use health::Health;

/// Kept back for quoting when every model has had its time.
const RESERVE: Duration = Duration::from_millis(1_200);
/// First pause before a retry; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Backends in order of preference, as one [`ChatModel`].
pub struct Router {
    inner: Arc<Inner>,
}

struct Inner {
    /// The last one quotes.
    backends: Vec<Backend>,
    config: InferenceConfig,
    info: ModelInfo,
}

struct Backend {
    model: Arc<dyn ChatModel>,
    health: Health,
}

impl Backend {
    fn quotes(&self) -> bool {
        self.model.info().quotes()
    }
}

impl Router {
    /// In the order given; the extractive backend goes to the end, and is added where it is missing.
    pub fn new(models: Vec<Arc<dyn ChatModel>>, config: InferenceConfig) -> Self {
        let mut backends: Vec<Backend> =
            models.into_iter().map(|model| Backend { model, health: Health::default() }).collect();
        backends.sort_by_key(Backend::quotes);
        if !backends.last().is_some_and(Backend::quotes) {
            backends.push(Backend { model: Arc::new(Extractive::new(None)), health: Health::default() });
        }
        let info = backends[0].model.info().clone();
        Self { inner: Arc::new(Inner { backends, config, info }) }
    }
}

#[async_trait]
impl ChatModel for Router {
    /// The preferred backend's; a [`Completion`] names the one that wrote it.
    fn info(&self) -> &ModelInfo {
        &self.inner.info
    }

    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        if budget.cancel.is_cancelled() {
            return Err(InferenceError::Cancelled);
        }
        if budget.remaining().is_zero() {
            return Err(InferenceError::DeadlineExceeded);
        }
        let (events, received) = unbounded_channel();
        let run = Run { inner: Arc::clone(&self.inner), request, budget, events, shown: false };
        // Driven by whoever reads the stream, so dropping it drops the work.
        let work = stream::once(run.drive()).filter_map(|()| async { None });
        Ok(Box::pin(stream::select(UnboundedReceiverStream::new(received), work)))
    }
}

/// One call on its way through the backends.
struct Run {
    inner: Arc<Inner>,
    request: ChatRequest,
    budget: Budget,
    events: UnboundedSender<Result<ChatEvent, InferenceError>>,
    /// Some text of an unfinished reply has been given out.
    shown: bool,
}

impl Run {
    async fn drive(mut self) {
        let outcome = self.route().await;
        let _ = self.events.send(outcome.map(ChatEvent::Done));
    }

    async fn route(&mut self) -> Result<Completion, InferenceError> {
        let inner = Arc::clone(&self.inner);
        let config = &inner.config;
        let deadline =
            self.budget.at_most(Duration::try_from_secs_f64(config.deadline_s).unwrap_or(Duration::MAX / 4));
        let now = Instant::now();
        let up: Vec<&Backend> =
            inner.backends.iter().filter(|it| !it.quotes() && it.health.is_up(now)).collect();
        let mut failure: Option<InferenceError> = None;
        for (position, backend) in up.iter().enumerate() {
            let share = share(deadline.remaining().saturating_sub(RESERVE), up.len() - position);
            if share.is_zero() {
                failure.get_or_insert(InferenceError::DeadlineExceeded);
                break;
            }
            match self.attempts(backend, &deadline.at_most(share), config).await {
                Ok(completion) => return Ok(completion),
                Err(InferenceError::Cancelled) => return Err(InferenceError::Cancelled),
                Err(error) => failure = Some(error),
            }
        }
        if let (None, Some(_)) = (&self.request.grounding, &failure) {
            // Nothing to quote from: the model's own failure tells more.
            return Err(failure.unwrap_or(InferenceError::DeadlineExceeded));
        }
        let quoting = inner.backends.last().ok_or(InferenceError::DeadlineExceeded)?;
        // Quoting is instant and better than nothing even when a model has used up the time.
        let budget =
            Budget { deadline: deadline.deadline.max(Instant::now() + RESERVE), cancel: deadline.cancel };
        let quoted = self.attempt(quoting, &budget).await;
        quoted.map_err(|error| failure.unwrap_or(error))
    }

    /// One backend with its retries.
    async fn attempts(
        &mut self,
        backend: &Backend,
        budget: &Budget,
        config: &InferenceConfig,
    ) -> Result<Completion, InferenceError> {
        let cooldown = Duration::try_from_secs_f64(config.cooldown_s).unwrap_or_default();
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_max_times(config.retries as usize)
            .with_jitter()
            .build();
        loop {
            let error = match self.attempt(backend, budget).await {
                Ok(completion) => {
                    backend.health.succeeded(Instant::now());
                    return Ok(completion);
                }
                Err(error) => error,
            };
            backend.health.failed(Instant::now(), &error, cooldown);
            let info = backend.model.info();
            tracing::warn!(backend = info.backend, model = info.model, %error, "a chat model failed");
            let InferenceError::Transient { retry_after, .. } = &error else { return Err(error) };
            let Some(pause) = pauses.next() else { return Err(error) };
            let pause = retry_after.unwrap_or(pause);
            if pause > budget.remaining() / 4 {
                return Err(error);
            }
            budget
                .run(async {
                    tokio::time::sleep(pause).await;
                    Ok(())
                })
                .await?;
        }
    }

    /// One call of one backend, its text passed on as it comes.
    async fn attempt(&mut self, backend: &Backend, budget: &Budget) -> Result<Completion, InferenceError> {
        let started = Instant::now();
        let outcome = budget.run(self.read(backend, budget)).await;
        let info = backend.model.info();
        let labels = [
            ("backend", info.backend.clone()),
            ("model", info.model.clone()),
            ("outcome", outcome.as_ref().map_or_else(outcome_name, |_| "ok").to_owned()),
        ];
        metrics::counter!("ponto_inference_attempts_total", &labels).increment(1);
        metrics::histogram!("ponto_inference_seconds", &labels).record(started.elapsed().as_secs_f64());
        outcome
    }

    async fn read(&mut self, backend: &Backend, budget: &Budget) -> Result<Completion, InferenceError> {
        if std::mem::take(&mut self.shown) {
            let _ = self.events.send(Ok(ChatEvent::Restart));
        }
        let mut events = backend.model.stream(self.request.clone(), budget.clone()).await?;
        while let Some(event) = events.next().await {
            match event? {
                ChatEvent::Done(completion) => return Ok(completion),
                other => {
                    self.shown = matches!(other, ChatEvent::Delta(_));
                    let _ = self.events.send(Ok(other));
                }
            }
        }
        Err(InferenceError::Malformed("the stream ended without a completion".into()))
    }
}

/// The share of `left` for the first of `models`.
fn share(left: Duration, models: usize) -> Duration {
    left.mul_f64((2.0 / (models as f64 + 1.0)).min(1.0))
}

fn outcome_name(error: &InferenceError) -> &'static str {
    match error {
        InferenceError::Overloaded { .. } => "overloaded",
        InferenceError::Transient { .. } => "transient",
        InferenceError::Permanent(_) => "permanent",
        InferenceError::ContextLengthExceeded { .. } => "context_length",
        InferenceError::DeadlineExceeded => "deadline",
        InferenceError::Cancelled => "cancelled",
        InferenceError::Malformed(_) => "malformed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_shared_so_that_the_next_one_has_some() {
        let left = Duration::from_mins(1);
        assert_eq!(share(left, 1), left);
        assert_eq!(share(left, 2), Duration::from_secs(40));
        assert_eq!(share(left, 3), Duration::from_secs(30));
    }
}
