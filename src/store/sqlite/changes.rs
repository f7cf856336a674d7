//! Change sets: what is staged, what a commit makes of it, and what it leaves the index to do.

use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Row};

use super::documents::{PassageRow, number};
use super::{SqliteStore, from_json, id_list, sql_number, to_json, to_word};
use crate::conversation::{Audience, Language, WorkspaceId};
use crate::retrieval::index::{ChangeSetId, Generations, IndexError, Snapshot};
use crate::retrieval::sketch::passage_hash;
use crate::retrieval::{Passage, Sketch};
use crate::store::StoreError;
use crate::store::versions::{ChangeKind, Changes, Plan, Staged, StagedState, SyncLock};

#[derive(FromRow)]
struct SnapshotRow {
    generation: i64,
    epoch: i64,
    staged: String,
    retired: String,
}

#[async_trait]
impl Generations for SqliteStore {
    async fn snapshot(&self, workspace: &WorkspaceId) -> Result<Snapshot, IndexError> {
        let row: SnapshotRow = sqlx::query_as(
            "SELECT COALESCE((SELECT generation FROM generations WHERE workspace = ?1), 0) AS generation, \
             COALESCE((SELECT epoch FROM generations WHERE workspace = ?1), 0) AS epoch, \
             (SELECT json_group_array(CAST(id AS TEXT)) FROM change_sets \
                 WHERE workspace = ?1 AND state IN ('open', 'abandoned')) AS staged, \
             (SELECT json_group_array(id || '-' || attempt) FROM change_sets \
                 WHERE workspace = ?1 AND state = 'committed') AS retired",
        )
        .bind(&workspace.0)
        .fetch_one(&self.pool)
        .await
        .map_err(unavailable)?;
        let marks =
            |json: &str| from_json("marks", json).map_err(|error| IndexError::Internal(error.to_string()));
        Ok(Snapshot {
            generation: row.generation,
            epoch: row.epoch,
            staged: marks(&row.staged)?,
            retired: marks(&row.retired)?,
        })
    }

    async fn epoch(&self, workspace: &WorkspaceId) -> Result<i64, IndexError> {
        let epoch: Option<i64> = sqlx::query_scalar("SELECT epoch FROM generations WHERE workspace = ?1")
            .bind(&workspace.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(unavailable)?;
        Ok(epoch.unwrap_or_default())
    }

    async fn versions_at(
        &self,
        workspace: &WorkspaceId,
        generation: i64,
        document_ids: &[String],
    ) -> Result<HashMap<String, u32>, IndexError> {
        let rows: Vec<(String, u32)> = sqlx::query_as(
            "SELECT document_id, MAX(version) FROM document_versions WHERE workspace = ?1 \
             AND document_id IN (SELECT value FROM json_each(?2)) AND generation <= ?3 GROUP BY document_id",
        )
        .bind(&workspace.0)
        .bind(id_list(document_ids))
        .bind(generation)
        .fetch_all(&self.pool)
        .await
        .map_err(unavailable)?;
        Ok(rows.into_iter().collect())
    }

    async fn sketch(&self, workspace: &WorkspaceId) -> Result<Sketch, IndexError> {
        let mut rows =
            sqlx::query_as::<_, PassageRow>("SELECT * FROM passages WHERE workspace = ?1 AND audience = ?2")
                .bind(&workspace.0)
                .bind(Audience::Public.as_str())
                .fetch(&self.pool);
        let mut hashes = BTreeSet::new();
        while let Some(row) = rows.try_next().await.map_err(unavailable)? {
            let passage = Passage::try_from(row).map_err(|error| IndexError::Internal(error.to_string()))?;
            hashes.insert(passage_hash(&passage));
        }
        Ok(Sketch::of(&hashes))
    }
}

fn unavailable(error: sqlx::Error) -> IndexError {
    IndexError::Unavailable(StoreError::from(error).to_string())
}

/// Counts a change of what a change set stages, which must be open.
async fn touch(connection: &mut SqliteConnection, change: ChangeSetId) -> Result<(), StoreError> {
    let done = sqlx::query("UPDATE change_sets SET revision = revision + 1 WHERE id = ?1 AND state = 'open'")
        .bind(change.0)
        .execute(connection)
        .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::Invalid(format!("the change set {} is not open", change.0)));
    }
    Ok(())
}

