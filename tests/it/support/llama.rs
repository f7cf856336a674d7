//! A real llama.cpp server: the reference of our decoder and the hosted model of the tests.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::parts::{self, free_port};

/// The wheel that carries llama.cpp's server (CPU, x86-64), and its sha256.
const VERSION: &str = "2026.10.11549";
const SHA256: &str = "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261";

/// A running server; killed when dropped.
pub(crate) struct LlamaServer {
    /// `http://127.0.0.1:<port>`, without a path.
    pub(crate) base_url: String,
    /// The name the server gives its model.
    pub(crate) alias: String,
    child: Child,
    /// One server at a time: the threads of two would spin against each other.
    turn: Option<MutexGuard<'static, ()>>,
}

impl LlamaServer {
    /// Starts a server on the GGUF file at `model`, with two slots of 4,096 tokens, and waits until it answers.
    pub(crate) async fn start(model: &Path) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        static TURN: Mutex<()> = Mutex::const_new(());
        assert!(model.is_file(), "there is no model file {}", model.display());
        let python = tokio::task::spawn_blocking(python).await.expect("the server's package is installed");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/llama_server.py");
        let turn = TURN.lock().await;
        for _ in 0..5 {
            // The port is free now and may be taken a moment later; the alias tells whose server answers there.
            let port = free_port();
            let alias = format!("test-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
            let child = Command::new(&python)
                .arg(&script)
                .arg(model)
                .args([&port.to_string(), &alias, "4096", "2"])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("python starts");
            let mut server = Self { base_url: format!("http://127.0.0.1:{port}"), alias, child, turn: None };
            if server.is_ready(Duration::from_mins(2)).await {
                server.turn = Some(turn);
                return server;
            }
        }
        panic!("the llama server does not start; run {} by hand to see why", script.display());
    }

    /// Posts JSON to a path of the server and reads the JSON it answers.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = reqwest::Client::new()
            .post(format!("{}{path}", self.base_url))
            .json(body)
            .send()
            .await
            .expect("the llama server answers");
        let status = answer.status();
        let text = answer.text().await.expect("the llama server's answer is text");
        assert!(status.is_success(), "{path} answered {status}: {text}");
        serde_json::from_str(&text).expect("the llama server's answer is JSON")
    }

    /// Waits until the server answers; false when it ends instead or another one answers, as happens when the port
    /// was taken.
    async fn is_ready(&mut self, patience: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.child.try_wait().expect("the state of a child").is_some() {
                return false;
            }
            if self.healthy().await {
                return self.model().await.as_deref() == Some(self.alias.as_str());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    async fn healthy(&self) -> bool {
        let answer = reqwest::get(format!("{}/health", self.base_url)).await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn model(&self) -> Option<String> {
        let models: Value =
            reqwest::get(format!("{}/v1/models", self.base_url)).await.ok()?.json().await.ok()?;
        models["data"][0]["id"].as_str().map(str::to_owned)
    }
}

impl Drop for LlamaServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interpreter of a virtual environment that holds the server, installed the first time.
fn python() -> PathBuf {
    let remedy = "install Python 3.10 or newer with venv and pip, and connect to a package index once";
    let folder = parts::part(&format!("xllamacpp-{VERSION}"), |folder| {
        parts::run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")), remedy);
        let requirements = folder.join("requirements.txt");
        std::fs::write(&requirements, format!("xllamacpp=={VERSION} --hash=sha256:{SHA256}\n"))
            .expect("the cache folder can be written");
        parts::run(
            Command::new(folder.join("venv/bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r"])
                .arg(&requirements),
            remedy,
        );
    });
    folder.join("venv/bin/python")
}
