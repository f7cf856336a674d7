//! From a question to the passages that may answer it.
//!
//! Dense and sparse candidates come from a [`index::PassageIndex`], are fused by rank (and by likeness of letters where that is
//! weighed), and keep their raw scores: a fused score is a rank, not a confidence.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::{Audience, Labels, Language, WorkspaceId};
use crate::inference::Source;

pub mod analysis;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fusion;
pub mod index;
mod ngrams;
pub mod query;
mod retriever;
pub mod sketch;

pub use retriever::{RetrievalConfig, RetrievalError, Retriever, Rewrite, Within};
pub use sketch::Sketch;

/// Part of every calibration's key: raise it when the same settings find other passages in the same knowledge, or put them in
/// another order: by another rule for the query, other words for BM25, another likeness or fusion.
pub const REVISION: &str = "search-1";

/// A chunk of a document: what is indexed, retrieved and cited.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// UUID, derived from workspace, document, position and content.
    pub id: String,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The document it belongs to.
    pub document_id: String,
    /// Title of the document.
    pub title: String,
    /// Headings from the outermost to the one above the passage, without the title.
    pub heading_path: Vec<String>,
    /// The text itself, without headings.
    pub text: String,
    /// Its language; `None` when it is none of the supported ones.
    pub language: Option<Language>,
    /// Where a person can read it.
    pub url: Option<String>,
    /// Character offsets (start, end) into the document's text.
    pub span: (usize, usize),
    /// Position within the document, from 0.
    pub ordinal: u32,
    /// Version of the document that it was found in; 0 where it was not found by a search.
    #[serde(default)]
    pub version: u32,
    /// Who may read it.
    #[serde(default)]
    pub audience: Audience,
    /// Labels such as `product=x`.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl Passage {
    /// Title and headings joined, for prompts and screens.
    pub fn heading(&self) -> String {
        std::iter::once(self.title.as_str())
            .chain(self.heading_path.iter().map(String::as_str))
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" › ")
    }

    /// What a model, or quoting, reads of it.
    pub fn as_source(&self) -> Source {
        Source { title: self.heading(), text: self.text.clone() }
    }

    /// What is embedded and indexed: headings travel with the text.
    pub fn indexed_text(&self) -> String {
        let heading = self.heading();
        if heading.is_empty() { self.text.clone() } else { format!("{heading}\n{}", self.text) }
    }
}

/// A passage with the scores that found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Retrieved {
    /// The passage.
    pub passage: Passage,
    /// What each search said of it.
    pub scores: Scores,
}

impl Retrieved {
    /// A passage that was found for another question, and is read for this one too.
    pub fn before(passage: Passage) -> Self {
        Self { passage, scores: Scores::default() }
    }

    /// Whether this question's search found it.
    pub fn found_now(&self) -> bool {
        self.scores != Scores::default()
    }
}

/// Scores of one passage for one query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Scores {
    /// Cosine of the dense vectors, −1 to 1.
    pub dense: Option<f32>,
    /// BM25 score, 0 and up.
    pub sparse: Option<f32>,
    /// Share of the query's content words that the passage holds, 0 to 1.
    pub coverage: f32,
    /// Reciprocal rank fusion; only its order means anything.
    pub fused: f32,
}
