//! Customers who wanted no more messages.

use chrono::{DateTime, Utc};
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteConnection;

use crate::conversation::{Conversation, WorkspaceId};
use crate::decision::policy::opted_out::OptOut;
use crate::store::StoreError;
use crate::store::suggestion::Suggestion;

/// Keeps what a suggestion heard of an opt-out. The same message heard again adds who the customer is, where that was
/// not known.
pub(super) async fn insert_opt_out(
    connection: &mut SqliteConnection,
    suggestion: &Suggestion,
) -> Result<(), StoreError> {
    let Suggestion { answer, conversation, created_at, .. } = suggestion;
    let Some(opt_out) = OptOut::heard(conversation, &answer.policy, *created_at) else { return Ok(()) };
    sqlx::query(
        "INSERT INTO opt_outs (workspace, conversation_id, channel, customer_id, message_id, at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (workspace, conversation_id, message_id) \
         DO UPDATE SET customer_id = coalesce(customer_id, excluded.customer_id)",
    )
    .bind(&suggestion.workspace.0)
    .bind(&opt_out.conversation_id)
    .bind(conversation.channel.as_str())
    .bind(conversation.customer.as_ref().map(|customer| customer.id.as_str()))
    .bind(&opt_out.message_id)
    .bind(opt_out.at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Opt-outs in a conversation, and of its customer on its channel.
pub(super) async fn opt_outs(
    pool: &SqlitePool,
    workspace: &WorkspaceId,
    conversation: &Conversation,
) -> Result<Vec<OptOut>, StoreError> {
    let rows: Vec<(String, String, DateTime<Utc>)> = sqlx::query_as(
        "SELECT conversation_id, message_id, at FROM opt_outs WHERE workspace = ?1 \
         AND (conversation_id = ?2 OR (channel = ?3 AND customer_id = ?4)) ORDER BY conversation_id <> ?2, at DESC",
    )
    .bind(&workspace.0)
    .bind(&conversation.id)
    .bind(conversation.channel.as_str())
    .bind(conversation.customer.as_ref().map(|customer| customer.id.as_str()))
    .fetch_all(pool)
    .await?;
    let opt_out = |(conversation_id, message_id, at)| OptOut { conversation_id, message_id, at };
    Ok(rows.into_iter().map(opt_out).collect())
}
