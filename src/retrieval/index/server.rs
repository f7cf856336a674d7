//! A Qdrant server as the index: for knowledge that outgrows one process, or is shared by many.
//!
//! One collection holds the passages of every tenant. It is made at the first use, and says in its metadata which
//! embedder, analyzer and format it was made for; another one is refused, for its scores would be meaningless.
//! Graphs are built for each tenant alone (`m` 0, `payload_m` 16), as Qdrant advises for many tenants.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use qdrant_client::qdrant::vectors_config::Config as VectorsKind;
use qdrant_client::qdrant::{
    BatchResult, CollectionInfo, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, FieldType, GetPointsBuilder, HnswConfigDiffBuilder,
    KeywordIndexParamsBuilder, Modifier, NamedVectors, PointId, PointStruct, QueryBatchPointsBuilder,
    QueryPoints, QueryPointsBuilder, RetrievedPoint, ScoredPoint, ScrollPointsBuilder,
    SetPayloadPointsBuilder, SparseVectorParamsBuilder, SparseVectorsConfigBuilder, UpsertPointsBuilder,
    Value, VectorInput, VectorParamsBuilder, VectorsConfigBuilder, point_id::PointIdOptions,
    vectors::VectorsOptions,
};
use qdrant_client::{Payload, Qdrant, QdrantError};

use super::bm25::Bm25;
use super::scope::{
    AUDIENCE, INDEXED, LABEL_KEYS, LABELS, LANGUAGE, RETIRED, STAGED, Scope, WORKSPACE, label_keys,
    tenant_filter,
};
use super::{
    ChangeSetId, IndexConfig, IndexError, IndexHits, IndexPoint, IndexQuery, PassageIndex, check_id,
    check_vector, settled,
};
use crate::conversation::WorkspaceId;
use crate::retrieval::Passage;
use crate::retrieval::analysis::ANALYZER_VERSION;

/// Layout of collections and payloads; another one is refused.
const FORMAT: u32 = 1;
const DENSE: &str = "dense";
const SPARSE: &str = "bm25";
/// Payload field that holds the whole passage as JSON.
const PASSAGE: &str = "passage";
/// Points a request carries.
const BATCH: usize = 256;
/// Points a page when all of them are listed.
const PAGE: u32 = 4096;

/// [`PassageIndex`] on a Qdrant server.
pub struct ServerIndex {
    client: Qdrant,
    url: String,
    collection: String,
    dimensions: usize,
    metadata: HashMap<String, String>,
    bm25: Bm25,
    ready: AtomicBool,
    preparing: tokio::sync::Mutex<()>,
}

impl ServerIndex {
    /// Whether a server answers at the configured address; its collection is neither made nor looked at.
    pub async fn reach(config: &IndexConfig) -> Result<(), IndexError> {
        let index = Self::connect(config, 1, "")?;
        index.client.health_check().await.map(|_| ()).map_err(|error| index.failed(&error))
    }

    /// Over the collection of the configuration. Nothing is sent yet: a server that is away, or a collection that
    /// does not fit, is reported by the first call, such as [`PassageIndex::health`].
    pub fn connect(
        config: &IndexConfig,
        dimensions: usize,
        embedder_fingerprint: &str,
    ) -> Result<Self, IndexError> {
        let url = config.url.clone().ok_or_else(|| {
            IndexError::Incompatible("there is no address of a Qdrant server; set `index.url`".into())
        })?;
        let timeout = Duration::try_from_secs_f64(config.timeout_s).map_err(|error| {
            IndexError::Incompatible(format!("`index.timeout_s` cannot be used: {error}"))
        })?;
        // The check of versions blocks and writes to stdout.
        let mut builder = Qdrant::from_url(&url)
            .timeout(timeout)
            .connect_timeout(timeout)
            .keep_alive_while_idle()
            .skip_compatibility_check();
        if !config.api_key.is_empty() {
            builder.set_api_key(config.api_key.expose());
        }
        let client = builder.build().map_err(|error| {
            IndexError::Incompatible(format!("`index.url` {url} cannot be used: {error}"))
        })?;
        let metadata = [
            ("ponto_format", FORMAT.to_string()),
            ("ponto_analyzer", ANALYZER_VERSION.to_string()),
            ("ponto_embedder", embedder_fingerprint.to_owned()),
        ];
        Ok(Self {
            client,
            url,
            collection: config.collection.clone(),
            dimensions,
            metadata: metadata.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            bm25: Bm25::new()?,
            ready: AtomicBool::new(false),
            preparing: tokio::sync::Mutex::new(()),
        })
    }

