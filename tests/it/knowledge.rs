//! Documents in, through kills, on the real store and the real embedded index.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ponto::conversation::{Labels, Language, WorkspaceId};
use ponto::inference::{Embedder, Purpose};
use ponto::knowledge::{Format, NewDocument};
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::index::{IndexQuery, PassageIndex, Selection};
use ponto::store::Documents;
use ponto::store::sqlite::SqliteStore;
use serde_json::Value;

use crate::support;
use crate::support::embedder::HashEmbedder;
use crate::support::library::Parts;

/// Passages that are sent to the index at once.
const BATCH: usize = 8;

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

fn document(number: usize, version: usize) -> NewDocument {
    let body: String =
        ["Delivery", "Returns", "Payment"].map(|heading| section(heading, number, version)).concat();
    NewDocument {
        source: format!("kb/{number}.md"),
        title: Some(format!("Document {number}")),
        url: None,
        language: Some(Language::En),
        audience: None,
        labels: Labels::default(),
        format: Format::Markdown,
        content: body,
    }
}

fn section(heading: &str, number: usize, version: usize) -> String {
    // The first section stays the same from version to version.
    let version = if heading == "Delivery" { 0 } else { version };
    format!("## {heading}\n\nWhat document{number} says of {heading} in edition{version}.\n\n")
}

/// The version that a stored text is, which must be one of them as a whole.
fn version(number: usize, text: &str) -> usize {
    let last = text.rsplit("edition").next().unwrap_or_default();
    let version = last.trim_matches(['.', '\n']).parse().unwrap_or_default();
    assert_eq!(text, document(number, version).content, "document {number} is not a whole version");
    version
}

/// The part of the kill test that is killed: puts documents for ever, saying after each that it is done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the kill test"]
async fn child_that_puts_documents() {
    let Some(folder) = std::env::var_os("PONTO_TEST_FOLDER").map(PathBuf::from) else { return };
    let parts = Parts::open(&folder, BATCH).await;
    parts.library.repair().await.unwrap();
    for number in (0..DOCUMENTS).cycle() {
        let known = parts.store.by_source(&shop(), &format!("kb/{number}.md")).await.unwrap();
        let next = known.map_or(0, |document| version(number, &document.text)) + 1;
        let put = parts.library.put(&shop(), document(number, next)).await.unwrap();
        println!("\nacknowledged {number} {next} {}", put.document.id);
        if deleted(number) {
            assert!(parts.library.delete(&shop(), &put.document.id).await.unwrap());
            println!("\nacknowledged {number} 0 {}", put.document.id);
        }
    }
}

const DOCUMENTS: usize = 10;

/// Some documents are deleted right after they were put.
fn deleted(number: usize) -> bool {
    number % 5 == 4
}

/// Runs the child until it has acknowledged so much, kills it a little later, and returns what it acknowledged.
fn run_and_kill(folder: &Path, after: usize, later: Duration) -> Vec<(usize, usize, String)> {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "--nocapture", "knowledge::child_that_puts_documents"])
        .env("PONTO_TEST_FOLDER", folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let said = lines.by_ref().filter_map(|line| {
        let mut words = line.strip_prefix("acknowledged ")?.split(' ');
        let number: usize = words.next()?.parse().ok()?;
        let version: usize = words.next()?.parse().ok()?;
        Some((number, version, words.next()?.to_owned()))
    });
    let mut said = said.fuse();
    let mut acknowledged: Vec<_> = said.by_ref().take(after).collect();
    std::thread::sleep(later);
    child.kill().expect("it can be killed");
    child.wait().expect("it is dead");
    acknowledged.extend(said);
    acknowledged
}

