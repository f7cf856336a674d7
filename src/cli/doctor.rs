//! `ponto doctor`: what is in order, what is not, and what to do about it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use sysinfo::Disks;

use super::{Loaded, Printer};
use crate::config::Config;
use crate::decision::rules::Policies;
use crate::inference::BackendKind;
use crate::inference::candle::device::ComputeDevice;
use crate::inference::models::{Manifest, ModelError, Registry};
use crate::judgement::calibration::{Calibration, Folder};
use crate::retrieval::index::edge::EdgeIndex;
use crate::retrieval::index::server::ServerIndex;
use crate::store::Documents;
use crate::store::sqlite::SqliteStore;

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

/// Free space under which indexing and logs are at risk, in bytes.
const SCARCE: u64 = 1 << 30;
const PATIENCE: Duration = Duration::from_secs(5);

/// One thing that was checked.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Good,
    Warning,
    Bad,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, state: State::Good, detail: detail.into(), remedy: None }
    }

    fn warning(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Warning, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    fn bad(name: &'static str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, state: State::Bad, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

pub(super) async fn run(config: Loaded, _args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let checks = match config {
        Err(error) => vec![Check::bad(
            "config",
            error.to_string(),
            "correct it; `ponto config schema` lists every setting",
        )],
        Ok(config) => examine(&config).await,
    };
    for check in &checks {
        let sign = match check.state {
            State::Good => "ok  ",
            State::Warning => "warn",
            State::Bad => "BAD ",
        };
        printer.line(format!("{sign}  {:<12} {}", check.name, check.detail));
        if let Some(remedy) = &check.remedy {
            printer.line(format!("                   → {remedy}"));
        }
    }
    printer.json(&checks)?;
    let bad = checks.iter().any(|check| check.state == State::Bad);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(config: &Config) -> Vec<Check> {
    let mut checks = vec![Check::good("config", "every setting makes sense")];
    checks.push(policies(config));
    checks.extend(calibrations(config.judgement.calibrations.as_deref()));
    checks.push(disk(&config.server.data_dir));
    checks.extend(models(config));
    checks.push(device(config));
    checks.push(hosted(config).await);
    checks.push(store(config).await);
    checks.push(index(config).await);
    checks.push(port(config).await);
    checks
}

/// Whether the policies' files can be used.
fn policies(config: &Config) -> Check {
    let folder = config.policies.path();
    match Policies::open(folder.clone(), config.known_to_rules()) {
        Ok(policies) => {
            let count = policies.rules().rules().count();
            Check::good("policies", format!("{count} rules in {}", folder.display()))
        }
        Err(error) => {
            Check::bad("policies", error.to_string(), "correct them; `ponto policy check` tries again")
        }
    }
}

/// Which files of the operator's folder of calibrations count, and which do not and why.
fn calibrations(folder: Option<&Path>) -> Vec<Check> {
    const NAME: &str = "calibrations";
    let Some(folder) = folder else {
        return vec![Check::good(
            NAME,
            "those of the binary; `judgement.calibrations` names no folder of your own",
        )];
    };
    let Folder { used, unused } = match Folder::open(folder) {
        Ok(found) => found,
        Err(error) => {
            return vec![Check::bad(
                NAME,
                error.to_string(),
                "make it readable, or correct judgement.calibrations",
            )];
        }
    };
    let count = |(path, calibration): &(PathBuf, Calibration)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let certified = if calibration.certificate.is_some() { "" } else { ", without a certificate" };
        format!("{name} (workspace {}{certified})", calibration.workspace)
    };
    let used: Vec<String> = used.iter().map(count).collect();
    let used = if used.is_empty() { "none".to_owned() } else { used.join(", ") };
    let good = Check::good(NAME, format!("used from {}: {used}", folder.display()));
    let unused = unused.iter();
    let unused = unused.map(|error| Check::warning(NAME, error.to_string(), "replace it, or take it away"));
    std::iter::once(good).chain(unused).collect()
}

/// Whether the data folder can be written, and what is left on its disk.
fn disk(folder: &Path) -> Check {
    let shown = folder.display();
    let probe = folder.join(".doctor");
    if let Err(error) = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"")) {
        return Check::bad(
            "disk",
            format!("{shown} cannot be written: {error}"),
            "give Ponto the right to write there, or set server.data_dir",
        );
    }
    let _ = std::fs::remove_file(&probe);
    let Ok(folder) = folder.canonicalize() else {
        return Check::good("disk", format!("{shown} can be written"));
    };
    let disks = Disks::new_with_refreshed_list();
    let disk = disks
        .iter()
        .filter(|disk| folder.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().as_os_str().len());
    match disk.map(sysinfo::Disk::available_space) {
        Some(free) if free < SCARCE => Check::bad(
            "disk",
            format!("{} free in {shown}", indicatif::HumanBytes(free)),
            "make room: at least 1 GiB",
        ),
        Some(free) => Check::good("disk", format!("{} free in {shown}", indicatif::HumanBytes(free))),
        None => Check::good("disk", format!("{shown} can be written")),
    }
}

/// The embedder, and the chat model where the local backend is used.
fn models(config: &Config) -> Vec<Check> {
    let registry = match Registry::open(&config.models) {
        Ok(registry) => registry,
        Err(error) => {
            return vec![Check::bad("models", error.to_string(), "correct the manifests, or models.cache")];
        }
    };
    let local = config.inference.backends.contains(&BackendKind::Candle);
    let names = std::iter::once(&config.models.embedder).chain(local.then_some(&config.models.chat));
    names.map(|name| model(name, registry.find(name), &registry)).collect()
}

