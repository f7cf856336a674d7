//! `Idempotency-Key`.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{code, events, id};
use crate::support::app::{TestApp, question, read};

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let body = question("Qual é o prazo de entrega?");
    let first = client.post_once("/v1/suggest", "key-1", &body).await;
    let again = client.post_once("/v1/suggest", "key-1", &body).await;
    assert_eq!(first.text, again.text);
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    let streamed = client.request(Method::POST, "/v1/suggest").header("idempotency-key", "key-1");
    let streamed = read(streamed.header("accept", "text/event-stream").json(&body)).await;
    assert_eq!(events(&streamed.text)[0].data, first.json());
    assert_eq!(client.get("/v1/suggestions").await.json()["items"].as_array().unwrap().len(), 1);

    let other = client.post_once("/v1/suggest", "key-1", &question("Outra pergunta?")).await;
    assert_eq!(
        (other.status, code(&other)),
        (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch".into())
    );
    let other_path = client.post_once("/v1/knowledge/documents", "key-1", &body).await;
    assert_eq!(code(&other_path), "idempotency_mismatch", "{}", other_path.text);
    let long = client.post_once("/v1/suggest", &"k".repeat(256), &body).await;
    assert_eq!((long.status, code(&long)), (StatusCode::BAD_REQUEST, "invalid_parameter".into()));
}

#[tokio::test]
async fn a_streamed_answer_is_kept_too() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let body = question("Qual é o prazo de entrega?");
    let request = client.request(Method::POST, "/v1/suggest").header("idempotency-key", "stream");
    let streamed = read(request.header("accept", "text/event-stream").json(&body)).await;
    let again = client.post_once("/v1/suggest", "stream", &body).await;
    assert_eq!(again.json(), events(&streamed.text).pop().unwrap().data);
    assert_eq!(again.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn repeats_at_the_same_time_do_the_work_once() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let body = question("Qual é o prazo de entrega?");
    let calls = (0..8).map(|_| client.post_once("/v1/suggest", "same", &body));
    let answers = futures::future::join_all(calls).await;
    for answered in &answers {
        match answered.status {
            StatusCode::OK => {}
            StatusCode::CONFLICT => {
                assert_eq!(code(answered), "idempotency_in_flight");
                assert_eq!(answered.header("retry-after"), "1");
            }
            other => panic!("{other}: {}", answered.text),
        }
    }
    assert!(answers.iter().any(|answered| answered.status == StatusCode::OK));
    assert_eq!(client.get("/v1/suggestions").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_failed_attempt_gives_its_key_back() {
    let client = TestApp::shared().await.workspace().await;
    let document = |text: &str| json!({"source": "a", "title": "A", "text": text});
    let refused = client.post_once("/v1/knowledge/documents", "doc", &document(" ")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answered = client.post_once("/v1/knowledge/documents", "doc", &document("Olá.")).await;
    assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.text);
}

#[tokio::test]
async fn keys_of_two_workspaces_do_not_meet() {
    let app = TestApp::shared().await;
    let (ana, bob) = (app.workspace().await, app.workspace().await);
    let body = question("Qual é o prazo de entrega?");
    let first = ana.post_once("/v1/suggest", "shared", &body).await;
    let second = bob.post_once("/v1/suggest", "shared", &body).await;
    assert_eq!(second.header("idempotency-replayed"), "");
    assert_ne!(id(&first), id(&second));
}
