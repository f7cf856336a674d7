//! Health, metrics, the document and its page.

use insta::assert_json_snapshot;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::ROUTES_WITHOUT_KEY;
use crate::support::app::TestApp;

#[tokio::test]
async fn the_document_lists_every_route() {
    let client = TestApp::shared().await.workspace().await;
    let document: Value = client.get("/openapi.json").await.json();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|it| !it.is_empty()), "{method} {path}");
            let open = operation["security"] == json!([{}]);
            assert_eq!(open, ROUTES_WITHOUT_KEY.contains(&path.as_str()), "{method} {path}");
            let answers: Vec<&str> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            let takes = operation["parameters"].as_array().into_iter().flatten();
            let takes: Vec<&str> = takes.filter_map(|parameter| parameter["name"].as_str()).collect();
            routes.push(format!(
                "{} {path} ({}) {}",
                method.to_uppercase(),
                takes.join(", "),
                answers.join(",")
            ));
        }
    }
    assert_json_snapshot!(routes, @r#"
    [
      "GET /docs () 200",
      "GET /healthz () 200",
      "GET /metrics () 200",
      "GET /openapi.json () 200",
      "GET /readyz () 200,503",
      "DELETE /v1/conversations/{id} (id) 200,4XX,5XX",
      "DELETE /v1/customers/{id} (id) 200,4XX,5XX",
      "GET /v1/events (after, Last-Event-ID) 200,4XX,5XX",
      "GET /v1/knowledge/documents (cursor, limit) 200,4XX,5XX",
      "POST /v1/knowledge/documents (Idempotency-Key) 200,201,4XX,5XX",
      "GET /v1/knowledge/documents/{id} (id) 200,4XX,5XX",
      "DELETE /v1/knowledge/documents/{id} (id) 204,4XX,5XX",
      "POST /v1/knowledge/documents/{id}/allow (id, Idempotency-Key) 204,4XX,5XX",
      "GET /v1/knowledge/documents/{id}/diff (id, from, to) 200,4XX,5XX",
      "POST /v1/knowledge/documents/{id}/rollback (id, Idempotency-Key) 200,4XX,5XX",
      "GET /v1/knowledge/documents/{id}/versions (id) 200,4XX,5XX",
      "GET /v1/knowledge/gaps (days, limit) 200,4XX,5XX",
      "POST /v1/knowledge/search () 200,4XX,5XX",
      "GET /v1/rollout (days) 200,4XX,5XX",
      "PUT /v1/rollout () 200,4XX,5XX",
      "POST /v1/suggest (Idempotency-Key) 200,4XX,5XX",
      "GET /v1/suggestions (cursor, limit, open, shadow) 200,4XX,5XX",
      "GET /v1/suggestions/{id} (id) 200,4XX,5XX",
      "GET /v1/suggestions/{id}/explanation (id, language) 200,4XX,5XX",
      "POST /v1/suggestions/{id}/feedback (id, Idempotency-Key) 200,4XX,5XX"
    ]
    "#);
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
    assert_eq!(document["security"], json!([{"key": []}]));
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_page_of_the_document_needs_nothing_from_elsewhere() {
    let client = TestApp::shared().await.workspace().await;
    let page = client.get("/docs").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    for text in
        ["id=\"suggest\"", "id=\"problem-invalid_request\"", "id=\"schema-Answer\"", "prefers-color-scheme"]
    {
        assert!(page.text.contains(text), "{text}");
    }
    for text in ["<script", "http://", "//cdn", "@import"] {
        assert!(!page.text.contains(text), "{text}");
    }
    for anchor in page.text.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.text.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
}

#[tokio::test]
async fn metrics_count_requests_and_suggestions_without_naming_anyone() {
    let client = TestApp::shared().await.workspace().await;
    client.ask("Segredo: o meu número é 12345?").await;
    let text = client.get("/metrics").await.text;
    for line in [
        "ponto_http_requests_total{method=\"POST\",route=\"/v1/suggest\",status=\"200\"}",
        "ponto_http_request_duration_seconds_bucket{method=\"POST\",route=\"/v1/suggest\",le=\"0.1\"}",
        "ponto_suggestions_total{action=",
        "ponto_stage_duration_seconds_sum{stage=\"total\"}",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    for secret in ["Segredo", "12345", client.workspace.0.as_str(), client.key_id.as_str()] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn readiness_names_every_part() {
    let client = TestApp::shared().await.workspace().await;
    assert_json_snapshot!(client.get("/readyz").await.snapshot(), @r#"
    {
      "status": 200,
      "type": "application/json",
      "body": {
        "status": "ready",
        "checks": {
          "store": "ok",
          "index": "ok",
          "models": "ok",
          "policies": "ok"
        }
      }
    }
    "#);
    assert_eq!(client.get("/healthz").await.text, "ok\n");
}
