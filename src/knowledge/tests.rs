//! The library over a real store, with an index and an embedder that can be made to fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::conversation::{Clock, WorkspaceId};
use crate::inference::{Embedder, EmbedderInfo, Purpose};
use crate::retrieval::Passage;
use crate::retrieval::index::{IndexHits, IndexPoint, IndexQuery, PassageIndex};
use crate::store::sqlite::SqliteStore;
use crate::store::{Documents, Page, Store};

mod exports;
mod web;

struct Still;
impl Clock for Still {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }
}

/// Keeps points in memory and writes down what it was asked to do.
#[derive(Default)]
struct FakeIndex {
    points: Mutex<BTreeMap<String, Passage>>,
    log: Mutex<Vec<String>>,
    down: AtomicBool,
}

impl FakeIndex {
    fn check(&self) -> Result<(), IndexError> {
        if self.down.load(Ordering::Relaxed) { Err(IndexError::Unavailable("down".into())) } else { Ok(()) }
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }

    fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> =
            self.points.lock().unwrap().values().map(|passage| passage.text.clone()).collect();
        texts.sort();
        texts
    }
}

#[async_trait]
impl PassageIndex for FakeIndex {
    async fn upsert(&self, points: Vec<IndexPoint>) -> Result<(), IndexError> {
        self.check()?;
        self.log.lock().unwrap().push(format!("upsert {}", points.len()));
        let mut known = self.points.lock().unwrap();
        for point in points {
            known.insert(point.passage.id.clone(), point.passage);
        }
        Ok(())
    }

    async fn delete(&self, workspace: &WorkspaceId, passage_ids: Vec<String>) -> Result<(), IndexError> {
        self.check()?;
        self.log.lock().unwrap().push(format!("delete {}", passage_ids.len()));
        self.points
            .lock()
            .unwrap()
            .retain(|id, passage| passage.workspace != *workspace || !passage_ids.contains(id));
        Ok(())
    }

    async fn search(&self, _: &WorkspaceId, _: IndexQuery) -> Result<IndexHits, IndexError> {
        Ok(IndexHits::default())
    }

    async fn passage_ids(&self) -> Result<Vec<String>, IndexError> {
        self.check()?;
        Ok(self.points.lock().unwrap().keys().cloned().collect())
    }

    async fn owners(&self, passage_ids: Vec<String>) -> Result<Vec<(WorkspaceId, String)>, IndexError> {
        let points = self.points.lock().unwrap();
        let owner = |id: String| points.get(&id).map(|passage| (passage.workspace.clone(), id));
        Ok(passage_ids.into_iter().filter_map(owner).collect())
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn health(&self) -> Result<(), IndexError> {
        self.check()
    }
}

struct FakeEmbedder {
    info: EmbedderInfo,
    embedded: Mutex<Vec<String>>,
    stop: Mutex<Option<CancellationToken>>,
}

fn embedder(fingerprint: &str) -> Arc<FakeEmbedder> {
    let info = EmbedderInfo {
        model: "fake".into(),
        fingerprint: fingerprint.into(),
        dimensions: 1,
        max_tokens: 512,
    };
    Arc::new(FakeEmbedder { info, embedded: Mutex::default(), stop: Mutex::default() })
}

#[async_trait]
impl Embedder for FakeEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    async fn embed(&self, texts: Vec<String>, _: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        let vectors = texts.iter().map(|_| vec![1.0]).collect();
        self.embedded.lock().unwrap().extend(texts);
        if let Some(stop) = &*self.stop.lock().unwrap() {
            stop.cancel();
        }
        Ok(vectors)
    }
}

struct Room {
    library: Library,
    store: Arc<SqliteStore>,
    index: Arc<FakeIndex>,
    embedder: Arc<FakeEmbedder>,
    folder: tempfile::TempDir,
}

impl Room {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("ponto.db")).await.unwrap());
        let index = Arc::new(FakeIndex::default());
        let embedder = embedder("e1");
        let library = library(&store, &index, &embedder);
        Self { library, store, index, embedder, folder }
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.folder.path().join("kb").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join("kb").join(name)).unwrap();
    }

    async fn ingest(&self, prune: bool) -> IngestReport {
        let patterns = vec![self.folder.path().join("kb").to_string_lossy().into_owned()];
        let request = IngestRequest { patterns, prune, ..IngestRequest::default() };
        self.library.ingest(&a(), request, &Silent).await.unwrap()
    }

    fn embedded(&self) -> usize {
        std::mem::take(&mut *self.embedder.embedded.lock().unwrap()).len()
    }
}