    /// Makes the collection where it is missing and checks that it fits, once.
    async fn prepare(&self) -> Result<(), IndexError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one_at_a_time = self.preparing.lock().await;
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let exists =
            self.client.collection_exists(&self.collection).await.map_err(|error| self.failed(&error))?;
        if !exists && let Err(error) = self.create().await {
            // Another replica may have been faster.
            let exists = self.client.collection_exists(&self.collection).await;
            if !exists.map_err(|error| self.failed(&error))? {
                return Err(self.failed(&error));
            }
        }
        let info =
            self.client.collection_info(&self.collection).await.map_err(|error| self.failed(&error))?;
        self.check(&info.result.unwrap_or_default())?;
        for (field, tenant) in INDEXED {
            let index = CreateFieldIndexCollectionBuilder::new(&self.collection, field, FieldType::Keyword)
                .field_index_params(KeywordIndexParamsBuilder::default().is_tenant(tenant))
                .wait(true);
            self.client.create_field_index(index).await.map_err(|error| self.failed(&error))?;
        }
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    async fn create(&self) -> Result<(), QdrantError> {
        let mut dense = VectorsConfigBuilder::default();
        dense.add_named_vector_params(
            DENSE,
            VectorParamsBuilder::new(self.dimensions as u64, Distance::Cosine),
        );
        let mut sparse = SparseVectorsConfigBuilder::default();
        sparse.add_named_vector_params(SPARSE, SparseVectorParamsBuilder::default().modifier(Modifier::Idf));
        let mut collection = CreateCollectionBuilder::new(&self.collection)
            .vectors_config(dense)
            .sparse_vectors_config(sparse)
            .hnsw_config(HnswConfigDiffBuilder::default().m(0).payload_m(16))
            .build();
        collection.metadata =
            self.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))).collect();
        self.client.create_collection(collection).await.map(|_| ())
    }

    /// Refuses a collection of another embedder, format, analyzer or length of vectors.
    fn check(&self, info: &CollectionInfo) -> Result<(), IndexError> {
        let refuse = |what: String| {
            IndexError::Incompatible(format!(
                "the collection {} at {} {what}; choose another `index.collection`, or delete that one, and Ponto fills \
                 it again",
                self.collection, self.url
            ))
        };
        let config = info.config.clone().unwrap_or_default();
        let found = |key: &str| {
            config.metadata.get(key).and_then(Value::as_str).map_or("", String::as_str).to_owned()
        };
        if found("ponto_format").is_empty() {
            return Err(refuse("was not made by Ponto, or by a Qdrant older than 1.16".into()));
        }
        if found("ponto_embedder") != self.metadata["ponto_embedder"] {
            return Err(refuse("holds the vectors of another embedder".into()));
        }
        if self.metadata.iter().any(|(key, value)| found(key) != *value) {
            return Err(refuse("was made by another version of Ponto".into()));
        }
        let vectors =
            config.params.and_then(|params| params.vectors_config).and_then(|vectors| vectors.config);
        let size = match vectors {
            Some(VectorsKind::ParamsMap(named)) => named.map.get(DENSE).map(|params| params.size),
            _ => None,
        };
        if size != Some(self.dimensions as u64) {
            return Err(refuse(format!(
                "holds vectors of {} dimensions and the embedder makes {}",
                size.unwrap_or(0),
                self.dimensions
            )));
        }
        Ok(())
    }

    fn point(&self, point: IndexPoint, staged: Option<ChangeSetId>) -> Result<PointStruct, IndexError> {
        check_vector(&point.dense, self.dimensions)?;
        check_id(&point.passage.id)?;
        let sparse = self.bm25.passage(&point.passage.indexed_text(), point.passage.language);
        let mut vectors = NamedVectors::default().add_vector(DENSE, point.dense);
        if !sparse.is_empty() {
            let pairs: Vec<(u32, f32)> = sparse.indices.into_iter().zip(sparse.values).collect();
            vectors = vectors.add_vector(SPARSE, pairs);
        }
        let mut payload = Payload::new();
        payload.insert(WORKSPACE, point.passage.workspace.0.as_str());
        if let Some(language) = point.passage.language {
            payload.insert(LANGUAGE, language.code());
        }
        payload.insert(AUDIENCE, point.passage.audience.as_str());
        let labels = &point.passage.labels;
        if !labels.is_empty() {
            payload.insert(LABELS, labels.iter().map(ToOwned::to_owned).collect::<Vec<_>>());
            payload.insert(LABEL_KEYS, label_keys(labels));
        }
        if let Some(change) = staged {
            payload.insert(STAGED, change.mark());
        }
        let passage = serde_json::to_string(&point.passage)
            .map_err(|error| IndexError::Internal(format!("a passage cannot be written: {error}")))?;
        payload.insert(PASSAGE, passage);
        Ok(PointStruct::new(point.passage.id, VectorsOptions::from(vectors), payload))
    }

    async fn send(&self, points: Vec<IndexPoint>, staged: Option<ChangeSetId>) -> Result<(), IndexError> {
        let mut points =
            points.into_iter().map(|point| self.point(point, staged)).collect::<Result<Vec<_>, _>>()?;
        if points.is_empty() {
            return Ok(());
        }
        self.prepare().await?;
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(BATCH));
            let request = UpsertPointsBuilder::new(&self.collection, points).wait(true);
            self.client.upsert_points(request).await.map_err(|error| self.failed(&error))?;
            points = rest;
        }
        Ok(())
    }

    fn query(&self, vector: VectorInput, name: &str, scope: &Scope, limit: usize) -> QueryPoints {
        QueryPointsBuilder::new(&self.collection)
            .query(vector)
            .using(name)
            .filter(scope.server())
            .limit(limit as u64)
            .with_payload(true)
            .build()
    }

    /// What a failed call means, and what to do about it.
    fn failed(&self, error: &QdrantError) -> IndexError {
        let (QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. }) =
            error
        else {
            return IndexError::Internal(format!("Qdrant at {}: {error}", self.url));
        };
        let message = status.message();
        match GrpcCode::of(status.code() as i32) {
            GrpcCode::Away => IndexError::Unavailable(format!(
                "Qdrant at {}: {message}; check that it runs and that `index.url` names its gRPC port",
                self.url
            )),
            GrpcCode::Refused => IndexError::Incompatible(format!(
                "Qdrant at {} refuses the key: {message}; set `index.api_key`",
                self.url
            )),
            GrpcCode::Missing => {
                self.ready.store(false, Ordering::Release);
                IndexError::Unavailable(format!(
                    "Qdrant at {}: {message}; the next call makes the collection again, and a restart fills it",
                    self.url
                ))
            }
            GrpcCode::Other => IndexError::Internal(format!("Qdrant at {}: {message}", self.url)),
        }
    }
}

