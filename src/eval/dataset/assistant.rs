//! Sets of kind `assistant`: a folder of documents, and conversations with the outcome that is right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::retrieval::Turn;
use super::{DatasetError, Hasher, Suite, jsonl};
use crate::conversation::{Channel, Conversation, Labels, Language, Message, WorkspaceId};
use crate::decision::Action;

/// Documents and conversations.
#[derive(Debug, Clone)]
pub struct AssistantSet {
    /// Folder of the documents.
    pub knowledge: PathBuf,
    /// Folder of the policy files in force; the configuration's where there is none.
    pub policies: Option<PathBuf>,
    /// The workspace that they stand for.
    pub workspace: WorkspaceId,
    /// Every conversation.
    pub questions: Vec<Row>,
}

/// One conversation, and what a right outcome is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Unique id.
    pub id: String,
    /// Language of the set the row belongs to; the customer may write another one.
    pub lang: Language,
    /// Where the customer writes.
    pub channel: Channel,
    /// Oldest first; the last one is the customer's.
    pub messages: Vec<Turn>,
    /// Whether a reply or a person is due.
    pub expected: Expected,
    /// Whether the documents hold the answer.
    pub answerable: bool,
    /// Documents that hold the answer: paths below the knowledge folder, without extension.
    #[serde(default)]
    pub relevant: Vec<String>,
    /// What a right reply says: every fact, each in one of its wordings.
    #[serde(default)]
    pub facts: Vec<Vec<String>>,
    /// Wordings that a right reply does not contain.
    #[serde(default)]
    pub forbidden: Vec<String>,
    /// Regular expressions that a right reply matches.
    #[serde(default)]
    pub patterns: Vec<String>,
    /// Why a person is due; groups the report.
    #[serde(default)]
    pub why: Option<String>,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// A reply.
    Answer,
    /// A person.
    Escalate,
}

impl Row {
    /// The conversation as a hub would send it.
    pub fn conversation(&self) -> Conversation {
        Conversation {
            id: self.id.clone(),
            channel: self.channel,
            locale: None,
            customer: None,
            labels: Labels::default(),
            handed_back_after: None,
            messages: self
                .messages
                .iter()
                .enumerate()
                .map(|(index, turn)| Message {
                    id: format!("{}-{}", self.id, index + 1),
                    role: turn.role,
                    text: turn.text.clone(),
                    at: None,
                })
                .collect(),
        }
    }

    /// Whether an action is the right one, as far as actions go.
    pub fn escalates_rightly(&self, action: Action) -> bool {
        (self.expected == Expected::Escalate) == (action == Action::Escalate)
    }
}

impl AssistantSet {
    pub(super) fn load(suite: &Suite, hasher: &mut Hasher) -> Result<Self, DatasetError> {
        let Some(knowledge) = &suite.knowledge else {
            return Err(DatasetError::Invalid(format!(
                "the suite {} is of kind assistant and names no `knowledge` folder",
                suite.name
            )));
        };
        let mut documents = BTreeSet::new();
        for path in files(knowledge)? {
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            let name = document_name(knowledge, &path);
            hasher.add(name.as_bytes());
            hasher.add(&bytes);
            documents.insert(name);
        }
        for path in suite.policies.iter().map(|folder| files(folder)).collect::<Result<Vec<_>, _>>()?.concat()
        {
            hasher.add(&std::fs::read(&path).map_err(|error| unreadable(&path, &error))?);
        }
        let mut questions: Vec<Row> = Vec::new();
        for file in &suite.questions {
            questions.extend(jsonl::read::<Row>(file, hasher)?);
        }
        let mut asked = BTreeSet::new();
        for row in &questions {
            let wrong = |what: &str| Err(DatasetError::Invalid(format!("question {} {what}", row.id)));
            if !asked.insert(row.id.as_str()) {
                return wrong("stands twice in the set");
            }
            if row.messages.last().is_none_or(|turn| turn.role != crate::conversation::Role::Customer) {
                return wrong("does not end with a message of the customer");
            }
            if row.answerable != (row.expected == Expected::Answer) {
                return wrong("is answerable and expects an escalation, or the other way round");
            }
            if row.answerable && row.facts.is_empty() && row.forbidden.is_empty() && row.patterns.is_empty() {
                return wrong(
                    "is answerable and says neither by `facts`, `forbidden` nor `patterns` what a right reply is",
                );
            }
            if let Some(broken) = row.patterns.iter().find(|pattern| regex::Regex::new(pattern).is_err()) {
                return wrong(&format!("has a pattern that is no regular expression: {broken}"));
            }
            if row.facts.iter().any(|wordings| wordings.iter().all(|wording| wording.trim().is_empty())) {
                return wrong("has a fact without a wording");
            }
            if let Some(missing) = row.relevant.iter().find(|name| !documents.contains(*name)) {
                return wrong(&format!("names the document {missing}, which the knowledge folder lacks"));
            }
        }
        let workspace = WorkspaceId(suite.workspace.as_ref().unwrap_or(&suite.name).clone());
        let policies = suite.policies.clone();
        Ok(Self { knowledge: knowledge.clone(), policies, workspace, questions })
    }
}

/// A document's name in a set: its path below the knowledge folder, with `/` and without extension.
pub fn document_name(knowledge: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(knowledge).unwrap_or(path).with_extension("");
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, DatasetError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> DatasetError {
    DatasetError::Unreadable { path: path.to_path_buf(), message: error.to_string() }
}
