//! Nothing that identifies a customer reaches a hosted model, and the reply that comes back names it all the same; and
//! nothing of it stands in what is stored but where it has to.

use ponto::explanation::replays;
use ponto::personal_data::StoredText;
use ponto::store::Suggestions;
use serde_json::{Value, json};

use crate::support::app::{Client, TestApp};
use crate::support::faults::{Fault, FaultyServer};

const CPF: &str = "529.982.247-25";
const EMAIL: &str = "ana.souza@mail.example.com";
const PHONE: &str = "+55 11 91234-5678";
const BIRTH: &str = "12/03/1985";

fn conversation(id: &str, last: &str) -> Value {
    let message = |number: usize, role: &str, text: String| json!({"id": format!("{id}-{number}"), "role": role, "text": text});
    json!({
        "id": id, "channel": "web_chat", "locale": "pt-BR",
        "customer": {"id": "u-1", "name": "Ana Souza"},
        "messages": [
            message(1, "customer", format!("Oi, sou a Ana Souza, CPF {CPF}, nascida em {BIRTH}.")),
            message(2, "agent", "Olá, Ana! Qual é o seu e-mail?".into()),
            message(3, "customer", format!("{EMAIL} ou {PHONE}. {last}")),
        ],
    })
}

/// Every prompt that the server was sent.
fn prompts(server: &FaultyServer) -> Vec<String> {
    (0..server.calls()).map(|call| server.request(call).1["messages"].to_string()).collect()
}

async fn app(server: &FaultyServer, masked: bool) -> TestApp {
    let base_url = server.base_url.clone();
    let start = move || {
        TestApp::start(|config| {
            config.inference.backends = vec![ponto::inference::BackendKind::Openai];
            config.inference.quote_first = false;
            config.openai.base_url = base_url;
            config.openai.model = "hosted".into();
            config.retrieval.rewrite = ponto::retrieval::Rewrite::Model;
            config.privacy.mask_hosted = masked;
        })
    };
    tokio::task::spawn_blocking(start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosted_model_reads_placeholders_and_the_reply_has_the_values() {
    let reply = Fault::reply(&[
        "Anotei o [cpf",
        "_1], a entrega",
        " leva 4 dias úteis, [NA",
        "ME_2], e escrevemos a EMAIL_1",
        ".",
    ]);
    let server = FaultyServer::start(vec![reply]).await;
    let app = app(&server, true).await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let ask =
        |last: &str| json!({"conversation": conversation(&last.len().to_string(), last), "mode": "draft"});
    let answered = client.post("/v1/suggest", &ask("Qual é o prazo de entrega normal?")).await.json();
    let drafted = answered["drafts"][0]["text"].as_str().unwrap();
    assert!(drafted.contains(CPF) && drafted.contains(EMAIL) && drafted.contains("Ana,"), "{drafted}");
    // A summary for the person who takes over is written by the model too.
    let handed = client.post("/v1/suggest", &ask("Quero falar com uma pessoa.")).await.json();
    assert_eq!(handed["decision"]["action"], "escalate", "{handed}");

    let prompts = prompts(&server);
    assert!(prompts.len() >= 3, "a query, a draft and a summary: {prompts:#?}");
    for prompt in &prompts {
        for value in [CPF, EMAIL, PHONE, BIRTH, "529982", "Souza", "Ana"] {
            assert!(!prompt.contains(value), "{value} in {prompt}");
        }
    }
    assert!(
        prompts.iter().all(|prompt| prompt.contains("[CPF_1]") && prompt.contains("[EMAIL_1]")),
        "{prompts:#?}"
    );
    drop(tokio::task::spawn_blocking(move || drop(app)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_may_read_everything() {
    let server = FaultyServer::start(vec![Fault::reply(&["A entrega leva 4 dias úteis."])]).await;
    let app = app(&server, false).await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let body = json!({"conversation": conversation("c", "Qual é o prazo de entrega?"), "mode": "draft"});
    client.post("/v1/suggest", &body).await.json();
    assert!(prompts(&server).iter().any(|prompt| prompt.contains(CPF)));
    drop(tokio::task::spawn_blocking(move || drop(app)).await);
}

/// What a customer says of themselves while asking for a person: the phrase that is heard holds it all.
async fn tell(client: &Client) -> Value {
    let mut body = json!({"conversation": conversation("c", "Quero falar com uma pessoa."), "mode": "auto"});
    body["conversation"]["customer"]["attributes"] = json!({"mail": EMAIL});
    client.post("/v1/suggest", &body).await.json()
}

fn told(text: &str) -> Vec<&'static str> {
    let values = [CPF, EMAIL, PHONE, BIRTH, "529982", "Souza"];
    values.into_iter().filter(|value| text.contains(value)).collect()
}

#[tokio::test]
async fn a_trace_holds_placeholders_and_the_decision_comes_out_of_it() {
    let app = TestApp::shared().await;
    let client = app.workspace().await;
    client.with_delivery().await;
    let answered = tell(&client).await;
    assert_eq!(answered["decision"]["action"], "escalate");
    let asked = client
        .post("/v1/suggest", &json!({"conversation": conversation("d", "Qual é o prazo de entrega normal?")}))
        .await
        .json();
    for answered in [&answered, &asked] {
        let id = answered["id"].as_str().unwrap();
        let stored = Suggestions::get(app.app.store.as_ref(), &client.workspace, id).await.unwrap().unwrap();
        let trace = serde_json::to_string(&stored.trace).unwrap();
        assert!(told(&trace).is_empty(), "{trace}");
        let decision = serde_json::to_string(&(&stored.answer.decision, &stored.answer.policy)).unwrap();
        assert!(told(&decision).is_empty(), "{decision}");
        assert!(trace.contains("[CPF_1]") || trace.contains("[EMAIL_1]"), "{trace}");
        assert_eq!(replays(&stored), Some(true));
        // Agents read the conversation as it was.
        assert!(stored.conversation.messages[0].text.contains(CPF));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_placeholders_holds_nothing_of_the_customer() {
    let start = || TestApp::start(|config| config.privacy.store = StoredText::Masked);
    let app = tokio::task::spawn_blocking(start).await.unwrap();
    let client = app.workspace().await;
    let answered = tell(&client).await;
    assert!(told(&answered.to_string()).contains(&EMAIL), "the hub's answer is whole: {answered}");
    let id = answered["id"].as_str().unwrap();
    let said =
        json!({"outcome": "edited", "text": format!("Anotei {CPF}."), "reason": format!("era {EMAIL}")});
    client.post(&format!("/v1/suggestions/{id}/feedback"), &said).await.json();
    let stored = client.get(&format!("/v1/suggestions/{id}")).await;
    assert!(told(&stored.text).is_empty(), "{}", stored.text);
    assert!(
        stored.text.contains("CPF [CPF_1]") && stored.text.contains("Anotei [CPF_1]."),
        "{}",
        stored.text
    );
    let listed = client.get("/v1/suggestions").await;
    assert!(told(&listed.text).is_empty(), "{}", listed.text);
    let stored = Suggestions::get(app.app.store.as_ref(), &client.workspace, id).await.unwrap().unwrap();
    assert_eq!(replays(&stored), Some(true));
    drop(tokio::task::spawn_blocking(move || drop(app)).await);
}
