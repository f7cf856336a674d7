//! One suite for every `ChatModel`: whoever calls one may rely on what is checked here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use ponto::inference::candle::{CandleChat, CandleConfig};
use ponto::inference::extractive::{Extractive, NO_ANSWER};
use ponto::inference::openai::{OpenAiChat, OpenAiConfig};
use ponto::inference::routing::Router;
use ponto::inference::{
    Budget, ChatEvent, ChatMessage, ChatModel, ChatOptions, ChatRequest, ChatRole, Completion, FinishReason,
    Grounding, InferenceConfig, InferenceError, Source,
};

use serde_json::{Value, json};

use crate::support::llama::LlamaServer;
use crate::support::models::files;

const PATIENCE: Duration = Duration::from_mins(10);
const SMOLLM2: &str = "smollm2-135m-instruct";

async fn gguf() -> PathBuf {
    files(SMOLLM2).await.gguf().expect("a GGUF file").to_owned()
}

/// A request that every kind of model can answer.
fn request() -> ChatRequest {
    let question = "How long does standard delivery take, and is there an express service?";
    let passage = "Standard delivery takes 4 business days. Express delivery takes 2 business days.";
    ChatRequest {
        messages: vec![
            ChatMessage { role: ChatRole::System, content: "Answer in one sentence.".into() },
            ChatMessage { role: ChatRole::User, content: format!("{passage}\n\n{question}") },
        ],
        grounding: Some(Grounding {
            question: question.into(),
            language: "en".into(),
            sources: vec![Source { title: "Delivery".into(), text: passage.into() }],
        }),
        options: ChatOptions { max_tokens: 40, ..ChatOptions::default() },
        ..ChatRequest::default()
    }
}

fn with(change: impl FnOnce(&mut ChatRequest)) -> ChatRequest {
    let mut request = request();
    change(&mut request);
    request
}

/// What holds for every model.
async fn conforms(model: &dyn ChatModel) {
    let whole = model.complete(request(), Budget::of(PATIENCE)).await.unwrap();
    assert!(!whole.text.trim().is_empty());
    assert!(!model.info().model.is_empty() && !model.info().fingerprint.is_empty());
    assert_eq!(&whole.model, model.info(), "a completion names the model that wrote it");

    let (shown, streamed) = read(model, request()).await;
    assert_eq!(shown, streamed.text, "deltas add up to the reply");

    let spent = Budget::of(Duration::ZERO);
    let error = model.complete(request(), spent).await.expect_err("no time");
    assert!(matches!(error, InferenceError::DeadlineExceeded), "{error:?}");

    let cancelled = Budget::of(PATIENCE);
    cancelled.cancel.cancel();
    let error = model.complete(request(), cancelled).await.expect_err("cancelled");
    assert!(matches!(error, InferenceError::Cancelled), "{error:?}");

    let (one, two) = tokio::join!(
        model.complete(request(), Budget::of(PATIENCE)),
        model.complete(request(), Budget::of(PATIENCE))
    );
    assert!(!one.unwrap().text.is_empty() && !two.unwrap().text.is_empty());

    // A dropped stream leaves the model ready for the next call.
    drop(model.stream(request(), Budget::of(PATIENCE)).await.unwrap());
    assert!(!model.complete(request(), Budget::of(PATIENCE)).await.unwrap().text.is_empty());
}

/// What holds for a model in this process. A server may compute a prompt that it has in its cache, or two at once,
/// with other roundings, and a near-tie then falls the other way.
async fn repeats_itself(model: &dyn ChatModel) {
    let first = model.complete(request(), Budget::of(PATIENCE)).await.unwrap().text;
    let (streamed, one, two) = tokio::join!(
        read(model, request()),
        model.complete(request(), Budget::of(PATIENCE)),
        model.complete(request(), Budget::of(PATIENCE))
    );
    assert_eq!(
        [streamed.1.text, one.unwrap().text, two.unwrap().text],
        [first.clone(), first.clone(), first]
    );
}

