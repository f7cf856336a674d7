//! A shard of qdrant-edge in its folder: opened, updated, flushed and searched with care.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use qdrant_edge::{
    CreateIndex, Distance, EdgeConfig, EdgeConfigBuilder, EdgeShard, EdgeSparseVectorParamsBuilder,
    EdgeVectorParamsBuilder, FieldIndexOperations, HnswIndexConfig, KeywordIndexParams, Modifier, NamedQuery,
    PayloadFieldSchema, PayloadSchemaParams, QueryEnum, QueryRequest, ScoredPoint, ScoringQuery,
    ScrollRequest, SearchParams, UpdateOperation, VectorInternal, WithPayloadInterface, WithVector,
};

use super::folder::cannot;
use super::internal;
use crate::retrieval::Passage;
use crate::retrieval::index::scope::{INDEXED, Scope};
use crate::retrieval::index::{IndexError, settled};

/// Hits beyond the end of a list that may score like its last.
const TIES: usize = 8;
/// Name of the dense vector.
pub(super) const DENSE: &str = "dense";
/// Name of the sparse vector.
pub(super) const SPARSE: &str = "bm25";
/// Points a page when all of them are listed.
const PAGE: usize = 4096;

/// An open shard and its folder.
pub(super) struct Shard {
    edge: Option<EdgeShard>,
    pub(super) folder: PathBuf,
}

impl Shard {
    /// Loads a shard as it was left, whether it was closed or killed.
    pub(super) fn load(folder: &Path, dimensions: usize) -> Result<Self, IndexError> {
        if !folder.join("segments").is_dir() {
            return Err(IndexError::Internal(format!("{} holds no index", folder.display())));
        }
        // Optimizations that were killed leave their work behind.
        let leftovers = folder.join("temp_segments");
        if leftovers.exists() {
            fs::remove_dir_all(&leftovers).map_err(|error| cannot("clear", &leftovers, &error))?;
        }
        Self::prepared(
            folder,
            guarded(|| EdgeShard::load(folder, Some(config(dimensions))))?.map_err(internal)?,
        )
    }

    /// Begins an empty shard in a folder; what is in the folder goes.
    pub(super) fn create(folder: &Path, dimensions: usize) -> Result<Self, IndexError> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| cannot("clear", folder, &error))?;
        }
        fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
        Self::prepared(folder, guarded(|| EdgeShard::new(folder, config(dimensions)))?.map_err(internal)?)
    }

    /// Makes sure of the payload indexes, which costs nothing where they are there.
    fn prepared(folder: &Path, edge: EdgeShard) -> Result<Self, IndexError> {
        let shard = Self { edge: Some(edge), folder: folder.into() };
        for (field, tenant) in INDEXED {
            let schema = KeywordIndexParams { is_tenant: Some(tenant), ..KeywordIndexParams::default() };
            let index = CreateIndex {
                field_name: field
                    .try_into()
                    .map_err(|()| IndexError::Internal(format!("{field} is not a field's name")))?,
                field_schema: Some(PayloadFieldSchema::FieldParams(PayloadSchemaParams::Keyword(schema))),
            };
            shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index)))?;
        }
        shard.flush()?;
        Ok(shard)
    }

    /// Updates; lasts from the next [`Self::flush`].
    pub(super) fn update(&self, operation: UpdateOperation) -> Result<(), IndexError> {
        let edge = self.edge()?;
        guarded(|| edge.update(operation))?.map_err(internal)
    }

    /// Flushes. A running optimization holds the locks for moments, and a flush that meets them panics: it is tried again.
    pub(super) fn flush(&self) -> Result<(), IndexError> {
        const ATTEMPTS: u32 = 12;
        let edge = self.edge()?;
        let mut last = None;
        for attempt in 0..ATTEMPTS {
            match guarded(|| edge.flush()) {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
            std::thread::sleep(Duration::from_millis(2 << attempt));
        }
        Err(last.unwrap_or_else(|| IndexError::Internal("the flush was not tried".into())))
    }

    /// The points nearest to a vector, best first.
    pub(super) fn ranked(
        &self,
        vector: VectorInternal,
        name: &str,
        scope: &Scope,
        limit: usize,
    ) -> Result<Vec<(Passage, f32)>, IndexError> {
        let request = QueryRequest {
            prefetches: Vec::new(),
            query: Some(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery::new(vector, name)))),
            filter: Some(scope.edge()?),
            score_threshold: None,
            limit: limit + TIES,
            offset: 0,
            params: Some(SearchParams { exact: true, ..SearchParams::default() }),
            with_vector: WithVector::Bool(false),
            with_payload: WithPayloadInterface::Bool(true),
        };
        let found = self.edge()?.query(request).map_err(internal)?.into_iter().map(scored);
        let mut hits = settled(found.collect::<Result<_, _>>()?);
        hits.truncate(limit);
        Ok(hits)
    }

    /// Every point, page by page; `whole` with payload and vectors.
    pub(super) fn pages(
        &self,
        whole: bool,
        mut each: impl FnMut(Vec<qdrant_edge::Record>) -> Result<(), IndexError>,
    ) -> Result<(), IndexError> {
        let edge = self.edge()?;
        let mut offset = None;
        loop {
            let (records, next) = edge
                .scroll(ScrollRequest {
                    offset,
                    limit: Some(PAGE),
                    with_payload: Some(WithPayloadInterface::Bool(whole)),
                    with_vector: WithVector::Bool(whole),
                    ..ScrollRequest::default()
                })
                .map_err(internal)?;
            each(records)?;
            match next {
                Some(next) => offset = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The shard of qdrant-edge.
    pub(super) fn edge(&self) -> Result<&EdgeShard, IndexError> {
        self.edge.as_ref().ok_or_else(|| IndexError::Internal("the shard is closed".into()))
    }
}

impl Drop for Shard {
    /// Closing flushes, and flushing panics when the disk is full: what was acknowledged is on disk already.
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take()
            && guarded(|| drop(edge)).is_err()
        {
            tracing::warn!("the last flush of the passage index failed; it repairs itself at the next start");
        }
    }
}

fn config(dimensions: usize) -> EdgeConfig {
    EdgeConfigBuilder::new()
        .vector(DENSE, EdgeVectorParamsBuilder::new(dimensions, Distance::Cosine).build())
        .sparse_vector(SPARSE, EdgeSparseVectorParamsBuilder::new().modifier(Modifier::Idf).build())
        .hnsw_config(HnswIndexConfig { m: 0, ..HnswIndexConfig::default() })
        .build()
}

fn scored(point: ScoredPoint) -> Result<(Passage, f32), IndexError> {
    let fields = point.payload.map(|payload| payload.0).unwrap_or_default();
    serde_json::from_value(serde_json::Value::Object(fields))
        .map(|passage| (passage, point.score))
        .map_err(|error| IndexError::Incompatible(format!("a stored passage cannot be read: {error}")))
}

/// Runs what may panic inside qdrant-edge. The panic becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, IndexError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        IndexError::Internal(format!("qdrant-edge panicked: {message}"))
    })
}
