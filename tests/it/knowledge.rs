//! Documents in, through kills, on the real store and the real embedded index.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use ponto::conversation::{Clock, Language, WorkspaceId};
use ponto::inference::{Embedder, Purpose};
use ponto::knowledge::{Format, KnowledgeConfig, Library, NewDocument};
use ponto::retrieval::index::edge::EdgeIndex;
use ponto::retrieval::index::{IndexQuery, PassageIndex};
use ponto::store::sqlite::SqliteStore;
use ponto::store::{Documents, Store};

use crate::support::embedder::HashEmbedder;

struct Still;
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
    }
}

/// A library on the parts that `ponto` itself runs on, but for the model.
struct Parts {
    store: Arc<SqliteStore>,
    index: Arc<EdgeIndex>,
    library: Library,
}

impl Parts {
    async fn open(folder: &Path) -> Self {
        let embedder = Arc::new(HashEmbedder::new());
        let store = Arc::new(SqliteStore::open(&folder.join("ponto.db")).await.expect("a store"));
        let info = embedder.info();
        let index = EdgeIndex::open(&folder.join("index"), info.dimensions, &info.fingerprint);
        let index = Arc::new(index.expect("an index"));
        let library = Library::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&index) as Arc<dyn PassageIndex>,
            embedder,
            Arc::new(Still),
            KnowledgeConfig { batch: 8, ..KnowledgeConfig::default() },
        );
        Self { store, index, library }
    }

    /// Ids in the index and in the store.
    async fn ids(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let indexed = self.index.passage_ids().await.expect("the index lists its passages");
        let stored = self.store.passage_ids().await.expect("the store lists its passages");
        (indexed.into_iter().collect(), stored.into_iter().collect())
    }
}

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
    let parts = Parts::open(&folder).await;
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
        let parts = Parts::open(folder.path()).await;
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
    let parts = Parts::open(folder.path()).await;
    parts.library.put(&shop(), document(1, 1)).await.unwrap();
    parts.library.put(&shop(), document(1, 2)).await.unwrap();
    let found = async |words: &str| {
        let dense = HashEmbedder::new().embed(vec![words.into()], Purpose::Query).await.unwrap().remove(0);
        let query =
            IndexQuery { text: words.into(), language: Some(Language::En), only: None, dense, limit: 10 };
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
        let parts = Parts::open(folder.path()).await;
        for number in 0..20 {
            parts.library.put(&shop(), document(number, 1)).await.unwrap();
        }
    }
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let parts = Parts::open(folder.path()).await;
    let report = parts.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent, report.removed), (60, 60, 0));
    let (indexed, stored) = parts.ids().await;
    assert_eq!(indexed, stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passages_that_the_store_does_not_know_leave_the_index() {
    let folder = tempfile::tempdir().unwrap();
    {
        let parts = Parts::open(folder.path()).await;
        parts.library.put(&shop(), document(1, 1)).await.unwrap();
        parts.library.put(&WorkspaceId("bank".into()), document(2, 1)).await.unwrap();
        parts.store.close().await;
    }
    // The database is lost, the index is not.
    for file in ["ponto.db", "ponto.db-wal", "ponto.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(file));
    }
    let parts = Parts::open(folder.path()).await;
    let report = parts.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent, report.removed), (0, 0, 6));
    assert_eq!(parts.ids().await, (BTreeSet::new(), BTreeSet::new()));
}
