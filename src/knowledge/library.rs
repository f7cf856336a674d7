//! The [`Library`]: documents into the store, and the index brought after it.
//!
//! The store is the truth. Every change goes through a change set: what it stages enters the index out of sight, one
//! transaction makes it the current generation, and then the index drops what it replaced (see
//! [`snapshot`](crate::retrieval::index::Snapshot)). Readers see a change whole or not at all, and a crash anywhere
//! leaves them at the old generation or the new one; the next change, run or start finishes what is left.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::identity::content_hash;
use super::indexing::Backlog;
use super::{Change, KnowledgeConfig, KnowledgeError, NewDocument, Put};
use crate::conversation::{Clock, WorkspaceId};
use crate::inference::Embedder;
use crate::retrieval::index::{ChangeSetId, Generations, PassageIndex, Readers};
use crate::store::versions::{ChangeKind, Staged};
use crate::store::{Document, DocumentState, Documents, Store};

/// A workspace's documents, kept in step between store and index.
pub struct Library {
    pub(super) store: Arc<dyn Store>,
    pub(super) index: Arc<dyn PassageIndex>,
    pub(super) embedder: Arc<dyn Embedder>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: KnowledgeConfig,
    pub(super) readers: Arc<Readers>,
    /// Held for one batch of the index or one commit, so that no batch carries what was taken back meanwhile.
    pub(super) turn: Mutex<()>,
    /// Held by a change of one document, from what it finds to what it leaves.
    pub(super) single: Mutex<()>,
    /// Since [`Self::compare`], until [`Self::rebuild`] has ended.
    pub(super) backlog: watch::Sender<Option<Backlog>>,
}

impl Library {
    /// A library over these parts.
    pub fn new(
        store: Arc<dyn Store>,
        index: Arc<dyn PassageIndex>,
        embedder: Arc<dyn Embedder>,
        clock: Arc<dyn Clock>,
        config: KnowledgeConfig,
    ) -> Self {
        let generations: Arc<dyn Generations> = Arc::clone(&store) as Arc<dyn Generations>;
        Self {
            store,
            index,
            embedder,
            clock,
            config,
            readers: Arc::new(Readers::new(generations)),
            turn: Mutex::new(()),
            single: Mutex::new(()),
            backlog: watch::Sender::new(None),
        }
    }

    /// Who reads what this library writes: a retriever needs it to find one generation.
    pub fn readers(&self) -> Arc<Readers> {
        Arc::clone(&self.readers)
    }

    /// Adds or replaces the document of this source. When it returns, the document is stored and can be found; when it
    /// fails, nothing has changed.
    pub async fn put(&self, workspace: &WorkspaceId, document: NewDocument) -> Result<Put, KnowledgeError> {
        let _single = self.single.lock().await;
        let hash = content_hash(&document, None, &self.config);
        let known = self.state(workspace, &document.source).await?;
        if let Some(known) = known.as_ref().filter(|known| known.content_hash == hash) {
            if known.not_indexed > 0 {
                self.sync(&CancellationToken::new()).await?;
            }
            if let Some(stored) = self.store.by_source(workspace, &document.source).await? {
                return Ok(Put { document: stored, change: Change::Unchanged, passages: known.passages });
            }
        }
        let staged = self.prepare(workspace, document, None, hash).await?;
        let change = if known.is_some() { Change::Changed } else { Change::Added };
        let passages = staged.passages.len();
        let document = self.replace(ChangeKind::Put, staged).await?;
        Ok(Put { document, change, passages })
    }

    /// Removes a document; `false` when there is none with this id. When it returns, it can no longer be found.
    pub async fn delete(&self, workspace: &WorkspaceId, id: &str) -> Result<bool, KnowledgeError> {
        let _single = self.single.lock().await;
        self.withdraw(workspace, id, &[]).await
    }

    /// Makes this the current version of a document, in a change set of its own.
    pub(super) async fn replace(&self, kind: ChangeKind, staged: Staged) -> Result<Document, KnowledgeError> {
        let workspace = staged.document.workspace.clone();
        let change = self.begin(&workspace, kind).await?;
        let work = async {
            self.store.stage(change, &staged).await?;
            self.send_staged(&workspace, change, &CancellationToken::new()).await?;
            self.publish(&workspace, change).await
        };
        if self.or_abandon(change, work).await?.is_none() {
            return Err(KnowledgeError::Busy(format!(
                "{:?} was changed by another call at the same time; try again",
                staged.document.source
            )));
        }
        let stored = Documents::get(self.store.as_ref(), &workspace, &staged.document.id).await?;
        // Gone again by now, if another process has removed it.
        Ok(stored.unwrap_or(staged.document))
    }

    /// Removes a document in a change set of its own, and refuses texts of its versions.
    pub(super) async fn withdraw(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        refuses: &[(u32, String)],
    ) -> Result<bool, KnowledgeError> {
        if Documents::get(self.store.as_ref(), workspace, id).await?.is_none() {
            return Ok(false);
        }
        let change = self.begin(workspace, ChangeKind::Put).await?;
        let work = async {
            let found = self.store.stage_removal(change, workspace, id, refuses).await?;
            self.publish(workspace, change).await?;
            Ok(found)
        };
        self.or_abandon(change, work).await
    }

    /// Takes a change set back where the work on it fails.
    pub(super) async fn or_abandon<T>(
        &self,
        change: ChangeSetId,
        work: impl Future<Output = Result<T, KnowledgeError>>,
    ) -> Result<T, KnowledgeError> {
        let done = work.await;
        if done.is_err()
            && let Err(error) = self.store.discard(change).await
        {
            tracing::warn!(%error, "a change that failed could not be taken back; nobody sees it, and it goes later");
        }
        done
    }

    /// Where the document of a source stands.
    pub(super) async fn state(
        &self,
        workspace: &WorkspaceId,
        source: &str,
    ) -> Result<Option<DocumentState>, KnowledgeError> {
        Ok(self.store.state(workspace, source, &self.embedder.info().fingerprint).await?)
    }
}