/// Takes back what is staged of some documents, which `chosen` selects as ids; what the index may hold of it becomes
/// removals. `chosen` may use `?1` for the change set and `?2` for a value.
async fn unstage(
    connection: &mut SqliteConnection,
    chosen: &'static str,
    change: ChangeSetId,
    value: &str,
) -> Result<u64, StoreError> {
    for (head, tail) in [
        (
            "INSERT OR IGNORE INTO index_removals (passage_id, workspace, change_set) \
             SELECT id, workspace, change_set FROM staged_passages WHERE kept = 0 AND (workspace, document_id) IN (",
            ")",
        ),
        ("DELETE FROM staged_passages WHERE (workspace, document_id) IN (", ")"),
        // Whoever planned to commit it has to plan again.
        (
            "UPDATE change_sets SET revision = revision + 1 WHERE id IN (SELECT change_set FROM staged_documents \
             WHERE (workspace, id) IN (",
            "))",
        ),
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("{head}{chosen}{tail}")))
            .bind(change.0)
            .bind(value)
            .execute(&mut *connection)
            .await?;
    }
    let done = sqlx::query(sqlx::AssertSqlSafe(format!(
        "DELETE FROM staged_documents WHERE (workspace, id) IN ({chosen})"
    )))
    .bind(change.0)
    .bind(value)
    .execute(&mut *connection)
    .await?;
    Ok(done.rows_affected())
}

/// One document of the change set's workspace, whoever stages it.
const ONE: &str = "SELECT workspace, id FROM staged_documents WHERE id = ?2 \
                   AND workspace = (SELECT workspace FROM change_sets WHERE id = ?1)";
/// Everything that a change set stages.
const ALL: &str = "SELECT workspace, id FROM staged_documents WHERE change_set = ?1 AND ?2 = ?2";
/// What a change set stages and must not: left from an earlier run, or refused meanwhile.
const UNWANTED: &str = "SELECT workspace, id FROM staged_documents d WHERE change_set = ?1 AND ?2 = ?2 AND (seen = 0 \
                        OR EXISTS (SELECT 1 FROM refused_texts r WHERE r.workspace = d.workspace \
                                   AND r.text_hash = d.text_hash))";

