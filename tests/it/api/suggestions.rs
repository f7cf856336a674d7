//! What was suggested, and what agents said of it.

use insta::assert_json_snapshot;
use ponto::decision::rollout::audited;
use ponto::decision::{Action, Mode};
use ponto::store::Suggestions;
use ponto::store::suggestion::FeedbackOutcome;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{code, id};
use crate::support::app::{TestApp, question, read};

#[tokio::test]
async fn suggestions_page_from_the_newest() {
    let client = TestApp::shared().await.workspace().await;
    let mut made = Vec::new();
    for turn in 0..3 {
        made.push(id(&client.ask(&format!("Pergunta número {turn}?")).await));
    }
    made.reverse();
    let first = client.get("/v1/suggestions?limit=2").await.json();
    let next = first["next"].as_str().expect("a second page");
    let second = client.get(&format!("/v1/suggestions?limit=2&cursor={next}")).await.json();
    let ids = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().into()).collect()
    };
    assert_eq!([ids(&first), ids(&second)].concat(), made);
    assert!(second.get("next").is_none());

    let given =
        client.post(&format!("/v1/suggestions/{}/feedback", made[0]), &json!({"outcome": "rejected"})).await;
    assert_eq!(given.status, StatusCode::OK);
    assert_eq!(ids(&client.get("/v1/suggestions?open=true").await.json()), made[1..]);
    assert_eq!(ids(&client.get("/v1/suggestions?open=false").await.json()), made[..1]);

    for query in ["limit=0", "limit=201", "limit=many", "open=perhaps", "cursor=%00nonsense"] {
        let refused = client.get(&format!("/v1/suggestions?{query}")).await;
        assert_eq!(
            (refused.status, code(&refused)),
            (StatusCode::BAD_REQUEST, "invalid_parameter".into()),
            "{query}"
        );
    }
}

