//! Versions of documents, and the texts among them that are refused.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sqlx::FromRow;

use super::documents::{DocumentRow, language, number};
use super::{SqliteStore, from_json, from_word};
use crate::conversation::{Audience, WorkspaceId};
use crate::retrieval::sketch::passage_hash;
use crate::retrieval::{Passage, Sketch};
use crate::store::versions::{DocumentVersion, RefusedText, VersionSummary, Versions};
use crate::store::{Document, StoreError};

#[derive(FromRow)]
struct SummaryRow {
    version: i64,
    current: bool,
    kind: String,
    restores: Option<i64>,
    refused: bool,
    title: String,
    url: Option<String>,
    language: Option<String>,
    audience: String,
    labels: String,
    content_hash: String,
    characters: i64,
    passages: i64,
    at: DateTime<Utc>,
}

impl TryFrom<SummaryRow> for VersionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: number(row.version)?,
            current: row.current,
            kind: from_word("kind", row.kind)?,
            restores: row.restores.map(number).transpose()?,
            refused: row.refused,
            title: row.title,
            url: row.url,
            language: language(row.language)?,
            audience: from_word("audience", row.audience)?,
            labels: from_json("labels", &row.labels)?,
            content_hash: row.content_hash,
            characters: number(row.characters)?,
            passages: number(row.passages)?,
            at: row.at,
        })
    }
}

#[derive(FromRow)]
struct SpanRow {
    passages: String,
    at: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    current: bool,
}

/// What customers could read of one version of a document, and when.
struct Span {
    from: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    hashes: Vec<String>,
}

impl TryFrom<SpanRow> for Span {
    type Error = StoreError;

    fn try_from(row: SpanRow) -> Result<Self, StoreError> {
        let passages: Vec<Passage> = from_json("passages", &row.passages)?;
        let public = passages.iter().filter(|passage| passage.audience == Audience::Public);
        Ok(Self { from: row.at, until: row.until, hashes: public.map(passage_hash).collect() })
    }
}

/// A sample of what could be read at each moment; made anew only where something has changed since the moment before.
fn sketches(spans: &[Span], moments: &[DateTime<Utc>]) -> Vec<Sketch> {
    let mut changes: Vec<DateTime<Utc>> =
        spans.iter().flat_map(|span| std::iter::once(span.from).chain(span.until)).collect();
    changes.sort_unstable();
    let mut known: Option<(usize, Sketch)> = None;
    moments
        .iter()
        .map(|moment| {
            let passed = changes.partition_point(|change| change <= moment);
            match &known {
                Some((then, sketch)) if *then == passed => sketch.clone(),
                _ => {
                    let there =
                        |span: &&Span| span.from <= *moment && span.until.is_none_or(|until| until > *moment);
                    let hashes = spans.iter().filter(there).flat_map(|span| span.hashes.iter().cloned());
                    let sketch = Sketch::of(&hashes.collect());
                    known = Some((passed, sketch.clone()));
                    sketch
                }
            }
        })
        .collect()
}

#[derive(FromRow)]
struct WholeRow {
    #[sqlx(flatten)]
    document: DocumentRow,
    passages: String,
    refused: bool,
}

#[async_trait]
impl Versions for SqliteStore {
    async fn document_id(&self, workspace: &WorkspaceId, name: &str) -> Result<Option<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT document_id FROM document_versions WHERE workspace = ?1 AND (document_id = ?2 OR source = ?2) LIMIT 1",
        )
        .bind(&workspace.0)
        .bind(name)
        .fetch_optional(&self.pool)
        .await?)
    }

    async fn history(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
    ) -> Result<Vec<VersionSummary>, StoreError> {
        let rows: Vec<SummaryRow> = sqlx::query_as(
            "SELECT v.version, EXISTS (SELECT 1 FROM documents d WHERE d.workspace = v.workspace \
                 AND d.id = v.document_id AND d.version = v.version) AS current, \
             v.kind, v.restores, v.refused, v.title, v.url, v.language, v.audience, v.labels, v.content_hash, \
             length(v.text) AS characters, json_array_length(v.passages) AS passages, v.at \
             FROM document_versions v WHERE v.workspace = ?1 AND v.document_id = ?2 ORDER BY v.version",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(VersionSummary::try_from).collect()
    }

    async fn version(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
        version: u32,
    ) -> Result<Option<DocumentVersion>, StoreError> {
        let row: Option<WholeRow> = sqlx::query_as(
            "SELECT *, document_id AS id, at AS updated_at FROM document_versions \
             WHERE workspace = ?1 AND document_id = ?2 AND version = ?3",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .bind(version)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(DocumentVersion {
                document: Document::try_from(row.document)?,
                passages: from_json("passages", &row.passages)?,
                refused: row.refused,
            })
        })
        .transpose()
    }

    async fn knowledge_at(
        &self,
        workspace: &WorkspaceId,
        moments: &[DateTime<Utc>],
    ) -> Result<Vec<Sketch>, StoreError> {
        let mut rows = sqlx::query_as::<_, SpanRow>(
            "SELECT v.passages, v.at, COALESCE(v.gone_at, \
                 LEAD(v.at) OVER (PARTITION BY v.document_id ORDER BY v.version)) AS until, \
             EXISTS (SELECT 1 FROM documents d WHERE d.workspace = v.workspace AND d.id = v.document_id \
                 AND d.version = v.version) AS current \
             FROM document_versions v WHERE v.workspace = ?1",
        )
        .bind(&workspace.0)
        .fetch(&self.pool);
        let mut spans = Vec::new();
        while let Some(row) = rows.try_next().await? {
            // Without an end it is there still, or was removed nobody knows when.
            if row.until.is_some() || row.current {
                spans.push(Span::try_from(row)?);
            }
        }
        Ok(sketches(&spans, moments))
    }

    async fn refused(
        &self,
        workspace: &WorkspaceId,
        text_hash: &str,
    ) -> Result<Option<RefusedText>, StoreError> {
        let row: Option<(String, i64, DateTime<Utc>)> = sqlx::query_as(
            "SELECT source, version, at FROM refused_texts WHERE workspace = ?1 AND text_hash = ?2",
        )
        .bind(&workspace.0)
        .bind(text_hash)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(source, version, at)| Ok(RefusedText { source, version: number(version)?, at })).transpose()
    }

    async fn allow(
        &self,
        workspace: &WorkspaceId,
        document_id: &str,
        version: u32,
        text_hash: &str,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        // Other versions may hold the same text.
        let done = sqlx::query(
            "UPDATE document_versions SET refused = 0 WHERE workspace = ?1 AND refused = 1 AND text = \
             (SELECT text FROM document_versions WHERE workspace = ?1 AND document_id = ?2 AND version = ?3)",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .bind(version)
        .execute(&mut *transaction)
        .await?;
        sqlx::query("DELETE FROM refused_texts WHERE workspace = ?1 AND text_hash = ?2")
            .bind(&workspace.0)
            .bind(text_hash)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }
}
