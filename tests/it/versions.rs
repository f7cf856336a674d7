//! Knowledge that changes under its readers: one generation at a time, versions, and the way back, on the real store and
//! the real embedded index.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ponto::conversation::{Labels, Language, WorkspaceId};
use ponto::knowledge::{Format, IngestReport, IngestRequest, NewDocument, Silent};
use ponto::retrieval::index::PassageIndex;
use ponto::store::Documents;
use serde_json::Value;

use crate::support::library::Parts;

/// Documents of the shop; each has one passage that names its edition.
const DOCUMENTS: usize = 12;

/// Passages that are sent to the index at once: fewer than there are.
const BATCH: usize = 4;

async fn open(folder: &Path) -> Parts {
    let parts = Parts::open(folder, BATCH).await;
    parts.library.repair().await.expect("store and index are made equal");
    parts
}

impl Parts {
    /// What a search finds: editions and versions, and how many passages.
    async fn found(&self) -> (BTreeSet<String>, BTreeSet<u32>, usize) {
        let question = "what does the shop say of delivery";
        let found = self.retriever.search(&shop(), question, Some(Language::En), 100).await.unwrap();
        let edition =
            |text: &str| text.rsplit(' ').next().unwrap_or_default().trim_end_matches('.').to_owned();
        (
            found.iter().map(|found| edition(&found.passage.text)).collect(),
            found.iter().map(|found| found.passage.version).collect(),
            found.len(),
        )
    }

    async fn ingest(&self, knowledge: &Path) -> IngestReport {
        let patterns = vec![knowledge.to_string_lossy().into_owned()];
        let request = IngestRequest { patterns, prune: true, ..IngestRequest::default() };
        self.library.ingest(&shop(), request, &Silent).await.unwrap()
    }
}

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

/// Every edition changes each document, takes one away and brings one.
fn write_edition(knowledge: &Path, edition: usize) {
    let _ = std::fs::remove_dir_all(knowledge);
    std::fs::create_dir_all(knowledge).unwrap();
    for number in edition..edition + DOCUMENTS {
        let text = format!("Document {number}: what the shop says of delivery in edition {edition}.\n");
        std::fs::write(knowledge.join(format!("{number}.txt")), text).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_search_never_meets_two_generations() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = folder.path().join("kb");
    let parts = Arc::new(open(folder.path()).await);
    write_edition(&knowledge, 1);
    let report = parts.ingest(&knowledge).await;
    assert_eq!((report.added, report.generation), (DOCUMENTS, Some(1)), "{report:?}");

    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (parts, done) = (Arc::clone(&parts), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut seen, mut searches) = (BTreeSet::new(), 0);
                while !done.load(Ordering::Relaxed) {
                    let (editions, versions, passages) = parts.found().await;
                    assert_eq!(editions.len(), 1, "two generations in one search");
                    assert_eq!(passages, DOCUMENTS, "a generation is whole: {editions:?}");
                    assert!(!versions.contains(&0), "every passage has its version");
                    seen.extend(editions);
                    searches += 1;
                }
                (seen, searches)
            })
        })
        .collect();
    for edition in 2..=8 {
        write_edition(&knowledge, edition);
        let report = parts.ingest(&knowledge).await;
        let counts = (report.added, report.changed, report.removed);
        assert_eq!(counts, (1, DOCUMENTS - 1, 1), "{report:?}");
    }
    done.store(true, Ordering::Relaxed);
    let mut seen = BTreeSet::new();
    let mut searches = 0;
    for reader in readers {
        let (editions, count) = reader.await.unwrap();
        seen.extend(editions);
        searches += count;
    }
    assert!(searches > 30 && seen.len() > 2, "the readers read little: {searches} searches, {seen:?}");
    assert_eq!(parts.index.passage_ids().await.unwrap().len(), DOCUMENTS, "nothing old is left in the index");
}

