//! `ponto models`: list, fetch and verify models.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use indicatif::HumanBytes;
use serde_json::json;

use super::progress::FetchProgress;
use super::{Loaded, Printer};
use crate::inference::models::{
    FileState, Manifest, ModelError, ModelFiles, ModelsConfig, Progress, Registry,
};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the known models and which of them are here
    List,
    /// Fetch models and verify them [default: the configured chat model and embedder]
    Pull {
        /// Manifests, `owner/repository/file.gguf` or `owner/repository`
        names: Vec<String>,
    },
    /// Read and hash the files again [default: every model that is here]
    Verify {
        /// Models
        names: Vec<String>,
    },
}

pub(super) async fn run(config: Loaded, args: Args, printer: &Printer) -> anyhow::Result<ExitCode> {
    let config = config?.models;
    let registry = Registry::open(&config)?;
    match args.command {
        Command::List => list(&registry, &config, *printer),
        Command::Pull { names } => pull(&registry, or_configured(names, &config), *printer).await,
        Command::Verify { names } => verify(&registry, &names, *printer),
    }
}

fn or_configured(names: Vec<String>, config: &ModelsConfig) -> Vec<String> {
    if names.is_empty() { vec![config.embedder.clone(), config.chat.clone()] } else { names }
}

fn list(registry: &Registry, config: &ModelsConfig, printer: Printer) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for manifest in registry.manifests() {
        let used = manifest.name == config.chat || manifest.name == config.embedder;
        let state = match registry.installed(manifest) {
            Ok(Some(_)) => "here",
            Ok(None) => "not here",
            Err(ModelError::HashMismatch { .. }) => "refused: another file",
            Err(error) => return Err(error.into()),
        };
        let size = manifest.bytes().map_or_else(|| "?".into(), |bytes| HumanBytes(bytes).to_string());
        printer.line(format!(
            "{} {:28} {:8} {:>10}  {:12} {:10}  {}",
            if used { '*' } else { ' ' },
            manifest.name,
            manifest.kind.as_str(),
            size,
            state,
            manifest.licence,
            manifest.description
        ));
        rows.push(json!({
            "name": manifest.name, "kind": manifest.kind, "architecture": manifest.architecture,
            "licence": manifest.licence, "bytes": manifest.bytes(), "state": state, "configured": used,
        }));
    }
    printer.line(format!(
        "\n* is configured. Files are kept in {}. Any GGUF file or embedder can be named instead by its path or \
         repository.",
        registry.cache().display()
    ));
    printer.json(&rows)?;
    Ok(ExitCode::SUCCESS)
}

async fn pull(registry: &Registry, names: Vec<String>, printer: Printer) -> anyhow::Result<ExitCode> {
    let progress = FetchProgress::new(printer);
    let mut rows = Vec::new();
    for name in names {
        let manifest = registry.find(&name)?;
        let files =
            ensure(registry, &manifest, &progress).await.with_context(|| format!("{name} is not here"))?;
        printer.line(format!("{name} is here and verified: {}", files.dir.display()));
        rows.push(json!({ "name": name, "dir": files.dir, "fingerprint": files.fingerprint }));
    }
    printer.json(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Fetches what lacks. A wrong file that was lying there has been moved away by the first try: it is said, and the
/// right one fetched.
async fn ensure(
    registry: &Registry,
    manifest: &Manifest,
    progress: &FetchProgress,
) -> Result<ModelFiles, ModelError> {
    match registry.ensure(manifest, progress).await {
        Err(error @ ModelError::HashMismatch { .. }) => {
            progress.note(&error.to_string());
            registry.ensure(manifest, progress).await
        }
        result => result,
    }
}

fn verify(registry: &Registry, names: &[String], printer: Printer) -> anyhow::Result<ExitCode> {
    let all = names.is_empty();
    let manifests: Vec<Manifest> = if all {
        registry.manifests().cloned().collect()
    } else {
        names.iter().map(|name| registry.find(name)).collect::<Result<_, _>>()?
    };
    let mut rows = Vec::new();
    let mut good = true;
    for manifest in manifests {
        let checks = registry.verify(&manifest)?;
        if all && checks.iter().all(|check| check.state == FileState::Missing) {
            continue;
        }
        for check in checks {
            good &= check.state == FileState::Verified;
            let (state, line) = match &check.state {
                FileState::Verified => ("verified", "verified".to_string()),
                FileState::Missing => {
                    ("missing", format!("missing; `ponto models pull {}` fetches it", manifest.name))
                }
                FileState::Refused { expected, actual, moved } => (
                    "refused",
                    format!(
                        "REFUSED: its sha256 is {actual} and {expected} was expected; moved to {}; \
                         `ponto models pull {}` fetches it again",
                        moved.display(),
                        manifest.name
                    ),
                ),
            };
            printer.line(format!("{}/{}: {line}", manifest.name, check.file));
            rows.push(json!({ "model": manifest.name, "file": check.file, "state": state }));
        }
    }
    if rows.is_empty() {
        printer.line("no model is here yet; `ponto models pull` fetches the configured ones");
    }
    printer.json(&rows)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