/// Status codes of gRPC by what a caller can do.
enum GrpcCode {
    Away,
    Refused,
    Missing,
    Other,
}

impl GrpcCode {
    /// From the number that the gRPC specification gives a code.
    fn of(code: i32) -> Self {
        match code {
            // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE; and INTERNAL, which is
            // what the client makes of a connection that fails
            1 | 2 | 4 | 8 | 10 | 13 | 14 => Self::Away,
            // PERMISSION_DENIED, UNAUTHENTICATED
            7 | 16 => Self::Refused,
            // NOT_FOUND
            5 => Self::Missing,
            _ => Self::Other,
        }
    }
}

#[async_trait]
impl PassageIndex for ServerIndex {
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
        self.prepare().await?;
        let mut payload = Payload::new();
        payload.insert(RETIRED, mark);
        let scope = tenant_filter(workspace).with_ids(passage_ids);
        let request = SetPayloadPointsBuilder::new(&self.collection, payload)
            .points_selector(scope.server())
            .wait(true);
        self.client.set_payload(request).await.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    async fn delete(&self, workspace: &WorkspaceId, passage_ids: Vec<String>) -> Result<(), IndexError> {
        if passage_ids.is_empty() {
            return Ok(());
        }
        passage_ids.iter().try_for_each(|id| check_id(id))?;
        self.prepare().await?;
        let scope = tenant_filter(workspace).with_ids(passage_ids);
        let request = DeletePointsBuilder::new(&self.collection).points(scope.server()).wait(true);
        self.client.delete_points(request).await.map_err(|error| self.failed(&error))?;
        Ok(())
    }

