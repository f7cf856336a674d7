//! Documents, passages, and what the index has yet to learn of them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, FromRow};

use super::{SqliteStore, from_cursor, from_json, from_word, id_list, one_more, sql_number, to_cursor};
use crate::conversation::{Language, WorkspaceId};
use crate::retrieval::Passage;
use crate::store::{Document, DocumentState, Documents, Listed, Page, Removal, StoreError};

#[derive(FromRow)]
pub(super) struct DocumentRow {
    workspace: String,
    id: String,
    source: String,
    title: String,
    url: Option<String>,
    language: Option<String>,
    content_hash: String,
    text: String,
    updated_at: DateTime<Utc>,
    version: i64,
    audience: String,
    labels: String,
}

impl TryFrom<DocumentRow> for Document {
    type Error = StoreError;

    fn try_from(row: DocumentRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            workspace: WorkspaceId(row.workspace),
            source: row.source,
            title: row.title,
            url: row.url,
            language: language(row.language)?,
            content_hash: row.content_hash,
            text: row.text,
            updated_at: row.updated_at,
            version: number(row.version)?,
            audience: from_word("audience", row.audience)?,
            labels: from_json("labels", &row.labels)?,
        })
    }
}

#[derive(FromRow)]
pub(super) struct PassageRow {
    id: String,
    workspace: String,
    document_id: String,
    ordinal: i64,
    title: String,
    heading_path: String,
    text: String,
    language: Option<String>,
    url: Option<String>,
    span_start: i64,
    span_end: i64,
    audience: String,
    labels: String,
}

impl TryFrom<PassageRow> for Passage {
    type Error = StoreError;

    fn try_from(row: PassageRow) -> Result<Self, StoreError> {
        Ok(Self {
            heading_path: from_json("heading path", &row.heading_path)?,
            language: language(row.language)?,
            span: (number(row.span_start)?, number(row.span_end)?),
            ordinal: number(row.ordinal)?,
            id: row.id,
            workspace: WorkspaceId(row.workspace),
            document_id: row.document_id,
            title: row.title,
            text: row.text,
            url: row.url,
            version: 0,
            audience: from_word("audience", row.audience)?,
            labels: from_json("labels", &row.labels)?,
        })
    }
}

pub(super) fn language(code: Option<String>) -> Result<Option<Language>, StoreError> {
    code.map(|code| {
        Language::from_locale(&code).ok_or_else(|| StoreError::Corrupt(format!("language {code:?}")))
    })
    .transpose()
}

pub(super) fn number<T: TryFrom<i64>>(value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("number {value} is out of range")))
}

#[async_trait]
impl Documents for SqliteStore {
    async fn mark_indexed(
        &self,
        workspace: &WorkspaceId,
        passage_ids: &[String],
        embedder: &str,
    ) -> Result<(), StoreError> {
        let ids = id_list(passage_ids);
        let mut transaction = self.write().await?;
        for table in ["passages", "staged_passages"] {
            sqlx::query(AssertSqlSafe(format!(
                "UPDATE {table} SET indexed_for = ?1 WHERE id IN (SELECT value FROM json_each(?2)) \
                 AND indexed_for <> ?1"
            )))
            .bind(embedder)
            .bind(&ids)
            .execute(&mut *transaction)
            .await?;
        }
        // What was taken back while it was sent is in the index and wanted no more.
        sqlx::query(
            "INSERT OR IGNORE INTO index_removals (passage_id, workspace) SELECT value, ?2 FROM json_each(?1) \
             WHERE value NOT IN (SELECT id FROM passages UNION ALL SELECT id FROM staged_passages)",
        )
        .bind(&ids)
        .bind(&workspace.0)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn not_indexed(&self, embedder: &str, limit: usize) -> Result<Vec<Passage>, StoreError> {
        // Two ranges instead of `<>`, so that the index on the column serves them.
        let rows: Vec<PassageRow> = sqlx::query_as(
            "SELECT * FROM passages WHERE indexed_for < ?1 OR indexed_for > ?1 ORDER BY rowid LIMIT ?2",
        )
        .bind(embedder)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Passage::try_from).collect()
    }