fn library(store: &Arc<SqliteStore>, index: &Arc<FakeIndex>, embedder: &Arc<FakeEmbedder>) -> Library {
    Library::new(
        Arc::clone(store) as Arc<dyn Store>,
        Arc::clone(index) as Arc<dyn PassageIndex>,
        Arc::clone(embedder) as Arc<dyn Embedder>,
        Arc::new(Still),
        KnowledgeConfig { batch: 4, ..KnowledgeConfig::default() },
    )
}

fn a() -> WorkspaceId {
    WorkspaceId("a".into())
}

fn markdown(source: &str, content: &str) -> NewDocument {
    NewDocument {
        source: source.into(),
        title: None,
        url: None,
        language: None,
        format: Format::Markdown,
        content: content.into(),
    }
}

const THREE: &str = "# Shop\n\n## A\n\nApples are red.\n\n## B\n\nBananas.\n\n## C\n\nCherries.\n";

#[tokio::test]
async fn a_document_is_stored_indexed_and_then_costs_nothing() {
    let room = Room::new().await;
    let put = room.library.put(&a(), markdown("kb/en/shop.md", THREE)).await.unwrap();
    assert_eq!((put.change, put.passages), (Change::Added, 3));
    assert_eq!((put.document.title.as_str(), put.document.language), ("Shop", Some(Language::En)));
    assert_eq!(room.index.texts(), ["Apples are red.", "Bananas.", "Cherries."]);
    assert_eq!(room.embedded(), 3);

    let again = room.library.put(&a(), markdown("kb/en/shop.md", THREE)).await.unwrap();
    assert_eq!((again.change, again.passages), (Change::Unchanged, 3));
    assert_eq!(again.document, put.document);
    assert_eq!(room.embedded(), 0);

    // Another title is another document, though its words are the same.
    let titled = NewDocument { title: Some("Store".into()), ..markdown("kb/en/shop.md", THREE) };
    assert_eq!(room.library.put(&a(), titled).await.unwrap().change, Change::Changed);
}

#[tokio::test]
async fn a_change_embeds_what_changed_and_removes_the_old_after_the_new() {
    let room = Room::new().await;
    room.library.put(&a(), markdown("s", THREE)).await.unwrap();
    room.embedded();
    room.index.take_log();
    // The last section alone changes, so the spans before it stay.
    let put = room.library.put(&a(), markdown("s", &THREE.replace("Cherries", "Cranberries"))).await.unwrap();
    assert_eq!(put.change, Change::Changed);
    assert_eq!(room.embedded(), 1);
    assert_eq!(room.index.take_log(), ["upsert 1", "delete 1"]);
    assert_eq!(room.index.texts(), ["Apples are red.", "Bananas.", "Cranberries."]);
}

#[tokio::test]
async fn an_index_that_was_down_catches_up() {
    let room = Room::new().await;
    room.index.down.store(true, Ordering::Relaxed);
    let failed = room.library.put(&a(), markdown("s", THREE)).await;
    assert!(matches!(failed, Err(KnowledgeError::Index(_))), "{failed:?}");
    room.index.down.store(false, Ordering::Relaxed);
    // The same call again finds the document stored, and does not take that for done.
    let put = room.library.put(&a(), markdown("s", THREE)).await.unwrap();
    assert_eq!(put.change, Change::Unchanged);
    assert_eq!(room.index.texts().len(), 3);

    room.index.down.store(true, Ordering::Relaxed);
    assert!(room.library.delete(&a(), &put.document.id).await.is_err());
    room.index.down.store(false, Ordering::Relaxed);
    assert!(!room.library.delete(&a(), &put.document.id).await.unwrap());
    assert!(room.index.texts().is_empty(), "the removal was not forgotten");
    assert!(Documents::get(&*room.store, &a(), &put.document.id).await.unwrap().is_none());
}

