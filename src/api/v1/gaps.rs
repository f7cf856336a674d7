//! `GET /v1/knowledge/gaps`: what customers ask and the knowledge base does not answer.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use axum::Json;
use axum::extract::State;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code};
use crate::api::extract::QueryString;
use crate::api::state::Api;
use crate::knowledge::{Gap, GapRequest, find_gaps};

const MOST_DAYS: u32 = 366;
const MOST_GAPS: usize = 100;

/// Which questions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct GapsQuery {
    /// Questions of the last so many days, 1 to 366; 30 when left out.
    days: Option<u32>,
    /// 1 to 100 subjects; 20 when left out.
    limit: Option<usize>,
}

/// Subjects that lack an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GapList {
    /// Most asked first.
    items: Vec<Gap>,
}

/// Questions that found no answer or whose draft was rejected, by subject, most asked first.
///
/// Each comes with examples, without personal data, and a stub of the article that would answer them.
#[utoipa::path(get, path = "/v1/knowledge/gaps", tag = "knowledge", params(GapsQuery),
    responses(
        (status = 200, description = "The gaps", body = GapList),
        ApiError))]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    QueryString(query): QueryString<GapsQuery>,
) -> Result<Json<GapList>, ApiError> {
    let days = query.days.unwrap_or(30);
    let limit = query.limit.unwrap_or(20);
    if !(1..=MOST_DAYS).contains(&days) {
        return Err(ApiError::new(
            Code::InvalidParameter,
            format!("days takes 1 to {MOST_DAYS}, not {days}"),
        ));
    }
    if !(1..=MOST_GAPS).contains(&limit) {
        return Err(ApiError::new(
            Code::InvalidParameter,
            format!("limit takes 1 to {MOST_GAPS}, not {limit}"),
        ));
    }
    let since = api.app.clock.now() - TimeDelta::days(i64::from(days));
    let (store, embedder) = (api.app.store.as_ref(), api.app.embedder.as_ref());
    let items = find_gaps(store, embedder, &caller.workspace, GapRequest { since, limit }).await?;
    Ok(Json(GapList { items }))
}
