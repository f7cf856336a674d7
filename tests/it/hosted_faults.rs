//! What a hosted model can do wrong, and what the caller is told, alone and behind the router.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use ponto::inference::openai::{ApiKey, OpenAiChat, OpenAiConfig};
use ponto::inference::routing::Router;
use ponto::inference::{
    Budget, ChatEvent, ChatMessage, ChatModel, ChatOptions, ChatRequest, ChatRole, Completion, FinishReason,
    Grounding, InferenceConfig, InferenceError, Source, TokenUsage,
};
use serde_json::{Value, json};

use crate::support::faults::{Fault, FaultyServer, chunk};

const QUOTED: &str = "Standard delivery takes 4 business days.";

fn chat(server: &FaultyServer) -> Arc<OpenAiChat> {
    let config = OpenAiConfig {
        base_url: server.base_url.clone(),
        api_key: ApiKey::new("sk-canary-5309"),
        model: "scripted".into(),
        ..OpenAiConfig::default()
    };
    Arc::new(OpenAiChat::new(&config).unwrap())
}

fn request() -> ChatRequest {
    ChatRequest {
        messages: vec![ChatMessage { role: ChatRole::User, content: "How long does delivery take?".into() }],
        grounding: Some(Grounding {
            question: "How long does delivery take?".into(),
            language: "en".into(),
            sources: vec![Source { title: "Delivery".into(), text: QUOTED.into() }],
        }),
        options: ChatOptions { logprobs: true, ..ChatOptions::default() },
        ..ChatRequest::default()
    }
}

fn seconds(seconds: f64) -> Budget {
    Budget::of(Duration::from_secs_f64(seconds))
}

async fn alone(faults: Vec<Fault>) -> (Result<Completion, InferenceError>, FaultyServer) {
    let server = FaultyServer::start(faults).await;
    let outcome = chat(&server).complete(request(), seconds(1.0)).await;
    (outcome, server)
}

