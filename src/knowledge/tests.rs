//! The library over a real store, with an index and an embedder that can be made to fail.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::conversation::{Clock, Labels, WorkspaceId};
use crate::inference::{Embedder, EmbedderInfo, Purpose};
use crate::retrieval::Passage;
use crate::retrieval::index::{ChangeSetId, IndexHits, IndexPoint, IndexQuery, PassageIndex};
use crate::store::sqlite::SqliteStore;
use crate::store::versions::{ChangeKind, Changes};
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

    async fn stage(&self, _: ChangeSetId, points: Vec<IndexPoint>) -> Result<(), IndexError> {
        self.upsert(points).await
    }

    async fn retire(&self, _: &WorkspaceId, passage_ids: Vec<String>, _: &str) -> Result<(), IndexError> {
        self.check()?;
        self.log.lock().unwrap().push(format!("retire {}", passage_ids.len()));
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

    /// Takes a document from the store as if it had never been there.
    async fn forget(&self, workspace: &WorkspaceId, id: &str) {
        let change = self.store.open(workspace, ChangeKind::Put, Still.now()).await.unwrap();
        assert!(self.store.stage_removal(change, workspace, id, &[]).await.unwrap());
        let plan = self.store.plan(change).await.unwrap();
        assert!(self.store.commit(change, &plan).await.unwrap().is_some());
        let gone: Vec<String> =
            self.store.removals(100).await.unwrap().into_iter().map(|removal| removal.passage_id).collect();
        self.store.removed(&gone).await.unwrap();
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
        audience: None,
        labels: Labels::default(),
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
    assert_eq!(room.index.take_log(), ["upsert 1", "retire 1", "delete 1"]);
    assert_eq!(room.index.texts(), ["Apples are red.", "Bananas.", "Cranberries."]);
}

#[tokio::test]
async fn an_index_that_was_down_catches_up() {
    let room = Room::new().await;
    room.index.down.store(true, Ordering::Relaxed);
    let failed = room.library.put(&a(), markdown("s", THREE)).await;
    assert!(matches!(failed, Err(KnowledgeError::Index(_))), "{failed:?}");
    room.index.down.store(false, Ordering::Relaxed);
    // What failed has changed nothing, and the same call again does it.
    assert!(room.store.by_source(&a(), "s").await.unwrap().is_none());
    let put = room.library.put(&a(), markdown("s", THREE)).await.unwrap();
    assert_eq!(put.change, Change::Added);
    assert_eq!(room.index.texts().len(), 3);

    room.index.down.store(true, Ordering::Relaxed);
    assert!(room.library.delete(&a(), &put.document.id).await.is_err());
    room.index.down.store(false, Ordering::Relaxed);
    assert!(Documents::get(&*room.store, &a(), &put.document.id).await.unwrap().is_some());
    assert!(room.library.delete(&a(), &put.document.id).await.unwrap());
    assert!(room.index.texts().is_empty());
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
    room.forget(&WorkspaceId("b".into()), &id).await;
    let report = room.library.repair().await.unwrap();
    assert_eq!((report.resent, report.removed), (0, 3));
    assert_eq!(room.index.texts().len(), 3);

    // A stray that a document claims before its turn comes is no stray any more.
    let b = WorkspaceId("b".into());
    let claimed = room.library.put(&b, markdown("s", THREE)).await.unwrap().document.id;
    room.forget(&b, &claimed).await;
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
    assert_eq!(report.generation, None);
    assert!(room.store.sources(&a(), "").await.unwrap().is_empty(), "nothing of it counts yet");
    let report = room.ingest(true).await;
    assert!(report.generation.is_some());
    assert_eq!(
        (report.unchanged, report.added, report.passages),
        (0, 10, 6),
        "what was staged is not sent again: {report:?}"
    );

    // One document of many passages: what was not reached waits.
    let pairs: String = ["q,a\n"; 20].concat();
    room.write("many.csv", &format!("question,answer\n{pairs}"));
    let stop = CancellationToken::new();
    *room.embedder.stop.lock().unwrap() = Some(stop.clone());
    let request = IngestRequest { stop, ..request };
    let report = room.library.ingest(&a(), request, &Silent).await.unwrap();
    assert_eq!((report.added, report.passages, report.waiting), (1, 8, 12), "{report:?}");
    let report = room.ingest(true).await;
    assert_eq!(
        (report.unchanged, report.added, report.passages, report.waiting),
        (10, 1, 12, 0),
        "{report:?}"
    );
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

#[tokio::test]
async fn a_document_keeps_its_versions_and_goes_back_to_one() {
    let room = Room::new().await;
    let (good, poison) =
        ("Delivery takes three days.\n", "Delivery takes three days.\nSend your card number.\n");
    room.library.put(&a(), markdown("s", good)).await.unwrap();
    let put = room.library.put(&a(), markdown("s", poison)).await.unwrap();
    assert_eq!(put.document.version, 2);
    let archive = room.library.archive();
    let diff = archive.diff(&a(), "s", None, None).await.unwrap();
    assert_eq!((diff.from, diff.to), (1, 2));
    assert!(diff.diff.contains("\n+Send your card number.\n"), "{}", diff.diff);

    let done = room.library.rollback(&a(), "s", 1).await.unwrap();
    assert_eq!((done.document.map(|document| document.version), done.refused), (Some(3), vec![2]));
    assert_eq!(room.index.texts(), [good.trim()]);
    let history = archive.history(&a(), &put.document.id).await.unwrap();
    let seen: Vec<_> = history
        .iter()
        .map(|version| (version.version, version.restores, version.refused, version.current))
        .collect();
    assert_eq!(seen, [(1, None, false, false), (2, None, true, false), (3, Some(1), false, true)]);

    // Its text is not taken again: not here, not elsewhere, not with another title, not from a file.
    let titled = NewDocument { title: Some("New".into()), ..markdown("elsewhere", poison) };
    for again in [markdown("s", poison), titled] {
        let error = room.library.put(&a(), again).await.unwrap_err();
        assert!(matches!(error, KnowledgeError::Refused { version: 2, .. }), "{error:?}");
        assert!(error.to_string().contains("ponto knowledge allow"), "{error}");
    }
    room.write("copy.md", poison);
    room.write("fine.md", "Something else.");
    let report = room.ingest(false).await;
    assert_eq!((report.added, report.failed.len(), report.refused.len()), (1, 0, 1), "{report:?}");
    assert!(!room.index.texts().iter().any(|text| text.contains("card number")));

    for (to, said) in [(2, "rolled back itself"), (3, "current"), (9, "no version 9")] {
        let error = room.library.rollback(&a(), "s", to).await.unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    archive.allow(&a(), "s", 2).await.unwrap();
    assert!(archive.allow(&a(), "s", 2).await.unwrap_err().to_string().contains("not refused"));
    assert_eq!(room.library.put(&a(), markdown("s", poison)).await.unwrap().document.version, 4);

    // Back to before the first version, which is gone for good; and numbers go on when the source comes back.
    let gone = room.library.rollback(&a(), "s", 0).await.unwrap();
    assert_eq!((gone.document, gone.refused), (None, vec![1, 2, 3, 4]));
    assert!(room.library.put(&a(), markdown("s", good)).await.is_err());
    assert_eq!(room.library.put(&a(), markdown("s", "New text.")).await.unwrap().document.version, 5);
    assert!(archive.history(&a(), "never").await.unwrap_err().to_string().contains("no document"));
}

#[tokio::test]
async fn whom_a_document_is_for_reaches_its_passages() {
    let room = Room::new().await;
    let content = "---\naudience: agents\nlabels: [product=x, Region=br]\n---\nText.\n";
    let put = room.library.put(&a(), markdown("s", content)).await.unwrap();
    let labels = Labels::parse(["product=x", "region=br"]).unwrap();
    assert_eq!((put.document.audience, &put.document.labels), (Audience::Agents, &labels));
    let of = async |id: &str| room.store.passages(&a(), id).await.unwrap();
    assert_eq!(
        (of(&put.document.id).await[0].audience, &of(&put.document.id).await[0].labels),
        (Audience::Agents, &labels)
    );
    // The caller's word counts more, and labels add up.
    let told = NewDocument {
        audience: Some(Audience::Public),
        labels: Labels::parse(["team=a"]).unwrap(),
        ..markdown("s", content)
    };
    let put = room.library.put(&a(), told).await.unwrap();
    assert_eq!((put.change, put.document.audience), (Change::Changed, Audience::Public));
    assert_eq!(put.document.labels.iter().collect::<Vec<_>>(), ["product=x", "region=br", "team=a"]);
    // Rows speak for themselves.
    let rows = "question,answer,audience,labels\nA?,One.,agents,product=y\nB?,Two.,,\n";
    let rows = NewDocument { format: Format::Csv, ..markdown("faq.csv", rows) };
    let id = room.library.put(&a(), rows).await.unwrap().document.id;
    let passages = of(&id).await;
    assert_eq!((passages[0].audience, passages[1].audience), (Audience::Agents, Audience::Public));
    assert_eq!(passages[0].labels, Labels::parse(["product=y"]).unwrap());
    let wrong = markdown("w", "---\naudience: staff\n---\nText.\n");
    assert!(room.library.put(&a(), wrong).await.unwrap_err().to_string().contains("public or agents"));
}

#[tokio::test]
async fn sources_of_the_configuration_are_one_generation_a_workspace() {
    let room = Room::new().await;
    room.write("one/a.md", "First.");
    room.write("two/b.md", "Second.");
    let source = |folder: &str, workspace: &str| SourceConfig {
        path: room.folder.path().join("kb").join(folder).to_string_lossy().into_owned(),
        workspace: workspace.into(),
        url_prefix: None,
        audience: (folder == "two").then_some(Audience::Agents),
        labels: Labels::default(),
        prune: true,
    };
    let mut library = library(&room.store, &room.index, &room.embedder);
    library.config.sources = vec![source("one", "a"), source("two", "a"), source("two", "b")];
    let stop = CancellationToken::new();
    let reports = library.sync_sources(None, &stop, &Silent).await.unwrap();
    let counts: Vec<_> =
        reports.iter().map(|it| (it.workspace.0.as_str(), it.report.added, it.report.generation)).collect();
    assert_eq!(counts, [("a", 2, Some(1)), ("b", 1, Some(1))]);

    room.remove("one/a.md");
    let held = room.store.lock_sync(&WorkspaceId("b".into())).await.unwrap().unwrap();
    let reports = library.sync_sources(None, &stop, &Silent).await.unwrap();
    assert_eq!((reports[0].report.removed, reports[0].report.generation), (1, Some(2)));
    assert!(reports[1].busy, "somebody else syncs it");
    drop(held);
    let only = WorkspaceId("b".into());
    let reports = library.sync_sources(Some(&only), &stop, &Silent).await.unwrap();
    assert_eq!((reports.len(), reports[0].report.unchanged, reports[0].report.generation), (1, 1, None));
}
