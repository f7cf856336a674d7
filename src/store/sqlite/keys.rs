//! API keys.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{SqliteStore, from_json, to_json};
use crate::conversation::WorkspaceId;
use crate::store::{KeyRecord, Keys, StoreError};

#[derive(FromRow)]
struct KeyRow {
    id: String,
    workspace: String,
    name: String,
    scopes: String,
    created_at: DateTime<Utc>,
    revoked_at: Option<DateTime<Utc>>,
}

impl TryFrom<KeyRow> for KeyRecord {
    type Error = StoreError;

    fn try_from(row: KeyRow) -> Result<Self, StoreError> {
        Ok(Self {
            scopes: from_json("scopes", &row.scopes)?,
            id: row.id,
            workspace: WorkspaceId(row.workspace),
            name: row.name,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        })
    }
}

#[async_trait]
impl Keys for SqliteStore {
    async fn insert(&self, key: &KeyRecord, hash: &[u8]) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO api_keys (id, workspace, name, scopes, hash, created_at, revoked_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(&key.id)
        .bind(&key.workspace.0)
        .bind(&key.name)
        .bind(to_json(&key.scopes)?)
        .bind(hash)
        .bind(key.created_at)
        .bind(key.revoked_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    async fn find(&self, hash: &[u8]) -> Result<Option<KeyRecord>, StoreError> {
        let row: Option<KeyRow> = sqlx::query_as(
            "SELECT id, workspace, name, scopes, created_at, revoked_at FROM api_keys \
             WHERE hash = ?1 AND revoked_at IS NULL",
        )
        .bind(hash)
        .fetch_optional(&self.pool)
        .await?;
        row.map(KeyRecord::try_from).transpose()
    }

    async fn list(&self, workspace: Option<&WorkspaceId>) -> Result<Vec<KeyRecord>, StoreError> {
        let rows: Vec<KeyRow> = sqlx::query_as(
            "SELECT id, workspace, name, scopes, created_at, revoked_at FROM api_keys \
             WHERE ?1 IS NULL OR workspace = ?1 ORDER BY created_at, id",
        )
        .bind(workspace.map(|workspace| workspace.0.as_str()))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(KeyRecord::try_from).collect()
    }

    async fn revoke(&self, id: &str, at: DateTime<Utc>) -> Result<bool, StoreError> {
        // A second revocation keeps the first one's time.
        let done = sqlx::query("UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
            .bind(id)
            .bind(at)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() > 0)
    }
}
