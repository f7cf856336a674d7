//! Changes of the rollout, and audits of automatic replies.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use super::suggestions::insert_event;
use super::{SqliteStore, from_json, from_word, sql_number, to_word};
use crate::conversation::WorkspaceId;
use crate::decision::rollout::{AUTOMATIC, Slice, Step};
use crate::decision::{Action, Mode};
use crate::store::rollout::{Audit, NewStep, Rolled};
use crate::store::suggestion::{EDIT_TOLERANCE, Feedback, PublicDraft, Suggestion};
use crate::store::{Rollouts, StoreError};

#[derive(FromRow)]
struct StepRow {
    sequence: i64,
    channel: Option<String>,
    topic: Option<String>,
    language: Option<String>,
    stage: String,
    share: Option<f64>,
    changed_by: String,
    why: String,
    at: DateTime<Utc>,
}

impl TryFrom<StepRow> for Step {
    type Error = StoreError;

    fn try_from(row: StepRow) -> Result<Self, StoreError> {
        Ok(Self {
            sequence: row.sequence,
            slice: Slice {
                channel: row.channel.map(|word| from_word("channel", word)).transpose()?,
                topic: row.topic,
                language: row.language.map(|word| from_word("language", word)).transpose()?,
            },
            stage: from_word("stage", row.stage)?,
            share: row.share,
            by: row.changed_by,
            why: row.why,
            at: row.at,
        })
    }
}

#[derive(FromRow)]
struct AuditRow {
    suggestion_id: String,
    step: i64,
    share: f64,
    max_error: f64,
    drawn_at: DateTime<Utc>,
    wrong: Option<bool>,
    judged_at: Option<DateTime<Utc>>,
}

impl From<AuditRow> for Audit {
    fn from(row: AuditRow) -> Self {
        let AuditRow { suggestion_id, step, share, max_error, drawn_at, wrong, judged_at } = row;
        Self { suggestion_id, step, share, max_error, drawn_at, wrong, judged_at }
    }
}

#[derive(FromRow)]
struct RolledRow {
    channel: String,
    language: Option<String>,
    topics: String,
    sent: bool,
    reasons: String,
    draft: Option<String>,
    feedback: Option<String>,
    audited: bool,
    as_sent: bool,
}

impl TryFrom<RolledRow> for Rolled {
    type Error = StoreError;

    fn try_from(row: RolledRow) -> Result<Self, StoreError> {
        let feedback: Option<Feedback> =
            row.feedback.as_deref().map(|json| from_json("feedback", json)).transpose()?;
        let draft: Option<PublicDraft> =
            row.draft.as_deref().map(|json| from_json("draft", json)).transpose()?;
        Ok(Self {
            channel: from_word("channel", row.channel)?,
            language: row.language.map(|word| from_word("language", word)).transpose()?,
            topics: from_json("topics", &row.topics)?,
            sent: row.sent,
            reasons: from_json("reasons", &row.reasons)?,
            wrong: feedback.map(|feedback| !feedback.acceptable(draft.as_ref(), EDIT_TOLERANCE)),
            audited: row.audited,
            as_sent: row.as_sent,
        })
    }
}

