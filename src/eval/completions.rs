//! Replies of a chat model that are asked for once: a file a model, a line a reply, keyed by the hash of the request.
//!
//! Only what the preferred model wrote is kept: a fallback's reply to a failure would outlive the failure. The file holds
//! replies, not prompts.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{EvalError, journal};
use crate::inference::{
    Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, FinishReason, InferenceError,
    ModelInfo, TokenUsage,
};

/// A chat model that remembers.
pub struct CachedChat {
    inner: Arc<dyn ChatModel>,
    shared: Arc<Shared>,
    repeated: AtomicUsize,
}

struct Shared {
    known: Mutex<HashMap<String, Kept>>,
    file: Mutex<std::fs::File>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Kept {
    key: String,
    text: String,
    finish: FinishReason,
    usage: TokenUsage,
    logprobs: Option<Vec<f32>>,
}

impl CachedChat {
    /// Opens the cache of this model in a folder, which is made where it is missing. A cut line is asked for again.
    pub fn open(inner: Arc<dyn ChatModel>, folder: &Path) -> Result<Self, EvalError> {
        let mut name = hex::encode(Sha256::digest(&inner.info().fingerprint));
        name.truncate(16);
        let path = folder.join(format!("{name}.replies"));
        let (known, file) = journal::open::<Kept>(&path)?;
        let known = known.into_iter().map(|kept| (kept.key.clone(), kept)).collect();
        let shared = Arc::new(Shared { known: Mutex::new(known), file: Mutex::new(file) });
        Ok(Self { inner, shared, repeated: AtomicUsize::new(0) })
    }

    /// Replies that came from the cache: a run with any has no latencies to report.
    pub fn repeated(&self) -> usize {
        self.repeated.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn find(&self, key: &str) -> Option<Kept> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// A reply that cannot be kept is asked for again next time.
    fn keep(&self, key: String, completion: &Completion) {
        let kept = Kept {
            key,
            text: completion.text.clone(),
            finish: completion.finish,
            usage: completion.usage,
            logprobs: completion.logprobs.clone(),
        };
        let line = serde_json::to_string(&kept).map(|line| line + "\n");
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(kept.key.clone(), kept);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = line.map_err(Into::into).and_then(|line| file.write_all(line.as_bytes())) {
            tracing::warn!(%error, "a reply could not be kept in the cache");
        }
    }
}

/// Everything that shapes a reply.
fn key(request: &ChatRequest) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    for message in &request.messages {
        add(&format!("{:?}", message.role));
        add(&message.content);
    }
    add(&format!("{:?}", request.options));
    add(&format!("{:?}", request.grounding));
    hex::encode(hash.finalize())
}

#[async_trait]
impl ChatModel for CachedChat {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    async fn stream(&self, request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        let key = key(&request);
        if let Some(kept) = self.shared.find(&key) {
            self.repeated.fetch_add(1, Ordering::Relaxed);
            let Kept { text, finish, usage, logprobs, .. } = kept;
            let done = Completion { text: text.clone(), finish, usage, logprobs, model: self.info().clone() };
            let events = [Ok(ChatEvent::Delta(text)), Ok(ChatEvent::Done(done))];
            return Ok(futures::stream::iter(events).boxed());
        }
        let stream = self.inner.stream(request, budget).await?;
        let (shared, preferred) = (Arc::clone(&self.shared), self.info().fingerprint.clone());
        Ok(stream
            .inspect(move |event| {
                if let Ok(ChatEvent::Done(completion)) = event
                    && completion.model.fingerprint == preferred
                {
                    shared.keep(key.clone(), completion);
                }
            })
            .boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::{ChatMessage, ChatRole};

    /// Answers with the number of the call; every second call is answered by a fallback.
    struct Counting(ModelInfo, AtomicUsize);

    #[async_trait]
    impl ChatModel for Counting {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        async fn stream(&self, _: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
            let call = self.1.fetch_add(1, Ordering::Relaxed);
            let mut model = self.0.clone();
            if call % 2 == 1 {
                model.fingerprint = "fallback".into();
            }
            let done = Completion {
                text: call.to_string(),
                finish: FinishReason::Stop,
                usage: TokenUsage { prompt_tokens: 3, completion_tokens: 1 },
                logprobs: Some(vec![-0.1]),
                model,
            };
            Ok(futures::stream::iter([Ok(ChatEvent::Done(done))]).boxed())
        }
    }

    fn model() -> Arc<Counting> {
        let info = ModelInfo {
            backend: "test".into(),
            model: "m".into(),
            fingerprint: "f".into(),
            context_length: 10,
        };
        Arc::new(Counting(info, AtomicUsize::new(0)))
    }

    fn request(text: &str) -> ChatRequest {
        ChatRequest {
            messages: vec![ChatMessage { role: ChatRole::User, content: text.into() }],
            ..ChatRequest::default()
        }
    }

    #[tokio::test]
    async fn the_preferred_models_replies_are_asked_for_once() {
        let folder = tempfile::tempdir().unwrap();
        let budget = || Budget::of(std::time::Duration::from_secs(5));
        let cache = CachedChat::open(model(), folder.path()).unwrap();
        let first = cache.complete(request("a"), budget()).await.unwrap();
        assert_eq!(cache.complete(request("a"), budget()).await.unwrap(), first);
        assert_eq!(cache.complete(request("b"), budget()).await.unwrap().text, "1", "a fallback's reply");
        assert_eq!(cache.complete(request("b"), budget()).await.unwrap().text, "2", "is not kept");
        assert_eq!(cache.repeated(), 1);
        drop(cache);
        let again = CachedChat::open(model(), folder.path()).unwrap();
        assert_eq!(again.complete(request("a"), budget()).await.unwrap(), first);
        let mut warmer = request("a");
        warmer.options.temperature = 0.5;
        assert_eq!(again.complete(warmer, budget()).await.unwrap().text, "0", "other options, another reply");
        assert_eq!(again.repeated(), 1);
    }
}
