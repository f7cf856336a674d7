//! The HTTP API as its callers meet it.

use serde_json::Value;

use crate::support::app::Answered;

mod callers;
mod events;
mod idempotency;
mod knowledge;
mod rollout;
mod service;
mod suggest;
mod suggestions;

const ROUTES_WITHOUT_KEY: [&str; 5] = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"];

fn id(answered: &Answered) -> String {
    answered.json()["id"].as_str().unwrap_or_else(|| panic!("no id: {}", answered.text)).to_owned()
}

fn code(answered: &Answered) -> String {
    answered.json()["code"].as_str().unwrap_or_default().to_owned()
}

#[derive(Debug)]
struct SseEvent {
    name: String,
    id: String,
    data: Value,
}

/// Server-sent events of a text; comments are left out.
fn events(text: &str) -> Vec<SseEvent> {
    text.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                block.lines().find_map(|line| line.strip_prefix(&prefix)).map(ToOwned::to_owned)
            };
            let data = serde_json::from_str(&field("data")?).expect("data is JSON");
            Some(SseEvent {
                name: field("event").unwrap_or_default(),
                id: field("id").unwrap_or_default(),
                data,
            })
        })
        .collect()
}
