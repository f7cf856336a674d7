//! Suggestions with their traces, feedback and events.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteConnection;
use sqlx::{FromRow, Row};

use super::opt_outs::{insert_opt_out, opt_outs};
use super::rollout::{insert_audit, judge_audit};
use super::{
    SqliteStore, from_cursor, from_json, from_word, one_more, sql_number, to_cursor, to_json, to_word,
};
use crate::conversation::{Conversation, WorkspaceId};
use crate::decision::policy::human_took_over::SentDraft;
use crate::decision::policy::opted_out::OptOut;
use crate::decision::{Action, ReasonCode};
use crate::store::suggestion::{Asked, Feedback, FeedbackOutcome, Suggestion, SuggestionSummary, Which};
use crate::store::{Event, Listed, Page, StoreError, Suggestions};

/// An agent sent the draft, or wrote a reply in its place. Of an automatic reply a verdict judges what was sent before, and of
/// what was made in the shadow it measures; an escalation that was accepted was right, which says nothing of a draft in it.
const SENT: &str = "(action <> 'auto_reply' AND json_extract(body, '$.mode') IS NOT 'shadow' AND (outcome IS 'edited' \
    OR (outcome IS 'accepted' AND coalesce(json_extract(feedback, '$.text'), \
    CASE WHEN action <> 'escalate' THEN json_extract(body, '$.answer.drafts[0].text') END) IS NOT NULL)))";

/// Characters of the question that a list shows.
const QUESTION_SHOWN: usize = 160;

#[derive(FromRow)]
struct SummaryRow {
    sequence: i64,
    id: String,
    conversation_id: String,
    channel: String,
    customer: Option<String>,
    question: String,
    action: String,
    reason: Option<String>,
    confidence: f64,
    created_at: DateTime<Utc>,
    audit: bool,
    outcome: Option<String>,
}

impl TryFrom<SummaryRow> for SuggestionSummary {
    type Error = StoreError;

    fn try_from(row: SummaryRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.id,
            conversation_id: row.conversation_id,
            channel: from_word("channel", row.channel)?,
            customer: row.customer,
            question: row.question,
            action: from_word("action", row.action)?,
            reason: row.reason.as_deref().map(|json| from_json("reason", json)).transpose()?,
            confidence: row.confidence,
            created_at: row.created_at,
            audit: row.audit,
            outcome: row.outcome.map(|word| from_word("outcome", word)).transpose()?,
        })
    }
}

#[derive(FromRow)]
struct EventRow {
    sequence: i64,
    kind: String,
    suggestion_id: String,
    at: DateTime<Utc>,
}

#[derive(FromRow)]
struct AskedRow {
    id: String,
    created_at: DateTime<Utc>,
    conversation: String,
    language: Option<String>,
    draft: Option<String>,
    outcome: Option<String>,
    feedback: Option<String>,
    lacking: bool,
}

impl TryFrom<AskedRow> for Asked {
    type Error = StoreError;

    fn try_from(row: AskedRow) -> Result<Self, StoreError> {
        let outcome: Option<FeedbackOutcome> =
            row.outcome.map(|word| from_word("outcome", word)).transpose()?;
        let feedback: Option<Feedback> =
            row.feedback.as_deref().map(|json| from_json("feedback", json)).transpose()?;
        let sent = feedback.and_then(|feedback| feedback.text);
        let reply = match outcome {
            Some(FeedbackOutcome::Accepted) => sent.or(row.draft),
            Some(FeedbackOutcome::Edited) => sent,
            Some(FeedbackOutcome::Rejected) | None => None,
        };
        Ok(Self {
            id: row.id,
            at: row.created_at,
            conversation: from_json("conversation", &row.conversation)?,
            language: row.language.map(|word| from_word("language", word)).transpose()?,
            unanswered: row.lacking || outcome == Some(FeedbackOutcome::Rejected),
            reply: reply.filter(|reply| !reply.trim().is_empty()),
        })
    }
}

