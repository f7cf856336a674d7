//! What a reader may see while passages change: one generation, never a mix.
//!
//! Every change of a workspace's knowledge is a change set. Its new passages enter the index marked as staged by it, the
//! passages that it takes away are marked as retired by it, and one transaction of the store commits it. A reader asks
//! the store for a [`Snapshot`] and leaves out what is staged by change sets that are not committed, and what is retired
//! by those that are. While nothing changes a snapshot is empty, and a search costs nothing more.
//!
//! Points of the index are touched only when no reader can mind: [`Readers::settle`] waits for the readers of this
//! process that began before, and a reader that meets the work of another process sees by the `epoch` that it has to
//! look again.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::conversation::WorkspaceId;
use crate::retrieval::Sketch;
use crate::retrieval::index::IndexError;

/// How often a reader looks again before it gives up.
const ATTEMPTS: usize = 8;

/// A change set, in the order of their beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChangeSetId(pub i64);

impl ChangeSetId {
    /// What its new passages are marked with in the index.
    pub fn mark(self) -> String {
        self.0.to_string()
    }
}

/// What counts of a workspace's passages at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Grows with every change set that was committed.
    pub generation: i64,
    /// Grows whenever points that a reader may be looking at are about to change.
    pub epoch: i64,
    /// Marks of change sets whose staged passages do not count.
    pub staged: Vec<String>,
    /// Marks of retired passages that do not count any more.
    pub retired: Vec<String>,
}

/// Where snapshots come from: the store.
#[async_trait]
pub trait Generations: Send + Sync {
    /// What counts now.
    async fn snapshot(&self, workspace: &WorkspaceId) -> Result<Snapshot, IndexError>;

    /// The epoch now.
    async fn epoch(&self, workspace: &WorkspaceId) -> Result<i64, IndexError>;

    /// The versions that documents had in a generation, by the documents' ids.
    async fn versions_at(
        &self,
        workspace: &WorkspaceId,
        generation: i64,
        document_ids: &[String],
    ) -> Result<HashMap<String, u32>, IndexError>;

    /// A sample of the passages that customers may read, as they are now.
    async fn sketch(&self, workspace: &WorkspaceId) -> Result<Sketch, IndexError>;
}

/// Readers of an index that changes.
pub struct Readers {
    generations: Arc<dyn Generations>,
    reading: RwLock<()>,
    /// The newest sketch of each workspace, with its generation.
    sketches: Mutex<HashMap<WorkspaceId, (i64, Arc<Sketch>)>>,
    /// Passages that the index was found to lack, until it is rebuilt.
    lacking: AtomicUsize,
}

impl Readers {
    /// Of the index that this store is the truth of.
    pub fn new(generations: Arc<dyn Generations>) -> Self {
        Self {
            generations,
            reading: RwLock::new(()),
            sketches: Mutex::default(),
            lacking: AtomicUsize::default(),
        }
    }

    /// Notes how many passages the index lacks.
    pub fn note_lacking(&self, passages: usize) {
        self.lacking.store(passages, Ordering::Release);
    }

    /// How many passages the index was found to lack; 0 once it has been rebuilt.
    pub fn lacking(&self) -> usize {
        self.lacking.load(Ordering::Acquire)
    }

    /// Reads what `read` finds of one generation.
    pub async fn read<T, E, F>(
        &self,
        workspace: &WorkspaceId,
        mut read: impl FnMut(Snapshot) -> F + Send,
    ) -> Result<(T, i64), E>
    where
        T: Send,
        E: From<IndexError> + Send,
        F: Future<Output = Result<T, E>> + Send,
    {
        for _ in 0..ATTEMPTS {
            let _reading = self.reading.read().await;
            let snapshot = self.generations.snapshot(workspace).await?;
            let (generation, epoch) = (snapshot.generation, snapshot.epoch);
            let found = read(snapshot).await?;
            if self.generations.epoch(workspace).await? == epoch {
                return Ok((found, generation));
            }
        }
        Err(IndexError::Unavailable("the knowledge changes faster than it can be read; try again".into())
            .into())
    }

    /// Waits for everybody who is reading now, and lets nobody begin while the guard lives.
    pub async fn settle(&self) -> RwLockWriteGuard<'_, ()> {
        self.reading.write().await
    }

    /// A sample of the passages that customers may read. It is made anew once a generation.
    pub async fn sketch(&self, workspace: &WorkspaceId) -> Result<Arc<Sketch>, IndexError> {
        let generation = self.generations.snapshot(workspace).await?.generation;
        let known = || self.sketches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, sketch)) = known().get(workspace).filter(|(of, _)| *of == generation) {
            return Ok(Arc::clone(sketch));
        }
        // A change that is committed meanwhile is at worst seen early; the next look compares generations again.
        let sketch = Arc::new(self.generations.sketch(workspace).await?);
        known().insert(workspace.clone(), (generation, Arc::clone(&sketch)));
        Ok(sketch)
    }

    /// Versions of documents in a generation.
    pub async fn versions_at(
        &self,
        workspace: &WorkspaceId,
        generation: i64,
        document_ids: &[String],
    ) -> Result<HashMap<String, u32>, IndexError> {
        self.generations.versions_at(workspace, generation, document_ids).await
    }
}
