//! An index that is behind the store: rebuilt beside the server, before anything else, or by the next start.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ponto::app::App;
use ponto::conversation::{Channel, Conversation, Labels, Language, Message, Role, WorkspaceId};
use ponto::decision::ReasonCode::{self, IndexRebuilding, ModeCap, NotCertified};
use ponto::decision::{Action, Mode};
use ponto::inference::models::Silent;
use ponto::inference::{Embedder, EmbedderInfo, InferenceError, Purpose};
use ponto::knowledge::{Format, Library, NewDocument};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use crate::support::app::config;

/// A real embedder that waits for a permit before each call.
struct Gated {
    inner: Arc<dyn Embedder>,
    permits: Semaphore,
}

#[async_trait]
impl Embedder for Gated {
    fn info(&self) -> &EmbedderInfo {
        self.inner.info()
    }

    async fn embed(&self, texts: Vec<String>, purpose: Purpose) -> Result<Vec<Vec<f32>>, InferenceError> {
        self.permits.acquire().await.expect("the gate stays").forget();
        self.inner.embed(texts, purpose).await
    }
}

fn shop() -> WorkspaceId {
    WorkspaceId("shop".into())
}

async fn put_documents(library: &Library) {
    for (source, text) in [
        ("entrega", "A entrega normal leva até 5 dias úteis depois do pagamento."),
        ("frete", "O frete é grátis em compras a partir de R$ 299."),
        ("troca", "Trocas são aceitas em até 30 dias."),
        ("cartao", "Aceitamos cartão de crédito em até 6 vezes."),
    ] {
        let document = NewDocument {
            source: source.into(),
            title: None,
            url: None,
            language: Some(Language::Pt),
            audience: None,
            labels: Labels::default(),
            format: Format::Markdown,
            content: text.into(),
        };
        library.put(&shop(), document).await.unwrap();
    }
}

/// Passages that a question finds by now.
async fn found(app: &App) -> usize {
    let question = "Em quanto tempo chega a entrega?";
    app.retriever.retrieve(&shop(), question, Some(Language::Pt)).await.unwrap().len()
}

struct Server {
    base_url: String,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(app: &App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(ponto::api::serve(app.clone(), listener, async move {
            let _ = stopped.await;
        }));
        Self { base_url, stop, running }
    }

    /// Status of `/readyz` and what it says of the index.
    async fn readiness(&self) -> (u16, Value) {
        let answered = reqwest::get(format!("{}/readyz", self.base_url)).await.unwrap();
        let status = answered.status().as_u16();
        let body: Value = serde_json::from_str(&answered.text().await.unwrap()).unwrap();
        (status, body["checks"]["index"].clone())
    }

