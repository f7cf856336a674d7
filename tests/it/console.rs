//! The agents' page in a real Chromium, over the real binary serving the demo knowledge without a chat model.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::browser::Browser;

/// `ponto demo --backend extractive` on a free port; stopped on drop.
struct Demo {
    process: Child,
    api: String,
    key: String,
    _data: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_ponto"))
            .args(["demo", "--json", "--backend", "extractive", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(data.path())
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let ready: Value = serde_json::from_str(&ready).expect("one line of JSON once ready");
        let text =
            |name: &str| ready[name].as_str().unwrap_or_else(|| panic!("no {name} in {ready}")).to_owned();
        assert_eq!(text("console"), format!("{}/console", text("api")));
        Self { process, api: text("api"), key: text("key"), _data: data }
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request =
            reqwest::Client::new().request(method, format!("{}{path}", self.api)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.json().await.unwrap()
    }

    /// A customer writes; the suggestion's answer.
    async fn ask(&self, customer: &str, text: &str) -> Value {
        let body = json!({"conversation": {"id": format!("c-{customer}"), "channel": "web_chat", "locale": "en-GB",
            "customer": {"id": "u-1", "name": customer},
            "messages": [{"id": "m-1", "role": "customer", "text": text}]}, "mode": "draft"});
        self.call(reqwest::Method::POST, "/v1/suggest", Some(body)).await
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

fn id(answer: &Value) -> &str {
    answer["id"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_works_through_the_queue() {
    let Some(browser) = Browser::start().await else { return };
    let demo = Demo::start();

    // Signing in: a wrong key is refused, the right one opens the queue.
    browser.open(&format!("{}/console", demo.api)).await;
    browser.write("#key", "ponto_wrong").await;
    browser.click("main .primary").await;
    browser.wait_text("[role=alert]", "not known").await;
    browser.picture("login").await;
    browser.write("#key", &demo.key).await;
    browser.write("#name", "Rui").await;
    browser.click("main .primary").await;
    browser.wait_text("#live", "Live").await;

    // What customers write appears by itself.
    let delivery = demo.ask("Ana", "How long does standard delivery take in the United Kingdom?").await;
    browser.wait_text(&format!("#item-{}", id(&delivery)), "standard delivery").await;
    let warranty = demo.ask("Bruno", "How long is the warranty on a coffee machine?").await;
    let person = demo.ask("Carla", "I want to talk to a human being, please").await;
    assert_eq!(person["decision"]["action"], "escalate", "{person}");
    browser.wait(&format!("#item-{}", id(&person))).await;

    // A conversation with its draft; a source opens its passage with the quote marked.
    browser.click(&format!("#item-{}", id(&delivery))).await;
    browser.wait_text(".bubble.customer", "United Kingdom").await;
    let draft = browser.value("#text").await;
    assert_eq!(draft, delivery["drafts"][0]["text"].as_str().unwrap());
    browser.picture("draft-light").await;
    browser.click("details:has(.signals) summary").await;
    browser.run("document.querySelector('.reasons').scrollIntoView()").await;
    browser.picture("why").await;
    browser.run("document.querySelector('.head').scrollIntoView()").await;
    browser.press("1").await;
    let marked = browser.text("#passage mark").await;
    let quote = delivery["drafts"][0]["citations"][0]["quote"].as_str().unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&marked), words(quote));
    browser.picture("passage").await;
    browser.click("#passage button").await;

    // Edited by keyboard and accepted.
    browser.press("e").await;
    browser.write("#text", " Anything else?").await;
    browser.wait_text("#accept", "Accept edited").await;
    browser.click("#accept").await;
    browser.wait_text("#detail", "Verdict: Edited").await;
    let stored = demo.call(reqwest::Method::GET, &format!("/v1/suggestions/{}", id(&delivery)), None).await;
    assert_eq!(stored["feedback"]["outcome"], "edited");
    assert_eq!(stored["feedback"]["agent"], "Rui");
    assert_eq!(stored["feedback"]["edit_distance"], " Anything else?".len());

    // Rejected by keyboard, with a reason; it leaves the open queue.
    browser.open(&format!("{}/console/suggestions/{}", demo.api, id(&warranty))).await;
    browser.wait("#text").await;
    browser.press("r").await;
    browser.click("[data-reason='Wrong tone']").await;
    browser.click("#why .danger").await;
    browser.wait_text("#detail", "Verdict: Rejected").await;
    let stored = demo.call(reqwest::Method::GET, &format!("/v1/suggestions/{}", id(&warranty)), None).await;
    assert_eq!(stored["feedback"]["reason"], "Wrong tone");
    let gone = format!("#item-{}", id(&warranty));
    for _ in 0..100 {
        if !browser.exists(&gone).await {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert!(!browser.exists(&gone).await, "a judged draft is not open");

    // An escalation shows its summary and the message for the customer.
    browser.click(&format!("#item-{}", id(&person))).await;
    browser.wait_text(".handoff", person["handoff"]["holding_message"].as_str().unwrap()).await;
    browser.wait_text(".reasons", "asks for a person").await;
    browser.picture("escalation").await;
    browser.run("document.querySelector('.reasons').scrollIntoView()").await;
    browser.picture("escalation-why").await;

    // Dark, narrow, and in Portuguese.
    browser.open(&format!("{}/console/suggestions/{}", demo.api, id(&delivery))).await;
    browser.click("#theme").await;
    browser.picture("verdict-dark").await;
    let fresh = demo.ask("Davi", "Which payment methods do you accept?").await;
    browser.open(&format!("{}/console/suggestions/{}", demo.api, id(&fresh))).await;
    browser.wait("#text").await;
    browser.picture("draft-dark").await;
    browser.click(".languages form:first-child button").await;
    browser.wait_text(".tabs", "Abertas").await;
    browser.resize(420, 860).await;
    browser.open(&format!("{}/console/suggestions/{}", demo.api, id(&fresh))).await;
    browser.wait_text("#accept", "Aceitar").await;
    browser.picture("draft-narrow").await;
    // Why, in the agents' language, and what each signal adds.
    browser.wait_text(".reasons", "A chamada permitia no máximo um rascunho.").await;
    browser.click("details:has(.signals) summary").await;
    browser.wait_text(".signals", "Soma à confiança").await;
    browser.run("document.querySelector('.reasons').scrollIntoView()").await;
    browser.picture("why-narrow").await;
    let overflow = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
    assert!(overflow.as_i64().unwrap() <= 0, "the narrow page scrolls sideways by {overflow}");

    // Signed out, the page asks for the key again.
    browser.resize(1280, 860).await;
    browser.click(".bar form[action='/console/logout'] button").await;
    browser.wait("#key").await;
}
