//! Trials of the same questions. Each asks the chat model with a seed of its own, so that a model that samples may answer
//! otherwise; with one seed all trials would be the first one again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::inference::{Budget, ChatModel, ChatRequest, ChatStream, InferenceError, ModelInfo};

/// A chat model whose calls have the seed of the trial that is running.
pub struct SeededChat {
    inner: Arc<dyn ChatModel>,
    trial: AtomicU64,
}

impl SeededChat {
    /// In the first trial, which has the seed that serves.
    pub fn new(inner: Arc<dyn ChatModel>) -> Self {
        Self { inner, trial: AtomicU64::new(0) }
    }

    /// Calls from now on are of this trial; the first one is 0.
    pub fn begin(&self, trial: u64) {
        self.trial.store(trial, Ordering::Relaxed);
    }
}

#[async_trait]
impl ChatModel for SeededChat {
    fn info(&self) -> &ModelInfo {
        self.inner.info()
    }

    async fn stream(&self, mut request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        request.options.seed = request.options.seed.wrapping_add(self.trial.load(Ordering::Relaxed));
        self.inner.stream(request, budget).await
    }
}

/// Why trials with a model of this backend, at this temperature, say nothing that one trial does not; nothing where they
/// may differ.
pub fn all_the_same(backend: &str, temperature: f32) -> Option<&'static str> {
    match backend {
        "extractive" => {
            Some("Quoted replies leave nothing to chance: trials cannot differ, and pass^k equals pass^1.")
        }
        "candle" if temperature <= 0.0 => Some(
            "With generation.temperature = 0 a local model always takes the likeliest word: trials cannot differ, and pass^k \
             equals pass^1. Set a temperature above 0 to see how much replies vary.",
        ),
        _ if temperature <= 0.0 => Some(
            "With generation.temperature = 0 trials differ only as far as the server is not exact; set a temperature above 0 to \
             see how much replies vary.",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use futures::StreamExt;

    use super::*;

    /// Writes down the seeds that it is asked with.
    struct Seeds(ModelInfo, Mutex<Vec<u64>>);

    #[async_trait]
    impl ChatModel for Seeds {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
            self.1.lock().unwrap().push(request.options.seed);
            Ok(futures::stream::empty().boxed())
        }
    }

    #[tokio::test]
    async fn each_trial_has_a_seed_of_its_own_and_the_first_the_one_that_serves() {
        let info = ModelInfo {
            backend: "test".into(),
            model: "m".into(),
            fingerprint: "f".into(),
            context_length: 10,
        };
        let inner = Arc::new(Seeds(info, Mutex::default()));
        let chat = SeededChat::new(Arc::clone(&inner) as Arc<dyn ChatModel>);
        for trial in 0..3 {
            chat.begin(trial);
            assert!(chat.stream(ChatRequest::default(), Budget::of(Duration::from_secs(1))).await.is_ok());
        }
        let seed = ChatRequest::default().options.seed;
        assert_eq!(*inner.1.lock().unwrap(), [seed, seed + 1, seed + 2]);
    }

    #[test]
    fn trials_that_cannot_differ_are_named() {
        assert!(all_the_same("extractive", 1.0).is_some());
        assert!(all_the_same("candle", 0.0).is_some_and(|why| why.contains("pass^1")));
        assert!(all_the_same("openai", 0.0).is_some_and(|why| !why.contains("cannot")));
        assert_eq!(all_the_same("candle", 0.7), None);
    }
}
