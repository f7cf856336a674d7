//! Models without a manifest: named by a path or by a repository.

use std::path::Path;

use serde::Deserialize;

use super::manifest::{EmbedderSpec, FileSpec, HubFile, Manifest, ModelKind, Pooling, Source};
use super::{ModelError, ModelFiles, architecture};

/// Files of an embedder: name in the model's folder, path in its repository, whether it can be missing.
/// `config.json` comes first: it is checked before the weights are fetched.
const EMBEDDER_FILES: [(&str, &str, bool); 6] = [
    ("config.json", "config.json", false),
    ("tokenizer.json", "tokenizer.json", false),
    ("pooling.json", "1_Pooling/config.json", true),
    ("sentence_bert_config.json", "sentence_bert_config.json", true),
    ("prompts.json", "config_sentence_transformers.json", true),
    ("model.safetensors", "model.safetensors", false),
];

/// The model at `path`: a GGUF file or an embedder's folder.
pub(super) fn at_path(path: &Path) -> Result<Manifest, ModelError> {
    let path = path.canonicalize().map_err(|error| ModelError::io(path, &error))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let local = |name: &str, at: &Path| FileSpec { local: Some(at.into()), ..file(name, Vec::new()) };
    if path.is_dir() {
        let found = architecture::of_config(&path.join("config.json"))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut files = Vec::new();
        for (name, inside, optional) in EMBEDDER_FILES {
            let at = path.join(inside);
            if at.is_file() {
                files.push(local(name, &at));
            } else if !optional {
                return Err(ModelError::Unreadable {
                    path: at,
                    reason: "an embedder's folder holds config.json, tokenizer.json and model.safetensors"
                        .into(),
                });
            }
        }
        return Ok(manifest(name, found.kind, found.architecture, files));
    }
    let found = architecture::of_gguf(&path)?;
    let mut files = vec![local("model.gguf", &path)];
    if found.kind == ModelKind::Embedder {
        let tokenizer = path.with_file_name("tokenizer.json");
        if !tokenizer.is_file() {
            return Err(ModelError::Unreadable {
                path,
                reason: "an embedder in GGUF needs its tokenizer.json beside it".into(),
            });
        }
        files.push(local("tokenizer.json", &tokenizer));
    }
    Ok(manifest(name, found.kind, found.architecture, files))
}

/// The model in a repository: `owner/repository/file.gguf` or `owner/repository`; `None` when `name` is neither.
pub(super) fn in_repository(name: &str) -> Option<Manifest> {
    let parts: Vec<&str> = name.split('/').collect();
    let plain = |part: &&str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    if parts.len() < 2 || !parts.iter().all(plain) {
        return None;
    }
    let repository = parts[..2].join("/");
    let hub = |file: &str| {
        vec![Source::Hub(HubFile {
            huggingface: repository.clone(),
            file: file.into(),
            revision: "main".into(),
        })]
    };
    let folder = parts.join("--");
    if parts.len() > 2 {
        let inside = parts[2..].join("/");
        let is_gguf = Path::new(&inside).extension().is_some_and(|extension| extension == "gguf");
        return is_gguf.then(|| {
            manifest(folder, ModelKind::Chat, "unknown".into(), vec![file("model.gguf", hub(&inside))])
        });
    }
    let files = EMBEDDER_FILES
        .iter()
        .map(|(name, inside, optional)| FileSpec { optional: *optional, ..file(name, hub(inside)) })
        .collect();
    Some(manifest(folder, ModelKind::Embedder, "unknown".into(), files))
}

fn file(name: &str, sources: Vec<Source>) -> FileSpec {
    FileSpec {
        name: name.into(),
        sha256: None,
        bytes: None,
        converted_from: None,
        sources,
        local: None,
        optional: false,
    }
}

fn manifest(name: String, kind: ModelKind, architecture: String, files: Vec<FileSpec>) -> Manifest {
    Manifest {
        name,
        kind,
        architecture,
        licence: "see the model".into(),
        description: "named by path or repository".into(),
        embedder: None,
        files,
    }
}

/// How an embedder without a manifest is used, from the files of the sentence-transformers convention.
///
/// Prompts that are not written down are those of the model's family: the E5 models were trained with `query: ` and
/// `passage: ` (Wang et al. 2024, "Multilingual E5 Text Embeddings", section 2), others with none.
pub(in crate::inference) fn embedder_spec(name: &str, files: &ModelFiles) -> EmbedderSpec {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct PoolingFile {
        pooling_mode_cls_token: bool,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Lengths {
        max_seq_length: Option<usize>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct PromptsFile {
        prompts: std::collections::BTreeMap<String, Option<String>>,
    }
    fn read<T: Default + serde::de::DeserializeOwned>(files: &ModelFiles, name: &str) -> T {
        files
            .files
            .get(name)
            .and_then(|path| std::fs::read(path).ok())
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
    let pooling: PoolingFile = read(files, "pooling.json");
    let lengths: Lengths = read(files, "sentence_bert_config.json");
    let prompts: PromptsFile = read(files, "prompts.json");
    let prompt = |names: &[&str], family: &str| {
        let written = names.iter().find_map(|name| prompts.prompts.get(*name).cloned().flatten());
        let is_e5 = name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part == "e5");
        written.unwrap_or_else(|| if is_e5 { family.to_string() } else { String::new() })
    };
    EmbedderSpec {
        pooling: if pooling.pooling_mode_cls_token { Pooling::Cls } else { Pooling::Mean },
        query_prefix: prompt(&["query"], "query: "),
        passage_prefix: prompt(&["passage", "document"], "passage: "),
        max_tokens: lengths.max_seq_length.unwrap_or(512),
        dimensions: None,
        vocabulary: None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn repositories_are_told_from_other_names() {
        let chat = in_repository("Qwen/Qwen3-1.7B-GGUF/qwen3-1.7b-q8_0.gguf").unwrap();
        assert_eq!((chat.kind, chat.files.len()), (ModelKind::Chat, 1));
        assert_eq!(chat.name, "Qwen--Qwen3-1.7B-GGUF--qwen3-1.7b-q8_0.gguf");
        let embedder = in_repository("intfloat/multilingual-e5-small").unwrap();
        assert_eq!(embedder.kind, ModelKind::Embedder);
        assert_eq!(embedder.files[0].name, "config.json");
        for wrong in ["plain", "../../etc/passwd", "a/b/c.bin", "a//b.gguf", "/abs/x.gguf", "a/b c"] {
            assert!(in_repository(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_folder_says_how_its_embedder_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            (name.to_string(), path)
        };
        let files = ModelFiles {
            dir: dir.path().into(),
            files: BTreeMap::from([
                write("pooling.json", r#"{"pooling_mode_cls_token": true}"#),
                write("sentence_bert_config.json", r#"{"max_seq_length": 256}"#),
                write("prompts.json", r#"{"prompts": {"query": "Q: ", "document": null}}"#),
            ]),
            fingerprint: String::new(),
        };
        let spec = embedder_spec("bge-small", &files);
        assert_eq!(spec.pooling, Pooling::Cls);
        assert_eq!((spec.query_prefix.as_str(), spec.passage_prefix.as_str()), ("Q: ", ""));
        assert_eq!(spec.max_tokens, 256);
        let bare = ModelFiles { files: BTreeMap::new(), ..files };
        assert_eq!(embedder_spec("intfloat--multilingual-e5-base", &bare).passage_prefix, "passage: ");
    }
}
