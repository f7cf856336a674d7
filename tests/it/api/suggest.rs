//! `POST /v1/suggest`.

use insta::assert_json_snapshot;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{code, events, id};
use crate::support::app::{TestApp, question, read};

/// With the digits that JSON keeps of a number for certain.
fn rounded(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!((number.as_f64().unwrap_or(f64::NAN) * 1e9).round() / 1e9)
        }
        Value::Array(items) => items.iter().map(rounded).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), rounded(value))).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn a_question_with_a_source_gets_a_cited_draft() {
    // The calibration of the binary is for the rules of the demo, which hold in its workspace alone.
    let start = || TestApp::start(|config| config.policies.folder = Some("eval/demo/policies".into()));
    let app = tokio::task::spawn_blocking(start).await.unwrap();
    let client = app.workspace().await;
    let document = client.with_delivery().await;
    let answered = client.ask("Qual é o prazo da entrega normal no Brasil?").await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.text);
    let answer = answered.json();
    assert_eq!(answer["decision"]["action"], "draft", "{answer:#}");
    assert!(answer["drafts"][0]["text"].as_str().unwrap().contains("5 dias úteis"), "{answer:#}");
    assert_eq!(answer["drafts"][0]["citations"][0]["document_id"], document.as_str());
    assert_json_snapshot!(answer, {
        ".id" => "[id]", ".trace_id" => "[id]",
        ".decision.reasons[].detail" => "[sentence]",
        ".drafts[].text" => "[text]",
        ".drafts[].citations[].passage_id" => "[id]", ".drafts[].citations[].document_id" => "[id]",
        ".drafts[].citations[].quote" => "[text]",
        ".confidence.value" => "[0..1]", ".confidence.signals" => "[signals]",
        ".confidence.contributions" => "[log-odds]",
        ".policy" => "[checks]",
        ".usage.prompt_tokens" => "[n]", ".usage.completion_tokens" => "[n]",
        ".reply_window.send_before" => "[time]",
        ".timings_ms.*" => "[ms]",
    }, @r#"
    {
      "id": "[id]",
      "mode": "draft",
      "decision": {
        "action": "draft",
        "reasons": [
          {
            "code": "not_certified",
            "detail": "[sentence]"
          },
          {
            "code": "mode_cap",
            "detail": "[sentence]"
          }
        ]
      },
      "drafts": [
        {
          "text": "[text]",
          "language": "pt",
          "ai_generated": true,
          "citations": [
            {
              "passage_id": "[id]",
              "document_id": "[id]",
              "title": "Entrega",
              "url": "https://loja.example/entrega",
              "quote": "[text]",
              "version": 1
            }
          ]
        }
      ],
      "confidence": {
        "value": "[0..1]",
        "calibrated": true,
        "signals": "[signals]",
        "contributions": "[log-odds]"
      },
      "policy": "[checks]",
      "handoff": null,
      "reply_window": {
        "send_before": "[time]"
      },
      "usage": {
        "backend": "extractive",
        "model": "quoted sentences",
        "prompt_tokens": "[n]",
        "completion_tokens": "[n]"
      },
      "timings_ms": {
        "[ms]": "[ms]",
        "[ms]": "[ms]",
        "[ms]": "[ms]",
        "[ms]": "[ms]"
      },
      "trace_id": "[id]"
    }
    "#);

    let stored = client.get(&format!("/v1/suggestions/{}", id(&answered))).await.json();
    for field in answer.as_object().unwrap().keys() {
        let (stored, answered) = (rounded(&stored[field]), rounded(&answer[field]));
        assert_eq!(stored, answered, "{field} is stored as it was answered");
    }
    assert_eq!(stored["conversation"]["messages"][0]["id"], "m-1");
    assert_eq!(stored["trace"]["language"], "pt");
    assert!(stored.get("workspace").is_none());
    tokio::task::spawn_blocking(move || drop(app)).await.unwrap();
}

#[tokio::test]
async fn a_question_without_a_source_is_not_answered() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let answer = client.ask("Vocês vendem cartão-presente?").await.json();
    assert_ne!(answer["decision"]["action"], "auto_reply", "{answer:#}");
    assert_ne!(answer["decision"]["reasons"], json!([]), "{answer:#}");
}

#[tokio::test]
async fn a_streamed_draft_ends_in_the_plain_answer() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let request = client.request(Method::POST, "/v1/suggest").header("accept", "text/event-stream");
    let streamed = read(request.json(&question("Qual é o prazo de entrega?"))).await;
    assert_eq!(streamed.header("content-type"), "text/event-stream");
    let events = events(&streamed.text);
    let (last, earlier) = events.split_last().unwrap();
    assert!(!earlier.is_empty(), "{events:?}");
    assert!(earlier.iter().all(|event| event.name == "delta"), "{events:?}");
    assert_eq!(last.name, "suggestion");
    let text: String = earlier.iter().map(|event| event.data["text"].as_str().unwrap()).collect();
    assert_eq!(text.trim(), last.data["drafts"][0]["text"].as_str().unwrap().trim());
    let stored = client.get(&format!("/v1/suggestions/{}", last.data["id"].as_str().unwrap())).await.json();
    assert_eq!(stored["drafts"], last.data["drafts"]);
}

