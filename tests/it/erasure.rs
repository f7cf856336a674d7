//! What customers wrote is deleted on request and by its age, for good.

use std::path::Path;
use std::process::{Command, Output};

use chrono::TimeDelta;
use ponto::conversation::Role;
use ponto::decision::Action;
use ponto::store::erasure::{Erased, Whose};
use ponto::store::sqlite::SqliteStore;
use ponto::store::suggestion::{AuditDraw, FeedbackOutcome, Suggestion, Which};
use ponto::store::{Claim, Erasure, Store, Suggestions};
use reqwest::StatusCode;
use serde_json::json;

use crate::store::{at, feedback, page, stores, suggestion, workspace};
use crate::support::app::TestApp;

/// Words that are looked for in the files of the database.
const SECRET: &str = "o meu vizinho chama-se Anacleto Xanfrado";

fn of(workspace: &str, id: &str, conversation: &str, customer: &str) -> Suggestion {
    let mut made = suggestion(workspace, id, id, Action::AutoReply);
    made.conversation.id = conversation.into();
    if let Some(own) = &mut made.conversation.customer {
        own.id = customer.into();
    }
    made.trace.audit = Some(AuditDraw { share: 0.5, max_error: 0.02 });
    made
}

/// The same, from a call that said nothing of the customer.
fn nameless(mut made: Suggestion) -> Suggestion {
    made.conversation.customer = None;
    made
}

async fn left(store: &dyn Store, name: &str) -> Vec<String> {
    let listed = Suggestions::list(store, &workspace(name), Which::default(), page(None, 99)).await.unwrap();
    listed.items.into_iter().map(|one| one.id).rev().collect()
}

#[tokio::test]
async fn what_is_erased_takes_everything_along_but_verdicts() {
    for (kind, store, _folder) in stores().await {
        let (store, a) = (store.as_ref(), workspace("a"));
        for made in [
            of("a", "s1", "c-1", "ana"),
            of("a", "s2", "c-1", "ana"),
            of("a", "s3", "c-2", "ana"),
            nameless(of("a", "s6", "c-2", "ana")),
            of("a", "s4", "c-3", "rui"),
            of("b", "s5", "c-1", "ana"),
        ] {
            Suggestions::insert(store, &made).await.unwrap();
        }
        assert!(store.feedback(&a, "s1", &feedback(FeedbackOutcome::Rejected)).await.unwrap());
        for (key, about) in [("k1", Some("s1")), ("k2", Some("s1")), ("k3", Some("s4")), ("other", None)] {
            store.begin(&a, key, "r", at(0)).await.unwrap();
            store.complete(&a, key, 200, "{}", about).await.unwrap();
        }
        store.begin(&a, "running", "r", at(0)).await.unwrap();

        let erased = store.erase(&a, Whose::Conversation("c-1")).await.unwrap();
        assert_eq!(erased, Erased { suggestions: 2, events: 3, answers: 2 }, "{kind}");
        assert_eq!(left(store, "a").await, ["s3", "s6", "s4"], "{kind}");
        assert_eq!(left(store, "b").await, ["s5"], "{kind}: another workspace's conversation of that id");
        assert!(Suggestions::get(store, &a, "s1").await.unwrap().is_none(), "{kind}");
        assert!(store.erase(&a, Whose::Conversation("c-1")).await.unwrap().is_nothing(), "{kind}: again");

        let erased = store.erase(&a, Whose::Customer("ana")).await.unwrap();
        let all = Erased { suggestions: 2, events: 2, answers: 0 };
        assert_eq!(erased, all, "{kind}: of her conversation, what did not name her too");
        assert_eq!(left(store, "a").await, ["s4"], "{kind}");
        let events = store.events(&a, 0, 99).await.unwrap();
        assert!(events.iter().all(|event| event.suggestion_id == "s4"), "{kind}: {events:?}");

        // What the rollout's test counts is still there, and nothing else.
        let audits = store.audits(&a, 0).await.unwrap();
        assert_eq!(audits.len(), 5, "{kind}");
        assert_eq!(audits[0].wrong, Some(true), "{kind}");
    }
}

