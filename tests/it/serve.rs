//! `ponto serve` as a process: ready line, early health, orderly stop, and logs that hold nothing they must not.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use ponto::conversation::WorkspaceId;
use ponto::store::sqlite::SqliteStore;
use ponto::store::{KeyRecord, Keys, Scope, keys};
use rand::SeedableRng;
use rand::rngs::StdRng;
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::app::question;
use crate::support::faults::{Fault, FaultyServer};

/// A running `ponto serve`; killed when dropped.
struct Process {
    child: Child,
    ready: Value,
    started: Instant,
    _data: TempDir,
    key: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts the binary and waits for its ready line.
    async fn start(backend: &str, environment: &[(&str, String)]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let key = key(&data).await;
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_ponto"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--backend", backend, "--data-dir"])
            .arg(data.path())
            .env("PONTO__LOG__FORMAT", "json")
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir(data.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        });
        let line =
            tokio::time::timeout(Duration::from_mins(1), line).await.expect("a ready line").unwrap().unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut log = String::new();
            let _ = child.kill();
            let _ = child.stderr.take().unwrap().read_to_string(&mut log);
            panic!("no ready line but {line:?}; the log: {log}")
        });
        Self { child, ready, started, _data: data, key }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.ready["api"].as_str().unwrap())
    }

    fn terminate(&self) {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for the end; returns the exit code and the log.
    async fn end(mut self) -> (Option<i32>, String) {
        let mut stderr = self.child.stderr.take().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).unwrap();
            (self.child.wait().unwrap().code(), log)
        })
        .await
        .unwrap()
    }
}

/// A key in the database of a data folder.
async fn key(data: &TempDir) -> String {
    let store = SqliteStore::open(&data.path().join("ponto.db")).await.unwrap();
    let key = keys::generate(&ponto::app::RandomIds, &mut StdRng::seed_from_u64(7));
    let record = KeyRecord {
        id: key.id,
        workspace: WorkspaceId("shop".into()),
        name: "test".into(),
        scopes: vec![Scope::Admin],
        created_at: chrono::DateTime::UNIX_EPOCH,
        revoked_at: None,
    };
    Keys::insert(&store, &record, &key.hash).await.unwrap();
    store.close().await;
    key.secret.expose_secret().to_owned()
}

