//! Documents and search.

use insta::assert_json_snapshot;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::app::TestApp;

#[tokio::test]
async fn documents_come_and_go() {
    let client = TestApp::shared().await.workspace().await;
    let added = client.with_delivery().await;
    let path = format!("/v1/knowledge/documents/{added}");
    assert_json_snapshot!(client.get(&path).await.json(), {".id" => "[id]", ".updated_at" => "[time]", ".text" => "[text]"}, @r#"
    {
      "id": "[id]",
      "source": "help/entrega",
      "title": "Entrega",
      "url": "https://loja.example/entrega",
      "language": "pt",
      "updated_at": "[time]",
      "text": "[text]"
    }
    "#);
    let listed = client.get("/v1/knowledge/documents").await.json();
    assert_eq!(listed["items"][0]["id"], added.as_str());
    assert!(listed["items"][0].get("text").is_none(), "a list has no texts");

    let same = client.get(&path).await.json();
    let again = client
        .post(
            "/v1/knowledge/documents",
            &json!({
        "source": same["source"], "title": same["title"], "url": same["url"], "language": same["language"],
        "markdown": same["text"]}),
        )
        .await;
    assert_eq!(
        (again.status, &again.json()["change"]),
        (StatusCode::OK, &json!("unchanged")),
        "{}",
        again.text
    );

    let query = json!({"query": "prazo de entrega", "language": "pt", "limit": 1});
    let found = client.post("/v1/knowledge/search", &query).await.json();
    assert_eq!(found["passages"].as_array().unwrap().len(), 1, "{found:#}");
    assert_eq!(found["passages"][0]["passage"]["document_id"], added.as_str());
    assert!(found["passages"][0]["scores"]["dense"].as_f64().unwrap() > 0.5, "{found:#}");

    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);
    assert_eq!(client.delete(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.get(&path).await.status, StatusCode::NOT_FOUND);
    let found = client.post("/v1/knowledge/search", &json!({"query": "prazo de entrega"})).await.json();
    assert_eq!(found["passages"], json!([]));
}

#[tokio::test]
async fn a_document_that_cannot_be_used_is_refused() {
    let client = TestApp::shared().await.workspace().await;
    let body = json!({"title": "A", "url": "javascript:alert(1)", "text": "x", "html": "<p>x</p>"});
    let refused = client.post("/v1/knowledge/documents", &body).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_json_snapshot!(refused.json()["errors"], @r#"
    [
      {
        "at": "url",
        "detail": "takes an address that begins with https:// or http://"
      },
      {
        "at": "text",
        "detail": "give exactly one of text, markdown, html, csv and jsonl"
      }
    ]
    "#);
    let refused = client.post("/v1/knowledge/search", &json!({"query": " ", "limit": 0})).await;
    assert_json_snapshot!(refused.json()["errors"], @r#"
    [
      {
        "at": "query",
        "detail": "takes 1 to 4000 characters"
      },
      {
        "at": "limit",
        "detail": "takes 1 to 50"
      }
    ]
    "#);
}
