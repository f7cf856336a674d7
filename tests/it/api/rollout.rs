//! How far automatic replies have come, and the audits that stop them.

use ponto::decision::{Action, Mode};
use ponto::store::suggestion::AuditDraw;
use ponto::store::{Scope, Suggestions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{code, events, id};
use crate::support::app::{Client, TestApp, question, read};

async fn set(client: &Client, body: &Value) -> crate::support::app::Answered {
    read(client.request(Method::PUT, "/v1/rollout").json(body)).await
}

#[tokio::test]
async fn a_stage_holds_replies_and_is_changed_by_who_knows_it() {
    let app = TestApp::shared().await;
    let hub = app.workspace().await;
    let admin = app.key(&hub.workspace, &[Scope::Admin]).await;
    assert_eq!(hub.get("/v1/rollout").await.status, StatusCode::FORBIDDEN);
    let before = admin.get("/v1/rollout").await.json();
    assert_eq!((&before["slices"][0]["stage"], &before["slices"][0]["step"]), (&json!("auto"), &json!(0)));

    let to = |stage: &str, step: i64| json!({"slice": {"channel": "whatsapp"}, "stage": stage, "by": "ana", "why": "first week", "expected_step": step});
    let changed = set(&admin, &to("shadow", 0)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    let late = set(&admin, &to("auto", 0)).await;
    assert_eq!((late.status, code(&late)), (StatusCode::CONFLICT, "conflict".into()));

    hub.with_delivery().await;
    let mut body = question("Qual é o prazo de entrega normal?");
    body["mode"] = json!("auto");
    let answer = hub.post("/v1/suggest", &body).await.json();
    assert_eq!(answer["mode"], "shadow", "{answer:#}");
    let reasons = answer["decision"]["reasons"].to_string();
    assert!(reasons.contains("\"rollout\""), "{reasons}");
    body["conversation"]["channel"] = json!("email");
    let answer = hub.post("/v1/suggest", &body).await.json();
    assert_eq!(answer["mode"], "auto", "another slice: {answer:#}");

    for (wrong, what) in [
        (json!({"stage": "sample", "by": "ana", "why": "w"}), "share"),
        (json!({"stage": "auto", "share": 0.5, "by": "ana", "why": "w"}), "share"),
        (json!({"stage": "auto", "by": "ponto", "why": "w"}), "nobody decides"),
        (json!({"stage": "auto", "by": "ana", "why": " "}), "why"),
    ] {
        let refused = set(&admin, &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        assert!(refused.json()["detail"].as_str().unwrap().contains(what), "{}", refused.text);
    }
    let after = admin.get("/v1/rollout").await.json();
    assert_eq!(after["history"].as_array().unwrap().len(), 1, "{after:#}");
    assert_eq!(after["slices"].as_array().unwrap().len(), 2, "{after:#}");
}

#[tokio::test]
async fn what_is_made_in_shadow_is_stored_and_shown_to_nobody() {
    let app = TestApp::shared().await;
    let hub = app.workspace().await;
    let admin = app.key(&hub.workspace, &[Scope::Admin]).await;
    hub.with_delivery().await;
    let shown = id(&hub.ask("Qual é o prazo de entrega normal?").await);
    let body = json!({"stage": "shadow", "by": "ana", "why": "first week"});
    assert_eq!(set(&admin, &body).await.status, StatusCode::OK);

    let drafted = "Qual é o prazo da entrega normal no Brasil?";
    let handed = "quero falar com um atendente";
    for (text, action, mode) in [(drafted, "draft", "draft"), (handed, "escalate", "auto")] {
        let mut asked = question(text);
        asked["mode"] = json!(mode);
        let request = hub.request(Method::POST, "/v1/suggest").header("accept", "text/event-stream");
        let streamed = events(&read(request.json(&asked)).await.text);
        let names: Vec<&str> = streamed.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["suggestion"], "{text}: {streamed:?}");
        for answer in [streamed[0].data.clone(), hub.post("/v1/suggest", &asked).await.json()] {
            assert_eq!((&answer["mode"], &answer["decision"]["action"]), (&json!("shadow"), &json!(action)));
            assert_eq!((&answer["drafts"], &answer["handoff"]), (&json!([]), &json!(null)), "{answer:#}");
            let stored = hub.get(&format!("/v1/suggestions/{}", answer["id"].as_str().unwrap())).await.json();
            let kept = (stored["drafts"] != json!([]), stored["handoff"] != json!(null));
            assert_eq!(kept, (action == "draft", action == "escalate"), "{stored:#}");
        }
    }

    let listed = async |query: &str| -> Vec<String> {
        let page = hub.get(&format!("/v1/suggestions{query}")).await.json();
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().into()).collect()
    };
    assert_eq!(listed("").await, std::slice::from_ref(&shown));
    let measured = listed("?shadow=true").await;
    assert_eq!((measured.len(), measured.contains(&shown)), (4, false), "{measured:?}");
    let page = async |path: &str| {
        let cookie = format!("ponto_key={}", hub.secret);
        read(hub.request(Method::GET, path).header("cookie", cookie)).await.text
    };
    let queue = page("/console/queue?show=all").await;
    assert!(queue.contains(&shown) && measured.iter().all(|id| !queue.contains(id)), "{queue}");
    let open = page(&format!("/console/suggestions/{}", measured[2])).await;
    assert!(open.contains("shown to nobody") && !open.contains("<textarea"), "{open}");
}

#[tokio::test]
async fn wrong_audited_replies_stop_automatic_replies() {
    let app = TestApp::shared().await;
    let hub = app.workspace().await;
    let admin = app.key(&hub.workspace, &[Scope::Admin]).await;
    let store = app.app.store.as_ref();
    let drafted = id(&hub.ask("Qual é o prazo de entrega normal?").await);
    let template = Suggestions::get(store, &hub.workspace, &drafted).await.unwrap().unwrap();
    for number in 0..3 {
        let mut sent = template.clone();
        sent.answer.id = format!("sug_{}_{number}", hub.workspace);
        sent.conversation.id = format!("c-{number}");
        sent.answer.decision.action = Action::AutoReply;
        sent.mode = Mode::Auto;
        sent.trace.audit = Some(AuditDraw { share: 0.1, max_error: 0.02 });
        Suggestions::insert(store, &sent).await.unwrap();
    }
    let verdict = async |number: usize, outcome: &str| {
        let path = format!("/v1/suggestions/sug_{}_{number}/feedback", hub.workspace);
        assert_eq!(hub.post(&path, &json!({"outcome": outcome})).await.status, StatusCode::OK);
        admin.get("/v1/rollout").await.json()
    };
    let right = verdict(0, "accepted").await;
    assert_eq!((&right["slices"][0]["audited"], &right["slices"][0]["wrong"]), (&json!(1), &json!(0)));
    let once = verdict(1, "rejected").await;
    assert_eq!(once["slices"][0]["stage"], "auto", "one error is no proof: {once:#}");
    let twice = verdict(2, "rejected").await;
    assert_eq!(twice["slices"][0]["stage"], "draft", "{twice:#}");
    assert_eq!(twice["history"][0]["by"], "ponto");
    assert!(twice["history"][0]["why"].as_str().unwrap().contains("2 of 3 audited replies"), "{twice:#}");
    let events = store.events(&hub.workspace, 0, 100).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.kind == "rollout.demoted").count(), 1);
    let metrics = read(reqwest::Client::new().get(format!("{}/metrics", app.base_url))).await.text;
    assert!(metrics.contains("ponto_rollout_demotions_total"), "the alert is a metric too");
}