    /// Waits until `/readyz` answers this.
    async fn until(&self, status: u16, index: &str) {
        let started = Instant::now();
        loop {
            let now = self.readiness().await;
            if now == (status, json!(index)) {
                return;
            }
            assert!(started.elapsed() < Duration::from_mins(2), "{now:?} instead of {index:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn open(data: &Path) -> App {
    App::open(config(data), Arc::new(Silent)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_index_is_rebuilt_beside_the_server_and_before_a_command() {
    let data = tempfile::tempdir().unwrap();
    let index = data.path().join("index");
    let app = App::build(config(data.path()), Arc::new(Silent)).await.unwrap();
    put_documents(&app.library).await;
    assert_eq!(found(&app).await, 4);
    drop(app);

    std::fs::remove_dir_all(&index).unwrap();
    let app = App::build(config(data.path()), Arc::new(Silent)).await.unwrap();
    assert_eq!((app.library.backlog(), found(&app).await), (None, 4), "complete when it is built");
    drop(app);

    std::fs::remove_dir_all(&index).unwrap();
    let app = open(data.path()).await;
    assert_eq!(app.library.backlog().map(|backlog| backlog.lacking), Some(4));
    assert_eq!(found(&app).await, 0);
    let server = Server::start(&app).await;
    server.until(200, "ok").await;
    assert_eq!(found(&app).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_index_is_rebuilt_the_server_answers_says_so_and_can_be_stopped() {
    let data = tempfile::tempdir().unwrap();
    let app = open(data.path()).await;
    put_documents(&app.library).await;
    let ids = app.store.passage_ids().await.unwrap();
    app.index.delete(&shop(), ids[1..].to_vec()).await.unwrap();

    let gate = Arc::new(Gated { inner: app.embedder.clone(), permits: Semaphore::new(0) });
    let mut one_by_one = app.config.knowledge.clone();
    one_by_one.batch = 1;
    let slow =
        Library::new(app.store.clone(), app.index.clone(), gate.clone(), app.clock.clone(), one_by_one);
    slow.compare().await.unwrap();
    let server = Server::start(&App { library: Arc::new(slow), ..app.clone() }).await;

    let alive = reqwest::get(format!("{}/healthz", server.base_url)).await.unwrap();
    assert_eq!(alive.status().as_u16(), 200);
    server.until(503, "the index is being rebuilt: 0 of 3 passages").await;
    gate.permits.add_permits(1);
    server.until(503, "the index is being rebuilt: 1 of 3 passages").await;
    let conversation = Conversation {
        id: "c".into(),
        channel: Channel::WebChat,
        locale: Some("pt-BR".into()),
        customer: None,
        labels: Labels::default(),
        handed_back_after: None,
        messages: vec![Message {
            id: "m".into(),
            role: Role::Customer,
            text: "Em quanto tempo chega a entrega?".into(),
            at: None,
        }],
    };
    let answered = app.assistant.answer(&shop(), &conversation, Mode::Draft, None).await;
    assert_eq!(answered.trace.retrieved.len(), 2, "what is there is searched");

    // A stop lets the batch end that runs, and begins none.
    server.stop.send(()).unwrap();
    let address = server.base_url.strip_prefix("http://").unwrap();
    while TcpStream::connect(address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    gate.permits.add_permits(1);
    tokio::time::timeout(Duration::from_mins(1), server.running).await.expect("it stops").unwrap();
    assert_eq!(app.store.passage_ids().await.unwrap().len(), 4);
    assert_eq!(app.index.passage_ids().await.unwrap().len(), 3);
    let fingerprint = &app.embedder.info().fingerprint;
    assert_eq!(app.store.count_not_indexed(fingerprint).await.unwrap(), 1);

    let report = app.library.repair().await.unwrap();
    assert_eq!((report.passages, report.resent, report.removed), (4, 1, 0), "the next start goes on");
    assert_eq!(app.index.passage_ids().await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_that_is_held_while_the_index_is_rebuilt_says_so() {
    let data = tempfile::tempdir().unwrap();
    let app = open(data.path()).await;
    put_documents(&app.library).await;
    let known = app.store.by_source(&shop(), "entrega").await.unwrap().unwrap();
    let known = app.store.passages(&shop(), &known.id).await.unwrap();
    let mut lost = app.store.passage_ids().await.unwrap();
    lost.retain(|id| known.iter().all(|passage| passage.id != *id));
    app.index.delete(&shop(), lost).await.unwrap();
    app.library.compare().await.unwrap();

    let message = Message {
        id: "m".into(),
        role: Role::Customer,
        text: "Qual é o prazo da entrega normal?".into(),
        at: None,
    };
    let asked = Conversation::new("c", Channel::WebChat, vec![message]);
    let reasons = async |mode| -> Vec<ReasonCode> {
        let said = app.assistant.answer(&shop(), &asked, mode, None).await;
        assert_eq!((said.answer.decision.action, said.mode), (Action::Draft, mode), "{:?}", said.answer);
        said.answer.decision.reasons.iter().map(|reason| reason.code).collect()
    };
    assert_eq!(
        reasons(Mode::Auto).await,
        [IndexRebuilding, NotCertified],
        "not the mode, which the call allows"
    );
    assert_eq!(reasons(Mode::Draft).await, [IndexRebuilding, NotCertified, ModeCap]);
    app.library.repair().await.unwrap();
    assert_eq!(reasons(Mode::Auto).await, [NotCertified]);
}