/// A hosted model that takes its time.
async fn slow_model(delay: Duration) -> (FaultyServer, Vec<(&'static str, String)>) {
    let server = FaultyServer::start(vec![Fault::ErrorAfter(delay)]).await;
    let environment = vec![
        ("PONTO__OPENAI__BASE_URL", server.base_url.clone()),
        ("PONTO__OPENAI__MODEL", "slow".into()),
        ("PONTO__INFERENCE__RETRIES", "0".into()),
    ];
    (server, environment)
}

/// Waits until the model was asked so many times.
async fn reached(model: &FaultyServer, times: usize) {
    let started = Instant::now();
    while model.calls() < times {
        assert!(started.elapsed() < Duration::from_mins(2), "the model was not asked {times} times");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn load(process: &Process, http: &reqwest::Client) {
    let document = serde_json::json!({"source": "a", "title": "Entrega", "language": "pt",
        "text": "A entrega normal no Brasil leva até 5 dias úteis depois do pagamento."});
    let added =
        http.post(process.url("/v1/knowledge/documents")).bearer_auth(&process.key).json(&document).send();
    assert_eq!(added.await.unwrap().status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_stopped_server_finishes_what_runs_and_leaves_with_zero() {
    let (model, environment) = slow_model(Duration::from_secs(2)).await;
    let process = Process::start("openai", &environment).await;
    let http = reqwest::Client::new();
    load(&process, &http).await;
    let events = http.get(process.url("/v1/events")).bearer_auth(&process.key).send().await.unwrap();
    let mut events = events.bytes_stream();
    let body = question("Segredo 4711: em quanto tempo chega o meu pedido, qual o prazo de entrega normal?");
    let running =
        http.post(process.url("/v1/suggest?secret=query")).bearer_auth(&process.key).json(&body).send();
    let running = tokio::spawn(running);
    reached(&model, 1).await;
    assert!(!running.is_finished(), "the slow model is still being waited for");

    process.terminate();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(http.get(process.url("/healthz")).send().await.is_err(), "no new connection is accepted");
    while let Some(chunk) =
        tokio::time::timeout(Duration::from_mins(1), events.next()).await.expect("the stream ends")
    {
        chunk.unwrap();
    }
    let answered = running.await.unwrap().expect("a running request is answered");
    assert_eq!(answered.status(), StatusCode::OK);
    let answer: Value = answered.json().await.unwrap();
    assert_eq!(answer["usage"]["backend"], "extractive", "what remains when the model fails: {answer:#}");

    let (secret, (code, log)) = (process.key.clone(), process.end().await);
    assert_eq!(code, Some(0), "{log}");
    for text in ["Segredo", "4711", "Ana", secret.as_str(), "secret=query", "5 dias"] {
        assert!(!log.contains(text), "{text} is in the log:\n{log}");
    }
    let line = log.lines().find(|line| line.contains("\"/v1/suggest\"")).expect("a line for the request");
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["status"], &line["workspace"]), (&200.into(), &"shop".into()), "{line}");
    assert_eq!(line["trace_id"], answer["trace_id"], "{line}");
}

#[tokio::test]
async fn a_stop_does_not_wait_longer_than_it_may() {
    let (model, mut environment) = slow_model(Duration::from_mins(1)).await;
    environment.push(("PONTO__SERVER__SHUTDOWN_S", "1".into()));
    let process = Process::start("openai", &environment).await;
    let http = reqwest::Client::new();
    load(&process, &http).await;
    let body = question("Em quanto tempo chega o meu pedido, qual o prazo de entrega normal?");
    let running =
        tokio::spawn(http.post(process.url("/v1/suggest")).bearer_auth(&process.key).json(&body).send());
    reached(&model, 1).await;
    let stopped = Instant::now();
    process.terminate();
    let (code, log) = process.end().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(stopped.elapsed() < Duration::from_secs(6), "{:?}", stopped.elapsed());
    assert!(running.await.unwrap().is_err(), "the request was cut off");
}

#[tokio::test]
async fn a_caller_that_goes_away_stops_the_work_and_gives_its_key_back() {
    let (model, environment) = slow_model(Duration::from_mins(1)).await;
    let process = Process::start("openai", &environment).await;
    let http = reqwest::Client::new();
    load(&process, &http).await;
    let body = question("Em quanto tempo chega o meu pedido, qual o prazo de entrega normal?");
    let ask = || {
        let request = http.post(process.url("/v1/suggest")).bearer_auth(&process.key);
        tokio::spawn(request.header("idempotency-key", "k").json(&body).send())
    };
    let first = ask();
    reached(&model, 1).await;
    first.abort();
    let mut tries = 0;
    loop {
        let again = ask();
        tokio::time::sleep(Duration::from_millis(200)).await;
        if !again.is_finished() {
            reached(&model, 2).await;
            break;
        }
        let answered = again.await.unwrap().unwrap();
        assert_eq!(answered.status(), StatusCode::CONFLICT, "the first attempt still holds the key");
        tries += 1;
        assert!(tries < 100, "the key was not given back");
    }
    let metrics = http.get(process.url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("route=\"/v1/suggest\",status=\"499\""), "{metrics}");
}

#[tokio::test]
async fn a_flood_is_told_to_come_again() {
    let (_model, mut environment) = slow_model(Duration::from_secs(3)).await;
    environment.push(("PONTO__SERVER__MAX_RUNNING", "2".into()));
    let process = Process::start("openai", &environment).await;
    let http = reqwest::Client::new();
    load(&process, &http).await;
    let body = question("Em quanto tempo chega o meu pedido, qual o prazo de entrega normal?");
    let calls =
        (0..20).map(|_| http.post(process.url("/v1/suggest")).bearer_auth(&process.key).json(&body).send());
    let answers = futures::future::join_all(calls).await;
    let mut refused = 0;
    for answered in answers.into_iter().map(Result::unwrap) {
        if answered.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(answered.headers()["retry-after"], "1");
            assert_eq!(answered.headers()["content-type"], "application/problem+json");
            refused += 1;
        } else {
            assert_eq!(answered.status(), StatusCode::OK);
        }
    }
    assert_eq!(refused, 18);
}

#[tokio::test]
async fn a_server_is_ready_within_five_seconds() {
    // The best of three: other tests run beside this one.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let process = Process::start("extractive", &[]).await;
        best = best.min(process.started.elapsed());
        let ready = reqwest::get(process.url("/readyz")).await.unwrap();
        assert_eq!(ready.status(), StatusCode::OK, "what is printed as ready is ready");
        assert!(process.ready["console"].as_str().unwrap().ends_with("/console"));
        if best < Duration::from_secs(5) {
            return;
        }
    }
    panic!("ready after {best:?} at best");
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_a_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_ponto"))
        .args(["serve", "--backend", "extractive", "--listen", &address, "--data-dir"])
        .arg(data.path())
        .current_dir(data.path())
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(1));
    let log = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(log.contains(&address) && log.contains("--listen"), "{log}");
}

/// Asks until the answer's first reasons hold a code, or do not, as wanted; a minute long.
async fn until_policy(process: &Process, http: &reqwest::Client, wanted: bool) {
    let asked = Instant::now();
    loop {
        let body = question("Qual é o prazo de entrega normal?");
        let answer = http.post(process.url("/v1/suggest")).bearer_auth(&process.key).json(&body).send();
        let answer: Value = answer.await.unwrap().json().await.unwrap();
        if answer["decision"]["reasons"].to_string().contains("\"policy\"") == wanted {
            return;
        }
        assert!(asked.elapsed() < Duration::from_mins(1), "{answer:#}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn new_policies_are_taken_while_the_server_runs_and_wrong_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.toml");
    let environment = [
        ("PONTO__POLICIES__FOLDER", folder.path().display().to_string()),
        // SIGHUP alone, so that the test knows when.
        ("PONTO__POLICIES__RELOAD_S", "0".to_owned()),
    ];
    let process = Process::start("extractive", &environment).await;
    let http = reqwest::Client::new();
    load(&process, &http).await;
    until_policy(&process, &http, false).await;
    let hang_up = || {
        let done = Command::new("kill").args(["-HUP", &process.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    };
    std::fs::write(&file, "[[rules]]\nname = 'all'\nwhen = {}\nthen.draft = true\n").unwrap();
    hang_up();
    until_policy(&process, &http, true).await;
    std::fs::write(&file, "[[rules]]\nname = 'all'\nwhen = {}\nthen.drafts = true\n").unwrap();
    hang_up();
    let waited = Instant::now();
    loop {
        let metrics = http.get(process.url("/metrics")).send().await.unwrap().text().await.unwrap();
        if metrics.contains("ponto_policies_refused 1") {
            break;
        }
        assert!(waited.elapsed() < Duration::from_mins(1), "{metrics}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    until_policy(&process, &http, true).await;
    let ready: Value = http.get(process.url("/readyz")).send().await.unwrap().json().await.unwrap();
    assert_eq!(ready["status"], "ready");
    assert!(ready["checks"]["policies"].as_str().unwrap().contains("rules from before"), "{ready}");
    process.terminate();
    let (code, log) = process.end().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("shop.toml: rule `all`: then"), "{log}");
}
