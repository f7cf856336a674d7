//! The SQL store: the truth about documents, suggestions, keys and events. Every call carries the workspace.
//!
//! One trait a kind of thing; lookups return `Result<Option<T>>`; a row struct a backend converts into the domain type.
//! What a call has acknowledged is on disk. To add a method: the trait here, then each implementation, then the
//! conformance suite in `tests/it/store.rs`.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::conversation::{Audience, Conversation, Labels, Language, WorkspaceId};
use crate::decision::policy::human_took_over::SentDraft;
use crate::decision::policy::opted_out::OptOut;
use crate::retrieval::Passage;
use crate::retrieval::index::Generations;

pub mod erasure;
pub mod keys;
pub mod rollout;
pub mod sqlite;
pub mod suggestion;
pub mod versions;

pub use erasure::Erasure;
pub use rollout::Rollouts;
use suggestion::{Asked, Feedback, Suggestion, SuggestionSummary, Which};
use versions::{Changes, Versions};

/// A document of a workspace's knowledge base.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Derived from workspace and source.
    pub id: String,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Where it came from: a path, a URL, or the id a caller gave.
    pub source: String,
    /// Title.
    pub title: String,
    /// Where a person can read it.
    pub url: Option<String>,
    /// Its main language.
    pub language: Option<Language>,
    /// Hash of content and metadata; an unchanged document costs nothing.
    pub content_hash: String,
    /// Plain text or Markdown, as loaded.
    pub text: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Which of its versions this is, from 1.
    pub version: u32,
    /// Who may read it.
    pub audience: Audience,
    /// Labels such as `product=x`.
    pub labels: Labels,
}

/// Where a document stands, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentState {
    /// The document.
    pub id: String,
    /// As in [`Document::content_hash`].
    pub content_hash: String,
    /// How many of its passages the index lacks.
    pub not_indexed: usize,
    /// How many passages it has.
    pub passages: usize,
}

/// A passage that is gone from the store and may still be in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// The passage.
    pub passage_id: String,
}

/// Documents and their passages, and the list of what the index has yet to learn of them.
///
/// Every change goes through a change set ([`Changes`]), which leaves its work in that list: passages that are not
/// indexed, and [`Removal`]s. Whoever brings the index up to date ticks the list off afterwards, so work that a
/// crash interrupts is found again.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Marks passages as indexed for the embedder with this fingerprint; those that are gone by now become
    /// [`Removal`]s.
    async fn mark_indexed(
        &self,
        workspace: &WorkspaceId,
        passage_ids: &[String],
        embedder: &str,
    ) -> Result<(), StoreError>;
    /// Passages (of any workspace) that count and that the index lacks for this embedder, at most `limit`.
    async fn not_indexed(&self, embedder: &str, limit: usize) -> Result<Vec<Passage>, StoreError>;
    /// Number of passages (of any workspace) that count and that the index lacks for this embedder.
    async fn count_not_indexed(&self, embedder: &str) -> Result<usize, StoreError>;
    /// Marks every passage as not indexed, before a rebuild.
    async fn forget_index(&self) -> Result<(), StoreError>;
    /// Marks some passages as not indexed, after the index was found to lack them.
    async fn unmark_indexed(&self, passage_ids: &[String]) -> Result<(), StoreError>;
    /// Passages to remove from the index, at most `limit`.
    async fn removals(&self, limit: usize) -> Result<Vec<Removal>, StoreError>;
    /// Forgets removals that the index has carried out.
    async fn removed(&self, passage_ids: &[String]) -> Result<(), StoreError>;
    /// Ids of every passage of every workspace, and of the staged ones that were sent to the index.
    async fn passage_ids(&self) -> Result<Vec<String>, StoreError>;
    /// One document.
    async fn get(&self, workspace: &WorkspaceId, id: &str) -> Result<Option<Document>, StoreError>;
    /// A document by where it came from.
    async fn by_source(&self, workspace: &WorkspaceId, source: &str) -> Result<Option<Document>, StoreError>;
    /// Where the document of a source stands for the embedder with this fingerprint.
    async fn state(
        &self,
        workspace: &WorkspaceId,
        source: &str,
        embedder: &str,
    ) -> Result<Option<DocumentState>, StoreError>;
    /// Ids and sources of the documents whose source starts with `prefix`, by source.
    async fn sources(
        &self,
        workspace: &WorkspaceId,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, StoreError>;
    /// Passages of a document, in order.
    async fn passages(&self, workspace: &WorkspaceId, document_id: &str) -> Result<Vec<Passage>, StoreError>;
    /// Documents by source, from after the cursor.
    async fn list(&self, workspace: &WorkspaceId, page: Page) -> Result<Listed<Document>, StoreError>;
}