#[async_trait]
impl Changes for SqliteStore {
    async fn lock_sync(&self, workspace: &WorkspaceId) -> Result<Option<SyncLock>, StoreError> {
        let name = hex::encode(&Sha256::digest(workspace.0.as_bytes())[..8]);
        let path = self.path.with_extension(format!("sync-{name}.lock"));
        let cannot = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(SyncLock(Box::new(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(cannot(error)),
        }
    }

    async fn open(
        &self,
        workspace: &WorkspaceId,
        kind: ChangeKind,
        at: DateTime<Utc>,
    ) -> Result<ChangeSetId, StoreError> {
        let id = sqlx::query_scalar(
            "INSERT INTO change_sets (workspace, kind, begun_at) VALUES (?1, ?2, ?3) RETURNING id",
        )
        .bind(&workspace.0)
        .bind(to_word(&kind)?)
        .bind(at)
        .fetch_one(&self.pool)
        .await?;
        Ok(ChangeSetId(id))
    }

    async fn resume(&self, workspace: &WorkspaceId) -> Result<Option<ChangeSetId>, StoreError> {
        let mut transaction = self.write().await?;
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT MAX(id) FROM change_sets WHERE workspace = ?1 AND kind = 'sync' AND state = 'open'",
        )
        .bind(&workspace.0)
        .fetch_one(&mut *transaction)
        .await?;
        sqlx::query("UPDATE staged_documents SET seen = 0 WHERE change_set = ?1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(id.map(ChangeSetId))
    }

    async fn orphans(&self, before: DateTime<Utc>) -> Result<Vec<ChangeSetId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM change_sets WHERE kind <> 'sync' AND state = 'open' AND begun_at < ?1",
        )
        .bind(before)
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(ChangeSetId).collect())
    }

    async fn advance_epoch(&self, workspace: &WorkspaceId) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO generations (workspace, epoch) VALUES (?1, 1) \
             ON CONFLICT (workspace) DO UPDATE SET epoch = epoch + 1",
        )
        .bind(&workspace.0)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn stage(&self, change: ChangeSetId, staged: &Staged) -> Result<(), StoreError> {
        let Staged { document, passages, text_hash, restores, refuses } = staged;
        let workspace = &document.workspace.0;
        let stranger = passages
            .iter()
            .find(|passage| passage.workspace != document.workspace || passage.document_id != document.id);
        if let Some(stranger) = stranger {
            return Err(StoreError::Invalid(format!(
                "passage {} is not one of document {}",
                stranger.id, document.id
            )));
        }
        let mut transaction = self.write().await?;
        touch(&mut transaction, change).await?;
        unstage(&mut transaction, ONE, change, &document.id).await?;
        sqlx::query(
            "INSERT INTO staged_documents (workspace, id, change_set, source, title, url, language, audience, labels, \
             content_hash, text_hash, text, updated_at, restores, refuses) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )
        .bind(workspace)
        .bind(&document.id)
        .bind(change.0)
        .bind(&document.source)
        .bind(&document.title)
        .bind(&document.url)
        .bind(document.language.map(Language::code))
        .bind(document.audience.as_str())
        .bind(to_json(&document.labels)?)
        .bind(&document.content_hash)
        .bind(text_hash)
        .bind(&document.text)
        .bind(document.updated_at)
        .bind(*restores)
        .bind(to_json(refuses)?)
        .execute(&mut *transaction)
        .await?;
        for passage in passages {
            insert_passage(&mut transaction, change, passage).await?;
        }
        sqlx::query(
            "DELETE FROM index_removals WHERE workspace = ?1 AND passage_id IN \
             (SELECT id FROM staged_passages WHERE workspace = ?1 AND document_id = ?2)",
        )
        .bind(workspace)
        .bind(&document.id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn stage_removal(
        &self,
        change: ChangeSetId,
        workspace: &WorkspaceId,
        document_id: &str,
        refuses: &[(u32, String)],
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        touch(&mut transaction, change).await?;
        let unstaged = unstage(&mut transaction, ONE, change, document_id).await?;
        let done = sqlx::query(
            "INSERT INTO staged_documents (workspace, id, change_set, source, refuses) \
             SELECT workspace, id, ?3, source, ?4 FROM documents WHERE workspace = ?1 AND id = ?2",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .bind(change.0)
        .bind(to_json(&refuses)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0 || unstaged > 0)
    }

    async fn staged(
        &self,
        change: ChangeSetId,
        workspace: &WorkspaceId,
        document_id: &str,
        embedder: &str,
    ) -> Result<Option<StagedState>, StoreError> {
        let row: Option<(Option<String>, i64)> = sqlx::query_as(
            "SELECT d.content_hash, (SELECT COUNT(*) FROM staged_passages p WHERE p.workspace = d.workspace \
                 AND p.document_id = d.id AND p.kept = 0 AND p.indexed_for <> ?4) \
             FROM staged_documents d WHERE d.workspace = ?1 AND d.id = ?2 AND d.change_set = ?3",
        )
        .bind(&workspace.0)
        .bind(document_id)
        .bind(change.0)
        .bind(embedder)
        .fetch_optional(&self.pool)
        .await?;
        let Some((Some(content_hash), not_indexed)) = row else { return Ok(None) };
        Ok(Some(StagedState { content_hash, not_indexed: number(not_indexed)? }))
    }

    async fn see(&self, workspace: &WorkspaceId, document_id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE staged_documents SET seen = 1 WHERE workspace = ?1 AND id = ?2")
            .bind(&workspace.0)
            .bind(document_id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn staged_not_indexed(
        &self,
        change: ChangeSetId,
        embedder: &str,
        limit: usize,
    ) -> Result<Vec<Passage>, StoreError> {
        let rows: Vec<PassageRow> = sqlx::query_as(
            "SELECT * FROM staged_passages WHERE change_set = ?1 AND kept = 0 \
             AND (indexed_for < ?2 OR indexed_for > ?2) ORDER BY rowid LIMIT ?3",
        )
        .bind(change.0)
        .bind(embedder)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Passage::try_from).collect()
    }

    async fn plan(&self, change: ChangeSetId) -> Result<Plan, StoreError> {
        let mut transaction = self.write().await?;
        touch(&mut transaction, change).await?;
        unstage(&mut transaction, UNWANTED, change, "").await?;
        let row = sqlx::query(
            "UPDATE change_sets SET attempt = attempt + 1 WHERE id = ?1 RETURNING revision, attempt, \
             (SELECT COUNT(*) FROM staged_documents WHERE change_set = ?1) AS documents",
        )
        .bind(change.0)
        .fetch_one(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Plan {
            revision: row.try_get("revision")?,
            mark: format!("{}-{}", change.mark(), row.try_get::<i64, _>("attempt")?),
            documents: number(row.try_get("documents")?)?,
        })
    }

    async fn retiring(
        &self,
        change: ChangeSetId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT p.id FROM staged_documents d JOIN passages p ON p.workspace = d.workspace AND p.document_id = d.id \
             WHERE d.change_set = ?1 AND p.id > ?2 AND p.id NOT IN (SELECT id FROM staged_passages WHERE change_set = ?1 AND kept = 1) \
             ORDER BY p.id LIMIT ?3",
        )
        .bind(change.0)
        .bind(after)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?)
    }

    async fn commit(&self, change: ChangeSetId, plan: &Plan) -> Result<Option<i64>, StoreError> {
        let mut transaction = self.write().await?;
        let workspace: Option<String> = sqlx::query_scalar(
            "UPDATE change_sets SET state = 'committed' WHERE id = ?1 AND state = 'open' AND revision = ?2 \
             RETURNING workspace",
        )
        .bind(change.0)
        .bind(plan.revision)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(workspace) = workspace else { return Ok(None) };
        let generation: i64 = sqlx::query_scalar(
            "INSERT INTO generations (workspace, generation) VALUES (?1, 1) \
             ON CONFLICT (workspace) DO UPDATE SET generation = generation + 1 RETURNING generation",
        )
        .bind(&workspace)
        .fetch_one(&mut *transaction)
        .await?;
        for statement in COMMIT {
            sqlx::query(*statement).bind(change.0).bind(generation).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Some(generation))
    }

    async fn discard(&self, change: ChangeSetId) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        unstage(&mut transaction, ALL, change, "").await?;
        sqlx::query("UPDATE change_sets SET state = 'abandoned' WHERE id = ?1 AND state = 'open'")
            .bind(change.0)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn forget_settled(&self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM change_sets WHERE state <> 'open' \
             AND id NOT IN (SELECT change_set FROM index_removals WHERE change_set IS NOT NULL)",
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn workspaces_with_removals(&self) -> Result<Vec<WorkspaceId>, StoreError> {
        let names: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT workspace FROM index_removals ORDER BY workspace")
                .fetch_all(&self.pool)
                .await?;
        Ok(names.into_iter().map(WorkspaceId).collect())
    }
}

/// What a commit does, in order; `?1` is the change set and `?2` the new generation.
const COMMIT: &[&str] = &[
    "INSERT OR REPLACE INTO index_removals (passage_id, workspace, change_set) \
     SELECT p.id, p.workspace, ?1 FROM staged_documents d \
     JOIN passages p ON p.workspace = d.workspace AND p.document_id = d.id \
     WHERE d.change_set = ?1 AND ?2 = ?2 AND p.id NOT IN (SELECT id FROM staged_passages WHERE change_set = ?1 AND kept = 1)",
    "DELETE FROM passages WHERE ?2 = ?2 AND id NOT IN (SELECT id FROM staged_passages WHERE change_set = ?1 AND kept = 1) \
     AND (workspace, document_id) IN (SELECT workspace, id FROM staged_documents WHERE change_set = ?1)",
    "UPDATE document_versions SET gone_at = (SELECT begun_at FROM change_sets WHERE id = ?1) \
     WHERE ?2 = ?2 AND (workspace, document_id, version) IN ( \
         SELECT d.workspace, d.id, d.version FROM staged_documents s \
         JOIN documents d ON d.workspace = s.workspace AND d.id = s.id WHERE s.change_set = ?1 AND s.text IS NULL)",
    "DELETE FROM documents WHERE ?2 = ?2 \
     AND (workspace, id) IN (SELECT workspace, id FROM staged_documents WHERE change_set = ?1 AND text IS NULL)",
    "INSERT INTO document_versions (workspace, document_id, version, generation, kind, restores, source, title, url, \
         language, audience, labels, content_hash, text, passages, at) \
     SELECT d.workspace, d.id, \
         1 + COALESCE((SELECT MAX(v.version) FROM document_versions v \
             WHERE v.workspace = d.workspace AND v.document_id = d.id), 0), \
         ?2, c.kind, d.restores, d.source, d.title, d.url, d.language, d.audience, d.labels, d.content_hash, d.text, \
         (SELECT json_group_array(json(p.passage)) FROM ( \
             SELECT json_object('id', id, 'workspace', workspace, 'document_id', document_id, 'title', title, \
                 'heading_path', json(heading_path), 'text', text, 'language', language, 'url', url, \
                 'span', json_array(span_start, span_end), 'ordinal', ordinal, 'audience', audience, \
                 'labels', json(labels)) AS passage \
             FROM staged_passages WHERE workspace = d.workspace AND document_id = d.id ORDER BY ordinal) p), \
         d.updated_at \
     FROM staged_documents d JOIN change_sets c ON c.id = d.change_set WHERE d.change_set = ?1 AND d.text IS NOT NULL",
    "INSERT INTO documents (workspace, id, source, title, url, language, content_hash, text, updated_at, version, audience, \
         labels) \
     SELECT d.workspace, d.id, d.source, d.title, d.url, d.language, d.content_hash, d.text, d.updated_at, \
         (SELECT MAX(v.version) FROM document_versions v WHERE v.workspace = d.workspace AND v.document_id = d.id), \
         d.audience, d.labels \
     FROM staged_documents d WHERE d.change_set = ?1 AND d.text IS NOT NULL AND ?2 = ?2 \
     ON CONFLICT (workspace, id) DO UPDATE SET source = excluded.source, title = excluded.title, url = excluded.url, \
         language = excluded.language, content_hash = excluded.content_hash, text = excluded.text, \
         updated_at = excluded.updated_at, version = excluded.version, audience = excluded.audience, \
         labels = excluded.labels",
    "INSERT INTO passages (id, workspace, document_id, ordinal, title, heading_path, text, language, url, span_start, \
         span_end, audience, labels, indexed_for) \
     SELECT id, workspace, document_id, ordinal, title, heading_path, text, language, url, span_start, span_end, audience, \
         labels, indexed_for FROM staged_passages WHERE change_set = ?1 AND kept = 0 AND ?2 = ?2 ORDER BY rowid",
    "INSERT OR REPLACE INTO refused_texts (workspace, text_hash, document_id, version, source, at) \
     SELECT d.workspace, json_extract(r.value, '$[1]'), d.id, json_extract(r.value, '$[0]'), d.source, \
         c.begun_at \
     FROM staged_documents d JOIN change_sets c ON c.id = d.change_set, json_each(d.refuses) r \
     WHERE d.change_set = ?1 AND ?2 = ?2",
    "UPDATE document_versions SET refused = 1 WHERE ?2 = ?2 AND (workspace, document_id, version) IN ( \
         SELECT d.workspace, d.id, json_extract(r.value, '$[0]') \
         FROM staged_documents d, json_each(d.refuses) r WHERE d.change_set = ?1)",
    "DELETE FROM staged_passages WHERE change_set = ?1 AND ?2 = ?2",
    "DELETE FROM staged_documents WHERE change_set = ?1 AND ?2 = ?2",
];

async fn insert_passage(
    connection: &mut SqliteConnection,
    change: ChangeSetId,
    passage: &Passage,
) -> Result<(), StoreError> {
    let workspace = &passage.workspace.0;
    let foreign: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM passages WHERE id = ?1 AND (workspace <> ?2 OR document_id <> ?3)) \
         OR EXISTS (SELECT 1 FROM staged_passages WHERE id = ?1)",
    )
    .bind(&passage.id)
    .bind(workspace)
    .bind(&passage.document_id)
    .fetch_one(&mut *connection)
    .await?;
    if foreign {
        return Err(StoreError::Invalid(format!("passage {} belongs to another document", passage.id)));
    }
    sqlx::query(
        "INSERT INTO staged_passages (id, workspace, document_id, change_set, kept, ordinal, title, heading_path, text, \
         language, url, span_start, span_end, audience, labels) \
         VALUES (?1, ?2, ?3, ?4, EXISTS (SELECT 1 FROM passages WHERE id = ?1), ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
         ?14)",
    )
    .bind(&passage.id)
    .bind(workspace)
    .bind(&passage.document_id)
    .bind(change.0)
    .bind(i64::from(passage.ordinal))
    .bind(&passage.title)
    .bind(to_json(&passage.heading_path)?)
    .bind(&passage.text)
    .bind(passage.language.map(Language::code))
    .bind(&passage.url)
    .bind(sql_number(passage.span.0))
    .bind(sql_number(passage.span.1))
    .bind(passage.audience.as_str())
    .bind(to_json(&passage.labels)?)
    .execute(connection)
    .await?;
    Ok(())
}
