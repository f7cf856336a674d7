//! The embedded index: qdrant-edge in a folder, no server.
//!
//! qdrant-edge is synchronous and does nothing in the background, so this module gives it what it lacks:
//! - **One owner thread** does every update and every flush: a flush panics when another thread updates.
//! - **Acknowledged means flushed.** Its write-ahead log is not replayed at start, so only a flush makes an update
//!   last. Whatever was not acknowledged is sent again from the SQL store, which is the truth.
//! - **A folder that does not load is deleted whole** and begun again, empty: the log cannot be deleted alone (later
//!   updates would silently do nothing). [`EdgeIndex::is_fresh`] tells that it has to be filled.
//! - **The log is never cut**, so past a limit [`PassageIndex::optimize`] copies the points into a new folder.
//!
//! Dense search is exact: no graph is built (`m` 0), which at 100,000 passages costs milliseconds and loses nothing.
//!
//! ```text
//! DIR/lock         held while open; a second process is refused
//! DIR/index.json   format, embedder, and which shard folder counts
//! DIR/shard-N/     qdrant-edge's own files
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use qdrant_edge::{
    Payload, PayloadOps, PointId, PointInsertOperations, PointOperations, PointStructPersisted, SetPayloadOp,
    SparseVector, UpdateOperation, Vector, VectorInternal, VectorStructPersisted, Vectors,
    WithPayloadInterface,
};
use tokio::sync::{mpsc, oneshot};

mod folder;
mod shard;

use folder::{Marker, cannot, folder_size, lock, remove_others};
use shard::{DENSE, SPARSE, Shard, guarded};

use super::bm25::{Bm25, Sparse};
use super::scope::{LABEL_KEYS, RETIRED, STAGED, Scope, WORKSPACE, label_keys, tenant_filter};
use super::{
    ChangeSetId, IndexError, IndexHits, IndexPoint, IndexQuery, PassageIndex, check_id, check_vector,
};
use crate::conversation::WorkspaceId;
use crate::retrieval::analysis::ANALYZER_VERSION;

/// Layout of folders and payloads; another one is rebuilt.
const FORMAT: u32 = 1;
/// Points a single update holds.
const BATCH: usize = 256;
/// Updates that may wait for the owner thread.
const QUEUE: usize = 64;
/// A log smaller than this is never worth a copy.
const LOG_FLOOR: u64 = 512 << 20;
/// A log is worth a copy when it is larger than this for each point that is left.
const LOG_BYTES_A_POINT: u64 = 16 << 10;

/// [`PassageIndex`] in a folder of this process.
pub struct EdgeIndex {
    open: Arc<Open>,
    bm25: Arc<Bm25>,
    dimensions: usize,
    fresh: bool,
    orders: Option<mpsc::Sender<Order>>,
    owner: Option<JoinHandle<()>>,
}

/// The folder while it is open. The lock goes with the last user of the shard.
struct Open {
    shard: ArcSwap<Shard>,
    dir: PathBuf,
    marker: Marker,
    optimizing: tokio::sync::Mutex<()>,
    _lock: File,
}

enum Order {
    Upsert(Vec<PointStructPersisted>, Reply),
    Delete(Scope, Reply),
    Retire(Scope, String, Reply),
    Flush(Reply),
    Compact(Reply),
}

type Reply = oneshot::Sender<Result<(), IndexError>>;

