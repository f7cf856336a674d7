//! Who may call what.

use insta::assert_json_snapshot;
use ponto::store::{Keys, Scope};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ROUTES_WITHOUT_KEY, id};
use crate::support::app::{TestApp, read};

#[tokio::test]
async fn every_v1_route_needs_a_key() {
    let app = TestApp::shared().await;
    let document: Value = app.workspace().await.get("/openapi.json").await.json();
    let http = reqwest::Client::new();
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let url = format!("{}{}", app.base_url, path.replace("{id}", "x"));
            let answered = read(http.request(method.clone(), url)).await;
            if ROUTES_WITHOUT_KEY.contains(&path.as_str()) {
                assert!(answered.status.is_success(), "{method} {path}: {}", answered.status);
                continue;
            }
            asked += 1;
            assert_eq!(answered.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert!(answered.header("www-authenticate").starts_with("Bearer"), "{method} {path}");
            assert_eq!(answered.header("content-type"), "application/problem+json", "{method} {path}");
        }
    }
    assert!(asked >= 9, "the document lists the endpoints: {asked}");
}

#[tokio::test]
async fn an_unknown_key_and_a_revoked_one_are_refused_alike() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    assert_eq!(client.get("/v1/suggestions").await.status, StatusCode::OK);
    assert!(Keys::revoke(app.app.store.as_ref(), &client.key_id, app.app.clock.now()).await.unwrap());
    let revoked = client.get("/v1/suggestions").await;
    let unknown = read(client.request(Method::GET, "/v1/suggestions").bearer_auth("nobody")).await;
    assert_eq!(revoked.text, unknown.text);
    assert_json_snapshot!(revoked.snapshot(), @r#"
    {
      "status": 401,
      "type": "application/problem+json",
      "body": {
        "type": "/docs#problem-unauthorized",
        "title": "No valid API key",
        "status": 401,
        "detail": "this key is not known, or was revoked; `ponto keys list` shows the keys there are",
        "code": "unauthorized"
      }
    }
    "#);
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_say() {
    let app = TestApp::shared().await;
    let all = app.workspace().await;
    let only = |scope| app.key(&all.workspace, std::slice::from_ref(scope));
    let suggest = only(&Scope::Suggest).await;
    let knowledge = only(&Scope::Knowledge).await;
    let feedback = only(&Scope::Feedback).await;
    let admin = only(&Scope::Admin).await;

    assert_eq!(suggest.ask("Olá, qual é o prazo de entrega?").await.status, StatusCode::OK);
    assert_eq!(feedback.get("/v1/suggestions").await.status, StatusCode::OK);
    assert_eq!(knowledge.get("/v1/knowledge/documents").await.status, StatusCode::OK);
    for path in ["/v1/suggestions", "/v1/knowledge/documents"] {
        assert_eq!(admin.get(path).await.status, StatusCode::OK, "admin holds every scope");
        assert_eq!(suggest.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(knowledge.ask("Olá?").await.status, StatusCode::FORBIDDEN);
    assert_json_snapshot!(suggest.get("/v1/knowledge/documents").await.snapshot(), @r#"
    {
      "status": 403,
      "type": "application/problem+json",
      "body": {
        "type": "/docs#problem-forbidden",
        "title": "The key may not do this",
        "status": 403,
        "detail": "this key lacks the scope `knowledge`; create one with `ponto keys create --scope knowledge`",
        "code": "forbidden"
      }
    }
    "#);
}

#[tokio::test]
async fn one_workspace_sees_nothing_of_another() {
    let app = TestApp::shared().await;
    let (ana, bob) = (app.workspace().await, app.workspace().await);
    let document = ana.with_delivery().await;
    let suggestion = id(&ana.ask("Em quanto tempo chega o meu pedido?").await);

    for path in [format!("/v1/suggestions/{suggestion}"), format!("/v1/knowledge/documents/{document}")] {
        assert_eq!(ana.get(&path).await.status, StatusCode::OK);
        assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND);
    }
    let feedback = format!("/v1/suggestions/{suggestion}/feedback");
    assert_eq!(bob.post(&feedback, &json!({"outcome": "accepted"})).await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        bob.delete(&format!("/v1/knowledge/documents/{document}")).await.status,
        StatusCode::NOT_FOUND
    );
    for path in ["/v1/suggestions", "/v1/knowledge/documents"] {
        assert_eq!(bob.get(path).await.json()["items"], json!([]));
    }
    let found = bob.post("/v1/knowledge/search", &json!({"query": "prazo de entrega"})).await.json();
    assert_eq!(found["passages"], json!([]));
    assert!(!bob.ask("Em quanto tempo chega o meu pedido?").await.text.contains("5 dias"));
    assert_eq!(ana.get(&format!("/v1/suggestions/{suggestion}")).await.json()["feedback"], Value::Null);
}