#[tokio::test]
async fn feedback_is_stored_with_the_edit_distance() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let answered = client.ask("Qual é o prazo de entrega normal?").await;
    let path = format!("/v1/suggestions/{}/feedback", id(&answered));
    let draft = answered.json()["drafts"][0]["text"].as_str().unwrap().to_owned();

    let accepted = client.post(&path, &json!({"outcome": "accepted", "agent": "rui"})).await.json();
    assert_eq!(accepted["edit_distance"], 0);
    let edited = client.post(&path, &json!({"outcome": "edited", "text": format!("Olá! {draft}é")})).await;
    assert_eq!(edited.json()["edit_distance"], 6, "characters, not bytes");
    let rejected =
        client.post(&path, &json!({"outcome": "rejected", "reason": "outdated", "agent": "rui"})).await;
    assert_json_snapshot!(rejected.json(), {".at" => "[time]", ".suggestion_id" => "[id]"}, @r#"
    {
      "suggestion_id": "[id]",
      "outcome": "rejected",
      "reason": "outdated",
      "agent": "rui",
      "edit_distance": null,
      "at": "[time]"
    }
    "#);
    let stored = client.get(&format!("/v1/suggestions/{}", id(&answered))).await.json();
    assert_eq!(stored["feedback"]["outcome"], "rejected", "the last word counts");

    let without_text = client.post(&path, &json!({"outcome": "edited"})).await;
    assert_eq!(without_text.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_json_snapshot!(without_text.json()["errors"], @r#"
    [
      {
        "at": "text",
        "detail": "`edited` needs the text that was sent"
      }
    ]
    "#);
    let unknown = client.post(&path, &json!({"outcome": "ignored"})).await;
    assert_json_snapshot!(unknown.json()["errors"], @r#"
    [
      {
        "at": "outcome",
        "detail": "unknown variant `ignored`, expected one of `accepted`, `edited`, `rejected` at line 1 column 20"
      }
    ]
    "#);
    let nowhere = client.post("/v1/suggestions/sug_none/feedback", &json!({"outcome": "accepted"})).await;
    assert_eq!((nowhere.status, code(&nowhere)), (StatusCode::NOT_FOUND, "not_found".into()));
}

#[tokio::test]
async fn a_draft_that_is_accepted_too_late_is_refused() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let now = app.app.clock.now();
    let ask = async |message: &str, hours: i64| {
        let message = json!({"id": message, "role": "customer", "text": "Qual é o prazo de entrega normal?",
            "at": now - chrono::TimeDelta::hours(hours)});
        let conversation = json!({"id": "late", "channel": "whatsapp", "messages": [message]});
        id(&client.post("/v1/suggest", &json!({"conversation": conversation})).await)
    };
    let path = |id: &str| format!("/v1/suggestions/{id}/feedback");
    let late = ask("m-1", 25).await;
    for body in [json!({"outcome": "accepted"}), json!({"outcome": "edited", "text": "Até 5 dias."})] {
        let refused = client.post(&path(&late), &body).await;
        assert_eq!((refused.status, code(&refused)), (StatusCode::CONFLICT, "reply_window_closed".into()));
        assert!(refused.text.contains("template"), "{}", refused.text);
    }
    let rejected = client.post(&path(&late), &json!({"outcome": "rejected"})).await;
    assert_eq!(rejected.status, StatusCode::OK);
    // An escalation that was right sends nothing.
    let store = app.app.store.as_ref();
    let mut escalated = Suggestions::get(store, &client.workspace, &late).await.unwrap().unwrap();
    escalated.answer.id = format!("{late}_escalated");
    escalated.answer.decision.action = Action::Escalate;
    Suggestions::insert(store, &escalated).await.unwrap();
    for (body, status) in [
        (json!({"outcome": "edited", "text": "Até 5 dias."}), StatusCode::CONFLICT),
        (json!({"outcome": "accepted"}), StatusCode::OK),
    ] {
        assert_eq!(client.post(&path(&escalated.answer.id), &body).await.status, status, "{body}");
    }
    let in_time = json!({"outcome": "accepted", "sent_at": now - chrono::TimeDelta::hours(2)});
    assert_eq!(client.post(&path(&late), &in_time).await.status, StatusCode::OK);
    // The customer has written again: the window is open.
    ask("m-2", 1).await;
    assert_eq!(client.post(&path(&late), &json!({"outcome": "accepted"})).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_draft_that_is_accepted_in_the_console_was_sent_also_where_a_person_takes_over() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let drafted = id(&client.ask("Qual é o prazo de entrega normal?").await);
    let store = app.app.store.as_ref();
    let mut escalated = Suggestions::get(store, &client.workspace, &drafted).await.unwrap().unwrap();
    escalated.answer.id = format!("{drafted}_escalated");
    escalated.answer.decision.action = Action::Escalate;
    Suggestions::insert(store, &escalated).await.unwrap();
    let text = escalated.answer.drafts[0].text.as_str();
    for (id, outcome, stored) in [
        (&drafted, FeedbackOutcome::Accepted, None),
        (&escalated.answer.id, FeedbackOutcome::Edited, Some(text)),
    ] {
        let form: String = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("outcome", "accepted"), ("text", text)])
            .finish();
        let request = client
            .request(Method::POST, &format!("/console/suggestions/{id}/feedback"))
            .header("cookie", format!("ponto_key={}", client.secret))
            .header("content-type", "application/x-www-form-urlencoded");
        assert_eq!(read(request.body(form)).await.status, StatusCode::OK);
        let found = Suggestions::get(store, &client.workspace, id).await.unwrap().unwrap().feedback.unwrap();
        assert_eq!((found.outcome, found.text.as_deref()), (outcome, stored), "{id}");
        assert_eq!(found.edit_distance, Some(0), "{id}");
    }
}

#[tokio::test]
async fn an_answer_says_until_when_it_may_be_sent() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    client.with_delivery().await;
    for (channel, until) in [
        ("whatsapp", json!({"send_before": "2026-03-02T10:00:00Z"})),
        ("instagram", json!({"send_before": "2026-03-02T10:00:00Z"})),
        ("web_chat", json!(null)),
    ] {
        let message = json!({"id": "m-1", "role": "customer", "text": "Qual é o prazo de entrega normal?",
            "at": "2026-03-01T10:00:00Z"});
        let conversation = json!({"id": channel, "channel": channel, "messages": [message]});
        let answer = client.post("/v1/suggest", &json!({"conversation": conversation})).await.json();
        assert_eq!(answer["reply_window"], until, "{answer:#}");
    }
}