impl EdgeIndex {
    /// Opens the index in `dir`, which is made where it is missing.
    ///
    /// An index of another embedder, of another number of dimensions, of another format, or one that does not load is
    /// deleted and begun again: see [`Self::is_fresh`]. Fails when another process has the folder open, or when it
    /// cannot be written. Blocks.
    pub fn open(dir: &Path, dimensions: usize, embedder_fingerprint: &str) -> Result<Self, IndexError> {
        fs::create_dir_all(dir).map_err(|error| cannot("make", dir, &error))?;
        let lock = lock(dir)?;
        let wanted = Marker {
            format: FORMAT,
            analyzer: ANALYZER_VERSION,
            embedder: embedder_fingerprint.into(),
            dimensions,
            generation: 0,
        };
        let found = Marker::read(dir);
        let last = found.as_ref().map_or(0, |marker| marker.generation);
        let kept = match found {
            Some(marker) if marker.fits(&wanted) => Shard::load(&marker.folder(dir), dimensions)
                .inspect_err(|error| {
                    tracing::warn!(%error, "the passage index does not load; it is deleted and will be filled again");
                })
                .ok()
                .map(|shard| (shard, marker)),
            Some(_) => {
                tracing::warn!("the passage index was made for another embedder; it will be filled again");
                None
            }
            None => None,
        };
        let fresh = kept.is_none();
        let (shard, marker) = if let Some(kept) = kept {
            kept
        } else {
            let marker = Marker { generation: last + 1, ..wanted };
            (create(dir, &marker)?, marker)
        };
        remove_others(dir, &shard.folder);

        let open = Arc::new(Open {
            shard: ArcSwap::from_pointee(shard),
            dir: dir.into(),
            marker,
            optimizing: tokio::sync::Mutex::new(()),
            _lock: lock,
        });
        let (orders, queue) = mpsc::channel(QUEUE);
        let owner = std::thread::Builder::new()
            .name("passage-index".into())
            .spawn({
                let open = Arc::clone(&open);
                move || own(&open, queue)
            })
            .map_err(|error| IndexError::Internal(format!("no thread for the passage index: {error}")))?;
        Ok(Self {
            open,
            bm25: Arc::new(Bm25::new()?),
            dimensions,
            fresh,
            orders: Some(orders),
            owner: Some(owner),
        })
    }