#[tokio::test]
async fn bad_input_says_where_and_what_is_accepted() {
    let client = TestApp::shared().await.workspace().await;
    let with = |change: fn(&mut Value)| {
        let mut body = question("Olá?");
        change(&mut body);
        body
    };
    let role = with(|body| body["conversation"]["messages"][0]["role"] = json!("robot"));
    assert_json_snapshot!(client.post("/v1/suggest", &role).await.snapshot(), @r#"
    {
      "status": 422,
      "type": "application/problem+json",
      "body": {
        "type": "/docs#problem-invalid_request",
        "title": "The body does not have the expected shape",
        "status": 422,
        "detail": "conversation.messages[0].role: unknown variant `robot`, expected one of `customer`, `agent`, `bot`, `system` at line 1 column 141",
        "code": "invalid_request",
        "errors": [
          {
            "at": "conversation.messages[0].role",
            "detail": "unknown variant `robot`, expected one of `customer`, `agent`, `bot`, `system` at line 1 column 141"
          }
        ]
      }
    }
    "#);
    let channel = with(|body| body["conversation"]["channel"] = json!("pigeon"));
    assert_json_snapshot!(client.post("/v1/suggest", &channel).await.json()["errors"], @r#"
    [
      {
        "at": "conversation.channel",
        "detail": "unknown variant `pigeon`, expected one of `whatsapp`, `web_chat`, `email`, `instagram`, `api` at line 1 column 46"
      }
    ]
    "#);
    let empty = with(|body| body["conversation"]["messages"] = json!([]));
    assert_json_snapshot!(client.post("/v1/suggest", &empty).await.json()["errors"], @r#"
    [
      {
        "at": "conversation.messages",
        "detail": "a conversation has 1 to 200 messages, this one 0"
      }
    ]
    "#);
    let missing = with(|body| {
        body["conversation"]["messages"][0].as_object_mut().unwrap().remove("text");
    });
    assert_json_snapshot!(client.post("/v1/suggest", &missing).await.json()["errors"], @r#"
    [
      {
        "at": "conversation.messages[0]",
        "detail": "missing field `text` at line 1 column 145"
      }
    ]
    "#);
    let many = with(|body| {
        let message = body["conversation"]["messages"][0].clone();
        body["conversation"]["messages"] = Value::Array(vec![message; 201]);
        body["conversation"]["id"] = json!("");
    });
    assert_json_snapshot!(client.post("/v1/suggest", &many).await.json()["errors"], @r#"
    [
      {
        "at": "conversation.id",
        "detail": "an id has 1 to 256 characters, this one 0"
      },
      {
        "at": "conversation.messages",
        "detail": "a conversation has 1 to 200 messages, this one 201"
      }
    ]
    "#);
    let long = with(|body| {
        body["conversation"]["messages"][0]["text"] = json!("é".repeat(32_001));
    });
    assert_json_snapshot!(client.post("/v1/suggest", &long).await.json()["errors"], @r#"
    [
      {
        "at": "conversation.messages[0].text",
        "detail": "a text has at most 32000 characters, this one 32001"
      }
    ]
    "#);
}

#[tokio::test]
async fn what_is_no_json_at_all_is_refused() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    let send = |kind: &'static str, body: String| {
        read(client.request(Method::POST, "/v1/suggest").header("content-type", kind).body(body))
    };
    let broken = send("application/json", "{\"conversation\": ".into()).await;
    assert_eq!((broken.status, code(&broken)), (StatusCode::BAD_REQUEST, "malformed_json".into()));
    let trailing = send("application/json", format!("{} x", question("Olá?"))).await;
    assert_eq!((trailing.status, code(&trailing)), (StatusCode::BAD_REQUEST, "malformed_json".into()));
    let text = send("text/plain", question("Olá?").to_string()).await;
    assert_eq!(
        (text.status, code(&text)),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type".into())
    );
    let large = "x".repeat(app.app.config.server.body_limit + 1);
    let huge = send("application/json", large.clone()).await;
    assert_eq!((huge.status, code(&huge)), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large".into()));
    let request = client.request(Method::POST, "/v1/suggest").header("idempotency-key", "large");
    let huge = read(request.header("content-type", "application/json").body(large)).await;
    assert_eq!((huge.status, code(&huge)), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large".into()));
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let client = TestApp::shared().await.workspace().await;
    let path = client.get("/v2/suggest").await;
    assert_eq!((path.status, code(&path)), (StatusCode::NOT_FOUND, "route_not_found".into()));
    let method = client.get("/v1/suggest").await;
    assert_eq!((method.status, code(&method)), (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed".into()));
    assert_eq!(method.header("allow"), "POST");
    assert!(!path.header("x-request-id").is_empty());
    let named = client.request(Method::GET, "/v1/suggestions").header("x-request-id", "hub-7");
    assert_eq!(read(named).await.header("x-request-id"), "hub-7");
}