#[tokio::test]
async fn repair_makes_the_index_equal() {
    let room = Room::new().await;
    room.library.put(&a(), markdown("s", THREE)).await.unwrap();
    assert_eq!(
        room.library.repair().await.unwrap(),
        RepairReport { passages: 3, resent: 0, removed: 0 },
        "nothing to do"
    );
    // The index loses two passages.
    let lost: Vec<String> = room.index.points.lock().unwrap().keys().take(2).cloned().collect();
    room.index.points.lock().unwrap().retain(|id, _| !lost.contains(id));
    let report = room.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent), (3, 2));
    assert_eq!(room.index.texts().len(), 3);

    // The store goes back to an earlier state, and knows nothing of a document that the index holds.
    room.library.put(&WorkspaceId("b".into()), markdown("s", THREE)).await.unwrap();
    let id = room.store.sources(&WorkspaceId("b".into()), "").await.unwrap().remove(0).0;
    let gone = room.store.delete(&WorkspaceId("b".into()), &id).await.unwrap().unwrap();
    room.store.removed(&gone).await.unwrap();
    let report = room.library.repair().await.unwrap();
    assert_eq!((report.resent, report.removed), (0, 3));
    assert_eq!(room.index.texts().len(), 3);

    // A stray that a document claims before its turn comes is no stray any more.
    let b = WorkspaceId("b".into());
    let claimed = room.library.put(&b, markdown("s", THREE)).await.unwrap().document.id;
    let gone = room.store.delete(&b, &claimed).await.unwrap().unwrap();
    room.store.removed(&gone).await.unwrap();
    room.library.compare().await.unwrap();
    room.library.put(&b, markdown("s", THREE)).await.unwrap();
    let report = room.library.rebuild(&CancellationToken::new()).await.unwrap();
    assert_eq!((report.removed, room.index.texts().len()), (0, 6));
    assert!(room.library.delete(&b, &claimed).await.unwrap());

    // Another embedder: everything again.
    let other = embedder("e2");
    let report = library(&room.store, &room.index, &other).repair().await.unwrap();
    assert_eq!(report.resent, 3);
    assert_eq!(other.embedded.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_folder_is_ingested_pruned_and_bad_files_are_named() {
    let room = Room::new().await;
    room.write("en/shop.md", THREE);
    room.write("pt/faq.csv", "pergunta,resposta\nPosso pagar?,Sim.\nEntregam?,Sim.\n");
    room.write("it/resi.html", "<html lang=it><h1>Resi</h1><p>Trenta giorni.</p></html>");
    room.write("broken.csv", "question,answer\na,b\nc\n");
    room.write("photo.png", "x");
    let report = room.ingest(false).await;
    assert_eq!((report.added, report.skipped, report.passages), (3, 1, 6), "{report:?}");
    assert_eq!(report.failed.len(), 1);
    assert!(report.failed[0].source.ends_with("/kb/broken.csv"), "{report:?}");
    assert_eq!(report.failed[0].line, Some(3));
    room.embedded();

    let report = room.ingest(true).await;
    assert_eq!((report.added, report.changed, report.unchanged, report.removed), (0, 0, 3, 0), "{report:?}");
    assert_eq!(room.embedded(), 0, "unchanged documents cost nothing");

    // A document of another origin is none of the folder's.
    room.library.put(&a(), markdown("api-1", "Elsewhere.")).await.unwrap();
    room.remove("en/shop.md");
    room.write("pt/faq.csv", "now broken");
    assert_eq!(room.ingest(false).await.removed, 0, "only on request");
    let report = room.ingest(true).await;
    assert_eq!((report.removed, report.failed.len()), (1, 2), "{report:?}");
    assert_eq!(
        room.index.texts(),
        ["Elsewhere.", "Sim.", "Sim.", "Trenta giorni."],
        "a broken file keeps its version"
    );
    let listed = Documents::list(&*room.store, &a(), Page { after: None, limit: 10 }).await.unwrap().items;
    assert_eq!(listed.len(), 3);
}

#[tokio::test]
async fn a_stopped_ingest_ends_after_its_batch_and_goes_on_later() {
    let room = Room::new().await;
    for number in 0..10 {
        room.write(&format!("{number}.txt"), &format!("Text {number}.\n"));
    }
    let stop = CancellationToken::new();
    *room.embedder.stop.lock().unwrap() = Some(stop.clone());
    let patterns = vec![room.folder.path().join("kb").to_string_lossy().into_owned()];
    let request = IngestRequest { patterns, prune: true, stop, ..IngestRequest::default() };
    let report = room.library.ingest(&a(), request.clone(), &Silent).await.unwrap();
    assert!(report.stopped);
    assert_eq!((report.added, report.passages, report.removed), (4, 4, 0), "{report:?}");
    let report = room.ingest(true).await;
    assert_eq!((report.unchanged, report.added), (4, 6), "{report:?}");

    // One document of many passages: what was not reached waits.
    let pairs: String = ["q,a\n"; 20].concat();
    room.write("many.csv", &format!("question,answer\n{pairs}"));
    let stop = CancellationToken::new();
    *room.embedder.stop.lock().unwrap() = Some(stop.clone());
    let request = IngestRequest { stop, ..request };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    assert_eq!((report.added, report.passages, report.waiting), (1, 8, 12), "{report:?}");
    let report = room.ingest(true).await;
    assert_eq!((report.unchanged, report.passages, report.waiting), (11, 12, 0), "{report:?}");
    room.remove("many.csv");
    room.ingest(true).await;
    assert_eq!(room.index.texts().len(), 10);
}

#[tokio::test]
async fn addresses_come_from_the_document_or_from_the_prefix() {
    let room = Room::new().await;
    room.write("pt/trocas e mais.md", "Trinta dias.");
    room.write("own.md", "---\nurl: https://b.example/own\n---\nText.");
    let patterns = vec![room.folder.path().join("kb").to_string_lossy().into_owned()];
    let url_prefix = Some("https://a.example/help/".to_owned());
    let request = IngestRequest { patterns, url_prefix, ..IngestRequest::default() };
    room.library.ingest(&a(), request.clone(), &Silent).await.unwrap();
    let urls: Vec<String> =
        room.index.points.lock().unwrap().values().filter_map(|passage| passage.url.clone()).collect();
    assert!(urls.contains(&"https://a.example/help/pt/trocas%20e%20mais".to_owned()), "{urls:?}");
    assert!(urls.contains(&"https://b.example/own".to_owned()), "{urls:?}");
    let wrong = IngestRequest { url_prefix: Some("a.example".into()), ..request };
    assert!(room.library.ingest(&a(), wrong, &Silent).await.is_err());
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let room = Room::new().await;
    let large = "a ".repeat(KnowledgeConfig::default().max_document_bytes);
    for (document, said) in [
        (markdown("s", ""), "no text"),
        (markdown(" ", "x"), "source"),
        (markdown("s", &large), "knowledge.max_document_bytes"),
        (NewDocument { url: Some("javascript:x".into()), ..markdown("s", "x") }, "https://"),
        (NewDocument { format: Format::Csv, ..markdown("s", "x,y\n") }, "question"),
    ] {
        let error = room.library.put(&a(), document).await.unwrap_err();
        assert!(matches!(error, KnowledgeError::Invalid(_)), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(room.store.passage_ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_passage_of_the_demo_is_a_slice_of_its_document() {
    let room = Room::new().await;
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("eval/demo/knowledge");
    let request =
        IngestRequest { patterns: vec![demo.to_string_lossy().into_owned()], ..IngestRequest::default() };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    assert!(report.added >= 40 && report.failed.is_empty(), "{report:?}");
    let sources = room.store.sources(&a(), "").await.unwrap();
    for (id, source) in sources {
        let document = Documents::get(&*room.store, &a(), &id).await.unwrap().unwrap();
        let characters: Vec<char> = document.text.chars().collect();
        let passages = room.store.passages(&a(), &id).await.unwrap();
        assert!(!passages.is_empty(), "{source}");
        for passage in passages {
            let slice: String = characters[passage.span.0..passage.span.1].iter().collect();
            assert_eq!(slice, passage.text, "{source}");
            assert_eq!(passage.language, document.language, "{source}");
            assert!(passage.url.is_some(), "{source}");
        }
    }
}

#[tokio::test]
async fn rows_of_several_languages_are_told_apart() {
    let room = Room::new().await;
    let content = "question,answer\n\
                   Em quanto tempo chega o meu pedido?,Entregamos em três dias úteis em todo o país.\n\
                   How long does delivery take?,We deliver within three working days everywhere.\n";
    let document = NewDocument { format: Format::Csv, ..markdown("faq.csv", content) };
    let put = room.library.put(&a(), document).await.unwrap();
    let passages = room.store.passages(&a(), &put.document.id).await.unwrap();
    let languages: Vec<_> = passages.iter().map(|passage| passage.language).collect();
    assert_eq!(languages, [Some(Language::Pt), Some(Language::En)]);
    assert_eq!(passages[1].heading_path, ["How long does delivery take?"]);
    for passage in &passages {
        let slice: String =
            put.document.text.chars().skip(passage.span.0).take(passage.span.1 - passage.span.0).collect();
        assert_eq!(slice, passage.text);
    }
}
