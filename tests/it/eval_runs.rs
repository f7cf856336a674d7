//! What is done with runs, through the binary: compared, gated, repeated, imported, replayed.

use std::path::Path;
use std::sync::Arc;

use ponto::app::App;
use ponto::conversation::{Channel, Conversation, Message, Role, WorkspaceId};
use ponto::decision::Mode;
use ponto::inference::models::Silent;
use ponto::knowledge::{IngestRequest, Silent as NoProgress};
use serde_json::{Value, json};

use crate::eval::{json_of, ponto, small_set, stderr, write};
use crate::support::app::config;

#[test]
fn two_runs_are_compared_and_held_against_a_baseline() {
    let folder = tempfile::tempdir().unwrap();
    small_set(folder.path());
    json_of(&ponto(folder.path(), &["eval", "run", ".", "--json", "--out", "good"]));
    // One search without the other, on one candidate: the same questions, found worse.
    std::fs::write(
        folder.path().join("worse.toml"),
        "[retrieval]\ndense_weight = 0.0\nsparse_weight = 1.0\ntop_k = 1\nprefetch = 1\n",
    )
    .unwrap();
    json_of(&ponto(
        folder.path(),
        &["eval", "run", ".", "--json", "--out", "other", "--config", "worse.toml"],
    ));
    let same = json_of(&ponto(folder.path(), &["eval", "compare", "good", "good/report.json", "--json"]));
    assert_eq!(same["paired"], 5);
    let rows = same["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["verdict"] == "cannot_tell" && row["difference"]["value"] == 0.0));
    assert!(
        rows.iter()
            .any(|row| row["slice"] == "pt" && row["metric"] == "hit@1" && row["mcnemar"]["p_value"] == 1.0)
    );
    let compared = ponto(folder.path(), &["eval", "compare", "good", "other", "--out", "both"]);
    assert!(matches!(compared.status.code(), Some(0 | 3)), "{}", stderr(&compared));
    let page = std::fs::read_to_string(folder.path().join("both/compare.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("hit@5") && !page.contains("<script"));

    let baseline = ["eval", "gate", "--baseline", "baselines/small.json"];
    let missing = ponto(folder.path(), &baseline);
    assert_eq!(missing.status.code(), Some(1));
    assert!(ponto(folder.path(), &[&baseline[..], &[".", "--write"]].concat()).status.success());
    let passed = json_of(&ponto(folder.path(), &[&baseline[..], &["--json"]].concat()));
    assert_eq!((&passed["passed"], &passed["checked"][0]["n"]), (&json!(true), &json!(5)));
    // The baseline asks for more than the set gives: every way of asking says so, and names the figure.
    let path = folder.path().join("baselines/small.json");
    let mut file: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let figure = &mut file["entries"][0]["summary"]["by_language"]["pt"]["metrics"]["mrr"];
    *figure = json!({"value": 1.2, "low": 1.1, "high": 1.3});
    std::fs::write(&path, file.to_string()).unwrap();
    for sets in [&[][..], &["."], &["good"], &["good/report.json"]] {
        let failed = ponto(folder.path(), &[&baseline[..], sets].concat());
        assert_eq!(failed.status.code(), Some(3), "{sets:?} {}", stderr(&failed));
        let said = String::from_utf8_lossy(&failed.stdout).into_owned();
        assert!(said.contains("retrieval, pt: mrr is worse") && said.contains("failed"), "{said}");
    }
    let unknown = ponto(folder.path(), &[&baseline[..], &["elsewhere"]].concat());
    assert!(stderr(&unknown).contains("--write"), "{}", stderr(&unknown));
}

/// A shop with two documents, and four conversations.
pub(crate) fn small_suite(folder: &Path) {
    std::fs::create_dir_all(folder.join("knowledge/en")).unwrap();
    std::fs::write(
        folder.join("knowledge/en/delivery.md"),
        "# Delivery\n\nStandard delivery takes 4 business days and costs £4.90.\n\n## Sundays\n\nWe do not deliver on Sundays.\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("knowledge/en/guarantee.md"),
        "# Guarantee\n\nKettles have a guarantee of two years. Keep the receipt.\n",
    )
    .unwrap();
    std::fs::write(
        folder.join("suite.toml"),
        "name = \"small\"\nkind = \"assistant\"\nknowledge = \"knowledge\"\nquestions = [\"questions.jsonl\"]\ntexts_in_report = true\n",
    )
    .unwrap();
    let asked = |id: &str, text: &str| json!({"id": id, "lang": "en", "channel": "web_chat", "messages": [{"role": "customer", "text": text}]});
    let with = |mut row: Value, more: Value| {
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        row
    };
    let answer = |facts: Value, relevant: &str| json!({"expected": "answer", "answerable": true, "facts": facts, "relevant": [relevant]});
    write(
        folder,
        "questions.jsonl",
        &[
            with(
                asked("q1", "How long does standard delivery take?"),
                answer(json!([["4 business days"]]), "en/delivery"),
            ),
            with(
                asked("q2", "How long is the guarantee on kettles?"),
                answer(json!([["two years"]]), "en/guarantee"),
            ),
            with(
                asked("q3", "I want to talk to a human, please"),
                json!({"expected": "escalate", "answerable": false, "why": "asks_for_human"}),
            ),
            with(
                asked("q4", "Who is the president of the chess club?"),
                json!({"expected": "escalate", "answerable": false, "why": "not_in_knowledge"}),
            ),
        ],
    );
}

/// Takes out what tells the time.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !name.starts_with("latency_"));
            fields.values_mut().for_each(strip);
        }
        Value::Array(values) => {
            // A table's row begins with its metric.
            values.retain(|value| !value[0].as_str().is_some_and(|name| name.starts_with("latency_")));
            values.iter_mut().for_each(strip);
        }
        _ => {}
    }
}