    async fn count_not_indexed(&self, embedder: &str) -> Result<usize, StoreError> {
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM passages WHERE indexed_for < ?1 OR indexed_for > ?1")
                .bind(embedder)
                .fetch_one(&self.pool)
                .await?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    async fn forget_index(&self) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        for table in ["passages", "staged_passages"] {
            sqlx::query(AssertSqlSafe(format!(
                "UPDATE {table} SET indexed_for = '' WHERE indexed_for <> ''"
            )))
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn unmark_indexed(&self, passage_ids: &[String]) -> Result<(), StoreError> {
        let ids = id_list(passage_ids);
        let mut transaction = self.write().await?;
        for table in ["passages", "staged_passages"] {
            sqlx::query(AssertSqlSafe(format!(
                "UPDATE {table} SET indexed_for = '' WHERE id IN (SELECT value FROM json_each(?1))"
            )))
            .bind(&ids)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn removals(&self, limit: usize) -> Result<Vec<Removal>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT workspace, passage_id FROM index_removals ORDER BY workspace, passage_id LIMIT ?1",
        )
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|(workspace, passage_id)| Removal { workspace: WorkspaceId(workspace), passage_id })
            .collect())
    }

    async fn removed(&self, passage_ids: &[String]) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM index_removals WHERE passage_id IN (SELECT value FROM json_each(?1))")
            .bind(id_list(passage_ids))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn passage_ids(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT id FROM passages UNION SELECT id FROM staged_passages WHERE kept = 0 AND indexed_for <> '' \
             ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await?)
    }

    async fn get(&self, workspace: &WorkspaceId, id: &str) -> Result<Option<Document>, StoreError> {
        let row: Option<DocumentRow> =
            sqlx::query_as("SELECT * FROM documents WHERE workspace = ?1 AND id = ?2")
                .bind(&workspace.0)
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        row.map(Document::try_from).transpose()
    }

    async fn by_source(&self, workspace: &WorkspaceId, source: &str) -> Result<Option<Document>, StoreError> {
        let row: Option<DocumentRow> =
            sqlx::query_as("SELECT * FROM documents WHERE workspace = ?1 AND source = ?2")
                .bind(&workspace.0)
                .bind(source)
                .fetch_optional(&self.pool)
                .await?;
        row.map(Document::try_from).transpose()
    }

    async fn state(
        &self,
        workspace: &WorkspaceId,
        source: &str,
        embedder: &str,
    ) -> Result<Option<DocumentState>, StoreError> {
        let row: Option<(String, String, i64, i64)> = sqlx::query_as(
            "SELECT d.id, d.content_hash, \
             (SELECT count(*) FROM passages p WHERE p.workspace = d.workspace AND p.document_id = d.id \
                 AND p.indexed_for <> ?3), \
             (SELECT count(*) FROM passages p WHERE p.workspace = d.workspace AND p.document_id = d.id) \
             FROM documents d WHERE d.workspace = ?1 AND d.source = ?2",
        )
        .bind(&workspace.0)
        .bind(source)
        .bind(embedder)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|(id, content_hash, not_indexed, passages)| {
            Ok(DocumentState {
                id,
                content_hash,
                not_indexed: number(not_indexed)?,
                passages: number(passages)?,
            })
        })
        .transpose()
    }

    async fn sources(
        &self,
        workspace: &WorkspaceId,
        prefix: &str,
    ) -> Result<Vec<(String, String)>, StoreError> {
        Ok(sqlx::query_as(
            "SELECT id, source FROM documents WHERE workspace = ?1 AND substr(source, 1, length(?2)) = ?2 \
             ORDER BY source",
        )
        .bind(&workspace.0)
        .bind(prefix)
        .fetch_all(&self.pool)
        .await?)
    }

    async fn passages(&self, workspace: &WorkspaceId, document_id: &str) -> Result<Vec<Passage>, StoreError> {
        let rows: Vec<PassageRow> = sqlx::query_as(
            "SELECT * FROM passages WHERE workspace = ?1 AND document_id = ?2 ORDER BY ordinal",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Passage::try_from).collect()
    }

    async fn list(&self, workspace: &WorkspaceId, page: Page) -> Result<Listed<Document>, StoreError> {
        let after = page.after.as_deref().map(from_cursor).transpose()?;
        let mut rows: Vec<DocumentRow> = sqlx::query_as(
            "SELECT * FROM documents WHERE workspace = ?1 AND (?2 IS NULL OR source > ?2) \
             ORDER BY source LIMIT ?3",
        )
        .bind(&workspace.0)
        .bind(after)
        .bind(one_more(page.limit))
        .fetch_all(&self.pool)
        .await?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|row| to_cursor(&row.source));
        let items = rows.into_iter().map(Document::try_from).collect::<Result<_, _>>()?;
        Ok(Listed { items, next })
    }
}
