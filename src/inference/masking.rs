//! A model that never reads personal data: placeholders go out, and the values come back in its reply.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::{Budget, ChatEvent, ChatModel, ChatRequest, ChatStream, Completion, InferenceError, ModelInfo};
use crate::personal_data::{Placeholders, Restoring};

/// What a conversation says of its persons: where placeholders get their numbers from, and what is no secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Persons {
    /// The customer's name, as the hub tells it.
    pub name: Option<String>,
    /// Every message, oldest first, so that a value has the same placeholder in every call of the conversation.
    pub said: Vec<String>,
    /// Texts that anyone may read: what stands in them is nobody's secret and stays as it is.
    pub published: Vec<String>,
}

impl Persons {
    fn placeholders(&self, names: bool) -> Placeholders {
        let mut placeholders = Placeholders::default();
        for text in &self.published {
            placeholders.publish(text);
        }
        if let (true, Some(name)) = (names, &self.name) {
            placeholders.learn_name(name);
        }
        for text in &self.said {
            placeholders.learn(text);
        }
        placeholders
    }
}

/// Wraps a model that is not to read personal data.
pub struct Masked {
    inner: Arc<dyn ChatModel>,
    info: ModelInfo,
    names: bool,
}

impl Masked {
    /// `names` says whether the customer's name is personal data too. What a model reads is a part of what it writes, so
    /// the fingerprint differs from the bare model's.
    pub fn new(inner: Arc<dyn ChatModel>, names: bool) -> Self {
        let identity = format!("placeholders-2\n{names}\n{}", inner.info().fingerprint);
        let fingerprint = hex::encode(Sha256::digest(identity));
        let info = ModelInfo { fingerprint, ..inner.info().clone() };
        Self { inner, info, names }
    }
}

#[async_trait]
impl ChatModel for Masked {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    async fn stream(&self, mut request: ChatRequest, budget: Budget) -> Result<ChatStream, InferenceError> {
        let mut placeholders = request.persons.placeholders(self.names);
        for message in &mut request.messages {
            message.content = placeholders.mask(&message.content);
        }
        // Nothing but the masked messages goes on.
        request.grounding = None;
        request.persons = Persons::default();
        let info = self.info.clone();
        let mut restoring = Restoring::with(placeholders);
        let events = self.inner.stream(request, budget).await?;
        Ok(events
            .flat_map(move |event| {
                let delta = |text: String| (!text.is_empty()).then_some(Ok(ChatEvent::Delta(text)));
                let restored = match event {
                    Ok(ChatEvent::Delta(text)) => vec![delta(restoring.push(&text))],
                    Ok(ChatEvent::Restart) => {
                        restoring.restart();
                        vec![Some(Ok(ChatEvent::Restart))]
                    }
                    Ok(ChatEvent::Done(completion)) => {
                        let text = restoring.placeholders().restore(&completion.text);
                        let done = Completion { text, model: info.clone(), ..completion };
                        vec![delta(restoring.finish()), Some(Ok(ChatEvent::Done(done)))]
                    }
                    Err(error) => vec![Some(Err(error))],
                };
                stream::iter(restored.into_iter().flatten())
            })
            .boxed())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::inference::{ChatMessage, ChatRole, FinishReason, TokenUsage};

    /// Repeats the last message in pieces of three characters, and remembers what it was asked.
    struct Echo(ModelInfo, Mutex<Vec<ChatRequest>>);

    impl Echo {
        fn new() -> Arc<Self> {
            let info = ModelInfo {
                backend: "test".into(),
                model: "echo".into(),
                fingerprint: "f".into(),
                context_length: 1_000,
            };
            Arc::new(Self(info, Mutex::default()))
        }
    }

    #[async_trait]
    impl ChatModel for Echo {
        fn info(&self) -> &ModelInfo {
            &self.0
        }

        async fn stream(&self, request: ChatRequest, _: Budget) -> Result<ChatStream, InferenceError> {
            let text =
                request.messages.last().map(|message| message.content.to_lowercase()).unwrap_or_default();
            self.1.lock().unwrap().push(request);
            let characters: Vec<char> = text.chars().collect();
            let done = Completion {
                text,
                finish: FinishReason::Stop,
                usage: TokenUsage::default(),
                logprobs: None,
                model: self.0.clone(),
            };
            let mut events: Vec<_> =
                characters.chunks(3).map(|piece| Ok(ChatEvent::Delta(piece.iter().collect()))).collect();
            events.push(Ok(ChatEvent::Done(done)));
            Ok(stream::iter(events).boxed())
        }
    }

    fn request(text: &str) -> ChatRequest {
        ChatRequest {
            messages: vec![
                ChatMessage { role: ChatRole::System, content: "Help: ajuda@loja.example".into() },
                ChatMessage { role: ChatRole::User, content: text.into() },
            ],
            persons: Persons {
                name: Some("Ana Souza".into()),
                said: vec!["Sou a Ana, CPF 529.982.247-25".into(), text.into()],
                published: vec!["Escreva para ajuda@loja.example".into()],
            },
            ..ChatRequest::default()
        }
    }

    #[tokio::test]
    async fn placeholders_go_out_and_values_come_back() {
        let echo = Echo::new();
        let masked = Masked::new(echo.clone(), true);
        let text = "ana: o cpf 52998224725 e ana@mail.example.com";
        let mut stream = masked.stream(request(text), Budget::of(Duration::from_secs(5))).await.unwrap();
        let (mut shown, mut whole) = (String::new(), String::new());
        while let Some(event) = stream.next().await {
            match event.unwrap() {
                ChatEvent::Delta(delta) => shown.push_str(&delta),
                ChatEvent::Done(completion) => whole = completion.text,
                ChatEvent::Restart => unreachable!(),
            }
        }
        // The first spelling of each number stands for all; a name comes back as it was written.
        assert_eq!(whole, "ana: o cpf 529.982.247-25 e ana@mail.example.com");
        assert_eq!(shown, whole);
        let asked = echo.1.lock().unwrap();
        assert_eq!(asked[0].messages[0].content, "Help: ajuda@loja.example", "what is published stays");
        assert_eq!(asked[0].messages[1].content, "[NAME_4]: o cpf [CPF_1] e [EMAIL_1]");
        assert_eq!(asked[0].persons, Persons::default());
    }

    #[tokio::test]
    async fn a_name_is_masked_where_that_is_set() {
        let echo = Echo::new();
        let masked = Masked::new(echo.clone(), false);
        let budget = Budget::of(Duration::from_secs(5));
        masked.complete(request("Ana, CPF 529.982.247-25"), budget).await.unwrap();
        assert_eq!(echo.1.lock().unwrap()[0].messages[1].content, "Ana, CPF [CPF_1]");
        assert_ne!(masked.info().fingerprint, Masked::new(Echo::new(), true).info().fingerprint);
    }
}
