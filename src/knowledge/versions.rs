//! Versions of documents: their history, what changed between two, and the way back.

use std::sync::Arc;

use serde::Serialize;
use similar::TextDiff;
use utoipa::ToSchema;

use super::identity::text_hash;
use super::{KnowledgeError, Library};
use crate::conversation::WorkspaceId;
use crate::store::versions::{ChangeKind, DocumentVersion, Staged, VersionSummary};
use crate::store::{Document, Store};

/// Lines around a change that a difference shows.
const CONTEXT: usize = 3;

/// What changed between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// The document's source.
    pub source: String,
    /// The earlier version.
    pub from: u32,
    /// The later one.
    pub to: u32,
    /// Their texts as a unified diff; empty where they are the same.
    pub diff: String,
}

/// What came of [`Library::rollback`].
#[derive(Debug, Clone, PartialEq)]
pub struct Rollback {
    /// The document as it is now; `None` where it was taken back to before its first version.
    pub document: Option<Document>,
    /// The version whose state is restored; 0 for none.
    pub restored: u32,
    /// Versions whose texts are refused from now on.
    pub refused: Vec<u32>,
}

/// What documents were. It needs the store alone, so it can be read beside a running server.
#[derive(Clone)]
pub struct Archive(Arc<dyn Store>);

impl Archive {
    /// Of this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Versions of a document, given its source or its id, oldest first.
    pub async fn history(
        &self,
        workspace: &WorkspaceId,
        name: &str,
    ) -> Result<Vec<VersionSummary>, KnowledgeError> {
        let id = self.id_of(workspace, name).await?;
        Ok(self.0.history(workspace, &id).await?)
    }

    /// What changed between two versions: by default the last one and the one before.
    pub async fn diff(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        from: Option<u32>,
        to: Option<u32>,
    ) -> Result<Difference, KnowledgeError> {
        let id = self.id_of(workspace, name).await?;
        let last = self.0.history(workspace, &id).await?.last().map_or(1, |last| last.version);
        let to = to.unwrap_or(last);
        let from = from.unwrap_or_else(|| to.saturating_sub(1).max(1));
        let (old, new) = (self.version(workspace, &id, from).await?, self.version(workspace, &id, to).await?);
        let source = new.document.source;
        let diff = TextDiff::from_lines(&old.document.text, &new.document.text)
            .unified_diff()
            .context_radius(CONTEXT)
            .header(&format!("{source} (version {from})"), &format!("{source} (version {to})"))
            .to_string();
        Ok(Difference { source, from, to, diff })
    }

    /// Takes the text of a version again; fails when it is not refused.
    pub async fn allow(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        version: u32,
    ) -> Result<(), KnowledgeError> {
        let id = self.id_of(workspace, name).await?;
        let text = self.version(workspace, &id, version).await?.document.text;
        if self.0.allow(workspace, &id, version, &text_hash(&text)).await? {
            return Ok(());
        }
        Err(KnowledgeError::NoVersion(format!("version {version} of {name:?} is not refused")))
    }

    async fn id_of(&self, workspace: &WorkspaceId, name: &str) -> Result<String, KnowledgeError> {
        self.0.document_id(workspace, name).await?.ok_or_else(|| {
            KnowledgeError::NoVersion(format!(
                "the workspace {:?} has no document {name:?}; name it by its source or its id",
                workspace.0
            ))
        })
    }

    async fn version(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        version: u32,
    ) -> Result<DocumentVersion, KnowledgeError> {
        self.0.version(workspace, id, version).await?.ok_or_else(|| {
            KnowledgeError::NoVersion(format!("there is no version {version}; the history lists them"))
        })
    }
}

impl Library {
    /// What its documents were.
    pub fn archive(&self) -> Archive {
        Archive(Arc::clone(&self.store))
    }

    /// Makes the state of an earlier version the current one, as a new version; 0 takes the document back to before its
    /// first. The texts of all later versions are refused from then on, wherever they come from, until
    /// [`Archive::allow`]. When it returns, nothing of them can be found.
    pub async fn rollback(
        &self,
        workspace: &WorkspaceId,
        name: &str,
        to: u32,
    ) -> Result<Rollback, KnowledgeError> {
        let _single = self.single.lock().await;
        let archive = self.archive();
        let id = archive.id_of(workspace, name).await?;
        let history = self.store.history(workspace, &id).await?;
        let kept = if to == 0 { None } else { Some(archive.version(workspace, &id, to).await?) };
        let kept_hash = kept.as_ref().map(|kept| text_hash(&kept.document.text));
        let refused = match &kept_hash {
            Some(hash) => self.store.refused(workspace, hash).await?.is_some(),
            None => false,
        };
        if refused {
            return Err(KnowledgeError::NoVersion(format!(
                "version {to} of {name:?} was rolled back itself; choose another, or allow it again first"
            )));
        }
        if history.iter().any(|version| version.version == to && version.current) {
            return Err(KnowledgeError::NoVersion(format!("version {to} of {name:?} is the current one")));
        }
        let mut refuses = Vec::new();
        for later in history.iter().filter(|version| version.version > to) {
            let hash = text_hash(&archive.version(workspace, &id, later.version).await?.document.text);
            if kept_hash.as_ref() != Some(&hash) {
                refuses.push((later.version, hash));
            }
        }
        let refused = refuses.iter().map(|(version, _)| *version).collect();
        let document = if let Some(DocumentVersion { document, passages, .. }) = kept {
            let staged = Staged {
                text_hash: text_hash(&document.text),
                document: Document { updated_at: self.clock.now(), ..document },
                passages,
                restores: Some(to),
                refuses,
            };
            Some(self.replace(ChangeKind::Rollback, staged).await?)
        } else {
            if !self.withdraw(workspace, &id, &refuses).await? {
                return Err(KnowledgeError::NoVersion(format!("{name:?} is not there any more")));
            }
            None
        };
        tracing::info!(workspace = workspace.0, document = id, to, ?refused, "rolled a document back");
        Ok(Rollback { document, restored: to, refused })
    }
}
