//! The [`Library`]: documents into the store, and the index brought after it.
//!
//! The store is the truth and holds, in the same transaction as every change, what the index has yet to learn. Bringing
//! the index up to date is one loop: embed what is not indexed, upsert it (on disk when that returns), tick it off;
//! then remove what is gone. Putting, deleting, ingesting and repairing all end in that loop, and a crash anywhere
//! in it loses nothing that was acknowledged. New passages come before old ones go, so a changed document can be
//! found throughout.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

use super::chunking::{Limits, chunk};
use super::identity::{content_hash, document_id, passage_id};
use super::loaders::{self, Loaded};
use super::{Change, KnowledgeConfig, KnowledgeError, LoadError, NewDocument, Put};
use crate::conversation::language::{Hint, detect};
use crate::conversation::{Clock, Language, WorkspaceId};
use crate::inference::{Embedder, InferenceError, Purpose};
use crate::retrieval::Passage;
use crate::retrieval::index::{IndexPoint, PassageIndex};
use crate::store::{Document, DocumentState, Store};

/// Ids in one statement or one call to the index.
const IDS_AT_ONCE: usize = 1000;

/// Bytes of a document that its language is detected from.
const DETECTED_BYTES: usize = 4000;

/// A workspace's documents, kept in step between store and index.
pub struct Library {
    pub(super) store: Arc<dyn Store>,
    index: Arc<dyn PassageIndex>,
    embedder: Arc<dyn Embedder>,
    clock: Arc<dyn Clock>,
    pub(super) config: KnowledgeConfig,
    /// Held for one change of the store or one batch of the index, so that no batch carries a version that was
    /// replaced while it was being embedded.
    turn: Mutex<()>,
    /// Since [`Self::compare`], until [`Self::rebuild`] has ended.
    backlog: watch::Sender<Option<Backlog>>,
}

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

