//! Sets of kind `retrieval`: passages, and questions with the passages that answer them.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{DatasetError, Hasher, Suite, jsonl};
use crate::conversation::{Language, Role};

/// Passages and questions.
#[derive(Debug, Clone)]
pub struct RetrievalSet {
    /// Every passage.
    pub passages: Vec<PassageRow>,
    /// Every question.
    pub questions: Vec<QuestionRow>,
    /// Whether passages of every language are searched.
    pub cross_lingual: bool,
}

/// One passage. One passage is one point of the index, so that the labels hold.
#[derive(Debug, Clone, Deserialize)]
pub struct PassageRow {
    /// Unique id.
    pub id: String,
    /// Title, possibly empty.
    #[serde(default)]
    pub title: String,
    /// Text.
    pub text: String,
    /// Language.
    pub lang: Language,
    /// The knowledge base it belongs to; passages without one belong together.
    #[serde(default)]
    pub kb: String,
}

/// One question.
#[derive(Debug, Clone, Deserialize)]
pub struct QuestionRow {
    /// Unique id.
    pub id: String,
    /// Language.
    pub lang: Language,
    /// What is asked.
    pub question: String,
    /// Turns before it, oldest first.
    #[serde(default)]
    pub history: Vec<Turn>,
    /// The knowledge base that is searched.
    #[serde(default)]
    pub kb: String,
    /// Ids of the passages that answer it.
    #[serde(default)]
    pub relevant: Vec<String>,
    /// Ids of the passages of another language that answer it; used instead of `relevant` in a cross-lingual run.
    #[serde(default)]
    relevant_xling: Vec<String>,
    /// It is asked of the passages in other languages alone: the knowledge base lacks its own.
    #[serde(skip)]
    pub own_language_is_lacking: bool,
    /// Whether any passage answers it.
    #[serde(default = "yes")]
    pub answerable: bool,
}

impl QuestionRow {
    /// A question that stands alone, without labels of passages.
    pub fn alone(id: String, lang: Language, question: String, kb: String, answerable: bool) -> Self {
        Self {
            id,
            lang,
            question,
            history: Vec::new(),
            kb,
            relevant: Vec::new(),
            relevant_xling: Vec::new(),
            own_language_is_lacking: false,
            answerable,
        }
    }
}

fn yes() -> bool {
    true
}

/// One turn of a conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Turn {
    /// Who wrote.
    pub role: Role,
    /// What.
    pub text: String,
}

impl RetrievalSet {
    pub(super) fn load(suite: &Suite, hasher: &mut Hasher) -> Result<Self, DatasetError> {
        let Some(passages) = &suite.passages else {
            return Err(DatasetError::Invalid(format!(
                "the suite {} is of kind retrieval and names no `passages` file",
                suite.name
            )));
        };
        let passages: Vec<PassageRow> = jsonl::read(passages, hasher)?;
        let mut questions: Vec<QuestionRow> = Vec::new();
        for file in &suite.questions {
            questions.extend(jsonl::read::<QuestionRow>(file, hasher)?);
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = passages.iter().find(|passage| !known.insert(passage.id.as_str())) {
            return Err(DatasetError::Invalid(format!("two passages have the id {}", twice.id)));
        }
        let mut asked = BTreeSet::new();
        for question in &mut questions {
            if suite.cross_lingual && !question.relevant_xling.is_empty() {
                question.relevant = std::mem::take(&mut question.relevant_xling);
                question.own_language_is_lacking = true;
            }
            if !asked.insert(question.id.clone()) {
                return Err(DatasetError::Invalid(format!("two questions have the id {}", question.id)));
            }
            if let Some(missing) = question.relevant.iter().find(|id| !known.contains(id.as_str())) {
                return Err(DatasetError::Invalid(format!(
                    "question {} names the relevant passage {missing}, which is not among the passages",
                    question.id
                )));
            }
            if question.answerable && question.relevant.is_empty() {
                return Err(DatasetError::Invalid(format!(
                    "question {} is answerable and names no relevant passage",
                    question.id
                )));
            }
        }
        Ok(Self { passages, questions, cross_lingual: suite.cross_lingual })
    }
}
