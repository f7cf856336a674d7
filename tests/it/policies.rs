//! Policies through the binary: checked, listed, tried on examples, and followed by a running server.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn ponto(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ponto")).current_dir(folder).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

const RULES: &str = "[[queues]]\nname = \"care\"\n[[rules]]\nname = \"money\"\nwhen.amount_over.value = 100\n\
                     then.escalate.queue = \"care\"\n";

fn folder(rules: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("policies/shop.toml"), rules).unwrap();
    folder
}

#[test]
fn the_demo_shops_examples_come_out_as_expected() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/demo");
    let tried = ponto(&demo, &["policy", "test", "policy-examples.toml", "--json"]);
    let report = json(&tried);
    assert_eq!(report["failed"], 0, "{report:#}");
    assert!(tried.status.success());
    assert_eq!(report["examples"], 6);
}

#[test]
fn an_example_that_comes_out_otherwise_fails_and_says_why() {
    let folder = folder(RULES);
    let examples = folder.path().join("examples.jsonl");
    let row = |name: &str, message: &str, expect: &str| {
        format!(
            "{{\"name\": \"{name}\", \"language\": \"en\", \"message\": \"{message}\", \"expect\": {expect}}}\n"
        )
    };
    let right = row("right", "I paid 200 euros", "{\"queue\": \"care\"}");
    let wrong = row("wrong", "I paid 20 euros", "{\"action\": \"escalate\", \"rules\": [\"money\"]}");
    std::fs::write(&examples, format!("{right}{wrong}")).unwrap();
    let tried = ponto(folder.path(), &["policy", "test", "examples.jsonl", "--json"]);
    assert_eq!(tried.status.code(), Some(1));
    let report = json(&tried);
    assert_eq!((&report["failed"], &report["items"][0]["passed"]), (&1.into(), &true.into()));
    assert_eq!(report["items"][1]["differs"], serde_json::json!(["action", "rules"]));
    let shown = text(&ponto(folder.path(), &["policy", "test", "examples.jsonl"]).stdout);
    assert!(
        shown.contains("FAIL") && shown.contains("expected \"escalate\", found \"auto_reply\""),
        "{shown}"
    );
    assert!(shown.contains("1 of 2 examples as expected"), "{shown}");

    std::fs::write(&examples, "{\"name\": \"x\", \"expect\": {\"acton\": \"draft\"}}\n").unwrap();
    let unread = ponto(folder.path(), &["policy", "test", "examples.jsonl"]);
    assert!(!unread.status.success());
    let error = text(&unread.stderr);
    assert!(error.contains("examples.jsonl, line 1") && error.contains("acton"), "{error}");
}

#[test]
fn policies_are_checked_listed_and_described() {
    let folder = folder(RULES);
    let checked = ponto(folder.path(), &["policy", "check"]);
    assert!(checked.status.success(), "{}", text(&checked.stderr));
    assert!(text(&checked.stdout).contains("1 rules and 1 queues"), "{}", text(&checked.stdout));
    let listed = json(&ponto(folder.path(), &["policy", "list", "--json"]));
    assert_eq!(listed["rules"][0]["name"], "money");
    let schema = json(&ponto(folder.path(), &["policy", "schema", "--json"]));
    for (name, part) in schema["$defs"].as_object().unwrap() {
        for (key, field) in part["properties"].as_object().into_iter().flatten() {
            assert!(field["description"].is_string(), "{name}.{key} has no description");
        }
    }
    std::fs::write(
        folder.path().join("policies/b.toml"),
        "[[rules]]\nname = 'x'\nwhen = {}\nthen.drafts = 1\n",
    )
    .unwrap();
    for command in ["check", "list"] {
        let refused = ponto(folder.path(), &["policy", command]);
        assert_eq!(refused.status.code(), Some(1));
        let error = text(&refused.stderr);
        assert!(error.contains("b.toml: rule `x`: then") && error.contains("drafts"), "{error}");
    }
    let elsewhere = ponto(folder.path(), &["policy", "check", "--folder", "absent"]);
    assert!(text(&elsewhere.stderr).contains("there is no folder absent"), "{}", text(&elsewhere.stderr));
}
