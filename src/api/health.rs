//! Is the process alive, may it get requests, and what has it done so far.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::state::Api;
use crate::knowledge::Backlog;
use crate::store::Keys;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether every part that a suggestion needs answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readiness {
    /// `ready`, `not_ready`, or `starting` while the models load.
    #[schema(example = "ready")]
    pub(super) status: &'static str,
    /// Parts by name, each `ok` or what is wrong with it.
    pub(super) checks: Checks,
}

/// The parts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Checks {
    /// Documents, suggestions, keys.
    #[schema(example = "ok")]
    pub(super) store: String,
    /// The passage index.
    #[schema(example = "ok")]
    pub(super) index: String,
    /// The embedder and the chat models.
    #[schema(example = "ok")]
    pub(super) models: String,
    /// The policies' files. Older rules stay in force while these are wrong, so this alone makes nothing unready.
    #[schema(example = "ok")]
    pub(super) policies: String,
}

/// The process is alive.
#[utoipa::path(get, path = "/healthz", tag = "service", security(()),
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Store, index and models answer.
#[utoipa::path(get, path = "/readyz", tag = "service", security(()),
    responses(
        (status = 200, description = "Ready for requests", body = Readiness),
        (status = 503, description = "Not now; the body says why", body = Readiness)))]
async fn readyz(State(api): State<Api>) -> Response {
    let store = match Keys::find(api.app.store.as_ref(), &[0; 32]).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => failed("store", &error),
    };
    let index = match (api.app.index.health().await, api.app.library.backlog()) {
        (Err(error), _) => failed("index", &error),
        (Ok(()), Some(Backlog { sent, lacking, .. })) => {
            format!("the index is being rebuilt: {} of {lacking} passages", sent.min(lacking))
        }
        (Ok(()), None) => "ok".to_owned(),
    };
    let stopping = api.stopping.is_cancelled();
    let ready = store == "ok" && index == "ok" && !stopping;
    // The models were loaded before there was an `App` to ask.
    let policies = match api.app.policies.refused() {
        Some(_) => "the files are wrong and the rules from before are in force; the log says why".to_owned(),
        None => "ok".to_owned(),
    };
    let checks = Checks { store, index, models: "ok".into(), policies };
    let status = match (ready, stopping) {
        (true, _) => "ready",
        (false, true) => "stopping",
        (false, false) => "not_ready",
    };
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, axum::Json(Readiness { status, checks })).into_response()
}

/// Anyone may ask for readiness: the cause stays in the log.
fn failed(part: &str, error: &dyn std::error::Error) -> String {
    tracing::warn!(part, %error, "not ready");
    "does not answer; the log says why".into()
}

/// Counters and histograms in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", tag = "service", security(()),
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
async fn metrics(State(api): State<Api>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.metrics.render())
}