fn shortened(question: &str) -> String {
    let mut characters = question.chars();
    let mut short: String = characters.by_ref().take(QUESTION_SHOWN).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

pub(super) async fn insert_event(
    connection: &mut SqliteConnection,
    workspace: &WorkspaceId,
    kind: &str,
    suggestion_id: &str,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO events (workspace, kind, suggestion_id, at) VALUES (?1, ?2, ?3, ?4)")
        .bind(&workspace.0)
        .bind(kind)
        .bind(suggestion_id)
        .bind(at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes out a holding message that would be the second in a row, and says whether it did: where the last that Ponto knows was
/// said in the conversation, outside the shadow and in answer to another message, was one too, and no person has written since or
/// handed the conversation back. A message that had one before gets it again.
async fn leave_out_second_holding(
    connection: &mut SqliteConnection,
    suggestion: &mut Suggestion,
) -> Result<bool, StoreError> {
    let Suggestion { answer, workspace, conversation, .. } = suggestion;
    let Some(handoff) = answer.handoff.as_mut().filter(|handoff| handoff.holding_message.is_some()) else {
        return Ok(false);
    };
    let Some(message) = conversation.last_customer_message() else { return Ok(false) };
    let holding = "json_extract(body, '$.answer.handoff.holding_message') IS NOT NULL";
    let shown = "json_extract(body, '$.mode') IS NOT 'shadow'";
    // A request that knew this message is the later one, though it was answered sooner.
    let later = "EXISTS (SELECT 1 FROM json_each(body, '$.conversation.messages') m \
                 WHERE json_extract(m.value, '$.id') = ?3)";
    let again = format!(
        "EXISTS (SELECT 1 FROM suggestions WHERE workspace = ?1 AND conversation_id = ?2 AND message_id = ?3 \
         AND {holding} AND {shown})"
    );
    let last: Option<(String, Option<String>, bool, bool)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "SELECT message_id, json_extract(body, '$.conversation.handed_back_after'), \
         {holding} AND NOT {SENT} AND NOT {again}, {later} FROM suggestions \
         WHERE workspace = ?1 AND conversation_id = ?2 AND message_id IS NOT NULL AND message_id <> ?3 \
         AND (action = ?4 OR {holding} OR {SENT}) AND {shown} ORDER BY sequence DESC LIMIT 1"
    )))
    .bind(&workspace.0)
    .bind(&conversation.id)
    .bind(&message.id)
    .bind(to_word(&Action::AutoReply)?)
    .fetch_optional(connection)
    .await?;
    let second = last.is_some_and(|(answered, back, holding, later)| {
        let by_a_person = conversation.spoken_by_a_person_after(&answered)
            || conversation.handed_back_anew(Some(&answered), back.as_deref());
        holding && (later || !by_a_person)
    });
    if second {
        handoff.holding_message = None;
    }
    Ok(second)
}

