//! The suite file: which files make a set, and how it is run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::DatasetError;
use crate::eval::task::Task;

/// A set's description, from a TOML file or made up for a folder or a file of rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// Name in reports.
    pub name: String,
    /// What its rows are.
    pub kind: Kind,
    /// What is measured; where it is left out, the rows tell.
    #[serde(default)]
    pub task: Option<Task>,
    /// Files of questions or rows (JSON Lines), relative to the suite file.
    #[serde(alias = "rows")]
    pub questions: Vec<PathBuf>,
    /// `retrieval`: the passages file, relative to the suite file.
    #[serde(default)]
    pub passages: Option<PathBuf>,
    /// `assistant`: the folder of documents, relative to the suite file.
    #[serde(default)]
    pub knowledge: Option<PathBuf>,
    /// `assistant`: the folder of policy files in force, relative to the suite file; the configuration's where left out.
    #[serde(default)]
    pub policies: Option<PathBuf>,
    /// `assistant`: the workspace whose knowledge and customers the set stands for; its name where left out.
    #[serde(default)]
    pub workspace: Option<String>,
    /// `rows`: files of messages that are known, for the task `out_of_scope`, relative to the suite file.
    #[serde(default)]
    pub examples: Vec<PathBuf>,
    /// `retrieval`: search the passages of every language, not only those of the question's.
    #[serde(default)]
    pub cross_lingual: bool,
    /// Texts of the questions may appear in reports. Leave it off for sets that are not yours.
    #[serde(default)]
    pub texts_in_report: bool,
}

/// What the rows of a set are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Passages, and questions with the passages that answer them.
    Retrieval,
    /// Documents, and conversations with the outcome that is right.
    Assistant,
    /// Texts with labels.
    Rows,
}

impl Kind {
    /// Kinds that a suite file may name.
    pub const SUPPORTED: &str = "retrieval, assistant and rows";

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Retrieval => "retrieval",
            Self::Assistant => "assistant",
            Self::Rows => "rows",
        }
    }
}

impl Suite {
    /// The suite of a path: a TOML file, a file of rows (`*.jsonl`), a folder with `suite.toml`, or a folder with files
    /// of one of the documented shapes.
    pub(super) fn find(set: &Path) -> Result<Self, DatasetError> {
        if set.is_file() {
            let rows = set.extension().is_some_and(|ending| ending == "jsonl");
            return if rows { Ok(Self::of_rows(set, vec![set.to_path_buf()])) } else { Self::read(set) };
        }
        if !set.is_dir() {
            return Err(DatasetError::Invalid(format!(
                "there is no set {}; name a suite file (*.toml), a file of rows (*.jsonl) or a folder",
                set.display()
            )));
        }
        if set.join("suite.toml").is_file() {
            return Self::read(&set.join("suite.toml"));
        }
        let passages = set.join("passages.jsonl");
        if passages.is_file() {
            let suite = Self::of_rows(set, vec![set.join("questions.jsonl")]);
            return Ok(Self { kind: Kind::Retrieval, passages: Some(passages), ..suite });
        }
        let examples = ending_with(set, "_train_examples.jsonl")?;
        if !examples.is_empty() {
            let suite = Self::of_rows(set, ending_with(set, "_test.jsonl")?);
            return Ok(Self { task: Some(Task::OutOfScope), examples, ..suite });
        }
        for name in ["data.jsonl", "composed.jsonl"] {
            if set.join(name).is_file() {
                return Ok(Self::of_rows(set, vec![set.join(name)]));
            }
        }
        Err(DatasetError::Invalid(format!(
            "the folder {} holds no set: neither suite.toml, passages.jsonl with questions.jsonl, data.jsonl, composed.jsonl \
             nor *_train_examples.jsonl with *_test.jsonl; eval/README.md describes them",
            set.display()
        )))
    }

    fn of_rows(set: &Path, rows: Vec<PathBuf>) -> Self {
        Self {
            name: file_name(set),
            kind: Kind::Rows,
            task: None,
            questions: rows,
            passages: None,
            knowledge: None,
            policies: None,
            workspace: None,
            examples: Vec::new(),
            cross_lingual: false,
            texts_in_report: false,
        }
    }

    fn read(path: &Path) -> Result<Self, DatasetError> {
        let unreadable = |message: String| DatasetError::Unreadable { path: path.to_path_buf(), message };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
        let mut suite: Self = toml::from_str(&text)
            .map_err(|error| unreadable(format!("{error}; supported kinds: {}", Kind::SUPPORTED)))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let single = suite.passages.iter_mut().chain(&mut suite.knowledge).chain(&mut suite.policies);
        for file in suite.questions.iter_mut().chain(&mut suite.examples).chain(single) {
            *file = folder.join(&*file);
        }
        Ok(suite)
    }
}

/// Files of a folder whose name ends so, in order of their names.
fn ending_with(folder: &Path, end: &str) -> Result<Vec<PathBuf>, DatasetError> {
    let unreadable = |error: std::io::Error| DatasetError::Unreadable {
        path: folder.to_path_buf(),
        message: error.to_string(),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().ends_with(end) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.canonicalize()
        .ok()
        .as_deref()
        .unwrap_or(path)
        .file_stem()
        .map_or_else(|| "set".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Kind, Suite};
    use crate::eval::task::Task;

    #[test]
    fn a_folder_without_a_set_is_refused_with_what_was_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let message = Suite::find(folder.path()).unwrap_err().to_string();
        assert!(message.contains("data.jsonl"), "{message}");
        assert!(Suite::find(&folder.path().join("absent")).unwrap_err().to_string().contains("no set"));
    }

    #[test]
    fn folders_of_rows_are_told_by_their_files() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b_test.jsonl", "a_test.jsonl", "a_train_examples.jsonl", "b_train_examples.jsonl"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let suite = Suite::find(folder.path()).unwrap();
        assert_eq!((suite.kind, suite.task), (Kind::Rows, Some(Task::OutOfScope)));
        assert_eq!(suite.questions, ["a_test.jsonl", "b_test.jsonl"].map(|name| folder.path().join(name)));
        let file = folder.path().join("a_test.jsonl");
        let suite = Suite::find(&file).unwrap();
        assert_eq!((suite.name.as_str(), suite.kind, suite.questions), ("a_test", Kind::Rows, vec![file]));
    }

    #[test]
    fn paths_are_relative_to_the_suite_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("suite.toml");
        std::fs::write(
            &path,
            "name = \"demo\"\nkind = \"assistant\"\nknowledge = \"knowledge\"\npolicies = \"policies\"\nquestions = [\"q/pt.jsonl\"]\n",
        )
        .unwrap();
        let suite = Suite::find(folder.path()).unwrap();
        assert_eq!(suite.kind, Kind::Assistant);
        assert_eq!(suite.questions, [folder.path().join("q/pt.jsonl")]);
        assert_eq!(suite.knowledge, Some(folder.path().join("knowledge")));
        assert_eq!(suite.policies, Some(folder.path().join("policies")));

        std::fs::write(&path, "name = \"x\"\nkind = \"spans\"\nquestions = []\n").unwrap();
        assert!(Suite::find(&path).unwrap_err().to_string().contains("supported kinds"));
    }
}