/// What holds for every model that generates.
async fn generates(model: &dyn ChatModel) {
    let short = model.complete(with(|it| it.options.max_tokens = 3), Budget::of(PATIENCE)).await.unwrap();
    assert_eq!(short.finish, FinishReason::Length);
    assert_eq!(short.usage.completion_tokens, 3);
    assert!(short.usage.prompt_tokens > 20, "{:?}", short.usage);

    let rated = model.complete(with(|it| it.options.logprobs = true), Budget::of(PATIENCE)).await.unwrap();
    let logprobs = rated.logprobs.expect("log-probabilities were asked for");
    assert!(logprobs.len() >= 3 && logprobs.iter().all(|value| *value <= 1e-3), "{logprobs:?}");

    // No English sentence does without an `e`.
    let stop = with(|it| it.options.stop = vec!["e".into()]);
    let (shown, stopped) = read(model, stop).await;
    assert_eq!((shown.as_str(), stopped.finish), (stopped.text.as_str(), FinishReason::Stop));
    assert!(!stopped.text.contains('e'), "{}", stopped.text);

    let verdict = json!({
        "type": "object",
        "properties": { "verdict": { "enum": ["yes", "no"] } },
        "required": ["verdict"],
        "additionalProperties": false,
    });
    let formed = model.complete(with(|it| it.options.schema = Some(verdict)), Budget::of(PATIENCE)).await;
    let formed = formed.unwrap().text;
    let value: Value = serde_json::from_str(&formed).expect(&formed);
    assert!(["yes", "no"].contains(&value["verdict"].as_str().unwrap_or_default()), "{formed}");

    let seeded = |seed| with(move |it| (it.options.temperature, it.options.seed) = (1.5, seed));
    let (first, other) = (read(model, seeded(1)).await.1.text, read(model, seeded(2)).await.1.text);
    assert_ne!(first, other, "a temperature varies the wording");

    let budget = Budget::of(PATIENCE);
    let long = with(|it| it.options.max_tokens = 1_000);
    let mut stream = model.stream(long.clone(), budget.clone()).await.unwrap();
    while !matches!(stream.next().await.expect("an event").expect("text"), ChatEvent::Delta(_)) {}
    budget.cancel.cancel();
    let started = Instant::now();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    // A short reply may have ended before it could be cancelled.
    assert!(matches!(last, Some(Err(InferenceError::Cancelled) | Ok(ChatEvent::Done(_)))), "{last:?}");
    assert!(started.elapsed() < Duration::from_mins(1));

    let limit = model.info().context_length;
    let endless = with(|it| it.messages[1].content = "word and ".repeat(limit));
    let error = model.complete(endless, Budget::of(PATIENCE)).await.expect_err("too long");
    assert!(matches!(error, InferenceError::ContextLengthExceeded { .. }), "{error:?}");
}

/// The text as it came, and the reply; exactly one end.
async fn read(model: &dyn ChatModel, request: ChatRequest) -> (String, Completion) {
    let mut stream = model.stream(request, Budget::of(PATIENCE)).await.unwrap();
    let (mut shown, mut done) = (String::new(), None);
    while let Some(event) = stream.next().await {
        assert!(done.is_none(), "nothing follows the end");
        match event.unwrap() {
            ChatEvent::Delta(text) => shown.push_str(&text),
            ChatEvent::Restart => shown.clear(),
            ChatEvent::Done(completion) => done = Some(completion),
        }
    }
    (shown, done.expect("a stream ends with its completion"))
}

async fn hosted(server: &LlamaServer) -> OpenAiChat {
    OpenAiChat::new(&OpenAiConfig {
        base_url: format!("{}/v1", server.base_url),
        model: server.alias.clone(),
        context_length: 4_096,
        ..OpenAiConfig::default()
    })
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn extractive() {
    let model = Extractive::new(None);
    conforms(&model).await;
    repeats_itself(&model).await;
    let unknown = with(|it| it.grounding.as_mut().unwrap().question = "Do you sell gift cards?".into());
    assert_eq!(model.complete(unknown, Budget::of(PATIENCE)).await.unwrap().text, NO_ANSWER);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosted_on_a_llama_server() {
    let server = LlamaServer::start(&gguf().await).await;
    let model = hosted(&server).await;
    conforms(&model).await;
    generates(&model).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn candle() {
    let file = gguf().await;
    let model = CandleChat::load(SMOLLM2, &file, "test", CandleConfig::default().options()).unwrap();
    conforms(&model).await;
    repeats_itself(&model).await;
    generates(&model).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_is_a_model_like_any_other() {
    let server = LlamaServer::start(&gguf().await).await;
    let config = InferenceConfig { deadline_s: PATIENCE.as_secs_f64(), ..InferenceConfig::default() };
    let model = Router::new(vec![Arc::new(hosted(&server).await)], config);
    conforms(&model).await;
    let (shown, completion) = read(&model, with(|it| it.options.max_tokens = 3)).await;
    assert_eq!((shown, completion.finish), (completion.text.clone(), FinishReason::Length));
}
