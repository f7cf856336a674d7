//! First answers by `Idempotency-Key`.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::conversation::WorkspaceId;
use crate::store::{ANSWER_KEPT, CLAIM_STALE, Claim, Idempotency, StoreError};

type Row = (String, Option<i64>, Option<String>);

#[async_trait]
impl Idempotency for SqliteStore {
    async fn begin(
        &self,
        workspace: &WorkspaceId,
        key: &str,
        request_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Claim, StoreError> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM idempotency WHERE claimed_at < ?1 OR (status IS NULL AND claimed_at < ?2)")
            .bind((now - ANSWER_KEPT).timestamp_millis())
            .bind((now - CLAIM_STALE).timestamp_millis())
            .execute(&mut *transaction)
            .await?;
        let known: Option<Row> = sqlx::query_as(
            "SELECT request_hash, status, body FROM idempotency WHERE workspace = ?1 AND key = ?2",
        )
        .bind(&workspace.0)
        .bind(key)
        .fetch_optional(&mut *transaction)
        .await?;
        let claim = match known {
            Some((hash, ..)) if hash != request_hash => Claim::Mismatch,
            Some((_, Some(status), Some(body))) => Claim::Done {
                status: u16::try_from(status)
                    .map_err(|_| StoreError::Corrupt(format!("HTTP status {status}")))?,
                body,
            },
            Some(_) => Claim::InFlight,
            None => {
                sqlx::query(
                    "INSERT INTO idempotency (workspace, key, request_hash, claimed_at) VALUES (?1, ?2, ?3, ?4)",
                )
                .bind(&workspace.0)
                .bind(key)
                .bind(request_hash)
                .bind(now.timestamp_millis())
                .execute(&mut *transaction)
                .await?;
                Claim::New
            }
        };
        transaction.commit().await?;
        Ok(claim)
    }

    async fn complete(
        &self,
        workspace: &WorkspaceId,
        key: &str,
        status: u16,
        body: &str,
        suggestion: Option<&str>,
    ) -> Result<(), StoreError> {
        let kept = sqlx::query(
            "UPDATE idempotency SET status = ?3, body = ?4, suggestion_id = ?5 WHERE workspace = ?1 AND key = ?2 \
             AND (?5 IS NULL OR EXISTS (SELECT 1 FROM suggestions WHERE workspace = ?1 AND id = ?5))",
        )
        .bind(&workspace.0)
        .bind(key)
        .bind(i64::from(status))
        .bind(body)
        .bind(suggestion)
        .execute(&self.pool)
        .await?
        .rows_affected();
        if kept == 0 { self.abandon(workspace, key).await } else { Ok(()) }
    }

    async fn abandon(&self, workspace: &WorkspaceId, key: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM idempotency WHERE workspace = ?1 AND key = ?2 AND status IS NULL")
            .bind(&workspace.0)
            .bind(key)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