    async fn search(&self, workspace: &WorkspaceId, query: IndexQuery) -> Result<IndexHits, IndexError> {
        check_vector(&query.dense, self.dimensions)?;
        self.prepare().await?;
        let scope = tenant_filter(workspace).in_language(query.only).selecting(query.selection);
        let sparse = self.bm25.question(&query.text, query.language);
        let mut queries = vec![self.query(VectorInput::new_dense(query.dense), DENSE, &scope, query.limit)];
        if !sparse.is_empty() {
            let vector = VectorInput::new_sparse(sparse.indices, sparse.values);
            queries.push(self.query(vector, SPARSE, &scope, query.limit));
        }
        let answer = self
            .client
            .query_batch(QueryBatchPointsBuilder::new(&self.collection, queries))
            .await
            .map_err(|error| self.failed(&error))?;
        let list =
            |found: BatchResult| found.result.iter().map(scored).collect::<Result<_, _>>().map(settled);
        let mut lists = answer.result.into_iter().map(list);
        Ok(IndexHits {
            dense: lists.next().transpose()?.unwrap_or_default(),
            sparse: lists.next().transpose()?.unwrap_or_default(),
        })
    }

    async fn passage_ids(&self) -> Result<Vec<String>, IndexError> {
        self.prepare().await?;
        let mut ids = Vec::new();
        let mut offset: Option<PointId> = None;
        loop {
            let mut request = ScrollPointsBuilder::new(&self.collection)
                .limit(PAGE)
                .with_payload(false)
                .with_vectors(false);
            if let Some(offset) = offset.take() {
                request = request.offset(offset);
            }
            let page = self.client.scroll(request).await.map_err(|error| self.failed(&error))?;
            ids.extend(page.result.into_iter().filter_map(|point| match point.id?.point_id_options? {
                PointIdOptions::Uuid(id) => Some(id),
                PointIdOptions::Num(_) => None,
            }));
            match page.next_page_offset {
                Some(next) => offset = Some(next),
                None => return Ok(ids),
            }
        }
    }

    async fn owners(&self, passage_ids: Vec<String>) -> Result<Vec<(WorkspaceId, String)>, IndexError> {
        passage_ids.iter().try_for_each(|id| check_id(id))?;
        self.prepare().await?;
        let points: Vec<PointId> = passage_ids.into_iter().map(PointId::from).collect();
        let request = GetPointsBuilder::new(&self.collection, points).with_payload(true);
        let found = self.client.get_points(request).await.map_err(|error| self.failed(&error))?;
        let owner = |point: RetrievedPoint| {
            let tenant = point.payload.get(WORKSPACE)?.as_str()?.clone();
            match point.id?.point_id_options? {
                PointIdOptions::Uuid(id) => Some((WorkspaceId(tenant), id)),
                PointIdOptions::Num(_) => None,
            }
        };
        Ok(found.result.into_iter().filter_map(owner).collect())
    }

    /// The server optimizes by itself.
    async fn optimize(&self) -> Result<(), IndexError> {
        Ok(())
    }

    async fn health(&self) -> Result<(), IndexError> {
        self.prepare().await?;
        self.client.collection_info(&self.collection).await.map(|_| ()).map_err(|error| self.failed(&error))
    }
}

fn scored(point: &ScoredPoint) -> Result<(Passage, f32), IndexError> {
    let text = point.payload.get(PASSAGE).and_then(Value::as_str).map_or("", String::as_str);
    serde_json::from_str(text)
        .map(|passage| (passage, point.score))
        .map_err(|error| IndexError::Incompatible(format!("a stored passage cannot be read: {error}")))
}