/// A file without what tells the time.
pub(crate) fn timeless(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    if path.extension().is_some_and(|ending| ending == "jsonl") {
        let rows = text.lines().map(|line| {
            let mut row: Value = serde_json::from_str(line).unwrap();
            row["measures"].as_object_mut().unwrap().retain(|name, _| name != "latency_ms");
            row.to_string() + "\n"
        });
        return rows.collect();
    }
    let mut report: Value = serde_json::from_str(&text).unwrap();
    strip(&mut report);
    report.to_string()
}

#[test]
fn a_run_of_the_assistant_is_the_same_again_apart_from_timings() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let run = |out: &str, more: &[&str]| {
        let fixed = ["eval", "run", ".", "--backend", "extractive", "--json", "--out", out];
        json_of(&ponto(folder.path(), &[&fixed[..], more].concat()))
    };
    let first = run("first", &["--jobs", "4"]);
    assert_eq!((&first["task"], &first["kind"]), (&json!("assistant"), &json!("assistant")));
    let metrics = &first["all"]["metrics"];
    assert!(metrics["latency_p50_ms"]["value"].as_f64().unwrap() > 0.0, "{metrics}");
    assert_eq!(metrics["missed_escalations"]["value"], 0.0, "{metrics}");
    assert_eq!(metrics["escalations_with_evidence"]["value"], 1.0, "{metrics}");
    assert_eq!(metrics["acceptable_drafts"]["value"], 1.0, "{metrics}");
    assert_eq!(metrics["citation_recall"]["value"], 1.0, "{metrics}");
    assert_eq!(metrics["sentences_grounded"]["value"], 1.0, "{metrics}");
    run("second", &["--jobs", "1"]);
    for name in ["report.json", "cases.jsonl"] {
        let [one, two] = ["first", "second"].map(|run| timeless(&folder.path().join(run).join(name)));
        assert_eq!(one, two, "{name}");
    }
    let page = std::fs::read_to_string(folder.path().join("first/report.html")).unwrap();
    assert!(page.contains("missed_escalations") && !page.contains("<script"));

    let decisions = run("decisions", &["--task", "decisions", "--repeat", "2"]);
    let metrics = &decisions["all"]["metrics"];
    assert!(metrics.get("acceptable_drafts").is_none() && metrics.get("wrong_auto").is_none(), "{metrics}");
    assert_eq!(metrics["needless_escalations"]["value"], 0.0);
    assert_eq!(
        (&metrics["pass^1"]["value"], &metrics["pass^2"]["value"]),
        (&json!(1.0), &json!(1.0)),
        "{metrics}"
    );
    let handoff = json_of(&ponto(folder.path(), &["eval", "run", ".", "--task", "handoff", "--json"]));
    assert_eq!(handoff["all"]["metrics"]["recall"]["value"], 1.0);
}