/// A document read and cut, ready for the store.
pub(super) struct Prepared {
    document: Document,
    passages: Vec<Passage>,
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
        Self {
            store,
            index,
            embedder,
            clock,
            config,
            turn: Mutex::new(()),
            backlog: watch::Sender::new(None),
        }
    }

    /// Adds or replaces the document of this source. When it returns, the document is stored and can be found.
    pub async fn put(&self, workspace: &WorkspaceId, document: NewDocument) -> Result<Put, KnowledgeError> {
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
        let prepared = self.prepare(workspace, document, None, hash).await?;
        let passages = prepared.passages.len();
        let document = prepared.document.clone();
        self.store_prepared(prepared).await?;
        self.sync(&CancellationToken::new()).await?;
        let change = if known.is_some() { Change::Changed } else { Change::Added };
        Ok(Put { document, change, passages })
    }

    /// Removes a document; `false` when there is none with this id. When it returns, it can no longer be found.
    pub async fn delete(&self, workspace: &WorkspaceId, id: &str) -> Result<bool, KnowledgeError> {
        let found = self.remove(workspace, id).await?;
        // Also when there is none: an earlier call may have been interrupted between store and index.
        self.sync(&CancellationToken::new()).await?;
        Ok(found)
    }

    /// Compares store and index and makes the index equal: [`Self::compare`] and [`Self::rebuild`] in one.
    pub async fn repair(&self) -> Result<RepairReport, KnowledgeError> {
        self.compare().await?;
        self.rebuild(&CancellationToken::new()).await
    }

    /// Compares store and index, and notes in the store what the index lacks. Quick; [`Self::rebuild`] does the work.
    pub async fn compare(&self) -> Result<Backlog, KnowledgeError> {
        let _turn = self.turn.lock().await;
        let (stored, indexed) = self.both().await?;
        let lacking: Vec<String> = stored.difference(&indexed).cloned().collect();
        for ids in lacking.chunks(IDS_AT_ONCE) {
            self.store.unmark_indexed(ids).await?;
        }
        let backlog = Backlog {
            passages: stored.len(),
            strays: indexed.difference(&stored).count(),
            lacking: self.store.count_not_indexed(&self.embedder.info().fingerprint).await?,
            sent: 0,
        };
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

    /// Ids of the passages in the store and of those in the index.
    async fn both(&self) -> Result<(HashSet<String>, HashSet<String>), KnowledgeError> {
        let stored = self.store.passage_ids().await?.into_iter().collect();
        let indexed = self.index.passage_ids().await?.into_iter().collect();
        Ok((stored, indexed))
    }

    /// Deletes what only the index has; returns the number of passages. Compared anew, for others may have written.
    async fn remove_strays(&self) -> Result<usize, KnowledgeError> {
        let _turn = self.turn.lock().await;
        let (stored, indexed) = self.both().await?;
        let strays: Vec<String> = indexed.difference(&stored).cloned().collect();
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

    /// Where the document of a source stands.
    pub(super) async fn state(
        &self,
        workspace: &WorkspaceId,
        source: &str,
    ) -> Result<Option<DocumentState>, KnowledgeError> {
        Ok(self.store.state(workspace, source, &self.embedder.info().fingerprint).await?)
    }

    /// Reads and cuts a document, off the async workers.
    pub(super) async fn prepare(
        &self,
        workspace: &WorkspaceId,
        document: NewDocument,
        fallback_url: Option<String>,
        content_hash: String,
    ) -> Result<Prepared, KnowledgeError> {
        let workspace = workspace.clone();
        let updated_at = self.clock.now();
        let max_bytes = self.config.max_document_bytes;
        let limits =
            Limits { passage_chars: self.config.passage_chars, max_tokens: self.embedder.info().max_tokens };
        let work = move || {
            if document.content.len() > max_bytes {
                return Err(too_large(document.content.len(), max_bytes));
            }
            if document.source.trim().is_empty() {
                return Err(LoadError::whole(
                    "the source is empty; give the document a path, an address or an id",
                ));
            }
            let loaded = loaders::load(document.format, &document.content)?;
            let url = match document.url.as_deref() {
                Some(url) => Some(loaders::check_url(url).map_err(LoadError::whole)?),
                None => loaded.url.clone().or(fallback_url),
            };
            let language = document.language.or(loaded.language);
            let document = Document {
                id: document_id(&workspace, &document.source),
                workspace,
                title: document
                    .title
                    .or_else(|| loaded.title.clone())
                    .unwrap_or_else(|| title_of(&document.source)),
                url,
                language: language.or_else(|| language_of(&loaded.text, &document.source)),
                source: document.source,
                content_hash,
                text: String::new(),
                updated_at,
            };
            let passages = passages(&document, &loaded, language.is_some(), limits);
            Ok(Prepared { document: Document { text: loaded.text, ..document }, passages })
        };
        let prepared: Result<Prepared, LoadError> = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| KnowledgeError::Internal(error.to_string()))?;
        Ok(prepared?)
    }

    /// Writes a prepared document; returns the number of its passages. The index comes with the next [`Self::sync`].
    pub(super) async fn store_prepared(&self, prepared: Prepared) -> Result<usize, KnowledgeError> {
        let _turn = self.turn.lock().await;
        self.store.put(&prepared.document, &prepared.passages).await?;
        Ok(prepared.passages.len())
    }

    /// Removes a document from the store. The index comes with the next [`Self::sync`].
    pub(super) async fn remove(&self, workspace: &WorkspaceId, id: &str) -> Result<bool, KnowledgeError> {
        let _turn = self.turn.lock().await;
        Ok(self.store.delete(workspace, id).await?.is_some())
    }

    /// Brings the index up to date, batch by batch, at least one and no more after `stop`; returns the number of
    /// passages sent.
    pub(super) async fn sync(&self, stop: &CancellationToken) -> Result<usize, KnowledgeError> {
        let mut sent = 0;
        loop {
            let _turn = self.turn.lock().await;
            let fingerprint = &self.embedder.info().fingerprint;
            let batch = self.store.not_indexed(fingerprint, self.config.batch).await?;
            if batch.is_empty() {
                self.remove_from_index().await?;
                return Ok(sent);
            }
            let ids: Vec<String> = batch.iter().map(|passage| passage.id.clone()).collect();
            let points = self.embed(batch).await?;
            self.index.upsert(points).await?;
            self.store.mark_indexed(&ids, fingerprint).await?;
            sent += ids.len();
            self.backlog.send_if_modified(|backlog| match backlog {
                Some(backlog) => {
                    backlog.sent += ids.len();
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

    async fn remove_from_index(&self) -> Result<(), KnowledgeError> {
        loop {
            let removals = self.store.removals(IDS_AT_ONCE).await?;
            if removals.is_empty() {
                return Ok(());
            }
            for tenant in removals.chunk_by(|a, b| a.workspace == b.workspace) {
                let ids: Vec<String> = tenant.iter().map(|removal| removal.passage_id.clone()).collect();
                self.index.delete(&tenant[0].workspace, ids.clone()).await?;
                self.store.removed(&ids).await?;
            }
        }
    }
}

pub(super) fn too_large(bytes: usize, limit: usize) -> LoadError {
    LoadError::whole(format!(
        "{bytes} bytes, and documents may have {limit}; part the document, or raise knowledge.max_document_bytes"
    ))
}

/// Passages of a document, with character spans.
fn passages(document: &Document, loaded: &Loaded, language_given: bool, limits: Limits) -> Vec<Passage> {
    let text = &loaded.text;
    // Chunks come in order, so characters are counted once over the whole text.
    let (mut byte, mut character) = (0, 0);
    let mut position = |at: usize| {
        character += text[byte..at].chars().count();
        byte = at;
        character
    };
    chunk(loaded, &document.title, limits)
        .into_iter()
        .zip(0_u32..)
        .map(|(chunk, ordinal)| {
            let span = (position(chunk.bytes.start), position(chunk.bytes.end));
            let words = text[chunk.bytes].to_owned();
            // Rows of questions and answers may come in several languages.
            let is_row = matches!(loaded.structure, loaders::Structure::Pairs(_));
            let detected = || {
                if is_row && !language_given {
                    language_of(&format!("{} {words}", chunk.headings.join(" ")), &document.source)
                } else {
                    document.language
                }
            };
            let mut passage = Passage {
                id: String::new(),
                workspace: document.workspace.clone(),
                document_id: document.id.clone(),
                title: chunk.own.title.unwrap_or_else(|| document.title.clone()),
                language: chunk.own.language.or_else(detected),
                heading_path: chunk.headings,
                text: words,
                url: chunk.own.url.or_else(|| document.url.clone()),
                span,
                ordinal,
            };
            passage.id = passage_id(&document.id, ordinal, &passage.indexed_text());
            passage
        })
        .collect()
}

/// The name of the file, for documents that say no title.
pub(super) fn title_of(source: &str) -> String {
    let name = source.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or(source);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem });
    stem.replace(['-', '_'], " ")
}

/// Detected from the first words; a folder or an ending such as `pt` or `pt-BR` in the source helps.
fn language_of(text: &str, source: &str) -> Option<Language> {
    let hint = source
        .rsplit(['/', '\\', '.'])
        .find(|part| (part.len() == 2 || part.len() == 5) && Language::from_locale(part).is_some());
    let end = text.floor_char_boundary(DETECTED_BYTES.min(text.len()));
    detect(&text[..end], Hint { locale: hint, earlier: &[] }).language
}
