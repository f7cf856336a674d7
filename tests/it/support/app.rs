//! The real application on a temporary folder: real embedder, embedded index, `SQLite`, and the extractive backend.
//!
//! One server is shared by every test of the binary; each test has workspaces of its own, as tenants would.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use ponto::app::App;
use ponto::config::Config;
use ponto::conversation::WorkspaceId;
use ponto::inference::BackendKind;
use ponto::inference::models::Silent;
use ponto::store::{KeyRecord, Keys, Scope, keys};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// A running server.
pub(crate) struct TestApp {
    /// `http://127.0.0.1:<port>`.
    pub(crate) base_url: String,
    /// Its parts.
    pub(crate) app: App,
    _data: Option<TempDir>,
    _runtime: Runtime,
}

/// The configuration of a test's application.
pub(crate) fn config(data: &Path) -> Config {
    let mut config = Config::default();
    data.clone_into(&mut config.server.data_dir);
    config.server.listen = "127.0.0.1:0".into();
    config.inference.backends = vec![BackendKind::Extractive];
    config.knowledge.parsing.program = Some(env!("CARGO_BIN_EXE_ponto").into());
    // A busy machine may be slow; tests of deadlines set their own.
    config.inference.deadline_s = 600.0;
    config
}

impl TestApp {
    /// The server that the tests share.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceLock<TestApp> = OnceLock::new();
        // A static is never dropped, so its folder is one that the next run clears.
        let start = || {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared-app");
            let _ = std::fs::remove_dir_all(&folder);
            Self::on(config(&folder), None)
        };
        tokio::task::spawn_blocking(move || SHARED.get_or_init(start)).await.unwrap()
    }

    /// A server of its own, on a runtime of its own. Blocks until it is ready.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = config(data.path());
        change(&mut config);
        Self::on(config, Some(data))
    }

    fn on(config: Config, data: Option<TempDir>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (base_url, app) = runtime.block_on(async {
            let app = App::build(config, Arc::new(Silent)).await.expect("the application starts");
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base_url = format!("http://{}", listener.local_addr().unwrap());
            tokio::spawn(ponto::api::serve(app.clone(), listener, std::future::pending()));
            (base_url, app)
        });
        Self { base_url, app, _data: data, _runtime: runtime }
    }

    /// A new workspace, with a key that may do everything an agent and a hub may.
    pub(crate) async fn workspace(&self) -> Client {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("tenant-{}", MADE.fetch_add(1, Ordering::Relaxed));
        self.key(&WorkspaceId(name), &[Scope::Suggest, Scope::Knowledge, Scope::Feedback]).await
    }

    /// A new key of a workspace.
    pub(crate) async fn key(&self, workspace: &WorkspaceId, scopes: &[Scope]) -> Client {
        static SEED: AtomicU64 = AtomicU64::new(0);
        let mut rng = StdRng::seed_from_u64(SEED.fetch_add(1, Ordering::Relaxed));
        let key = keys::generate(self.app.ids.as_ref(), &mut rng);
        let record = KeyRecord {
            id: key.id.clone(),
            workspace: workspace.clone(),
            name: "test".into(),
            scopes: scopes.to_vec(),
            created_at: self.app.clock.now(),
            revoked_at: None,
        };
        Keys::insert(self.app.store.as_ref(), &record, &key.hash).await.unwrap();
        Client {
            base_url: self.base_url.clone(),
            workspace: workspace.clone(),
            key_id: key.id,
            secret: key.secret.expose_secret().to_owned(),
            http: reqwest::Client::new(),
        }
    }
}

/// A caller with a key.
#[derive(Clone)]
pub(crate) struct Client {
    /// The server.
    pub(crate) base_url: String,
    /// The workspace that the key opens.
    pub(crate) workspace: WorkspaceId,
    /// The key's public id.
    pub(crate) key_id: String,
    /// The key.
    pub(crate) secret: String,
    http: reqwest::Client,
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answered {
    /// HTTP status.
    pub(crate) status: StatusCode,
    /// Headers.
    pub(crate) headers: reqwest::header::HeaderMap,
    /// Body as text.
    pub(crate) text: String,
}

impl Answered {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and body, for snapshots.
    pub(crate) fn snapshot(&self) -> Value {
        json!({"status": self.status.as_u16(), "type": self.header("content-type"), "body": self.json()})
    }
}

impl Client {
    /// A request with the key.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url)).bearer_auth(&self.secret)
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        read(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answered {
        read(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        read(self.request(Method::POST, path).json(body)).await
    }

    /// Posts with an `Idempotency-Key`.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: &Value) -> Answered {
        read(self.request(Method::POST, path).header("idempotency-key", key).json(body)).await
    }

    /// Adds a document about delivery times and returns its id.
    pub(crate) async fn with_delivery(&self) -> String {
        let document = json!({
            "source": "help/entrega", "title": "Entrega", "url": "https://loja.example/entrega", "language": "pt",
            "markdown": "# Entrega\n\nA entrega normal no Brasil leva até 5 dias úteis depois do pagamento.\n\n\
                         ## Frete\n\nO frete é grátis em compras a partir de R$ 299."});
        let answered = self.post("/v1/knowledge/documents", &document).await;
        assert_eq!(answered.status, StatusCode::CREATED, "{}", answered.text);
        answered.json()["id"].as_str().unwrap().to_owned()
    }

    /// Asks one question in a new conversation.
    pub(crate) async fn ask(&self, text: &str) -> Answered {
        self.post("/v1/suggest", &question(text)).await
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn read(request: reqwest::RequestBuilder) -> Answered {
    let response = request.send().await.expect("the server answers");
    let (status, headers) = (response.status(), response.headers().clone());
    Answered { status, headers, text: response.text().await.expect("the answer is text") }
}

/// A body of `suggest` with one customer message.
pub(crate) fn question(text: &str) -> Value {
    json!({
        "conversation": {"id": "c-1", "channel": "whatsapp", "locale": "pt-BR",
            "customer": {"id": "u-9", "name": "Ana"},
            "messages": [{"id": "m-1", "role": "customer", "text": text}]},
        "mode": "draft"})
}
