//! The HTTP API and the console.
//!
//! A request passes, from the outside in: request id, log line and measurement ([`observe`](mod@observe)); panics
//! caught; the time limit; the body limit; the API key and its scope ([`auth`]); a free place (`admission`);
//! `Idempotency-Key` (`idempotency`); and then one handler, which extracts, makes one or two calls of the domain, and
//! maps the result. Everything that fails answers as problem details from one table ([`error`]).

use std::time::Duration;

use axum::extract::{DefaultBodyLimit, OriginalUri};
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

mod admission;
pub mod auth;
mod console;
pub mod error;
mod extract;
mod health;
mod idempotency;
mod observe;
mod openapi;
mod policies;
mod retention;
mod server;
mod state;
mod v1;

pub use server::{serve, serve_when_ready};
pub use state::Api;

use crate::app::App;
use error::{ApiError, Code};

/// Every route, for a process that stops only when it ends.
pub fn router(app: App) -> Router {
    routes(Api::new(app, CancellationToken::new()))
}

/// Every route.
fn routes(api: Api) -> Router {
    let server = &api.app.config.server;
    let general = Duration::from_secs(server.request_timeout_s);
    let suggest = general.max(Duration::from_secs_f64(api.app.config.inference.deadline_s.max(0.0) + 30.0));
    let body_limit = server.body_limit;

    let (router, document) = openapi::base()
        .merge(v1::suggest_routes(&api).route_layer(from_fn_with_state(suggest, admission::timed)))
        .merge(v1::routes(&api).route_layer(from_fn_with_state(general, admission::timed)))
        .merge(openapi::routes())
        .merge(health::routes())
        .split_for_parts();
    router
        .merge(console::routes())
        .layer(Extension(openapi::Rendered::new(&document)))
        .method_not_allowed_fallback(wrong_method)
        .fallback(no_route)
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(from_fn_with_state(api.clone(), observe::observe))
        .with_state(api)
}

async fn no_route(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(Code::RouteNotFound, format!("there is no {method} {path}; /docs lists every path"))
}

async fn wrong_method(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    let path: String = uri.path().chars().take(200).collect();
    ApiError::new(Code::MethodNotAllowed, format!("{path} does not take {method}; /docs lists what it takes"))
}
