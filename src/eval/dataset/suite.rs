//! The suite file: which files make a set, and how it is run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DatasetError;

/// A set's description, from a TOML file or made up for a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Name in reports.
    pub name: String,
    /// What is measured.
    pub kind: Kind,
    /// Question files (JSON Lines), relative to the suite file.
    pub questions: Vec<PathBuf>,
    /// `retrieval`: the passages file, relative to the suite file.
    #[serde(default)]
    pub passages: Option<PathBuf>,
    /// `assistant`: the folder of documents, relative to the suite file.
    #[serde(default)]
    pub knowledge: Option<PathBuf>,
    /// `retrieval`: search the passages of every language, not only those of the question's.
    #[serde(default)]
    pub cross_lingual: bool,
    /// Texts of the questions may appear in reports. Leave it off for sets that are not yours.
    #[serde(default)]
    pub texts_in_report: bool,
}

/// What a set measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Whether the right passages are found.
    Retrieval,
    /// Whether the right replies are given, and the right decisions taken.
    Assistant,
}

impl Kind {
    /// Kinds that `ponto eval run` takes.
    pub const SUPPORTED: &str = "retrieval and assistant";

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrieval => "retrieval",
            Self::Assistant => "assistant",
        }
    }
}

impl Suite {
    /// The suite of a path: a TOML file, a folder with `suite.toml`, or a folder of `passages.jsonl` and
    /// `questions.jsonl`.
    pub(super) fn find(set: &Path) -> Result<Self, DatasetError> {
        if set.is_file() {
            return Self::read(set);
        }
        if !set.is_dir() {
            return Err(DatasetError::Invalid(format!(
                "there is no set {}; name a suite file (*.toml) or a folder",
                set.display()
            )));
        }
        if set.join("suite.toml").is_file() {
            return Self::read(&set.join("suite.toml"));
        }
        let passages = set.join("passages.jsonl");
        if passages.is_file() {
            return Ok(Self {
                name: file_name(set),
                kind: Kind::Retrieval,
                questions: vec![set.join("questions.jsonl")],
                passages: Some(passages),
                knowledge: None,
                cross_lingual: false,
                texts_in_report: false,
            });
        }
        let found = if set.join("data.jsonl").is_file() {
            "holds data.jsonl, which is a set of a kind (classification, groundedness, identifiers, spans or \
             conversations) that `ponto eval` does not run yet"
        } else {
            "holds neither suite.toml nor passages.jsonl"
        };
        Err(DatasetError::Invalid(format!(
            "the folder {} {found}; supported kinds: {}",
            set.display(),
            Kind::SUPPORTED
        )))
    }

    fn read(path: &Path) -> Result<Self, DatasetError> {
        let unreadable = |message: String| DatasetError::Unreadable { path: path.to_path_buf(), message };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let mut suite: Self = toml::from_str(&text)
            .map_err(|error| unreadable(format!("{error}; supported kinds: {}", Kind::SUPPORTED)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for file in suite.questions.iter_mut().chain(&mut suite.passages).chain(&mut suite.knowledge) {
            *file = folder.join(&*file);
        }
        Ok(suite)
    }
}

fn file_name(path: &Path) -> String {
    path.canonicalize()
        .ok()
        .as_deref()
        .unwrap_or(path)
        .file_name()
        .map_or_else(|| "set".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Kind, Suite};

    #[test]
    fn a_folder_of_another_kind_is_refused_with_the_supported_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data.jsonl"), "{}").unwrap();
        let message = Suite::find(folder.path()).unwrap_err().to_string();
        assert!(message.contains("supported kinds: retrieval and assistant"), "{message}");
        assert!(Suite::find(&folder.path().join("absent")).unwrap_err().to_string().contains("no set"));
    }

    #[test]
    fn paths_are_relative_to_the_suite_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.toml");
        std::fs::write(
            &path,
            "name = \"demo\"\nkind = \"assistant\"\nknowledge = \"knowledge\"\nquestions = [\"q/pt.jsonl\"]\n",
        )
        .unwrap();
        let suite = Suite::find(folder.path()).unwrap();
        assert_eq!(suite.kind, Kind::Assistant);
        assert_eq!(suite.questions, [folder.path().join("q/pt.jsonl")]);
        assert_eq!(suite.knowledge, Some(folder.path().join("knowledge")));

        std::fs::write(&path, "name = \"x\"\nkind = \"spans\"\nquestions = []\n").unwrap();
        assert!(Suite::find(&path).unwrap_err().to_string().contains("supported kinds"));
    }
}