#[async_trait]
impl Suggestions for SqliteStore {
    async fn insert(&self, suggestion: &Suggestion) -> Result<bool, StoreError> {
        let answer = &suggestion.answer;
        let conversation = &suggestion.conversation;
        let message_id = conversation.last_customer_message().map(|message| message.id.as_str());
        let feedback = suggestion.feedback.as_ref();
        // The body holds no feedback: its column is the one place for it.
        let mut body = Suggestion { feedback: None, ..suggestion.clone() };
        let mut transaction = self.write().await?;
        let whole = !leave_out_second_holding(&mut transaction, &mut body).await?;
        let done = sqlx::query(
            "INSERT INTO suggestions (id, workspace, conversation_id, message_id, channel, customer, question, \
             action, reason, confidence, created_at, body, outcome, feedback) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) \
             ON CONFLICT (workspace, conversation_id, message_id) WHERE action = 'auto_reply' DO NOTHING",
        )
        .bind(&answer.id)
        .bind(&suggestion.workspace.0)
        .bind(&conversation.id)
        .bind(message_id)
        .bind(conversation.channel.as_str())
        .bind(conversation.customer.as_ref().and_then(|customer| customer.name.as_deref()))
        .bind(shortened(&conversation.pending_question()))
        .bind(to_word(&answer.decision.action)?)
        .bind(answer.decision.reasons.first().map(to_json).transpose()?)
        .bind(answer.confidence.value)
        .bind(suggestion.created_at)
        .bind(to_json(&body)?)
        .bind(feedback.map(|feedback| to_word(&feedback.outcome)).transpose()?)
        .bind(feedback.map(to_json).transpose()?)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::AlreadyReplied);
        }
        insert_audit(&mut transaction, suggestion).await?;
        insert_opt_out(&mut transaction, suggestion).await?;
        insert_event(
            &mut transaction,
            &suggestion.workspace,
            "suggestion.created",
            &answer.id,
            suggestion.created_at,
        )
        .await?;
        transaction.commit().await?;
        Ok(whole)
    }

    async fn get(&self, workspace: &WorkspaceId, id: &str) -> Result<Option<Suggestion>, StoreError> {
        let row = sqlx::query("SELECT body, feedback FROM suggestions WHERE workspace = ?1 AND id = ?2")
            .bind(&workspace.0)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let body: String = row.try_get("body")?;
        let feedback: Option<String> = row.try_get("feedback")?;
        let mut suggestion: Suggestion = from_json("suggestion", &body)?;
        suggestion.workspace = workspace.clone();
        suggestion.feedback = feedback.as_deref().map(|json| from_json("feedback", json)).transpose()?;
        Ok(Some(suggestion))
    }

    async fn list(
        &self,
        workspace: &WorkspaceId,
        which: Which,
        page: Page,
    ) -> Result<Listed<SuggestionSummary>, StoreError> {
        let before = page
            .after
            .as_deref()
            .map(|cursor| {
                from_cursor(cursor)?
                    .parse::<i64>()
                    .map_err(|_| StoreError::Invalid("the cursor is not one that this list gave".into()))
            })
            .transpose()?;
        // Word for word what the index of what is shown says.
        let shadow = match which.shadow {
            None => "",
            Some(true) => "AND json_extract(body, '$.mode') IS 'shadow'",
            Some(false) => "AND json_extract(body, '$.mode') IS NOT 'shadow'",
        };
        let mut rows: Vec<SummaryRow> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT sequence, id, conversation_id, channel, customer, question, action, reason, confidence, \
             created_at, outcome, EXISTS (SELECT 1 FROM audits WHERE suggestion_id = suggestions.id) AS audit \
             FROM suggestions \
             WHERE workspace = ?1 AND (?2 IS NULL OR sequence < ?2) AND (?3 IS NULL OR (outcome IS NULL) = ?3) \
             {shadow} ORDER BY sequence DESC LIMIT ?4"
        )))
        .bind(&workspace.0)
        .bind(before)
        .bind(which.open)
        .bind(one_more(page.limit))
        .fetch_all(&self.pool)
        .await?;
        let more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| more).map(|row| to_cursor(&row.sequence.to_string()));
        let items = rows.into_iter().map(SuggestionSummary::try_from).collect::<Result<_, _>>()?;
        Ok(Listed { items, next })
    }

    async fn feedback(
        &self,
        workspace: &WorkspaceId,
        id: &str,
        feedback: &Feedback,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "UPDATE suggestions SET outcome = ?3, feedback = ?4 WHERE workspace = ?1 AND id = ?2",
        )
        .bind(&workspace.0)
        .bind(id)
        .bind(to_word(&feedback.outcome)?)
        .bind(to_json(feedback)?)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        judge_audit(&mut transaction, workspace, id, feedback).await?;
        insert_event(&mut transaction, workspace, "suggestion.feedback", id, feedback.at).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn asked(
        &self,
        workspace: &WorkspaceId,
        since: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<Asked>, StoreError> {
        let rows: Vec<AskedRow> = sqlx::query_as(
            "SELECT id, created_at, json_extract(body, '$.conversation') AS conversation, \
             json_extract(body, '$.trace.language') AS language, \
             CASE WHEN action <> ?2 AND json_extract(body, '$.mode') IS NOT 'shadow' \
                 THEN json_extract(body, '$.answer.drafts[0].text') END AS draft, outcome, feedback, \
             action = ?2 AND EXISTS (SELECT 1 FROM json_each(body, '$.answer.decision.reasons') r \
                 WHERE json_extract(r.value, '$.code') IN (SELECT value FROM json_each(?3))) AS lacking \
             FROM suggestions WHERE workspace = ?1 AND created_at >= ?4 AND (lacking OR outcome IS NOT NULL) \
             ORDER BY sequence DESC LIMIT ?5",
        )
        .bind(&workspace.0)
        .bind(to_word(&Action::Escalate)?)
        .bind(to_json(&ReasonCode::NO_ANSWER)?)
        .bind(since)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Asked::try_from).collect()
    }

    async fn auto_replied(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
        message_id: &str,
    ) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM suggestions WHERE workspace = ?1 AND conversation_id = ?2 \
             AND message_id = ?3 AND action = ?4)",
        )
        .bind(&workspace.0)
        .bind(conversation_id)
        .bind(message_id)
        .bind(to_word(&Action::AutoReply)?)
        .fetch_one(&self.pool)
        .await?)
    }

    async fn sent_draft(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
    ) -> Result<Option<SentDraft>, StoreError> {
        let row: Option<(String, Option<String>, Option<String>, String)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT id, message_id, json_extract(body, '$.conversation.handed_back_after'), feedback FROM suggestions \
             WHERE workspace = ?1 AND conversation_id = ?2 AND {SENT} ORDER BY sequence DESC LIMIT 1"
        )))
        .bind(&workspace.0)
        .bind(conversation_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some((suggestion_id, message_id, handed_back_after, feedback)) = row else { return Ok(None) };
        let feedback: Feedback = from_json("feedback", &feedback)?;
        Ok(Some(SentDraft { suggestion_id, message_id, handed_back_after, at: feedback.at }))
    }

    async fn opt_outs(
        &self,
        workspace: &WorkspaceId,
        conversation: &Conversation,
    ) -> Result<Vec<OptOut>, StoreError> {
        opt_outs(&self.pool, workspace, conversation).await
    }

    async fn last_heard(
        &self,
        workspace: &WorkspaceId,
        conversation_id: &str,
    ) -> Result<Option<DateTime<Utc>>, StoreError> {
        let body: Option<String> = sqlx::query_scalar(
            "SELECT body FROM suggestions WHERE workspace = ?1 AND conversation_id = ?2 \
             ORDER BY sequence DESC LIMIT 1",
        )
        .bind(&workspace.0)
        .bind(conversation_id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(body) = body else { return Ok(None) };
        let newest: Suggestion = from_json("suggestion", &body)?;
        let message = newest.conversation.last_customer_message();
        // It was written no later than it was answered, whatever the hub's clock says.
        Ok(message.map(|message| message.at.map_or(newest.created_at, |at| at.min(newest.created_at))))
    }

    async fn last_event(&self, workspace: &WorkspaceId) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM events WHERE workspace = ?1")
            .bind(&workspace.0)
            .fetch_one(&self.pool)
            .await?)
    }

    async fn events(
        &self,
        workspace: &WorkspaceId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let rows: Vec<EventRow> = sqlx::query_as(
            "SELECT sequence, kind, suggestion_id, at FROM events WHERE workspace = ?1 AND sequence > ?2 \
             ORDER BY sequence LIMIT ?3",
        )
        .bind(&workspace.0)
        .bind(after)
        .bind(sql_number(limit))
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| Event {
                sequence: row.sequence,
                kind: row.kind,
                suggestion_id: row.suggestion_id,
                at: row.at,
            })
            .collect())
    }
}