#[tokio::test]
async fn an_answer_is_not_kept_once_its_suggestion_is_erased() {
    for (kind, store, _folder) in stores().await {
        let (store, a) = (store.as_ref(), workspace("a"));
        for made in [of("a", "s1", "c-1", "ana"), of("a", "s2", "c-2", "rui")] {
            Suggestions::insert(store, &made).await.unwrap();
        }
        for key in ["k1", "k2"] {
            assert_eq!(store.begin(&a, key, "r", at(0)).await.unwrap(), Claim::New, "{kind}");
        }
        // The suggestions are stored, and their answers not yet, when one conversation is erased.
        store.erase(&a, Whose::Conversation("c-1")).await.unwrap();
        for (key, about) in [("k1", "s1"), ("k2", "s2")] {
            store.complete(&a, key, 200, "what she wrote", Some(about)).await.unwrap();
        }
        assert_eq!(store.begin(&a, "k1", "r", at(1)).await.unwrap(), Claim::New, "{kind}");
        let kept = Claim::Done { status: 200, body: "what she wrote".into() };
        assert_eq!(store.begin(&a, "k2", "r", at(1)).await.unwrap(), kept, "{kind}");
    }
}

#[tokio::test]
async fn what_is_older_goes_in_every_workspace_and_what_is_newer_stays() {
    for (kind, store, _folder) in stores().await {
        let store = store.as_ref();
        let (a, b) = (workspace("a"), workspace("b"));
        for number in 0..210 {
            let mut made =
                of(if number % 2 == 0 { "a" } else { "b" }, &format!("s{number:03}"), "c-1", "ana");
            made.created_at = at(0) + TimeDelta::days(number);
            Suggestions::insert(store, &made).await.unwrap();
        }
        store.begin(&a, "old", "r", at(0)).await.unwrap();
        let before = at(0) + TimeDelta::days(206);
        let erased = store.expire(before).await.unwrap();
        assert_eq!(erased, Erased { suggestions: 206, events: 206, answers: 1 }, "{kind}");
        assert_eq!(
            [left(store, "a").await, left(store, "b").await].concat(),
            ["s206", "s208", "s207", "s209"],
            "{kind}"
        );
        assert_eq!(store.audits(&b, 0).await.unwrap().len(), 105, "{kind}");
        assert!(store.expire(before).await.unwrap().is_nothing(), "{kind}: again");
    }
}

/// Everything that lies in a folder.
fn bytes(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
}

fn holds(folder: &Path) -> bool {
    bytes(folder).windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

async fn with_secret(folder: &Path) -> SqliteStore {
    let store = SqliteStore::open(&folder.join("ponto.db")).await.unwrap();
    for number in 0..40 {
        let mut made = of("default", &format!("s{number}"), &format!("c-{number}"), "ana");
        // Long enough to take pages of its own.
        let long = format!("{SECRET}. ").repeat(if number % 2 == 0 { 1 } else { 300 });
        for message in made.conversation.messages.iter_mut().filter(|message| message.role == Role::Customer)
        {
            message.text.clone_from(&long);
        }
        Suggestions::insert(&store, &made).await.unwrap();
        let mut verdict = feedback(FeedbackOutcome::Edited);
        verdict.text = Some(long);
        store.feedback(&workspace("default"), &format!("s{number}"), &verdict).await.unwrap();
        verdict.text = None;
        store.feedback(&workspace("default"), &format!("s{number}"), &verdict).await.unwrap();
    }
    store
}

#[tokio::test]
async fn nothing_of_it_is_left_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_secret(folder.path()).await;
    assert!(holds(folder.path()));
    store.erase(&workspace("default"), Whose::Customer("ana")).await.unwrap();
    assert!(!holds(folder.path()), "erased on request");

    let folder = tempfile::tempdir().unwrap();
    let store = with_secret(folder.path()).await;
    store.expire(at(3)).await.unwrap();
    assert!(!holds(folder.path()), "too old");
}