    /// Whether another process has the index of this folder open.
    pub fn in_use(dir: &Path) -> Result<bool, IndexError> {
        match lock(dir) {
            Ok(_) => Ok(false),
            Err(IndexError::InUse(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Whether the index was begun empty when it was opened, and so has to be filled from the store.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    async fn order(&self, order: impl FnOnce(Reply) -> Order) -> Result<(), IndexError> {
        let gone = || IndexError::Internal("the passage index is closed".into());
        let (reply, answer) = oneshot::channel();
        self.orders.as_ref().ok_or_else(gone)?.send(order(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    fn point(
        &self,
        point: IndexPoint,
        staged: Option<ChangeSetId>,
    ) -> Result<PointStructPersisted, IndexError> {
        check_vector(&point.dense, self.dimensions)?;
        let sparse = self.bm25.passage(&point.passage.indexed_text(), point.passage.language);
        let mut vectors = vec![(DENSE, Vector::new_dense(point.dense))];
        if !sparse.is_empty() {
            vectors.push((SPARSE, Vector::new_sparse(sparse.indices, sparse.values).map_err(internal)?));
        }
        let Ok(serde_json::Value::Object(mut fields)) = serde_json::to_value(&point.passage) else {
            return Err(IndexError::Internal("a passage is not an object".into()));
        };
        if !point.passage.labels.is_empty() {
            fields.insert(LABEL_KEYS.into(), label_keys(&point.passage.labels).into());
        }
        if let Some(change) = staged {
            fields.insert(STAGED.into(), change.mark().into());
        }
        Ok(PointStructPersisted {
            id: point_id(&point.passage.id)?,
            vector: VectorStructPersisted::from(Vectors::new_named(vectors).0),
            payload: Some(Payload(fields)),
        })
    }

    async fn send(&self, points: Vec<IndexPoint>, staged: Option<ChangeSetId>) -> Result<(), IndexError> {
        let points =
            points.into_iter().map(|point| self.point(point, staged)).collect::<Result<Vec<_>, _>>()?;
        if points.is_empty() {
            return Ok(());
        }
        self.order(|reply| Order::Upsert(points, reply)).await
    }
}

impl Drop for EdgeIndex {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(owner) = self.owner.take()
            && owner.join().is_err()
        {
            tracing::error!("the thread of the passage index has panicked");
        }
    }
}

#[async_trait]
impl PassageIndex for EdgeIndex {
    async fn upsert(&self, points: Vec<IndexPoint>) -> Result<(), IndexError> {
        self.send(points, None).await
    }

    async fn stage(&self, change: ChangeSetId, points: Vec<IndexPoint>) -> Result<(), IndexError> {
        self.send(points, Some(change)).await
    }

    async fn retire(
        &self,
        workspace: &WorkspaceId,
        passage_ids: Vec<String>,
        mark: &str,
    ) -> Result<(), IndexError> {
        if passage_ids.is_empty() {
            return Ok(());
        }
        passage_ids.iter().try_for_each(|id| check_id(id))?;
        let scope = tenant_filter(workspace).with_ids(passage_ids);
        let mark = mark.to_owned();
        self.order(|reply| Order::Retire(scope, mark, reply)).await
    }

    async fn delete(&self, workspace: &WorkspaceId, passage_ids: Vec<String>) -> Result<(), IndexError> {
        if passage_ids.is_empty() {
            return Ok(());
        }
        passage_ids.iter().try_for_each(|id| check_id(id))?;
        let scope = tenant_filter(workspace).with_ids(passage_ids);
        self.order(|reply| Order::Delete(scope, reply)).await
    }

    async fn search(&self, workspace: &WorkspaceId, query: IndexQuery) -> Result<IndexHits, IndexError> {
        check_vector(&query.dense, self.dimensions)?;
        let scope = tenant_filter(workspace).in_language(query.only).selecting(query.selection);
        let shard = self.open.shard.load_full();
        let bm25 = Arc::clone(&self.bm25);
        blocking(move || {
            let sparse = bm25.question(&query.text, query.language);
            let dense = VectorInternal::Dense(query.dense);
            Ok(IndexHits {
                dense: shard.ranked(dense, DENSE, &scope, query.limit)?,
                sparse: if sparse.is_empty() {
                    Vec::new()
                } else {
                    shard.ranked(sparse_vector(sparse)?, SPARSE, &scope, query.limit)?
                },
            })
        })
        .await
    }

    async fn passage_ids(&self) -> Result<Vec<String>, IndexError> {
        let shard = self.open.shard.load_full();
        blocking(move || {
            let mut ids = Vec::new();
            shard.pages(false, |records| {
                ids.extend(records.into_iter().map(|record| record.id.to_string()));
                Ok(())
            })?;
            Ok(ids)
        })
        .await
    }

    async fn owners(&self, passage_ids: Vec<String>) -> Result<Vec<(WorkspaceId, String)>, IndexError> {
        let points = passage_ids.iter().map(|id| point_id(id)).collect::<Result<Vec<_>, _>>()?;
        let shard = self.open.shard.load_full();
        blocking(move || {
            let records = shard
                .edge()?
                .retrieve(&points, Some(WithPayloadInterface::Bool(true)), None)
                .map_err(internal)?;
            let owner = |record: qdrant_edge::Record| {
                let tenant = record.payload?.0.get(WORKSPACE)?.as_str()?.to_owned();
                Some((WorkspaceId(tenant), record.id.to_string()))
            };
            Ok(records.into_iter().filter_map(owner).collect())
        })
        .await
    }

    async fn optimize(&self) -> Result<(), IndexError> {
        let _one_at_a_time = self.open.optimizing.lock().await;
        let shard = self.open.shard.load_full();
        blocking(move || shard.edge()?.optimize().map_err(internal)).await?;
        self.order(Order::Flush).await?;
        self.order(Order::Compact).await
    }

    async fn health(&self) -> Result<(), IndexError> {
        if self.owner.as_ref().is_none_or(JoinHandle::is_finished) {
            return Err(IndexError::Internal(
                "the thread of the passage index has stopped; restart Ponto".into(),
            ));
        }
        self.open.shard.load().edge().map(|_| ())
    }
}

/// The owner thread: one order after the other, each acknowledged once it is on disk.
fn own(open: &Open, mut queue: mpsc::Receiver<Order>) {
    while let Some(order) = queue.blocking_recv() {
        let shard = open.shard.load_full();
        // A caller that has gone away does not want the answer.
        let _ = match order {
            Order::Upsert(points, reply) => reply.send(upsert(&shard, points)),
            Order::Delete(scope, reply) => reply.send(delete(&shard, &scope)),
            Order::Retire(scope, mark, reply) => reply.send(retire(&shard, &scope, mark)),
            Order::Flush(reply) => reply.send(shard.flush()),
            Order::Compact(reply) => reply.send(compact(open, &shard)),
        };
    }
}

fn upsert(shard: &Shard, mut points: Vec<PointStructPersisted>) -> Result<(), IndexError> {
    while !points.is_empty() {
        let rest = points.split_off(points.len().min(BATCH));
        shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points),
        )))?;
        points = rest;
    }
    shard.flush()
}

fn delete(shard: &Shard, scope: &Scope) -> Result<(), IndexError> {
    shard.update(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(scope.edge()?)))?;
    shard.flush()
}

fn retire(shard: &Shard, scope: &Scope, mark: String) -> Result<(), IndexError> {
    shard.update(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(SetPayloadOp {
        payload: Payload([(RETIRED.to_owned(), mark.into())].into_iter().collect()),
        points: None,
        filter: Some(scope.edge()?),
        key: None,
    })))?;
    shard.flush()
}