async fn fails(fault: Fault) -> InferenceError {
    alone(vec![fault]).await.0.expect_err("a fault")
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait_and_is_asked_once() {
    let limited =
        Fault::Status(429, vec![("retry-after", "3")], r#"{"error":{"message":"slow down"}}"#.into());
    let (outcome, server) = alone(vec![limited]).await;
    let Err(InferenceError::Transient { retry_after, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(retry_after, Some(Duration::from_secs(3)));
    assert_eq!(server.calls(), 1, "retries belong to the router");
}

#[tokio::test]
async fn errors_say_what_the_caller_can_do() {
    for status in [500, 502, 503, 529] {
        assert!(
            matches!(fails(Fault::error(status, "x")).await, InferenceError::Transient { .. }),
            "{status}"
        );
    }
    for (status, remedy) in
        [(401, "openai.api_key"), (403, "openai.api_key"), (404, "openai.model"), (400, "refuses")]
    {
        let error = fails(Fault::error(status, "my name is Ana")).await;
        assert!(matches!(&error, InferenceError::Permanent(text) if text.contains(remedy)), "{error:?}");
        assert!(
            !format!("{error:?}").contains("Ana") && !format!("{error:?}").contains("canary"),
            "{error:?}"
        );
    }
    let quota = json!({"error": {"message": "x", "code": "insufficient_quota"}}).to_string();
    assert!(matches!(fails(Fault::Status(429, Vec::new(), quota)).await, InferenceError::Permanent(_)));
    let long = "This model's maximum context length is 4096 tokens.";
    assert!(matches!(fails(Fault::error(400, long)).await, InferenceError::ContextLengthExceeded { .. }));
}

#[tokio::test]
async fn a_hang_and_a_slow_drip_end_with_the_deadline() {
    for fault in [Fault::Hang, Fault::SlowDrip] {
        let started = Instant::now();
        let error = fails(fault.clone()).await;
        assert!(matches!(error, InferenceError::DeadlineExceeded), "{fault:?}: {error:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{fault:?}");
    }
}

#[tokio::test]
async fn cancelling_stops_a_drip_at_once() {
    let server = FaultyServer::start(vec![Fault::SlowDrip]).await;
    let budget = seconds(20.0);
    let mut stream = chat(&server).stream(request(), budget.clone()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(ChatEvent::Delta(_)))));
    budget.cancel.cancel();
    let started = Instant::now();
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    assert!(matches!(last, Some(Err(InferenceError::Cancelled))), "{last:?}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_transient_however_it_breaks() {
    let begun = vec![chunk("It takes "), chunk("4 ")];
    for fault in [Fault::ResetAfter(begun.clone()), Fault::CloseAfter(begun), Fault::CloseAfter(Vec::new())] {
        let error = fails(fault.clone()).await;
        assert!(matches!(error, InferenceError::Transient { .. }), "{fault:?}: {error:?}");
    }
    let midway = json!({"error": {"message": "the engine died"}});
    let error = fails(Fault::Lines(vec![chunk("It ").to_string(), midway.to_string()])).await;
    assert!(matches!(error, InferenceError::Transient { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_answer_is_malformed() {
    for lines in [
        vec!["{\"choices\": [".to_owned()],
        vec!["my name is Ana".to_owned()],
        vec![json!({"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]}).to_string()],
        vec![json!({"choices": []}).to_string()],
        vec![chunk(" \n ").to_string()],
        vec![],
    ] {
        let error = fails(Fault::Lines(lines.clone())).await;
        assert!(matches!(error, InferenceError::Malformed(_)), "{lines:?}: {error:?}");
        assert!(!format!("{error:?}").contains("Ana"), "{error:?}");
    }
}

#[tokio::test]
async fn unknown_values_and_missing_fields_do_not_matter() {
    let odd: [Vec<Value>; 4] = [
        vec![json!({"choices": [{"delta": {"role": "robot", "content": "4 days"}, "finish_reason": "eos"}],
            "service_tier": "on_demand", "object": "thing", "usage": null})],
        vec![json!({"choices": [{"delta": {"content": "4 days", "tool_calls": null}, "finish_reason": ""}]})],
        vec![json!({"id": 7, "created": "now"}), chunk("4 days"), json!({"choices": null})],
        vec![
            json!({"choices": [{"delta": {"content": [{"type": "text", "text": "4 days"}]}}], "usage": {"total_tokens": 5}}),
        ],
    ];
    for chunks in odd {
        let lines = chunks.iter().map(Value::to_string).collect();
        let completion =
            alone(vec![Fault::Lines(lines)]).await.0.unwrap_or_else(|error| panic!("{chunks:?}: {error}"));
        assert_eq!((completion.text.as_str(), completion.finish), ("4 days", FinishReason::Stop));
        assert_eq!(completion.usage, TokenUsage::default());
    }
}

#[tokio::test]
async fn a_server_that_does_not_stream_still_answers() {
    let whole = json!({"choices": [{"message": {"role": "assistant", "content": "4\ndays"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2}});
    let completion = alone(vec![Fault::Whole(whole)]).await.0.unwrap();
    assert_eq!((completion.text.as_str(), completion.finish), ("4\ndays", FinishReason::Length));
    assert_eq!(completion.usage, TokenUsage { prompt_tokens: 5, completion_tokens: 2 });
}

#[tokio::test]
async fn sampling_is_explicit_and_refused_parameters_are_left_out() {
    let refusal = |name: &str| Fault::error(400, &format!("Unsupported parameter: '{name}'"));
    let faults = vec![refusal("logprobs"), refusal("max_tokens"), Fault::reply(&["4 ", "days"])];
    let server = FaultyServer::start(faults).await;
    let chat = chat(&server);
    assert_eq!(chat.complete(request(), seconds(5.0)).await.unwrap().text, "4 days");
    assert_eq!(server.calls(), 3);
    let (head, first) = server.request(0);
    assert!(head.contains("Bearer sk-canary-5309"));
    assert_eq!((&first["temperature"], &first["top_p"]), (&json!(0.0), &json!(1.0)));
    assert_eq!((&first["logprobs"], &first["stream_options"]["include_usage"]), (&json!(true), &json!(true)));
    let (_, third) = server.request(2);
    assert_eq!((&third["logprobs"], &third["max_tokens"]), (&Value::Null, &Value::Null));
    assert_eq!(third["max_completion_tokens"], first["max_tokens"]);
    // What was learnt stays.
    chat.complete(request(), seconds(5.0)).await.unwrap();
    assert_eq!(server.calls(), 4);
}

#[tokio::test]
async fn a_schema_and_a_penalty_are_sent_where_there_are_any() {
    let unknown = Fault::error(400, "unknown field: response_format");
    let server = FaultyServer::start(vec![unknown, Fault::reply(&["{}"]), Fault::reply(&["{}"])]).await;
    let chat = chat(&server);
    let schema = json!({ "type": "object" });
    let options =
        ChatOptions { schema: Some(schema.clone()), frequency_penalty: 0.5, ..ChatOptions::default() };
    let formed = ChatRequest { options, ..request() };
    assert_eq!(chat.complete(formed, seconds(5.0)).await.unwrap().text, "{}");
    let (_, first) = server.request(0);
    assert_eq!(first["frequency_penalty"], json!(0.5));
    assert_eq!(first["response_format"]["type"], "json_schema");
    assert_eq!(first["response_format"]["json_schema"]["schema"], schema);
    assert_eq!(server.request(1).1["response_format"], Value::Null, "the server does not know it");
    chat.complete(request(), seconds(5.0)).await.unwrap();
    let (_, plain) = server.request(2);
    assert_eq!((&plain["response_format"], &plain["frequency_penalty"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn nobody_there_is_transient_and_names_the_setting() {
    let server = FaultyServer::start(vec![Fault::Hang]).await;
    let chat = chat(&server);
    let gone = server.base_url.clone();
    drop(server);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let error = chat.complete(request(), seconds(5.0)).await.expect_err(&gone);
    assert!(
        matches!(&error, InferenceError::Transient { message, .. } if message.contains("openai.base_url")),
        "{error:?}"
    );
}

fn router(servers: &[&FaultyServer], config: InferenceConfig) -> Router {
    Router::new(servers.iter().map(|server| chat(server) as Arc<dyn ChatModel>).collect(), config)
}

#[tokio::test]
async fn the_router_retries_then_falls_back() {
    let flaky = FaultyServer::start(vec![Fault::error(500, "x"), Fault::reply(&["4 ", "days"])]).await;
    let completion =
        router(&[&flaky], InferenceConfig::default()).complete(request(), seconds(20.0)).await.unwrap();
    assert_eq!((completion.text.as_str(), flaky.calls()), ("4 days", 2));

    let (down, up) = (
        FaultyServer::start(vec![Fault::error(500, "x")]).await,
        FaultyServer::start(vec![Fault::reply(&["5 days"])]).await,
    );
    let completion =
        router(&[&down, &up], InferenceConfig::default()).complete(request(), seconds(20.0)).await.unwrap();
    assert_eq!((completion.text.as_str(), down.calls(), up.calls()), ("5 days", 3, 1));
}

#[tokio::test]
async fn when_every_model_is_down_the_sources_are_quoted_in_time() {
    for fault in [
        Fault::error(500, "x"),
        Fault::Hang,
        Fault::SlowDrip,
        Fault::error(401, "x"),
        Fault::Lines(vec!["{".into()]),
    ] {
        let server = FaultyServer::start(vec![fault.clone()]).await;
        let started = Instant::now();
        let completion =
            router(&[&server], InferenceConfig::default()).complete(request(), seconds(3.0)).await.unwrap();
        assert_eq!(
            (completion.text.as_str(), completion.model.backend.as_str()),
            (QUOTED, "extractive"),
            "{fault:?}"
        );
        assert!(started.elapsed() < Duration::from_millis(3_500), "{fault:?}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_reply_that_breaks_off_begins_anew() {
    let (breaking, up) = (
        FaultyServer::start(vec![Fault::ResetAfter(vec![chunk("It takes "), chunk("9 ")])]).await,
        FaultyServer::start(vec![Fault::reply(&["4 ", "days"])]).await,
    );
    let config = InferenceConfig { retries: 0, ..InferenceConfig::default() };
    let mut stream = router(&[&breaking, &up], config).stream(request(), seconds(20.0)).await.unwrap();
    let (mut shown, mut restarts, mut whole) = (String::new(), 0, None);
    while let Some(event) = stream.next().await {
        match event.unwrap() {
            ChatEvent::Delta(text) => shown.push_str(&text),
            ChatEvent::Restart => {
                assert_eq!(shown, "It takes 9 ");
                shown.clear();
                restarts += 1;
            }
            ChatEvent::Done(completion) => whole = Some(completion.text),
        }
    }
    assert_eq!((shown.as_str(), restarts, whole.as_deref()), ("4 days", 1, Some("4 days")));
}

#[tokio::test]
async fn a_backend_that_asked_for_time_is_left_alone() {
    let limited =
        FaultyServer::start(vec![Fault::Status(429, vec![("retry-after", "30")], String::new())]).await;
    let router = router(&[&limited], InferenceConfig::default());
    for _ in 0..3 {
        assert_eq!(router.complete(request(), seconds(5.0)).await.unwrap().text, QUOTED);
    }
    assert_eq!(limited.calls(), 1);
}

#[tokio::test]
async fn without_sources_the_model_s_own_failure_is_told() {
    let server = FaultyServer::start(vec![Fault::error(401, "x")]).await;
    let bare = ChatRequest { grounding: None, ..request() };
    let error =
        router(&[&server], InferenceConfig::default()).complete(bare, seconds(5.0)).await.expect_err("401");
    assert!(
        matches!(&error, InferenceError::Permanent(text) if text.contains("openai.api_key")),
        "{error:?}"
    );
}
