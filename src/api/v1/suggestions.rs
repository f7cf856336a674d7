//! `GET /v1/suggestions` and `GET /v1/suggestions/{id}`: what was suggested, and how it came about.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code};
use crate::api::extract::{Path, QueryString};
use crate::api::state::Api;
use crate::conversation::{Conversation, Language};
use crate::decision::Mode;
use crate::explanation::{Explanation, explain};
use crate::store::suggestion::{Answer, Feedback, Suggestion, SuggestionSummary, Trace, Which};
use crate::store::{Listed, Suggestions};

use super::page;

/// Which suggestions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// `next` of the previous page.
    cursor: Option<String>,
    /// 1 to 200; 50 when left out.
    limit: Option<usize>,
    /// `true`: those without feedback; `false`: those with; left out: all.
    open: Option<bool>,
    /// `true`: those made in `shadow`, for whoever measures; they are left out otherwise.
    shadow: Option<bool>,
}

/// A suggestion with the conversation it answers, its trace, and what the agent said of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SuggestionView {
    /// The answer that `suggest` gave; in `shadow` with the draft and the handover that are shown to nobody.
    #[serde(flatten)]
    answer: Answer,
    /// What was asked.
    conversation: Conversation,
    /// How far Ponto was allowed to go.
    mode: Mode,
    /// When.
    created_at: DateTime<Utc>,
    /// How the answer came about.
    trace: Trace,
    /// What the agent said; the last word counts.
    feedback: Option<Feedback>,
}

impl From<Suggestion> for SuggestionView {
    fn from(suggestion: Suggestion) -> Self {
        let Suggestion { answer, workspace: _, conversation, mode, created_at, trace, feedback } = suggestion;
        Self { answer, conversation, mode, created_at, trace, feedback }
    }
}

/// Suggestions, newest first.
#[utoipa::path(get, path = "/v1/suggestions", tag = "suggestions", params(ListQuery),
    responses(
        (status = 200, description = "A page; `next` is absent on the last", body = Listed<SuggestionSummary>),
        ApiError))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    QueryString(query): QueryString<ListQuery>,
) -> Result<Json<Listed<SuggestionSummary>>, ApiError> {
    let page = page(query.cursor, query.limit)?;
    let which = Which { open: query.open, shadow: Some(query.shadow.unwrap_or(false)) };
    Ok(Json(Suggestions::list(api.app.store.as_ref(), &caller.workspace, which, page).await?))
}

/// In which language.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ExplanationQuery {
    /// `pt`, `it`, `es` or `en`; `generation.agents_language` when left out.
    language: Option<String>,
}

/// Why a suggestion came out as it did, in plain words, and the smallest change that would have changed it.
#[utoipa::path(get, path = "/v1/suggestions/{id}/explanation", tag = "suggestions",
    params(("id" = String, Path, description = "`sug_…`"), ExplanationQuery),
    responses(
        (status = 200, description = "The explanation", body = Explanation),
        ApiError))]
pub(super) async fn explanation(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    QueryString(query): QueryString<ExplanationQuery>,
) -> Result<Json<Explanation>, ApiError> {
    let language = match query.language.as_deref() {
        None => api.app.config.generation.agents_language,
        Some(code) => Language::from_locale(code).ok_or_else(|| {
            ApiError::new(Code::InvalidParameter, "language takes pt, it, es or en".to_owned())
        })?,
    };
    let found = Suggestions::get(api.app.store.as_ref(), &caller.workspace, &id).await?;
    found
        .map(|suggestion| Json(explain(&suggestion, language)))
        .ok_or_else(|| ApiError::not_found("suggestion", &id))
}

/// One suggestion with its trace.
#[utoipa::path(get, path = "/v1/suggestions/{id}", tag = "suggestions",
    params(("id" = String, Path, description = "`sug_…`")),
    responses(
        (status = 200, description = "The suggestion", body = SuggestionView),
        ApiError))]
pub(super) async fn get(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SuggestionView>, ApiError> {
    let found = Suggestions::get(api.app.store.as_ref(), &caller.workspace, &id).await?;
    found.map(|suggestion| Json(suggestion.into())).ok_or_else(|| ApiError::not_found("suggestion", &id))
}
