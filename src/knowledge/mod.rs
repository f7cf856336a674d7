//! Documents in, passages out: loading, chunking, and sync into store and index.
//!
//! A document goes through `loaders` (bytes to text), `chunking` (text to passages) and the [`Library`], which
//! writes to the store first and brings the index after it. Files come from `files`, pages from `fetch`; what is binary
//! or a web page goes through [`parsing`] first. To add a text format: a file in `loaders/`, a [`Format`], and its endings in
//! `Format::of_path`; a binary one: a file in `parsing/`, a [`parsing::Confined`], and its endings in `kind`.

use std::path::Path;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::{Audience, Labels, Language};
use crate::inference::InferenceError;
use crate::retrieval::index::IndexError;
use crate::settings::{Period, Problem};
use crate::store::{Document, StoreError};

mod chunking;
mod copy;
mod duplicates;
mod fetch;
mod files;
mod gaps;
mod identity;
mod indexing;
mod ingest;
mod kind;
mod library;
mod loaders;
pub mod parsing;
mod prepare;
mod reading;
mod sources;
mod versions;
mod web;

pub use duplicates::Duplicate;
pub use fetch::FetchConfig;
pub use gaps::{Gap, GapRequest, find_gaps};
pub use indexing::{Backlog, RepairReport};
pub use ingest::{Failure, FileChange, IngestProgress, IngestReport, IngestRequest, Silent};
pub use library::Library;
pub use parsing::ParsingConfig;
pub use sources::{SourceConfig, SyncReport};
pub use versions::{Archive, Difference, Rollback};

/// A document as a caller hands it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// Where it came from: a path, a URL, or an id; putting the same source again replaces the document.
    pub source: String,
    /// Overrides the title that the document gives itself.
    pub title: Option<String>,
    /// Overrides the address that the document gives itself; `http` or `https`.
    pub url: Option<String>,
    /// Overrides the language that the document gives itself, or that is detected.
    pub language: Option<Language>,
    /// Who may read it; overrides what the document says of itself.
    pub audience: Option<Audience>,
    /// Labels, beside those that the document gives itself.
    pub labels: Labels,
    /// How to read the content.
    pub format: Format,
    /// The content.
    pub content: String,
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Markdown, with optional front matter (`title`, `url`, `language`).
    Markdown,
    /// HTML; its main text is kept.
    Html,
    /// Plain text; paragraphs part at empty lines.
    Text,
    /// Questions and answers with a header line: `question`, `answer` and optionally `title`, `url`, `language`.
    Csv,
    /// Questions and answers, one JSON object a line, with the same names.
    Jsonl,
}

impl Format {
    /// The format that a file's ending tells; `None` where the file is no text, or not read.
    fn of_path(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match ending.as_str() {
            "md" | "markdown" => Self::Markdown,
            "html" | "htm" | "xhtml" => Self::Html,
            "txt" | "text" => Self::Text,
            "csv" | "tsv" => Self::Csv,
            "jsonl" | "ndjson" => Self::Jsonl,
            _ => return None,
        })
    }
}

/// What came of [`Library::put`].
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// The document as it is stored.
    pub document: Document,
    /// Whether anything had to be done.
    pub change: Change,
    /// Number of its passages.
    pub passages: usize,
}

/// What putting a document did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// It replaced an earlier version.
    Changed,
    /// It was there already.
    Unchanged,
}

/// `[knowledge]`: how documents become passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KnowledgeConfig {
    /// Characters of a passage, at most; shorter where the document's own structure ends earlier.
    pub passage_chars: usize,
    /// Largest document in bytes; longer ones are refused.
    pub max_document_bytes: usize,
    /// Passages that are embedded and indexed in one go.
    pub batch: usize,
    /// What a PDF, a Word document, a workbook or a web page may cost.
    pub parsing: ParsingConfig,
    /// How web pages are read.
    pub fetch: FetchConfig,
    /// How often a server, or `ponto sync`, reads `sources` again, such as `1h`. Without it only `ponto sync` does, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_every: Option<Period>,
    /// What `ponto sync` keeps up to date.
    pub sources: Vec<SourceConfig>,
}

impl Default for KnowledgeConfig {
    fn default() -> Self {
        Self {
            passage_chars: 900,
            max_document_bytes: 10 << 20,
            batch: 64,
            parsing: ParsingConfig::default(),
            fetch: FetchConfig::default(),
            sync_every: None,
            sources: Vec::new(),
        }
    }
}

impl KnowledgeConfig {
    /// Settings that make no sense.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        if !(200..=4000).contains(&self.passage_chars) {
            problems.push(Problem::new("knowledge.passage_chars", "write a number from 200 to 4000"));
        }
        if self.max_document_bytes == 0 {
            problems.push(Problem::new("knowledge.max_document_bytes", "write a size above 0"));
        }
        if !(1..=1024).contains(&self.batch) {
            problems.push(Problem::new("knowledge.batch", "write a number from 1 to 1024"));
        }
        self.parsing.validate(problems);
        self.fetch.validate(problems);
        if self.sync_every.is_some() && self.sources.is_empty() {
            problems.push(Problem::new(
                "knowledge.sync_every",
                "name what is to be read in [[knowledge.sources]]",
            ));
        }
        for (place, source) in self.sources.iter().enumerate() {
            source.validate(&format!("knowledge.sources[{place}]"), problems);
        }
    }
}

/// What went wrong with a document, or with what stores it.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// The document cannot be read as what it is said to be; another one can.
    #[error("{0}")]
    Invalid(#[from] LoadError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index failed; what was stored is indexed with the next change, or at the next start.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The embedder failed; what was stored is indexed with the next change, or at the next start.
    #[error("the embedder failed: {0}")]
    Embedder(#[from] InferenceError),
    /// The text was rolled back before.
    #[error(
        "this is the text of version {version} of {source_name:?}, which was rolled back on {}; `ponto knowledge allow \
         {source_name:?} --version {version}` takes it again",
        .at.format("%Y-%m-%d")
    )]
    Refused {
        /// The document that held it.
        source_name: String,
        /// Its version there.
        version: u32,
        /// When it was rolled back.
        at: DateTime<Utc>,
    },
    /// There is no such document, or version, or nothing to do with it.
    #[error("{0}")]
    NoVersion(String),
    /// Somebody else is changing the same thing; trying again helps.
    #[error("{0}")]
    Busy(String),
    /// A bug: a task of ours ended early.
    #[error("an internal task failed: {0}")]
    Internal(String),
}

/// Why a document cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", .line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct LoadError {
    /// The line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl LoadError {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }
}

#[cfg(test)]
mod tests;
