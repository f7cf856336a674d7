//! How documents change: through change sets, which readers see whole or not at all, and into versions that stay.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Document, StoreError};
use crate::conversation::{Audience, Labels, Language, WorkspaceId};
use crate::retrieval::index::ChangeSetId;
use crate::retrieval::{Passage, Sketch};

/// How a version came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Through the API, one document.
    Put,
    /// Through an ingest or a sync, many documents.
    Sync,
    /// An earlier version was restored.
    Rollback,
}

/// What a change set is going to make of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// The document; its version is given when it is committed.
    pub document: Document,
    /// All of its passages. The same id is the same passage, whatever its document.
    pub passages: Vec<Passage>,
    /// Hash of its text, which may be refused.
    pub text_hash: String,
    /// The version that is restored.
    pub restores: Option<u32>,
    /// Versions that are refused from then on, with the hashes of their texts.
    pub refuses: Vec<(u32, String)>,
}

/// Where a staged document stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedState {
    /// As in [`Document::content_hash`].
    pub content_hash: String,
    /// How many of its passages the index lacks.
    pub not_indexed: usize,
}

/// A change set about to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What was staged when it was made: [`Changes::commit`] takes nothing else.
    pub revision: i64,
    /// The mark of the passages that it retires.
    pub mark: String,
    /// Documents that are staged, removals included.
    pub documents: usize,
}

/// One version of a document, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionSummary {
    /// From 1; never given twice, though the document may go and come back.
    pub version: u32,
    /// It is the one that is searched.
    pub current: bool,
    /// How it came about.
    pub kind: ChangeKind,
    /// The version that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u32>,
    /// It was rolled back: its text is not taken again.
    pub refused: bool,
    /// Title.
    pub title: String,
    /// Where a person can read it.
    pub url: Option<String>,
    /// Its main language.
    pub language: Option<Language>,
    /// Who may read it.
    pub audience: Audience,
    /// Labels such as `product=x`.
    pub labels: Labels,
    /// Hash of content and metadata.
    pub content_hash: String,
    /// Characters of its text.
    pub characters: usize,
    /// Number of its passages.
    pub passages: usize,
    /// When it was read.
    pub at: DateTime<Utc>,
}

/// One version of a document, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentVersion {
    /// The document as it was, its version included.
    pub document: Document,
    /// Its passages as they were.
    pub passages: Vec<Passage>,
    /// It was rolled back.
    pub refused: bool,
}

/// A text that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedText {
    /// The document that held it.
    pub source: String,
    /// Its version there.
    pub version: u32,
    /// When it was rolled back.
    pub at: DateTime<Utc>,
}

/// Held by the one who runs a sync of a workspace; given back when dropped.
pub struct SyncLock(
    #[expect(dead_code, reason = "kept for what happens when it is dropped")] pub(super) Box<dyn Send + Sync>,
);

/// Change sets: open, staged, committed or abandoned, and forgotten once the index has followed.
#[async_trait]
pub trait Changes: Send + Sync {
    /// The right to sync a workspace; `None` while another one, of this process or not, has it.
    async fn lock_sync(&self, workspace: &WorkspaceId) -> Result<Option<SyncLock>, StoreError>;
    /// Opens a change set.
    async fn open(
        &self,
        workspace: &WorkspaceId,
        kind: ChangeKind,
        at: DateTime<Utc>,
    ) -> Result<ChangeSetId, StoreError>;
    /// The open sync of a workspace that an earlier run left, to go on with; what it staged counts as not seen.
    async fn resume(&self, workspace: &WorkspaceId) -> Result<Option<ChangeSetId>, StoreError>;
    /// Open change sets of single documents from before a moment: a crash left them.
    async fn orphans(&self, before: DateTime<Utc>) -> Result<Vec<ChangeSetId>, StoreError>;
    /// Tells readers of other processes that points change.
    async fn advance_epoch(&self, workspace: &WorkspaceId) -> Result<(), StoreError>;
    /// Stages a document, in place of what any change set was going to make of it.
    async fn stage(&self, change: ChangeSetId, staged: &Staged) -> Result<(), StoreError>;
    /// Stages that a document goes, and which of its versions are refused; `false` when there is none with this id.
    async fn stage_removal(
        &self,
        change: ChangeSetId,
        workspace: &WorkspaceId,
        document_id: &str,
        refuses: &[(u32, String)],
    ) -> Result<bool, StoreError>;
    /// What this change set has staged of a document.
    async fn staged(
        &self,
        change: ChangeSetId,
        workspace: &WorkspaceId,
        document_id: &str,
        embedder: &str,
    ) -> Result<Option<StagedState>, StoreError>;
    /// Says that a resumed run still wants what it had staged of a document.
    async fn see(&self, workspace: &WorkspaceId, document_id: &str) -> Result<(), StoreError>;
    /// Staged passages that the index lacks for this embedder, at most `limit`.
    async fn staged_not_indexed(
        &self,
        change: ChangeSetId,
        embedder: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, StoreError>;
    /// Drops what was not seen and what is refused, and prepares to commit the rest.
    async fn plan(&self, change: ChangeSetId) -> Result<Plan, StoreError>;
    /// Ids, after `after`, of passages that the change set takes away.
    async fn retiring(
        &self,
        change: ChangeSetId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError>;
    /// Makes what was staged the current generation, in one transaction; returns its number. `None` when something
    /// else was staged or taken back since the plan.
    async fn commit(&self, change: ChangeSetId, plan: &Plan) -> Result<Option<i64>, StoreError>;
    /// Takes everything back; what the index holds of it becomes removals.
    async fn discard(&self, change: ChangeSetId) -> Result<(), StoreError>;
    /// Forgets change sets whose removals have been carried out.
    async fn forget_settled(&self) -> Result<(), StoreError>;
    /// Workspaces with removals that the index has yet to carry out.
    async fn workspaces_with_removals(&self) -> Result<Vec<WorkspaceId>, StoreError>;
}

/// What documents were.
#[async_trait]
pub trait Versions: Send + Sync {
    /// The id of a document, given its source or its id, whether it is there or was.
    async fn document_id(&self, workspace: &WorkspaceId, name: &str) -> Result<Option<String>, StoreError>;
    /// Versions of a document, oldest first; empty when there never was one.
    async fn history(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
    ) -> Result<Vec<VersionSummary>, StoreError>;
    /// One version.
    async fn version(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
        version: u32,
    ) -> Result<Option<DocumentVersion>, StoreError>;
    /// A sample of the passages that customers could read at each of these moments. A document that was removed before it
    /// was noted when counts as never there, and one that came back later as there in between.
    async fn knowledge_at(
        &self,
        workspace: &WorkspaceId,
        moments: &[DateTime<Utc>],
    ) -> Result<Vec<Sketch>, StoreError>;
    /// What is known of a text that was rolled back; `None` for one that was not.
    async fn refused(
        &self,
        workspace: &WorkspaceId,
        text_hash: &str,
    ) -> Result<Option<RefusedText>, StoreError>;
    /// Refuses the text of a version no longer; `false` when it was not refused.
    async fn allow(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
        version: u32,
        text_hash: &str,
    ) -> Result<bool, StoreError>;
}