#[tokio::test]
async fn drafts_whose_verdicts_certify_are_marked_in_the_console() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let mut body = question("Qual é o prazo de entrega normal?");
    body["mode"] = json!("auto");
    let asked = id(&client.post("/v1/suggest", &body).await);
    let store = app.app.store.as_ref();
    let template = Suggestions::get(store, &client.workspace, &asked).await.unwrap().unwrap();
    let share = app.app.config.rollout.audit_share;
    let ids = |drawn: bool, many: usize| -> Vec<String> {
        let named = (0..).map(|number: u32| format!("sug_{}_{number}", client.workspace));
        named.filter(|id| audited(id, share) == drawn).take(many).collect()
    };
    let [drawn, of_draft_mode, escalated]: [String; 3] = ids(true, 3).try_into().unwrap();
    let other = ids(false, 1).remove(0);
    for stored in [&drawn, &of_draft_mode, &escalated, &other] {
        let mut made = template.clone();
        made.answer.id.clone_from(stored);
        made.conversation.id.clone_from(stored);
        if *stored == of_draft_mode {
            made.trace.decided.as_mut().unwrap().mode = Mode::Draft;
        }
        if *stored == escalated {
            made.answer.decision.action = Action::Escalate;
        }
        Suggestions::insert(store, &made).await.unwrap();
    }
    let page = async |path: &str| {
        let request = reqwest::Client::new().get(format!("{}/console/{path}", app.base_url));
        let cookie = format!("ponto_key={}; ponto_language=pt", client.secret);
        read(request.header("cookie", cookie).header("hx-request", "true")).await.text
    };
    let list = page("list").await;
    let marked: Vec<&str> = list
        .split("<a class=\"item\" id=\"item-")
        .skip(1)
        .filter(|item| item.contains("Sorteada ao acaso"))
        .filter_map(|item| item.split('"').next())
        .filter(|id| *id != asked)
        .collect();
    // A draft under the floor is an escalation, and one of the replies that are certified all the same.
    assert_eq!(marked, [&escalated, &drawn], "{list}");
    assert!(page(&format!("suggestions/{drawn}")).await.contains("Sorteada ao acaso"));
    assert!(!page(&format!("suggestions/{other}")).await.contains("Sorteada ao acaso"));
}

#[tokio::test]
async fn a_suggestion_is_explained_in_the_agents_language() {
    let client = TestApp::shared().await.workspace().await;
    client.with_delivery().await;
    let made = id(&client.ask("Qual é o prazo de entrega normal?").await);
    let path = format!("/v1/suggestions/{made}/explanation");
    let english = client.get(&path).await.json();
    assert_eq!((&english["id"], &english["action"]), (&json!(made), &json!("draft")));
    assert_eq!(english["reasons"][0]["code"], "not_certified");
    let otherwise = &english["otherwise"][0];
    assert_eq!(otherwise["action"], "auto_reply", "{english}");
    assert!(english["text"].as_str().unwrap().starts_with("An agent was shown a draft."), "{english}");
    let italian = client.get(&format!("{path}?language=it")).await.json();
    assert!(
        italian["text"].as_str().unwrap().starts_with("Un operatore ha ricevuto una bozza."),
        "{italian}"
    );
    assert_eq!(code(&client.get(&format!("{path}?language=de")).await), "invalid_parameter");
    assert_eq!(client.get("/v1/suggestions/sug_none/explanation").await.status, StatusCode::NOT_FOUND);
}
