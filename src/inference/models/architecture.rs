//! Refusing what cannot run, from a file's metadata alone: no tensor is read.

use std::path::Path;

use serde::Deserialize;

use super::{ModelError, ModelKind};
use crate::inference::candle::LoadError;
use crate::inference::candle::gguf::Gguf;

/// GGUF architectures that the decoder runs.
pub use crate::inference::candle::hyperparameters::SUPPORTED as CHAT_ARCHITECTURES;

/// Architectures that the embedder runs: `general.architecture` of a GGUF, or `model_type` of a `config.json`.
pub const EMBEDDER_ARCHITECTURES: [&str; 2] = ["bert", "xlm-roberta"];

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) kind: ModelKind,
    pub(super) architecture: String,
}

/// Reads the architecture of a GGUF file; refuses one that no backend runs.
pub(super) fn of_gguf(path: &Path) -> Result<Found, ModelError> {
    let unreadable =
        |error: LoadError| ModelError::Unreadable { path: path.into(), reason: error.to_string() };
    let file = Gguf::open(path).map_err(unreadable)?;
    let architecture = file.architecture().map_err(unreadable)?;
    let kind = if CHAT_ARCHITECTURES.contains(&architecture) {
        ModelKind::Chat
    } else if architecture == "bert" {
        ModelKind::Embedder
    } else {
        return Err(unsupported(path, architecture));
    };
    Ok(Found { kind, architecture: architecture.into() })
}

/// Reads the architecture of a `config.json`; refuses one that the embedder does not run.
pub(super) fn of_config(path: &Path) -> Result<Found, ModelError> {
    #[derive(Deserialize)]
    struct Config {
        #[serde(default)]
        model_type: String,
    }
    let text = std::fs::read(path).map_err(|error| ModelError::io(path, &error))?;
    let config: Config = serde_json::from_slice(&text).map_err(|error| ModelError::Unreadable {
        path: path.into(),
        reason: format!("it is no model configuration ({error})"),
    })?;
    if EMBEDDER_ARCHITECTURES.contains(&config.model_type.as_str()) {
        Ok(Found { kind: ModelKind::Embedder, architecture: config.model_type })
    } else {
        Err(unsupported(path, &config.model_type))
    }
}

/// Checks a file that has just come, before anything larger is fetched or loaded. Files that say nothing about the
/// architecture pass.
pub(super) fn check(kind: ModelKind, path: &Path) -> Result<(), ModelError> {
    let found = if path.extension().is_some_and(|extension| extension == "gguf") {
        of_gguf(path)?
    } else if path.file_name().is_some_and(|name| name == "config.json") {
        of_config(path)?
    } else {
        return Ok(());
    };
    if found.kind == kind { Ok(()) } else { Err(unsupported_as(path, &found, kind)) }
}

fn unsupported(path: &Path, architecture: &str) -> ModelError {
    ModelError::Unsupported {
        path: path.into(),
        architecture: architecture.into(),
        supported: format!(
            "{} as chat models (GGUF) and {} as embedders",
            CHAT_ARCHITECTURES.join(", "),
            EMBEDDER_ARCHITECTURES.join(", ")
        ),
    }
}

fn unsupported_as(path: &Path, found: &Found, wanted: ModelKind) -> ModelError {
    let supported = match wanted {
        ModelKind::Chat => CHAT_ARCHITECTURES.join(", "),
        ModelKind::Embedder => EMBEDDER_ARCHITECTURES.join(", "),
    };
    ModelError::Unsupported {
        path: path.into(),
        architecture: found.architecture.clone(),
        supported: format!("{supported} as {}", wanted.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use candle_core::quantized::gguf_file::{Value, write};

    use super::*;

    fn gguf(dir: &Path, architecture: &str) -> std::path::PathBuf {
        let path = dir.join("model.gguf");
        let value = Value::String(architecture.into());
        write(&mut File::create(&path).unwrap(), &[("general.architecture", &value)], &[]).unwrap();
        path
    }

    #[test]
    fn refuses_an_unknown_gguf_architecture_and_says_what_would_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = of_gguf(&gguf(dir.path(), "mamba")).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains("llama, qwen2, qwen3"), "{error}");
        assert_eq!(of_gguf(&gguf(dir.path(), "qwen3")).unwrap().kind, ModelKind::Chat);
        assert_eq!(of_gguf(&gguf(dir.path(), "bert")).unwrap().kind, ModelKind::Embedder);
    }

    #[test]
    fn refuses_a_chat_model_where_an_embedder_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let error = check(ModelKind::Embedder, &gguf(dir.path(), "llama")).unwrap_err().to_string();
        assert!(error.contains("`llama`") && error.contains("bert, xlm-roberta as embedder"), "{error}");
    }

    #[test]
    fn refuses_an_unknown_model_type_and_a_file_that_is_no_gguf() {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.json");
        std::fs::write(&config, r#"{"model_type": "t5"}"#).unwrap();
        assert!(of_config(&config).unwrap_err().to_string().contains("`t5`"));
        std::fs::write(&config, r#"{"model_type": "xlm-roberta"}"#).unwrap();
        assert_eq!(of_config(&config).unwrap().architecture, "xlm-roberta");
        let text = dir.path().join("text.gguf");
        std::fs::write(&text, "this is no model").unwrap();
        assert!(of_gguf(&text).unwrap_err().to_string().contains("cannot be read as a GGUF file"));
    }
}
