//! Deleting for good. The connections overwrite what they delete (`secure_delete`), and the write-ahead log, which still
//! holds the pages as they were, is emptied afterwards.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;

use super::{SqliteStore, id_list, sql_number};
use crate::conversation::WorkspaceId;
use crate::store::StoreError;
use crate::store::erasure::{Erased, Erasure, Whose};

/// Suggestions that one transaction deletes, so that other writers get their turn.
const BATCH: usize = 200;

#[async_trait]
impl Erasure for SqliteStore {
    async fn erase(&self, workspace: &WorkspaceId, whose: Whose<'_>) -> Result<Erased, StoreError> {
        let (of, id) = match whose {
            Whose::Conversation(id) => ("conversation_id = ?2", id),
            // Whole conversations: the hub may have named the customer in some calls alone.
            Whose::Customer(id) => (
                "conversation_id IN (SELECT conversation_id FROM suggestions \
                 WHERE workspace = ?1 AND json_extract(body, '$.conversation.customer.id') = ?2)",
                id,
            ),
        };
        // All of it in one transaction: either it is gone, or the call failed.
        let mut transaction = self.write().await?;
        let ids: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT id FROM suggestions WHERE workspace = ?1 AND {of}"
        )))
        .bind(&workspace.0)
        .bind(id)
        .fetch_all(&mut *transaction)
        .await?;
        let mut erased = delete(&mut transaction, &ids).await?;
        erased.answers = sqlx::query(
            "DELETE FROM idempotency WHERE workspace = ?1 AND suggestion_id IN (SELECT value FROM json_each(?2))",
        )
        .bind(&workspace.0)
        .bind(id_list(&ids))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        transaction.commit().await?;
        self.empty_log().await?;
        Ok(erased)
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<Erased, StoreError> {
        let mut erased = Erased::default();
        loop {
            let mut transaction = self.write().await?;
            let ids: Vec<String> =
                sqlx::query_scalar("SELECT id FROM suggestions WHERE created_at < ?1 LIMIT ?2")
                    .bind(before)
                    .bind(sql_number(BATCH))
                    .fetch_all(&mut *transaction)
                    .await?;
            if ids.is_empty() {
                break;
            }
            let batch = delete(&mut transaction, &ids).await?;
            transaction.commit().await?;
            erased.suggestions += batch.suggestions;
            erased.events += batch.events;
        }
        erased.answers = sqlx::query("DELETE FROM idempotency WHERE claimed_at < ?1")
            .bind(before.timestamp_millis())
            .execute(&self.pool)
            .await?
            .rows_affected();
        // Whatever was deleted: an earlier call may not have come to this.
        self.empty_log().await?;
        Ok(erased)
    }
}

async fn delete(connection: &mut SqliteConnection, ids: &[String]) -> Result<Erased, StoreError> {
    let ids = id_list(ids);
    let events = sqlx::query("DELETE FROM events WHERE suggestion_id IN (SELECT value FROM json_each(?1))")
        .bind(&ids)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    let suggestions = sqlx::query("DELETE FROM suggestions WHERE id IN (SELECT value FROM json_each(?1))")
        .bind(&ids)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    Ok(Erased { suggestions, events, answers: 0 })
}

impl SqliteStore {
    /// Writes the log into the database and empties it. Waits for whoever reads, like a writer.
    async fn empty_log(&self) -> Result<(), StoreError> {
        let (busy, ..): (i64, i64, i64) =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        if busy == 0 {
            return Ok(());
        }
        Err(StoreError::Unavailable(
            "it is deleted, but the log of the database was in use and still holds it; try again".into(),
        ))
    }
}