fn erase(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ponto"))
        .current_dir(folder)
        .args(["erase", "--json", "--data-dir", "."])
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[tokio::test]
async fn the_command_erases_what_is_named_once_it_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    // The server goes on beside it.
    let _store = with_secret(folder.path()).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for wrong in [&[][..], &["--conversation", "c-1", "--customer", "ana", "--yes"]] {
        assert!(!erase(folder.path(), wrong).status.success());
    }
    let unasked = erase(folder.path(), &["--customer", "ana"]);
    assert!(
        !unasked.status.success() && text(&unasked.stderr).contains("--yes"),
        "{}",
        text(&unasked.stderr)
    );
    let one = erase(folder.path(), &["--conversation", "c-1", "--yes"]);
    assert!(one.status.success(), "{}", text(&one.stderr));
    let told: serde_json::Value = serde_json::from_slice(&one.stdout).unwrap();
    assert_eq!(told, json!({"suggestions": 1, "events": 3, "answers": 0}));
    assert!(holds(folder.path()), "other conversations stay");
    assert!(erase(folder.path(), &["--customer", "ana", "--yes"]).status.success());
    assert!(!holds(folder.path()));
    let nothing = erase(folder.path(), &["--customer", "ana", "--yes"]);
    assert!(nothing.status.success() && text(&nothing.stderr).contains("nothing is stored"));
}

#[tokio::test]
async fn an_administrator_erases_over_the_api() {
    let app = TestApp::shared().await;
    let hub = app.workspace().await;
    let admin = app.key(&hub.workspace, &[ponto::store::Scope::Admin]).await;
    let other = app.workspace().await;
    other.ask("Qual é o prazo?").await;
    let body = crate::support::app::question("Qual é o prazo?");
    let first = hub.post_once("/v1/suggest", "erased-key", &body).await.json();
    let path = format!("/v1/suggestions/{}/feedback", first["id"].as_str().unwrap());
    let verdict = hub.post_once(&path, "erased-verdict", &json!({"outcome": "rejected"})).await;
    assert_eq!(verdict.status, StatusCode::OK, "{}", verdict.text);
    hub.ask("E o frete?").await;
    for path in ["/v1/conversations/c-1", "/v1/customers/u-9"] {
        assert_eq!(hub.delete(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let erased = admin.delete("/v1/conversations/c-1").await;
    assert_eq!(
        (erased.status, erased.json()),
        (StatusCode::OK, json!({"suggestions": 2, "events": 3, "answers": 2}))
    );
    let gone = hub.get(&format!("/v1/suggestions/{}", first["id"].as_str().unwrap())).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let again = admin.delete("/v1/customers/u-9").await;
    assert_eq!(
        (again.status, again.json()),
        (StatusCode::OK, json!({"suggestions": 0, "events": 0, "answers": 0}))
    );
    assert_eq!(other.get("/v1/suggestions").await.json()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_deletes_what_is_too_old_when_it_starts() {
    let start = || {
        let app = TestApp::start(|config| {
            let database = config.server.database();
            config.store.keep_days = std::num::NonZeroU32::new(30);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let store = SqliteStore::open(&database).await.unwrap();
                let mut old = of("default", "s_old", "c-1", "ana");
                old.created_at = "2026-01-01T00:00:00Z".parse().unwrap();
                Suggestions::insert(&store, &old).await.unwrap();
                let mut new = of("default", "s_new", "c-2", "ana");
                new.created_at = "2999-01-01T00:00:00Z".parse().unwrap();
                Suggestions::insert(&store, &new).await.unwrap();
                store.close().await;
            });
        });
        for _ in 0..200 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            if runtime.block_on(left(app.app.store.as_ref(), "default")) == ["s_new"] {
                return true;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        false
    };
    assert!(tokio::task::spawn_blocking(start).await.unwrap(), "the old one is still there");
}
