//! `DELETE /v1/conversations/{id}` and `DELETE /v1/customers/{id}`: the right to be forgotten.

use axum::Json;
use axum::extract::State;

use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::Path;
use crate::api::state::Api;
use crate::store::Erasure;
use crate::store::erasure::{Erased, Whose};

/// Deletes everything of a conversation: suggestions with their messages, drafts, traces and feedback, and their events.
///
/// It is overwritten on disk. Deleting again deletes nothing more. Verdicts of audits stay, without a word of it.
#[utoipa::path(delete, path = "/v1/conversations/{id}", tag = "suggestions",
    params(("id" = String, Path, description = "The hub's id of the conversation")),
    responses(
        (status = 200, description = "What was deleted", body = Erased),
        ApiError))]
pub(super) async fn conversation(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Erased>, ApiError> {
    erase(&api, &caller, Whose::Conversation(&id)).await
}

/// Deletes everything of every conversation of a customer, as `DELETE /v1/conversations/{id}` does of one.
#[utoipa::path(delete, path = "/v1/customers/{id}", tag = "suggestions",
    params(("id" = String, Path, description = "The hub's id of the customer (`customer.id`)")),
    responses(
        (status = 200, description = "What was deleted", body = Erased),
        ApiError))]
pub(super) async fn customer(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Erased>, ApiError> {
    erase(&api, &caller, Whose::Customer(&id)).await
}

async fn erase(api: &Api, caller: &Caller, whose: Whose<'_>) -> Result<Json<Erased>, ApiError> {
    let erased = Erasure::erase(api.app.store.as_ref(), &caller.workspace, whose).await?;
    metrics::counter!("ponto_erased_suggestions_total", "cause" => "request").increment(erased.suggestions);
    // The hub's ids may be phone numbers: they are left out.
    tracing::info!(
        workspace = caller.workspace.0,
        key_id = caller.key_id,
        suggestions = erased.suggestions,
        events = erased.events,
        answers = erased.answers,
        "erased on request"
    );
    Ok(Json(erased))
}
