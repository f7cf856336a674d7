//! The stream of events.

use std::time::Duration;

use futures::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::json;

use super::{code, events, id};
use crate::support::app::{TestApp, read};

#[tokio::test]
async fn events_arrive_as_they_are_committed_and_go_on_after_a_break() {
    let app = TestApp::shared().await;
    let (client, stranger) = (app.workspace().await, app.workspace().await);
    client.ask("Uma pergunta de antes?").await;
    let response = client.request(Method::GET, "/v1/events").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut stream = response.bytes_stream();

    stranger.ask("De outra loja?").await;
    let suggestion = id(&client.ask("Qual é o prazo de entrega?").await);
    client.post(&format!("/v1/suggestions/{suggestion}/feedback"), &json!({"outcome": "accepted"})).await;
    let mut text = String::new();
    while !text.contains("suggestion.feedback") || !text.ends_with("\n\n") {
        let chunk =
            tokio::time::timeout(Duration::from_mins(1), stream.next()).await.expect("an event arrives");
        text.push_str(&String::from_utf8_lossy(&chunk.unwrap().unwrap()));
    }
    let live = events(&text);
    let names: Vec<&str> = live.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["suggestion.created", "suggestion.feedback"], "nothing older, nothing of others");
    assert!(live.iter().all(|event| event.data["suggestion_id"] == suggestion.as_str()));

    let resumed = client.request(Method::GET, "/v1/events").header("last-event-id", &live[0].id);
    let mut stream = resumed.send().await.unwrap().bytes_stream();
    let chunk = tokio::time::timeout(Duration::from_mins(1), stream.next()).await.expect("an event arrives");
    assert_eq!(events(&String::from_utf8_lossy(&chunk.unwrap().unwrap()))[0].id, live[1].id);
    let refused = read(client.request(Method::GET, "/v1/events").header("last-event-id", "x")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_full_server_says_when_to_come_again() {
    let app =
        tokio::task::spawn_blocking(|| TestApp::start(|config| config.server.max_event_streams = 1)).await;
    let app = app.unwrap();
    let client = app.workspace().await;
    let open = client.request(Method::GET, "/v1/events").send().await.unwrap();
    assert_eq!(open.status(), StatusCode::OK);
    let refused = client.get("/v1/events").await;
    assert_eq!((refused.status, code(&refused)), (StatusCode::SERVICE_UNAVAILABLE, "overloaded".into()));
    assert_eq!(refused.header("retry-after"), "5");
    drop(open);
    let mut tries = 0;
    loop {
        let again = client.request(Method::GET, "/v1/events").send().await.unwrap();
        if again.status() == StatusCode::OK {
            break;
        }
        tries += 1;
        assert!(tries < 100, "the place is free again once the stream was left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::task::spawn_blocking(|| drop(app)).await.unwrap();
}