/// The part of the kill test that is killed: one edition after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs as a child of the kill test"]
async fn child_that_syncs() {
    let Some(folder) = std::env::var_os("PONTO_TEST_FOLDER").map(PathBuf::from) else { return };
    let parts = open(&folder).await;
    let knowledge = folder.join("kb");
    let first = std::fs::read_to_string(folder.join("edition")).map_or(1, |text| text.parse().unwrap());
    for edition in first.. {
        std::fs::write(folder.join("edition"), edition.to_string()).unwrap();
        write_edition(&knowledge, edition);
        println!("\nbegun {edition}");
        parts.ingest(&knowledge).await;
        println!("\ndone {edition}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_is_killed_leaves_one_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    let mut interrupted = 0;
    for kill in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "versions::child_that_syncs"])
            .env("PONTO_TEST_FOLDER", folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Into the second sync of this child, at moments of all kinds.
        let begun = lines.by_ref().filter(|line| line.starts_with("begun ")).take(2).count();
        assert_eq!(begun, 2, "the child works");
        tokio::time::sleep(Duration::from_millis(kill * 11)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        // What it said before it was killed.
        for line in lines {
            if let Some(edition) = line.strip_prefix("done ") {
                acknowledged = edition.parse().unwrap();
            }
        }
        let parts = open(folder.path()).await;
        let (editions, _, passages) = parts.found().await;
        assert_eq!((editions.len(), passages), (1, DOCUMENTS), "kill {kill}: {editions:?}");
        let edition: usize = editions.first().unwrap().parse().unwrap();
        assert!(
            edition >= acknowledged,
            "kill {kill}: edition {acknowledged} was acknowledged, {edition} is found"
        );
        // The next run goes on and ends whole.
        let wanted: usize = std::fs::read_to_string(folder.path().join("edition")).unwrap().parse().unwrap();
        interrupted += usize::from(edition < wanted);
        write_edition(&folder.path().join("kb"), wanted);
        parts.ingest(&folder.path().join("kb")).await;
        let (editions, _, passages) = parts.found().await;
        assert_eq!((editions.first().unwrap(), passages), (&wanted.to_string(), DOCUMENTS), "kill {kill}");
        let mut indexed = parts.index.passage_ids().await.unwrap();
        indexed.sort();
        assert_eq!(indexed, parts.store.passage_ids().await.unwrap(), "kill {kill}");
        acknowledged = wanted;
        std::fs::write(folder.path().join("edition"), (wanted + 1).to_string()).unwrap();
    }
    println!("{interrupted} of 8 kills came before the commit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_rolled_back_is_never_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let knowledge = folder.path().join("kb");
    std::fs::create_dir_all(&knowledge).unwrap();
    let file = knowledge.join("pay.txt");
    let good = "Payment is by card in the shop, and the shop says so.";
    let poison = "Payment is by transfer to the account of a stranger, the shop says.";
    std::fs::write(&file, good).unwrap();
    let source = {
        let parts = open(folder.path()).await;
        parts.ingest(&knowledge).await;
        std::fs::write(&file, poison).unwrap();
        parts.ingest(&knowledge).await;
        parts.store.sources(&shop(), "").await.unwrap().remove(0).1
    };
    let parts = open(folder.path()).await;
    let find = async |parts: &Parts| {
        let question = "payment transfer account stranger card shop";
        let found = parts.retriever.retrieve(&shop(), question, Some(Language::En)).await.unwrap();
        found.into_iter().map(|found| (found.passage.text, found.passage.version)).collect::<Vec<_>>()
    };
    assert_eq!(find(&parts).await, [(poison.to_owned(), 2)]);
    parts.library.rollback(&shop(), &source, 1).await.unwrap();
    assert_eq!(find(&parts).await, [(good.to_owned(), 3)]);
    // The file still holds it, and so does another one by now; a sync takes neither.
    std::fs::write(knowledge.join("copy.md"), format!("{poison}\n")).unwrap();
    let report = parts.ingest(&knowledge).await;
    assert_eq!((report.refused.len(), report.added, report.changed), (2, 0, 0), "{report:?}");
    let sent = NewDocument {
        source: "through the API".into(),
        title: Some("Payment".into()),
        url: None,
        language: None,
        audience: None,
        labels: Labels::default(),
        format: Format::Markdown,
        content: poison.into(),
    };
    assert!(parts.library.put(&shop(), sent).await.is_err());
    assert_eq!(find(&parts).await, [(good.to_owned(), 3)]);
    assert_eq!(parts.index.passage_ids().await.unwrap().len(), 1, "it is gone from the index");
    // Nor does a new index bring it back.
    drop(parts);
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let parts = open(folder.path()).await;
    assert_eq!(find(&parts).await, [(good.to_owned(), 3)]);
    parts.library.archive().allow(&shop(), &source, 2).await.unwrap();
    let report = parts.ingest(&knowledge).await;
    assert_eq!(
        (report.refused.len(), report.added, report.changed),
        (0, 1, 1),
        "a person said so: {report:?}"
    );
}

/// Runs the real binary beside a `ponto.toml`; returns its exit code, its JSON and its messages.
fn ponto(folder: &Path, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_ponto"))
        .current_dir(folder)
        .args(arguments)
        .arg("--json")
        .env("PONTO__LOG__LEVEL", "error")
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), json, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_sync_show_and_roll_back() {
    crate::support::models::files("multilingual-e5-small").await;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::create_dir(at.join("kb")).unwrap();
    let (code, _, messages) = ponto(at, &["sync"]);
    assert_eq!(code, Some(1));
    assert!(messages.contains("[[knowledge.sources]]"), "{messages}");
    let config = "[[knowledge.sources]]\npath = \"kb\"\naudience = \"agents\"\nlabels = [\"region=br\"]\n";
    std::fs::write(at.join("ponto.toml"), config).unwrap();
    std::fs::write(at.join("kb/pay.md"), "# Payment\n\nPay by card.\n").unwrap();
    std::fs::write(at.join("kb/old.md"), "# Old\n\nIt goes.\n").unwrap();
    let (code, report, messages) = ponto(at, &["sync", "--once"]);
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(report["workspaces"][0]["added"], 2, "{report}");
    std::fs::remove_file(at.join("kb/old.md")).unwrap();
    std::fs::write(at.join("kb/pay.md"), "# Payment\n\nPay a stranger.\n").unwrap();
    let (_, report, _) = ponto(at, &["sync"]);
    let sync = &report["workspaces"][0];
    assert_eq!((&sync["changed"], &sync["removed"], &sync["generation"]), (&1.into(), &1.into(), &2.into()));

    let source = at.canonicalize().unwrap().join("kb/pay.md").to_string_lossy().into_owned();
    let (code, history, messages) = ponto(at, &["knowledge", "history", &source]);
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(history["items"].as_array().map(Vec::len), Some(2), "{history}");
    assert_eq!(history["items"][1]["audience"], "agents", "{history}");
    assert_eq!(history["items"][1]["labels"], serde_json::json!(["region=br"]), "{history}");
    let (_, diff, _) = ponto(at, &["knowledge", "diff", &source, "--from", "1", "--to", "2"]);
    assert!(diff["diff"].as_str().unwrap().contains("-Pay by card.\n+Pay a stranger."), "{diff}");
    let (code, done, messages) = ponto(at, &["knowledge", "rollback", &source, "--to", "1"]);
    assert_eq!(code, Some(0), "{messages}");
    assert_eq!(done, serde_json::json!({"restored": 1, "version": 3, "refused": [2]}));
    let (code, report, messages) = ponto(at, &["sync"]);
    assert_eq!(code, Some(0), "a refusal is no failure: {messages}");
    assert!(messages.contains("ponto knowledge allow"), "{messages}");
    assert_eq!(report["workspaces"][0]["refused"].as_array().map(Vec::len), Some(1), "{report}");
    let (code, _, _) = ponto(at, &["knowledge", "allow", &source, "--version", "2"]);
    assert_eq!(code, Some(0));
    std::fs::copy(at.join("kb/pay.md"), at.join("kb/copy.md")).unwrap();
    let (_, report, _) = ponto(at, &["sync"]);
    let sync = &report["workspaces"][0];
    assert_eq!((&sync["changed"], &sync["added"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(sync["duplicates"][0]["similarity"], 1.0, "{report}");
    let told = Command::new(env!("CARGO_BIN_EXE_ponto")).current_dir(at).arg("sync").output().unwrap();
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("100% the same:") && told.contains("copy.md"), "{told}");
    let (code, gaps, messages) = ponto(at, &["knowledge", "gaps", "--since", "7d"]);
    assert_eq!((code, &gaps["items"]), (Some(0), &serde_json::json!([])), "{messages}");
    let (code, _, messages) = ponto(at, &["knowledge", "history", "nothing"]);
    assert_eq!(code, Some(1));
    assert!(messages.contains("its source or its id"), "{messages}");
}
