//! One log line and one measurement a request. Neither holds text, a key, an address or a query string.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::auth::Caller;
use super::error::{ApiError, Code};
use super::state::Api;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Joins a request's log line with the suggestion it made; a handler puts it into the response's extensions.
#[derive(Debug, Clone)]
pub(super) struct TraceId(pub(super) String);

/// What a log line says of a request; written when it is dropped, also when the caller went away before the answer.
struct Line {
    started: Instant,
    method: String,
    route: String,
    request_id: String,
    status: Option<u16>,
    code: Option<&'static str>,
    caller: Option<Caller>,
    trace_id: Option<String>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed();
        // 499: the caller went away. Not a status of HTTP, but a known habit of logs.
        let status = self.status.unwrap_or(499);
        let (method, route) = (self.method.clone(), self.route.clone());
        metrics::counter!(
            "ponto_http_requests_total",
            "method" => method.clone(), "route" => route.clone(), "status" => status.to_string()
        )
        .increment(1);
        metrics::histogram!("ponto_http_request_duration_seconds", "method" => method, "route" => route)
            .record(elapsed.as_secs_f64());
        tracing::info!(
            method = self.method,
            route = self.route,
            status,
            ms = elapsed.as_secs_f64() * 1e3,
            code = self.code,
            workspace = self.caller.as_ref().map(|caller| caller.workspace.0.as_str()),
            key_id = self.caller.as_ref().map(|caller| caller.key_id.as_str()),
            request_id = self.request_id,
            trace_id = self.trace_id,
            "request"
        );
    }
}

/// Middleware: request id, log line, measurement and the headers that every answer carries.
pub(super) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let request_id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_plain_id(id))
        .map_or_else(|| api.app.ids.id("req_"), ToOwned::to_owned);
    let mut line = Line {
        started: Instant::now(),
        method: known_method(request.method().as_str()).to_owned(),
        route: request
            .extensions()
            .get::<MatchedPath>()
            .map_or_else(|| "(none)".to_owned(), |path| path.as_str().to_owned()),
        request_id,
        status: None,
        code: None,
        caller: None,
        trace_id: None,
    };
    let mut response = next.run(request).await;
    line.status = Some(response.status().as_u16());
    line.code = response.extensions().get::<Code>().map(|code| code.entry().code);
    line.caller = response.extensions().get::<Caller>().cloned();
    line.trace_id = response.extensions().get::<TraceId>().map(|id| id.0.clone());
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&line.request_id) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An id that a caller gave and that may stand in a log.
fn is_plain_id(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Callers may write any method; measurements have room for the known ones.
fn known_method(method: &str) -> &str {
    match method {
        "GET" | "POST" | "DELETE" | "PUT" | "PATCH" | "HEAD" | "OPTIONS" => method,
        _ => "OTHER",
    }
}

/// What a panicking handler answers.
#[expect(clippy::needless_pass_by_value, reason = "the signature that the panic layer asks for")]
pub(super) fn panicked(payload: Box<dyn std::any::Any + Send + 'static>) -> Response {
    // The payload may quote data; the panic hook has written the place.
    let kind =
        if payload.is::<String>() || payload.is::<&str>() { "with a message" } else { "without a message" };
    ApiError::internal(format!("a handler panicked {kind}")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_problem_without_its_message() {
        let response = panicked(Box::new("customer 4711 said".to_owned()));
        assert_eq!(response.status(), 500);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("4711"));
    }

    #[test]
    fn only_plain_ids_are_taken_over() {
        assert!(is_plain_id("hub-7_a.b"));
        for id in ["", "a b", "ana@example.com", "\u{e9}", &"x".repeat(129)] {
            assert!(!is_plain_id(id), "{id}");
        }
    }
}