/// What a web server said of a page when it was last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The page.
    pub url: String,
    /// Its version, as the server names it.
    pub etag: Option<String>,
    /// When it was changed, as the server has it.
    pub last_modified: Option<String>,
    /// What it links to.
    pub links: Vec<String>,
    /// What was made of it, and how; of no use once the stored document is another one.
    pub reading: String,
}

/// Web pages as they were last seen.
#[async_trait]
pub trait Visits: Send + Sync {
    /// The last visit of a page.
    async fn visit(&self, workspace: &WorkspaceId, url: &str) -> Result<Option<Visit>, StoreError>;
    /// Notes a visit, in place of the one before.
    async fn visited(&self, workspace: &WorkspaceId, visit: &Visit) -> Result<(), StoreError>;
}

/// Suggestions with their traces, feedback and events.
#[async_trait]
pub trait Suggestions: Send + Sync {
    /// Stores suggestion, trace, what was heard of an opt-out, and outgoing event in one transaction. A second automatic reply to the same customer
    /// message is refused with [`StoreError::AlreadyReplied`], and nothing is stored. A holding message that would be the
    /// second in a row, whatever was stored meanwhile, is left out: then `false` comes back, and it is not to be sent.
    async fn insert(&self, suggestion: &Suggestion) -> Result<bool, StoreError>;
    /// One suggestion, with its trace.
    async fn get(&self, workspace: &WorkspaceId, id: &str) -> Result<Option<Suggestion>, StoreError>;
    /// Newest first.
    async fn list(
        &self,
        workspace: &WorkspaceId,
        which: Which,
        page: Page,
    ) -> Result<Listed<SuggestionSummary>, StoreError>;
    /// Stores an agent's verdict and its event in one transaction; `false` when there is no such suggestion.
    async fn feedback(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        feedback: &Feedback,
    ) -> Result<bool, StoreError>;
    /// Questions since a moment that found no answer, or that an agent answered: at most `limit`, newest first.
    async fn asked(
        &self,
        workspace: &WorkspaceId,
        since: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Asked>, StoreError>;
    /// An automatic reply to this customer message was stored before.
    async fn auto_replied(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
        message_id: &str,
    ) -> Result<bool, StoreError>;
    /// The newest draft of a conversation that an agent accepted or edited, outside the shadow: what was sent is a person's
    /// message. A verdict on an automatic reply is none.
    async fn sent_draft(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
    ) -> Result<Option<SentDraft>, StoreError>;
    /// Opt-outs that were heard in a conversation, and from its customer on its channel, where the hub names the customer.
    async fn opt_outs(
        &self,
        workspace: &WorkspaceId,
        conversation: &Conversation,
    ) -> Result<Vec<OptOut>, StoreError>;
    /// When the customer last wrote in a conversation, as far as its newest suggestion tells.
    async fn last_heard(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError>;
    /// Sequence number of the newest event of a workspace; 0 when there is none.
    async fn last_event(&self, workspace: &WorkspaceId) -> Result<i64, StoreError>;
    /// Events after a sequence number, oldest first.
    async fn events(
        &self,
        workspace: &WorkspaceId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError>;
}

/// API keys, stored as hashes.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Stores a key.
    async fn insert(&self, key: &KeyRecord, hash: &[u8]) -> Result<(), StoreError>;
    /// The key with this hash, unless revoked.
    async fn find(&self, hash: &[u8]) -> Result<Option<KeyRecord>, StoreError>;
    /// Keys of a workspace, or of all.
    async fn list(&self, workspace: Option<&WorkspaceId>) -> Result<Vec<KeyRecord>, StoreError>;
    /// Revokes a key; `false` when there is no such key.
    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, StoreError>;
}

/// How long a first answer is repeated.
pub const ANSWER_KEPT: TimeDelta = TimeDelta::hours(48);

/// How long a claim may be in flight before it counts as abandoned.
pub const CLAIM_STALE: TimeDelta = TimeDelta::minutes(15);

/// First answers by `Idempotency-Key`.
#[async_trait]
pub trait Idempotency: Send + Sync {
    /// Claims a key for a request; says what is known of it. Answers are kept for [`ANSWER_KEPT`]; a claim in flight
    /// for longer than [`CLAIM_STALE`] belongs to a process that died, and is given to the caller.
    async fn begin(
        &self,
        workspace: &WorkspaceId,
        key: &str,
        request_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError>;
    /// Stores the answer, which goes when the suggestion that it speaks of is erased. Where that is erased already, the claim is
    /// given back and nothing is stored.
    async fn complete(
        &self,
        workspace: &WorkspaceId,
        key: &str,
        status: u16,
        body: &str,
        suggestion: Option<&str>,
    ) -> Result<(), StoreError>;
    /// Gives the claim back after a failure.
    async fn abandon(&self, workspace: &WorkspaceId, key: &str) -> Result<(), StoreError>;
}

/// Everything together; what `app` hands around.
pub trait Store:
    Documents + Visits + Changes + Versions + Generations + Suggestions + Rollouts + Erasure + Keys + Idempotency
{
}
impl<T> Store for T where
    T: Documents
        + Visits
        + Changes
        + Versions
        + Generations
        + Suggestions
        + Rollouts
        + Erasure
        + Keys
        + Idempotency
{
}

/// What is known of an idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: the caller does the work.
    New,
    /// Another call is doing it.
    InFlight,
    /// The key was used with another request.
    Mismatch,
    /// The first answer.
    Done {
        /// HTTP status.
        status: u16,
        /// Body as it was sent.
        body: String,
    },
}

/// An API key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyRecord {
    /// `key_…`
    pub id: String,
    /// The tenant it opens.
    pub workspace: WorkspaceId,
    /// A name for people.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ask for suggestions.
    Suggest,
    /// Read and change knowledge.
    Knowledge,
    /// Read suggestions and give feedback: what an agent needs.
    Feedback,
    /// Run evaluations.
    Eval,
    /// Everything.
    Admin,
}

/// An outgoing event, in the order of its commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Sequence number, growing.
    pub sequence: i64,
    /// `suggestion.created`, `suggestion.feedback`, `rollout.changed`, or `rollout.demoted` where that happened by itself.
    pub kind: String,
    /// The suggestion; of a change of the rollout, empty.
    pub suggestion_id: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A slice of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Opaque; from the previous page.
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// A page of things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listed<T> {
    /// The things.
    pub items: Vec<T>,
    /// Cursor of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or is full; trying again may help.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What is stored does not read back; this is a bug or a damaged file.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The database does not belong to this version; trying again will not help.
    #[error("{0}")]
    Incompatible(String),
    /// An automatic reply to this customer message is stored already.
    #[error("an automatic reply to this message was stored before")]
    AlreadyReplied,
    /// A cursor or an id has the wrong form.
    #[error("{0}")]
    Invalid(String),
}
