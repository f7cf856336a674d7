//! `/v1/rollout`: how far automatic replies have come.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use axum::Json as Reply;
use axum::extract::State;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code};
use crate::api::extract::{Json, QueryString};
use crate::api::state::Api;
use crate::assistant::rollout::{SliceReport, report};
use crate::decision::rollout::{Slice, Stage, Step};
use crate::store::rollout::NewStep;

const MOST_DAYS: u32 = 366;
/// Changes that are listed.
const HISTORY: usize = 100;

/// How far back suggestions are counted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct RolloutQuery {
    /// Suggestions of the last so many days, 1 to 366; 30 when left out.
    days: Option<u32>,
}

/// The rollout of a workspace.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Rollout {
    /// What is known of each slice, the whole workspace first.
    slices: Vec<SliceReport>,
    /// The latest changes, newest first.
    history: Vec<Step>,
}

/// A slice, and the stage it goes to.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"slice": {"channel": "whatsapp", "language": "pt"}, "stage": "sample", "share": 0.2,
    "by": "ana", "why": "2 of 180 audited replies were wrong", "expected_step": 7}))]
pub(super) struct StageRequest {
    /// Which conversations; every one when left out.
    #[serde(default)]
    slice: Slice,
    /// How far Ponto may go in them.
    stage: Stage,
    /// Share of the conversations that may be answered automatically; with `sample` alone.
    #[serde(default)]
    share: Option<f64>,
    /// Who decides.
    by: String,
    /// Why.
    why: String,
    /// The slice's `step` that the decision was made on, 0 for none; where another change came first, nothing is changed.
    #[serde(default)]
    expected_step: Option<i64>,
}

/// What is known of every slice: audited errors, coverage, and the latest changes.
#[utoipa::path(get, path = "/v1/rollout", tag = "rollout", params(RolloutQuery),
    responses(
        (status = 200, description = "The rollout", body = Rollout),
        ApiError))]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    QueryString(query): QueryString<RolloutQuery>,
) -> Result<Reply<Rollout>, ApiError> {
    let days = query.days.unwrap_or(30);
    if !(1..=MOST_DAYS).contains(&days) {
        let detail = format!("days takes 1 to {MOST_DAYS}, not {days}");
        return Err(ApiError::new(Code::InvalidParameter, detail));
    }
    let (store, config) = (api.app.store.as_ref(), &api.app.config.rollout);
    let (now, window) = (api.app.clock.now(), TimeDelta::days(i64::from(days)));
    let slices = report(store, &caller.workspace, config, now, window).await?;
    let history = store.past_steps(&caller.workspace, HISTORY).await?;
    Ok(Reply(Rollout { slices, history }))
}

/// Sets the stage of a slice, up or down. Its audits begin anew.
#[utoipa::path(put, path = "/v1/rollout", tag = "rollout", request_body = StageRequest,
    responses(
        (status = 200, description = "The change, as it is in force", body = Step),
        ApiError))]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller,
    Json(request): Json<StageRequest>,
) -> Result<Reply<Step>, ApiError> {
    let StageRequest { slice, stage, share, by, why, expected_step } = request;
    let step = NewStep { slice, stage, share, by, why, at: api.app.clock.now() };
    step.check().map_err(|detail| ApiError::new(Code::InvalidRequest, detail))?;
    let changed = api.app.store.change(&caller.workspace, &step, expected_step).await?;
    api.committed.notify_waiters();
    let detail = "another change of this slice came first; read the rollout again";
    changed.map(Reply).ok_or_else(|| ApiError::new(Code::Conflict, detail))
}