/// Copies every point into a new folder when the log has outgrown what it holds. Searches go on meanwhile.
fn compact(open: &Open, shard: &Shard) -> Result<(), IndexError> {
    let log = folder_size(&shard.folder.join("wal"));
    if log < LOG_FLOOR || log < LOG_BYTES_A_POINT * shard.edge()?.info().points_count as u64 {
        return Ok(());
    }
    let generation = Marker::read(&open.dir).map_or(open.marker.generation, |marker| marker.generation) + 1;
    let marker = Marker { generation, ..open.marker.clone() };
    let copy = Shard::create(&marker.folder(&open.dir), marker.dimensions)?;
    shard.pages(true, |records| {
        let points = records
            .into_iter()
            .filter_map(|record| {
                Some(PointStructPersisted {
                    id: record.id,
                    vector: VectorStructPersisted::from(record.vector?),
                    payload: record.payload,
                })
            })
            .collect();
        copy.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(
            PointInsertOperations::PointsList(points),
        )))
    })?;
    guarded(|| copy.edge()?.optimize().map_err(internal))??;
    copy.flush()?;
    marker.write(&open.dir).map_err(|error| cannot("write", &open.dir, &error))?;
    tracing::info!(log_mb = log >> 20, "the passage index was copied to shorten its log");
    let old = shard.folder.clone();
    open.shard.store(Arc::new(copy));
    // Searches may still read the old files; Unix keeps them until they are closed, and the next start removes the rest.
    let _ = fs::remove_dir_all(old);
    Ok(())
}

/// Begins an empty index and says in the marker that it counts.
fn create(dir: &Path, marker: &Marker) -> Result<Shard, IndexError> {
    let shard = Shard::create(&marker.folder(dir), marker.dimensions)?;
    marker.write(dir).map_err(|error| cannot("write", dir, &error))?;
    Ok(shard)
}

fn sparse_vector(sparse: Sparse) -> Result<VectorInternal, IndexError> {
    SparseVector::new(sparse.indices, sparse.values).map(VectorInternal::Sparse).map_err(internal)
}

fn point_id(id: &str) -> Result<PointId, IndexError> {
    check_id(id)?;
    id.parse().map_err(|()| IndexError::Internal(format!("the passage id {id:?} is not a UUID")))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T, IndexError> {
    tokio::task::spawn_blocking(move || guarded(work).flatten())
        .await
        .map_err(|error| IndexError::Internal(format!("the search was stopped: {error}")))?
}

fn internal(error: impl std::fmt::Display) -> IndexError {
    IndexError::Internal(error.to_string())
}
