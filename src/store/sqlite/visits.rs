//! Web pages as they were last seen.

use async_trait::async_trait;
use sqlx::FromRow;

use super::{SqliteStore, from_json, to_json};
use crate::conversation::WorkspaceId;
use crate::store::{StoreError, Visit, Visits};

#[derive(FromRow)]
struct VisitRow {
    url: String,
    etag: Option<String>,
    last_modified: Option<String>,
    links: String,
    reading: String,
}

#[async_trait]
impl Visits for SqliteStore {
    async fn visit(&self, workspace: &WorkspaceId, url: &str) -> Result<Option<Visit>, StoreError> {
        let row: Option<VisitRow> = sqlx::query_as(
            "SELECT url, etag, last_modified, links, reading FROM visits WHERE workspace = ?1 AND url = ?2",
        )
        .bind(&workspace.0)
        .bind(url)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            Ok(Visit {
                links: from_json("links", &row.links)?,
                url: row.url,
                etag: row.etag,
                last_modified: row.last_modified,
                reading: row.reading,
            })
        })
        .transpose()
    }

    async fn visited(&self, workspace: &WorkspaceId, visit: &Visit) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO visits (workspace, url, etag, last_modified, links, reading) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (workspace, url) DO UPDATE SET etag = ?3, last_modified = ?4, links = ?5, reading = ?6",
        )
        .bind(&workspace.0)
        .bind(&visit.url)
        .bind(&visit.etag)
        .bind(&visit.last_modified)
        .bind(to_json(&visit.links)?)
        .bind(&visit.reading)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
