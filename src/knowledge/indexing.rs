//! The index after the store: sending, publishing, sweeping, and comparing both.

use std::collections::HashSet;

use chrono::TimeDelta;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{KnowledgeError, Library};
use crate::conversation::WorkspaceId;
use crate::inference::{InferenceError, Purpose};
use crate::retrieval::Passage;
use crate::retrieval::index::{ChangeSetId, IndexPoint};
use crate::store::versions::ChangeKind;

/// Ids in one statement or one call to the index.
const IDS_AT_ONCE: usize = 1000;

/// A change of one document that is open for longer was left by a crash.
const LEFT: TimeDelta = TimeDelta::minutes(30);

/// How far the index is behind the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Passages in the store.
    passages: usize,
    /// Passages that only the index has.
    strays: usize,
    /// Passages that the index lacked, or held for another embedder.
    pub lacking: usize,
    /// How many of them have been sent since.
    pub sent: usize,
}

/// What [`Library::repair`] found and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RepairReport {
    /// Passages in the store.
    pub passages: usize,
    /// Passages that the index lacked, or held for another embedder.
    pub resent: usize,
    /// Passages that only the index had.
    pub removed: usize,
}

impl Library {
    /// Compares store and index and makes the index equal: [`Self::compare`] and [`Self::rebuild`] in one.
    pub async fn repair(&self) -> Result<RepairReport, KnowledgeError> {
        self.compare().await?;
        self.rebuild(&CancellationToken::new()).await
    }

    /// Compares store and index, and notes in the store what the index lacks. Quick; [`Self::rebuild`] does the work.
    pub async fn compare(&self) -> Result<Backlog, KnowledgeError> {
        let _turn = self.turn.lock().await;
        for change in self.store.orphans(self.clock.now() - LEFT).await? {
            self.store.discard(change).await?;
        }
        let (stored, indexed) = self.both().await?;
        let lacking: Vec<String> = stored.difference(&indexed).map(Uuid::to_string).collect();
        for ids in lacking.chunks(IDS_AT_ONCE) {
            self.store.unmark_indexed(ids).await?;
        }
        let backlog = Backlog {
            passages: stored.len(),
            strays: indexed.difference(&stored).count(),
            lacking: self.store.count_not_indexed(&self.embedder.info().fingerprint).await?,
            sent: 0,
        };
        self.readers.note_lacking(backlog.lacking);
        self.backlog.send_replace(Some(backlog));
        Ok(backlog)
    }

    /// Makes the index equal to what [`Self::compare`] found: sends what it lacks, then deletes what it should not have.
    /// Others may search and write meanwhile. Ends early after `stop`; what is left then, or after an error, is done by
    /// the next call.
    pub async fn rebuild(&self, stop: &CancellationToken) -> Result<RepairReport, KnowledgeError> {
        let backlog = *self.backlog.borrow();
        let resent = self.sync(stop).await?;
        let passages = backlog.map_or(0, |backlog| backlog.passages);
        if stop.is_cancelled() {
            return Ok(RepairReport { passages, resent, removed: 0 });
        }
        let removed =
            if backlog.is_some_and(|backlog| backlog.strays > 0) { self.remove_strays().await? } else { 0 };
        self.readers.note_lacking(0);
        self.backlog.send_replace(None);
        if resent > 0 || removed > 0 {
            tracing::info!(passages, resent, removed, "brought the index in line with the store");
        }
        Ok(RepairReport { passages, resent, removed })
    }

    /// How far the index is behind the store; `None` where it is not.
    pub fn backlog(&self) -> Option<Backlog> {
        *self.backlog.borrow()
    }

    /// Completes when the index is not behind the store.
    pub async fn caught_up(&self) {
        // The sender lives as long as the library: there is no error.
        let _ = self.backlog.subscribe().wait_for(Option::is_none).await;
    }

    /// Ids of the passages in the store and of those in the index, in 16 bytes each.
    async fn both(&self) -> Result<(HashSet<Uuid>, HashSet<Uuid>), KnowledgeError> {
        let ids = |ids: Vec<String>| ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        let stored = ids(self.store.passage_ids().await?);
        let indexed = ids(self.index.passage_ids().await?);
        Ok((stored, indexed))
    }

    /// Deletes what only the index has; returns the number of passages. Compared anew, for others may have written.
    async fn remove_strays(&self) -> Result<usize, KnowledgeError> {
        let _turn = self.turn.lock().await;
        let (stored, indexed) = self.both().await?;
        let strays: Vec<String> = indexed.difference(&stored).map(Uuid::to_string).collect();
        for ids in strays.chunks(IDS_AT_ONCE) {
            let mut owners = self.index.owners(ids.to_vec()).await?;
            owners.sort();
            for tenant in owners.chunk_by(|a, b| a.0 == b.0) {
                let ids = tenant.iter().map(|(_, id)| id.clone()).collect();
                self.index.delete(&tenant[0].0, ids).await?;
            }
        }
        Ok(strays.len())
    }

    /// Opens a change set. From then on nobody reads what it will stage.
    pub(super) async fn begin(
        &self,
        workspace: &WorkspaceId,
        kind: ChangeKind,
    ) -> Result<ChangeSetId, KnowledgeError> {
        let change = self.store.open(workspace, kind, self.clock.now()).await?;
        // Whoever began to read before does not know of it.
        let _quiet = self.readers.settle().await;
        self.store.advance_epoch(workspace).await?;
        Ok(change)
    }