/// Kills a process that puts, changes and deletes documents, at moments of all kinds. What it had acknowledged is there
/// afterwards, as it was or newer; and after a repair, store and index hold the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut interrupted = 0;
    for kill in 0..15_u64 {
        // The first ones while it opens, the others some way into the work.
        let (after, later) = if kill < 3 { (0, 40 * kill) } else { (kill as usize, kill * 13 % 37) };
        for (number, version, id) in run_and_kill(folder.path(), after, Duration::from_millis(later)) {
            acknowledged.insert(number, (version, id));
        }
        let parts = Parts::open(folder.path(), BATCH).await;
        let (indexed, stored) = parts.ids().await;
        interrupted += usize::from(indexed != stored);
        for (number, (acknowledged, id)) in &acknowledged {
            let Some(found) = Documents::get(&*parts.store, &shop(), id).await.unwrap() else {
                // Its deletion was acknowledged, or was under way.
                assert!(deleted(*number), "kill {kill}: document {number} is lost");
                continue;
            };
            let found = version(*number, &found.text);
            assert!(found >= *acknowledged, "kill {kill}: document {number} is back at version {found}");
            if found == *acknowledged {
                let passages = parts.store.passages(&shop(), id).await.unwrap();
                assert!(
                    passages.iter().all(|passage| indexed.contains(&passage.id)),
                    "kill {kill}: document {number} was acknowledged and is not in the index"
                );
            }
        }
        parts.library.repair().await.unwrap();
        let (indexed, stored) = parts.ids().await;
        assert_eq!(indexed, stored, "kill {kill}: store and index differ after a repair");
    }
    assert_eq!(acknowledged.len(), DOCUMENTS, "the kills came too early to say anything");
    println!("{interrupted} of 15 kills left work to repair");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_document_is_found_by_its_new_words_alone() {
    let folder = tempfile::tempdir().unwrap();
    let parts = Parts::open(folder.path(), BATCH).await;
    parts.library.put(&shop(), document(1, 1)).await.unwrap();
    parts.library.put(&shop(), document(1, 2)).await.unwrap();
    let found = async |words: &str| {
        let dense = HashEmbedder::new().embed(vec![words.into()], Purpose::Query).await.unwrap().remove(0);
        let query = IndexQuery {
            text: words.into(),
            language: Some(Language::En),
            only: None,
            dense,
            limit: 10,
            selection: Selection::default(),
        };
        let hits = parts.index.search(&shop(), query).await.unwrap();
        hits.sparse.into_iter().map(|(passage, _)| passage.text).collect::<Vec<_>>()
    };
    assert_eq!(found("edition1").await, Vec::<String>::new());
    assert_eq!(found("edition2").await.len(), 2);
    assert_eq!(found("edition0").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_index_is_filled_again_from_the_store() {
    let folder = tempfile::tempdir().unwrap();
    {
        let parts = Parts::open(folder.path(), BATCH).await;
        for number in 0..20 {
            parts.library.put(&shop(), document(number, 1)).await.unwrap();
        }
    }
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let parts = Parts::open(folder.path(), BATCH).await;
    let report = parts.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent, report.removed), (60, 60, 0));
    let (indexed, stored) = parts.ids().await;
    assert_eq!(indexed, stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passages_that_the_store_does_not_know_leave_the_index() {
    let folder = tempfile::tempdir().unwrap();
    {
        let parts = Parts::open(folder.path(), BATCH).await;
        parts.library.put(&shop(), document(1, 1)).await.unwrap();
        parts.library.put(&WorkspaceId("bank".into()), document(2, 1)).await.unwrap();
        parts.store.close().await;
    }
    // The database is lost, the index is not.
    for file in ["ponto.db", "ponto.db-wal", "ponto.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let parts = Parts::open(folder.path(), BATCH).await;
    let report = parts.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent, report.removed), (0, 0, 6));
    assert_eq!(parts.ids().await, (BTreeSet::new(), BTreeSet::new()));
}

/// The real binary, on its real embedder.
fn ponto(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ponto"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .env("PONTO__KNOWLEDGE__BATCH", "4")
        .env("PONTO__LOG__LEVEL", "error")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A command's exit code, its JSON and its messages.
fn finished(child: Child) -> (Option<i32>, Value, String) {
    let output = child.wait_with_output().expect("it ends");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn ingest(data: &Path, knowledge: &Path) -> (Option<i32>, Value, String) {
    let folder = knowledge.to_string_lossy();
    finished(ponto(data, &["ingest", &folder, "--prune", "--json"]).spawn().expect("it starts"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ingest_that_is_killed_again_and_again_ends_whole() {
    support::models::files("multilingual-e5-small").await;
    let folder = tempfile::tempdir().unwrap();
    let (data, knowledge) = (folder.path().join("data"), folder.path().join("kb"));
    std::fs::create_dir(&knowledge).unwrap();
    for number in 0..40 {
        let text = format!("# Article {number}\n\nParcel {number} travels for {number} days.\n");
        std::fs::write(knowledge.join(format!("{number:02}.md")), text).unwrap();
    }
    let mut stored = 0;
    for kill in 0..5_u64 {
        let path = knowledge.to_string_lossy();
        let mut child = ponto(&data, &["ingest", &path]).spawn().unwrap();
        // Loading the model takes about a second; then there is a batch of four every so often.
        tokio::time::sleep(Duration::from_millis(300 + 500 * kill)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        if data.join("ponto.db").is_file() {
            let store = SqliteStore::open(&data.join("ponto.db")).await.unwrap();
            let now = store.sources(&WorkspaceId("default".into()), "").await.unwrap().len();
            assert!(now >= stored, "kill {kill}: {stored} documents were stored, {now} are left");
            stored = now;
            store.close().await;
        }
    }
    // A document goes and another changes before it runs to its end.
    std::fs::remove_file(knowledge.join("00.md")).unwrap();
    std::fs::write(knowledge.join("01.md"), "# Article 1\n\nAnother text.\n").unwrap();
    let (code, report, messages) = ingest(&data, &knowledge);
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(report["failed"], serde_json::json!([]), "{report}");

    let (code, report, messages) = ingest(&data, &knowledge);
    assert_eq!(code, Some(0), "{messages}");
    let counts = ["added", "changed", "unchanged", "removed", "passages"].map(|name| report[name].as_u64());
    assert_eq!(counts, [Some(0), Some(0), Some(39), Some(0), Some(0)], "{report}");

    let store = SqliteStore::open(&data.join("ponto.db")).await.unwrap();
    let embedder = support::models::embedder().await;
    let info = embedder.info();
    assert_eq!(store.not_indexed(&info.fingerprint, 1).await.unwrap(), []);
    let index = EdgeIndex::open(&data.join("index"), info.dimensions, &info.fingerprint).unwrap();
    let mut indexed = index.passage_ids().await.unwrap();
    indexed.sort();
    assert_eq!(indexed, store.passage_ids().await.unwrap());
    assert_eq!(indexed.len(), 39);

    // While somebody has the index open, the command says who and what to do.
    let (code, _, messages) = ingest(&data, &knowledge);
    assert_eq!(code, Some(1));
    assert!(messages.contains("POST /v1/knowledge/documents"), "{messages}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_ingest_says_how_to_go_on() {
    support::models::files("multilingual-e5-small").await;
    let folder = tempfile::tempdir().unwrap();
    let (data, knowledge) = (folder.path().join("data"), folder.path().join("kb"));
    std::fs::create_dir(&knowledge).unwrap();
    for number in 0..400 {
        std::fs::write(knowledge.join(format!("{number}.txt")), format!("Parcel {number}.")).unwrap();
    }
    let path = knowledge.to_string_lossy();
    let child = ponto(&data, &["ingest", &path, "--json"]).spawn().unwrap();
    while !data.join("ponto.db").is_file()
        || SqliteStore::open(&data.join("ponto.db")).await.unwrap().passage_ids().await.unwrap().is_empty()
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let (code, report, messages) = finished(child);
    assert_eq!(code, Some(130), "{messages}");
    assert!(messages.contains("run the same command again"), "{messages}");
    assert_eq!(report["stopped"], true, "{report}");
    let added = report["added"].as_u64().unwrap();
    assert!(added < 400, "{report}");
    assert_eq!(report["passages"].as_u64(), Some(added), "what was read was indexed: {report}");
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let data = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| finished(ponto(data.path(), arguments).spawn().unwrap());
    let (code, made, _) = run(&[
        "keys",
        "create",
        "--name",
        "console",
        "--scope",
        "suggest,feedback",
        "--scope",
        "suggest",
        "--json",
    ]);
    assert_eq!(code, Some(0));
    assert_eq!(
        (&made["workspace"], &made["scopes"]),
        (&"default".into(), &serde_json::json!(["suggest", "feedback"]))
    );
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("ponto_"));
    let (_, listed, _) = run(&["keys", "list", "--json"]);
    assert_eq!(listed["items"][0]["id"], made["id"]);
    assert!(!listed.to_string().contains(secret));
    for entry in std::fs::read_dir(data.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the secret is on disk");
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(run(&["keys", "revoke", id]).0, Some(0));
    assert!(run(&["keys", "list", "--json"]).1["items"][0]["revoked_at"].is_string());
    let (code, _, messages) = run(&["keys", "revoke", "key_x"]);
    assert_eq!(code, Some(1));
    assert!(messages.contains("keys list"), "{messages}");
    assert_eq!(run(&["keys", "create", "--name", "x", "--scope", "everything"]).0, Some(2));
}