/// Notes an automatic reply that was drawn for an audit.
pub(super) async fn insert_audit(
    connection: &mut SqliteConnection,
    suggestion: &Suggestion,
) -> Result<(), StoreError> {
    let Some(audit) = &suggestion.trace.audit else { return Ok(()) };
    sqlx::query(
        "INSERT INTO audits (suggestion_id, workspace, step, share, max_error, drawn_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&suggestion.answer.id)
    .bind(&suggestion.workspace.0)
    .bind(suggestion.trace.rollout.step)
    .bind(audit.share)
    .bind(audit.max_error)
    .bind(suggestion.created_at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes a verdict, where the suggestion was drawn. A later verdict replaces an earlier one, in its place.
pub(super) async fn judge_audit(
    connection: &mut SqliteConnection,
    workspace: &WorkspaceId,
    suggestion_id: &str,
    feedback: &Feedback,
) -> Result<(), StoreError> {
    let draft: Option<String> = sqlx::query_scalar(
        "SELECT json_extract(body, '$.answer.drafts[0]') FROM suggestions WHERE workspace = ?1 AND id = ?2",
    )
    .bind(&workspace.0)
    .bind(suggestion_id)
    .fetch_one(&mut *connection)
    .await?;
    let draft: Option<PublicDraft> = draft.as_deref().map(|json| from_json("draft", json)).transpose()?;
    sqlx::query(
        "UPDATE audits SET wrong = ?3, judged_at = COALESCE(judged_at, ?4) \
         WHERE workspace = ?1 AND suggestion_id = ?2",
    )
    .bind(&workspace.0)
    .bind(suggestion_id)
    .bind(!feedback.acceptable(draft.as_ref(), EDIT_TOLERANCE))
    .bind(feedback.at)
    .execute(connection)
    .await?;
    Ok(())
}

#[async_trait]
impl Rollouts for SqliteStore {
    async fn steps(&self, workspace: &WorkspaceId) -> Result<Vec<Step>, StoreError> {
        let rows: Vec<StepRow> = sqlx::query_as(
            "SELECT sequence, channel, topic, language, stage, share, changed_by, why, at FROM rollout_steps \
             WHERE sequence IN (SELECT MAX(sequence) FROM rollout_steps WHERE workspace = ?1 \
             GROUP BY channel, topic, language) ORDER BY channel, topic, language",
        )
        .bind(&workspace.0)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Step::try_from).collect()
    }

    async fn past_steps(&self, workspace: &WorkspaceId, limit: usize) -> Result<Vec<Step>, StoreError> {
        let rows: Vec<StepRow> = sqlx::query_as(
            "SELECT sequence, channel, topic, language, stage, share, changed_by, why, at FROM rollout_steps \
             WHERE workspace = ?1 ORDER BY sequence DESC LIMIT ?2",
        )
        .bind(&workspace.0)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Step::try_from).collect()
    }

    async fn change(
        &self,
        workspace: &WorkspaceId,
        step: &NewStep,
        expected: Option<i64>,
    ) -> Result<Option<Step>, StoreError> {
        let NewStep { slice, stage, share, by, why, at } = step;
        let channel = slice.channel.as_ref().map(to_word).transpose()?;
        let language = slice.language.as_ref().map(to_word).transpose()?;
        let mut transaction = self.write().await?;
        // `IS` compares missing values too.
        let current: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(sequence), 0) FROM rollout_steps WHERE workspace = ?1 AND channel IS ?2 \
             AND topic IS ?3 AND language IS ?4",
        )
        .bind(&workspace.0)
        .bind(&channel)
        .bind(&slice.topic)
        .bind(&language)
        .fetch_one(&mut *transaction)
        .await?;
        if expected.is_some_and(|expected| expected != current) {
            return Ok(None);
        }
        let sequence: i64 = sqlx::query_scalar(
            "INSERT INTO rollout_steps (workspace, channel, topic, language, stage, share, changed_by, why, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING sequence",
        )
        .bind(&workspace.0)
        .bind(&channel)
        .bind(&slice.topic)
        .bind(&language)
        .bind(to_word(stage)?)
        .bind(share)
        .bind(by)
        .bind(why)
        .bind(at)
        .fetch_one(&mut *transaction)
        .await?;
        let kind = if by == AUTOMATIC { "rollout.demoted" } else { "rollout.changed" };
        insert_event(&mut transaction, workspace, kind, "", *at).await?;
        transaction.commit().await?;
        let NewStep { slice, stage, share, by, why, at } = step.clone();
        Ok(Some(Step { sequence, slice, stage, share, by, why, at }))
    }

    async fn audit(&self, workspace: &WorkspaceId, suggestion_id: &str) -> Result<Option<Audit>, StoreError> {
        let row: Option<AuditRow> = sqlx::query_as(
            "SELECT suggestion_id, step, share, max_error, drawn_at, wrong, judged_at FROM audits \
             WHERE workspace = ?1 AND suggestion_id = ?2",
        )
        .bind(&workspace.0)
        .bind(suggestion_id)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Audit::from))
    }

    async fn audits(&self, workspace: &WorkspaceId, step: i64) -> Result<Vec<Audit>, StoreError> {
        let rows: Vec<AuditRow> = sqlx::query_as(
            "SELECT suggestion_id, step, share, max_error, drawn_at, wrong, judged_at FROM audits \
             WHERE workspace = ?1 AND step = ?2 ORDER BY judged_at IS NULL, judged_at, drawn_at, suggestion_id",
        )
        .bind(&workspace.0)
        .bind(step)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Audit::from).collect())
    }

    async fn rolled(
        &self,
        workspace: &WorkspaceId,
        since: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Rolled>, StoreError> {
        let rows: Vec<RolledRow> = sqlx::query_as(
            "SELECT s.channel, json_extract(s.body, '$.trace.language') AS language, \
             (SELECT json_group_array(json_extract(t.value, '$.name')) \
                 FROM json_each(s.body, '$.trace.understanding.topics') t) AS topics, s.action = ?2 AS sent, \
             (SELECT json_group_array(json_extract(r.value, '$.code')) \
                 FROM json_each(s.body, '$.answer.decision.reasons') r) AS reasons, \
             json_extract(s.body, '$.answer.drafts[0]') AS draft, s.feedback, \
             EXISTS (SELECT 1 FROM audits a WHERE a.suggestion_id = s.id) AS audited, \
             COALESCE(json_extract(s.body, '$.trace.decided.mode'), json_extract(s.body, '$.mode')) <> ?5 \
                 AND COALESCE(json_extract(s.body, '$.trace.decided.already_replied'), 0) = 0 AS as_sent \
             FROM suggestions s WHERE s.workspace = ?1 AND s.created_at >= ?3 ORDER BY s.sequence DESC LIMIT ?4",
        )
        .bind(&workspace.0)
        .bind(to_word(&Action::AutoReply)?)
        .bind(since)
        .bind(sql_number(limit))
        .bind(to_word(&Mode::Draft)?)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Rolled::try_from).collect()
    }
}