    /// Sends what a change set has staged, batch by batch, at least one and no more after `stop`; returns the number of
    /// passages sent.
    pub(super) async fn send_staged(
        &self,
        workspace: &WorkspaceId,
        change: ChangeSetId,
        stop: &CancellationToken,
    ) -> Result<usize, KnowledgeError> {
        let fingerprint = &self.embedder.info().fingerprint;
        let mut sent = 0;
        loop {
            let _turn = self.turn.lock().await;
            let batch = self.store.staged_not_indexed(change, fingerprint, self.config.batch).await?;
            if batch.is_empty() {
                return Ok(sent);
            }
            let ids: Vec<String> = batch.iter().map(|passage| passage.id.clone()).collect();
            let points = self.embed(batch).await?;
            self.index.stage(change, points).await?;
            self.store.mark_indexed(workspace, &ids, fingerprint).await?;
            sent += ids.len();
            if stop.is_cancelled() {
                return Ok(sent);
            }
        }
    }

    /// Makes what a change set has staged the current generation, all at once; returns its number, or `None` when
    /// nothing was left to publish.
    pub(super) async fn publish(
        &self,
        workspace: &WorkspaceId,
        change: ChangeSetId,
    ) -> Result<Option<i64>, KnowledgeError> {
        let _turn = self.turn.lock().await;
        let generation = loop {
            let plan = self.store.plan(change).await?;
            // What was staged and taken back must be gone before its change set counts.
            self.sweep().await?;
            if plan.documents == 0 {
                self.store.discard(change).await?;
                break None;
            }
            let mut after = String::new();
            loop {
                let ids = self.store.retiring(change, &after, IDS_AT_ONCE).await?;
                let Some(last) = ids.last() else { break };
                after.clone_from(last);
                self.index.retire(workspace, ids, &plan.mark).await?;
            }
            if let Some(generation) = self.store.commit(change, &plan).await? {
                break Some(generation);
            }
        };
        // Nobody sees what was replaced any more; a part of the index that fails now is swept with the next change.
        if let Err(error) = self.sweep().await {
            tracing::warn!(%error, "replaced passages could not be removed from the index yet; nobody sees them");
        }
        Ok(generation)
    }

    /// Sends the passages that count and that the index lacks, batch by batch, at least one and no more after `stop`;
    /// returns the number of passages sent.
    pub(super) async fn sync(&self, stop: &CancellationToken) -> Result<usize, KnowledgeError> {
        let fingerprint = &self.embedder.info().fingerprint;
        let mut sent = 0;
        loop {
            let _turn = self.turn.lock().await;
            let mut batch = self.store.not_indexed(fingerprint, self.config.batch).await?;
            if batch.is_empty() {
                self.sweep().await?;
                return Ok(sent);
            }
            batch.sort_by(|a, b| a.workspace.cmp(&b.workspace));
            let of: Vec<(WorkspaceId, String)> =
                batch.iter().map(|passage| (passage.workspace.clone(), passage.id.clone())).collect();
            let points = self.embed(batch).await?;
            self.index.upsert(points).await?;
            for tenant in of.chunk_by(|a, b| a.0 == b.0) {
                let ids: Vec<String> = tenant.iter().map(|(_, id)| id.clone()).collect();
                self.store.mark_indexed(&tenant[0].0, &ids, fingerprint).await?;
            }
            sent += of.len();
            self.backlog.send_if_modified(|backlog| match backlog {
                Some(backlog) => {
                    backlog.sent += of.len();
                    true
                }
                None => false,
            });
            if stop.is_cancelled() {
                return Ok(sent);
            }
        }
    }

    async fn embed(&self, passages: Vec<Passage>) -> Result<Vec<IndexPoint>, KnowledgeError> {
        let texts: Vec<String> = passages.iter().map(Passage::indexed_text).collect();
        let vectors = self.embedder.embed(texts, Purpose::Passage).await?;
        if vectors.len() != passages.len() {
            return Err(KnowledgeError::Embedder(InferenceError::Malformed(format!(
                "{} vectors for {} passages",
                vectors.len(),
                passages.len()
            ))));
        }
        Ok(passages.into_iter().zip(vectors).map(|(passage, dense)| IndexPoint { passage, dense }).collect())
    }

    /// Removes from the index what nobody sees any more. The caller holds the turn.
    async fn sweep(&self) -> Result<(), KnowledgeError> {
        for workspace in self.store.workspaces_with_removals().await? {
            // Whoever began to read before the commit may still be looking at them.
            let quiet = self.readers.settle().await;
            self.store.advance_epoch(&workspace).await?;
            drop(quiet);
        }
        loop {
            let removals = self.store.removals(IDS_AT_ONCE).await?;
            if removals.is_empty() {
                break;
            }
            for tenant in removals.chunk_by(|a, b| a.workspace == b.workspace) {
                let ids: Vec<String> = tenant.iter().map(|removal| removal.passage_id.clone()).collect();
                self.index.delete(&tenant[0].workspace, ids.clone()).await?;
                self.store.removed(&ids).await?;
            }
        }
        Ok(self.store.forget_settled().await?)
    }
}
