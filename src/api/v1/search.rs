//! `POST /v1/knowledge/search`: what retrieval finds, with its scores.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, FieldError};
use crate::api::extract::Json;
use crate::api::state::Api;
use crate::conversation::{Audience, Labels, Language};
use crate::retrieval::{Retrieved, Within};

const LONGEST_QUERY: usize = 4_000;
const MOST_PASSAGES: usize = 50;

/// A search.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"query": "Em quanto tempo chega o meu pedido?", "language": "pt", "limit": 5}))]
pub(super) struct SearchRequest {
    /// What is looked for, 1 to 4,000 characters.
    query: String,
    /// Language of the query, which chooses stop words and stems; none when left out.
    #[serde(default)]
    language: Option<Language>,
    /// 1 to 50; left out: as many as a draft would get. Retrieval may find fewer.
    #[serde(default)]
    limit: Option<usize>,
    /// `public` keeps to what customers may read; `agents`, or left out, searches everything.
    #[serde(default)]
    audience: Option<Audience>,
    /// For each key, only passages with one of these labels, and those that have none of that key.
    #[serde(default)]
    labels: Labels,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SearchResult {
    /// Passages with their scores, best first.
    passages: Vec<Retrieved>,
}

/// Searches the knowledge base as a suggestion would.
#[utoipa::path(post, path = "/v1/knowledge/search", tag = "knowledge", request_body = SearchRequest,
    responses(
        (status = 200, description = "Passages, best first", body = SearchResult),
        ApiError))]
pub(super) async fn search(
    State(api): State<Api>,
    caller: Caller,
    Json(request): Json<SearchRequest>,
) -> Result<axum::Json<SearchResult>, ApiError> {
    let mut errors = Vec::new();
    if request.query.trim().is_empty() || request.query.chars().count() > LONGEST_QUERY {
        errors.push(FieldError::new("query", format!("takes 1 to {LONGEST_QUERY} characters")));
    }
    if request.limit.is_some_and(|limit| !(1..=MOST_PASSAGES).contains(&limit)) {
        errors.push(FieldError::new("limit", format!("takes 1 to {MOST_PASSAGES}")));
    }
    if !errors.is_empty() {
        return Err(ApiError::invalid(errors));
    }
    let within = Within { public_only: request.audience == Some(Audience::Public), labels: request.labels };
    let mut passages = api
        .app
        .retriever
        .retrieve_within(&caller.workspace, &request.query, request.language, &within)
        .await?;
    passages.truncate(request.limit.unwrap_or(MOST_PASSAGES));
    Ok(axum::Json(SearchResult { passages }))
}