fn model(name: &str, found: Result<Manifest, ModelError>, registry: &Registry) -> Check {
    match found.and_then(|manifest| registry.installed(&manifest)) {
        Ok(Some(_)) => Check::good("models", format!("{name} is here and verified")),
        Ok(None) => Check::warning(
            "models",
            format!("{name} is not here yet"),
            format!("`ponto models pull {name}` fetches it; `ponto serve` does so too"),
        ),
        Err(error) => Check::bad("models", error.to_string(), "`ponto models pull` fetches it again"),
    }
}

/// Where the local chat model computes, where one is used.
fn device(config: &Config) -> Check {
    if !config.inference.backends.contains(&BackendKind::Candle) {
        return Check::good("device", "no local chat model is used");
    }
    match (config.candle.device, config.candle.device.open()) {
        (_, Err(error)) => Check::bad("device", error.to_string(), "correct it; `ponto doctor` tries again"),
        (ComputeDevice::Cpu, Ok(_)) => Check::good("device", "the chat model computes on the CPU"),
        (ComputeDevice::Cuda, Ok(_)) => {
            Check::good("device", "the chat model computes on the first CUDA device, which starts")
        }
    }
}

/// The hosted backend, where one is used.
async fn hosted(config: &Config) -> Check {
    if !config.inference.backends.contains(&BackendKind::Openai) {
        return Check::good("hosted", "no hosted model is used");
    }
    let address = format!("{}/models", config.openai.base_url.trim_end_matches('/'));
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    match client.map(|client| client.get(&address)) {
        Ok(request) => match request.send().await {
            Ok(answer) => {
                Check::good("hosted", format!("{} answers with {}", config.openai.base_url, answer.status()))
            }
            Err(error) => Check::bad(
                "hosted",
                format!("{} does not answer: {}", config.openai.base_url, error.without_url()),
                "start it, or correct openai.base_url",
            ),
        },
        Err(error) => Check::bad("hosted", error.to_string(), "correct openai.base_url"),
    }
}

async fn store(config: &Config) -> Check {
    let path = config.server.database();
    if !path.exists() {
        return Check::good("store", "empty: it is made at the first start");
    }
    let opened = SqliteStore::open(&path).await;
    match opened {
        Ok(store) => match store.passage_ids().await {
            Ok(ids) => Check::good("store", format!("{} passages", ids.len())),
            Err(error) => {
                Check::bad("store", error.to_string(), format!("restore {} from a backup", path.display()))
            }
        },
        Err(error) => Check::bad(
            "store",
            error.to_string(),
            format!("restore {} from a backup, or move it away to begin anew", path.display()),
        ),
    }
}

async fn index(config: &Config) -> Check {
    // Only reachability and the lock are looked at: an index of another embedder must not be touched here.
    if let Some(url) = &config.index.url {
        return match tokio::time::timeout(PATIENCE, ServerIndex::reach(&config.index)).await {
            Ok(Ok(())) => Check::good("index", format!("the Qdrant server at {url} answers")),
            Ok(Err(error)) => Check::bad(
                "index",
                error.to_string(),
                "start the server, or correct index.url and index.api_key",
            ),
            Err(_) => Check::bad(
                "index",
                format!("the Qdrant server at {url} does not answer within 5 s"),
                "start the server, or correct index.url",
            ),
        };
    }
    let folder = config.server.data_dir.join("index");
    if !folder.exists() {
        return Check::good("index", "embedded, empty: it is made from the store at the first start");
    }
    match EdgeIndex::in_use(&folder) {
        Ok(true) => Check::good("index", "embedded, in use by a running Ponto"),
        Ok(false) => Check::good("index", "embedded, free"),
        Err(error) => Check::bad(
            "index",
            error.to_string(),
            format!("remove {}: it is made again from the store", folder.display()),
        ),
    }
}

async fn port(config: &Config) -> Check {
    let listen = &config.server.listen;
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Check::good("port", format!("{listen} is free")),
        Err(error) => {
            let ours =
                reqwest::Client::new().get(format!("http://{listen}/healthz")).timeout(PATIENCE).send().await;
            if ours.is_ok_and(|answer| answer.status().is_success()) {
                Check::good("port", format!("{listen} is served by a running Ponto"))
            } else {
                Check::bad(
                    "port",
                    format!("{listen} cannot be listened on: {error}"),
                    "stop what uses it, or set server.listen",
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::calibration::tests::sample;

    #[test]
    fn says_which_calibrations_of_the_folder_count() {
        let folder = tempfile::tempdir().unwrap();
        sample().save(&folder.path().join("good.json"), b"").unwrap();
        Calibration { intercept: 3.0, ..sample() }.save(&folder.path().join("changed.json"), b"").unwrap();
        let [good, changed] = calibrations(Some(folder.path())).try_into().unwrap();
        assert_eq!((good.state, changed.state), (State::Good, State::Warning));
        assert!(good.detail.ends_with(": good.json (workspace shop)"), "{}", good.detail);
        assert!(changed.detail.contains("changed.json was changed"), "{}", changed.detail);
        let [missing] = calibrations(Some(&folder.path().join("nowhere"))).try_into().unwrap();
        assert_eq!(missing.state, State::Bad);
    }
}
