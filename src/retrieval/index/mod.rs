//! The index of passages: derived from the SQL store, and rebuilt from it whenever in doubt.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conversation::{Labels, Language, WorkspaceId};
use crate::inference::openai::ApiKey;
use crate::retrieval::Passage;
use crate::settings::Problem;

mod bm25;
pub mod edge;
mod scope;
pub mod server;
mod snapshot;

pub use snapshot::{ChangeSetId, Generations, Readers, Snapshot};

/// Dense and sparse search over passages, by tenant.
#[async_trait]
pub trait PassageIndex: Send + Sync {
    /// Adds or replaces passages by id. They are on disk when this returns.
    async fn upsert(&self, points: Vec<IndexPoint>) -> Result<(), IndexError>;

    /// As [`Self::upsert`], marked as staged: searches whose snapshot names the change set leave them out.
    async fn stage(&self, change: ChangeSetId, points: Vec<IndexPoint>) -> Result<(), IndexError>;

    /// Marks passages as retired: searches whose snapshot names the mark leave them out. Unknown ids are ignored.
    async fn retire(
        &self,
        workspace: &WorkspaceId,
        passage_ids: Vec<String>,
        mark: &str,
    ) -> Result<(), IndexError>;

    /// Removes passages by id. Unknown ids are ignored. The removal is on disk when this returns.
    async fn delete(&self, workspace: &WorkspaceId, passage_ids: Vec<String>) -> Result<(), IndexError>;

    /// The best passages by dense vector and, apart, by BM25. Each list is best first.
    async fn search(&self, workspace: &WorkspaceId, query: IndexQuery) -> Result<IndexHits, IndexError>;

    /// Ids of every passage of every workspace, to compare with the store.
    async fn passage_ids(&self) -> Result<Vec<String>, IndexError>;

    /// The tenants of passages, to delete those that no tenant's store knows. Unknown ids are left out.
    async fn owners(&self, passage_ids: Vec<String>) -> Result<Vec<(WorkspaceId, String)>, IndexError>;

    /// Leaves the index as fast as it can be after many upserts. May take long; searches go on meanwhile.
    async fn optimize(&self) -> Result<(), IndexError>;

    /// Whether the index answers.
    async fn health(&self) -> Result<(), IndexError>;
}

/// A passage with its dense vector; the sparse one is made by the index from the text and its language.
#[derive(Debug, Clone)]
pub struct IndexPoint {
    /// The passage; stored whole as payload.
    pub passage: Passage,
    /// Vector of [`Passage::indexed_text`].
    pub dense: Vec<f32>,
}

/// One query.
#[derive(Debug, Clone)]
pub struct IndexQuery {
    /// The question's words, for BM25; where there are none the search is by vector alone.
    pub text: String,
    /// Chooses stop words and stemmer; `None` uses none.
    pub language: Option<Language>,
    /// Only passages in this language and those whose language is not known; `None` searches all.
    pub only: Option<Language>,
    /// Vector of the question.
    pub dense: Vec<f32>,
    /// Length of each list.
    pub limit: usize,
    /// Which passages may be found.
    pub selection: Selection,
}

/// Which passages of a tenant a search may find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What counts at the moment of the search.
    pub snapshot: Snapshot,
    /// Only what customers may read.
    pub public_only: bool,
    /// For each key, only passages with one of these labels, and those that have none of that key.
    pub labels: Labels,
}

/// Both lists of one query.
#[derive(Debug, Clone, Default)]
pub struct IndexHits {
    /// By cosine, best first.
    pub dense: Vec<(Passage, f32)>,
    /// By BM25, best first.
    pub sparse: Vec<(Passage, f32)>,
}

/// Equal scores in the order of ids: what is found does not depend on how an index happens to lie on disk.
fn settled(mut hits: Vec<(Passage, f32)>) -> Vec<(Passage, f32)> {
    hits.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.id.cmp(&b.0.id)));
    hits
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The index cannot be reached now.
    #[error("the passage index does not answer: {0}")]
    Unavailable(String),
    /// Another process has the index open.
    #[error("{0}")]
    InUse(String),
    /// The index does not fit the embedder or the configuration.
    #[error("the passage index is not usable: {0}")]
    Incompatible(String),
    /// The index failed.
    #[error("the passage index failed: {0}")]
    Internal(String),
}

/// `[index]`: where passages are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Address of a Qdrant server's gRPC port, such as `http://localhost:6334`. Without it the index lives in the data
    /// folder, inside the process.
    pub url: Option<String>,
    /// The server's key; better as `PONTO__INDEX__API_KEY` than in a file. Empty sends none. Never shown.
    pub api_key: ApiKey,
    /// Collection on the server. One collection holds the passages of one embedder.
    pub collection: String,
    /// Longest wait for an answer of the server, in seconds.
    pub timeout_s: f64,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { url: None, api_key: ApiKey::default(), collection: "ponto".into(), timeout_s: 10.0 }
    }
}

impl IndexConfig {
    /// Checks the section.
    pub fn validate(&self, problems: &mut Vec<Problem>) {
        if let Some(url) = &self.url
            && !url::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            problems.push(Problem::new(
                "index.url",
                "write the address of Qdrant's gRPC port, such as http://localhost:6334",
            ));
        }
        let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.collection.is_empty() || self.collection.len() > 255 || !self.collection.chars().all(named) {
            problems.push(Problem::new(
                "index.collection",
                "write a name of letters, digits, `-`, `_` and `.`, such as ponto",
            ));
        }
        if !(self.timeout_s > 0.0 && self.timeout_s <= 600.0) {
            problems.push(Problem::new("index.timeout_s", "write seconds above 0, up to 600"));
        }
    }
}

/// Refuses an id that is not a UUID, which Qdrant asks for.
fn check_id(id: &str) -> Result<(), IndexError> {
    match uuid::Uuid::parse_str(id) {
        Ok(_) => Ok(()),
        Err(_) => Err(IndexError::Internal(format!("the passage id {id:?} is not a UUID"))),
    }
}

/// Refuses a vector that the index cannot hold.
fn check_vector(vector: &[f32], dimensions: usize) -> Result<(), IndexError> {
    if vector.len() != dimensions {
        return Err(IndexError::Incompatible(format!(
            "a vector has {} dimensions and the index holds {dimensions}; the index belongs to another embedder",
            vector.len()
        )));
    }
    if vector.iter().any(|value| !value.is_finite()) {
        return Err(IndexError::Internal("a vector holds a value that is not a number".into()));
    }
    Ok(())
}
