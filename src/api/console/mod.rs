//! The agents' page: the live queue, a conversation with its draft, its sources and its reasons.
//!
//! Rendered on the server from `templates/`, made live by the vendored htmx (Zero-Clause BSD) and one small script.
//! Signing in means naming an API key with the scope `feedback`; the browser keeps it in a cookie that scripts cannot
//! read and other sites cannot send.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use rust_embed::RustEmbed;

use super::state::Api;

mod feedback;
mod pages;
mod session;
mod view;
mod words;

#[derive(RustEmbed)]
#[folder = "src/api/console/assets"]
struct Assets;

/// No script, style, picture or connection from anywhere else, and no page may frame this one.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every route of the console.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/console", get(pages::home))
        .route("/console/login", get(session::page).post(session::sign_in))
        .route("/console/logout", post(session::sign_out))
        .route("/console/language/{code}", post(session::choose_language))
        .route("/console/queue", get(pages::queue))
        .route("/console/list", get(pages::list))
        .route("/console/suggestions/{id}", get(pages::suggestion))
        .route("/console/suggestions/{id}/feedback", post(feedback::give))
        .route("/console/documents/{document}/passages/{passage}", get(pages::passage))
        .route("/console/events", get(pages::events))
        .route("/console/assets/{file}", get(asset))
        .layer(from_fn(protect))
}

/// Headers of every console answer; and no form of another site gets through.
async fn protect(request: Request, next: Next) -> Response {
    let foreign =
        request.headers().get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if foreign && request.method() != Method::GET {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn asset(Path(file): Path<String>) -> Response {
    let Some(asset) = Assets::get(&file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match file.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], asset.data.into_owned())
        .into_response()
}
