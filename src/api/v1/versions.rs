//! Versions of documents: what they were, what changed, and the way back.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use axum::Json as Answer;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::documents::DocumentSummary;
use crate::api::auth::Caller;
use crate::api::error::ApiError;
use crate::api::extract::{Json, Path, QueryString};
use crate::api::state::Api;
use crate::knowledge::Difference;
use crate::store::versions::VersionSummary;

/// Versions of a document.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VersionList {
    /// Oldest first.
    items: Vec<VersionSummary>,
}

/// Which versions are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct DiffQuery {
    /// The earlier version; the one before `to` when left out.
    from: Option<u32>,
    /// The later version; the last one when left out.
    to: Option<u32>,
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"to": 2}))]
pub(super) struct RollbackRequest {
    /// The version whose state becomes the current one; 0 removes the document.
    to: u32,
}

/// What a rollback did.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RolledBack {
    /// The document as it is now; null where it was removed.
    document: Option<DocumentSummary>,
    /// The version whose state is restored.
    restored: u32,
    /// Versions whose texts are refused from now on, whatever document they come in.
    refused: Vec<u32>,
}

/// A version to allow again.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"version": 3}))]
pub(super) struct AllowRequest {
    /// A version that was rolled back.
    version: u32,
}

/// Versions of a document, oldest first. They stay when the document goes.
#[utoipa::path(get, path = "/v1/knowledge/documents/{id}/versions", tag = "knowledge",
    params(("id" = String, Path, description = "The document's id")),
    responses(
        (status = 200, description = "The versions", body = VersionList),
        ApiError))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<VersionList>, ApiError> {
    Ok(Answer(VersionList { items: api.app.library.archive().history(&caller.workspace, &id).await? }))
}

/// What changed between two versions, as a unified diff of their texts.
#[utoipa::path(get, path = "/v1/knowledge/documents/{id}/diff", tag = "knowledge",
    params(("id" = String, Path, description = "The document's id"), DiffQuery),
    responses(
        (status = 200, description = "The difference", body = Difference),
        ApiError))]
pub(super) async fn diff(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    QueryString(query): QueryString<DiffQuery>,
) -> Result<Answer<Difference>, ApiError> {
    Ok(Answer(api.app.library.archive().diff(&caller.workspace, &id, query.from, query.to).await?))
}

/// Makes the state of an earlier version the current one, as a new version.
///
/// The texts of all later versions are refused from then on: they are never retrieved again, and sending them again, as
/// this document or another, fails with `text_refused` until one is allowed.
#[utoipa::path(post, path = "/v1/knowledge/documents/{id}/rollback", tag = "knowledge",
    request_body = RollbackRequest,
    params(("id" = String, Path, description = "The document's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Same key and body: the first answer again")),
    responses(
        (status = 200, description = "Rolled back", body = RolledBack),
        ApiError))]
pub(super) async fn rollback(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<RollbackRequest>,
) -> Result<Answer<RolledBack>, ApiError> {
    let library = api.app.library.clone();
    // Store and index stay in step when the caller goes away in between.
    let done = api.tasks.spawn(async move { library.rollback(&caller.workspace, &id, request.to).await });
    let done = done.await.map_err(ApiError::internal)??;
    Ok(Answer(RolledBack {
        document: done.document.map(DocumentSummary::from),
        restored: done.restored,
        refused: done.refused,
    }))
}

/// Takes the text of a version that was rolled back again.
#[utoipa::path(post, path = "/v1/knowledge/documents/{id}/allow", tag = "knowledge", request_body = AllowRequest,
    params(("id" = String, Path, description = "The document's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "Same key and body: the first answer again")),
    responses(
        (status = 204, description = "It is taken again"),
        ApiError))]
pub(super) async fn allow(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<AllowRequest>,
) -> Result<StatusCode, ApiError> {
    api.app.library.archive().allow(&caller.workspace, &id, request.version).await?;
    Ok(StatusCode::NO_CONTENT)
}