#[test]
fn tests_of_other_tools_are_imported_and_run() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    std::fs::write(
        folder.path().join("promptfoo.yaml"),
        "tests:\n  - vars: {question: How long is the guarantee on kettles?}\n    assert:\n      - {type: icontains, value: two \
         years}\n      - {type: not-contains, value: three}\n      - {type: llm-rubric, value: kind}\n",
    )
    .unwrap();
    let arguments =
        ["eval", "import", "promptfoo.yaml", "--knowledge", "knowledge", "--out", "imported", "--json"];
    let told = json_of(&ponto(folder.path(), &arguments));
    assert_eq!((&told["rows"], &told["skipped"]["assert: llm-rubric"]), (&json!(1), &json!(1)));
    let again = ponto(folder.path(), &arguments);
    assert!(!again.status.success() && stderr(&again).contains("--out"), "{}", stderr(&again));
    let report =
        json_of(&ponto(folder.path(), &["eval", "run", "imported", "--backend", "extractive", "--json"]));
    let metrics = &report["all"]["metrics"];
    assert_eq!(metrics["acceptable_drafts"]["value"], 1.0, "{metrics}");
    assert!(metrics.get("document_hit@1").is_none(), "no document is named");
}

fn conversation(id: &str, text: &str) -> Conversation {
    Conversation::new(
        id,
        Channel::WebChat,
        vec![Message { id: format!("{id}-1"), role: Role::Customer, text: text.into(), at: None }],
    )
}

#[test]
fn stored_conversations_are_replayed_through_another_configuration() {
    let folder = tempfile::tempdir().unwrap();
    small_suite(folder.path());
    let data = folder.path().join("data");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The server goes on while its conversations are replayed.
    let _app = runtime.block_on(async {
        let app = App::build(config(&data), Arc::new(Silent)).await.unwrap();
        let workspace = WorkspaceId("default".into());
        let request = IngestRequest {
            patterns: vec![folder.path().join("knowledge").to_string_lossy().into_owned()],
            ..IngestRequest::default()
        };
        app.library.ingest(&workspace, request, &NoProgress).await.unwrap();
        for (id, text) in
            [("a", "How long does standard delivery take?"), ("b", "I want to talk to a human, please")]
        {
            let conversation = conversation(id, text);
            app.assistant
                .suggest(app.store.as_ref(), &workspace, &conversation, Mode::Draft, None)
                .await
                .unwrap();
        }
        app
    });
    let replay = |more: &[&str]| {
        let fixed = ["replay", "--since", "1d", "--data-dir", "data", "--backend", "extractive", "--json"];
        json_of(&ponto(folder.path(), &[&fixed[..], more].concat()))
    };
    let same = replay(&[]);
    assert_eq!(
        (&same["replayed"], &same["same"], &same["changes"]),
        (&json!(2), &json!(2), &json!([])),
        "{same}"
    );
    std::fs::write(
        folder.path().join("new.toml"),
        "[decision]\nrelevance_dense = 0.99\nrelevance_dense_min = 0.99\n",
    )
    .unwrap();
    let other = replay(&["--config", "new.toml"]);
    assert_eq!(other["actions"], json!({"draft → escalate": 1, "escalate → escalate": 1}), "{other}");
    assert_eq!(other["changes"][0]["after"]["reasons"][0], "nothing_relevant", "{other}");
    assert_eq!(other["changes"][0]["question"], "How long does standard delivery take?");

    let empty =
        ponto(folder.path(), &["replay", "--since", "1d", "--data-dir", "data", "--workspace", "other"]);
    assert!(stderr(&empty).contains("no suggestion since"), "{}", stderr(&empty));
    let nowhere = ponto(folder.path(), &["replay", "--since", "1d", "--data-dir", "nowhere"]);
    assert!(stderr(&nowhere).contains("--data-dir") && !folder.path().join("nowhere").exists());
}
