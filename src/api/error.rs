//! What callers are told when something goes wrong: RFC 9457 problem details, from one table of codes.
//!
//! The message for the caller and the cause for the log are kept apart: a cause never leaves the process.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use crate::knowledge::KnowledgeError;
use crate::retrieval::RetrievalError;
use crate::store::StoreError;

/// Stable codes of problems, documented at `/docs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not JSON.
    MalformedJson,
    /// The body is JSON of another shape than the endpoint takes.
    InvalidRequest,
    /// A path or query parameter has the wrong form.
    InvalidParameter,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The body is longer than the server takes.
    BodyTooLarge,
    /// No key, or one that is not known.
    Unauthorized,
    /// The key lacks a scope.
    Forbidden,
    /// Nothing of this workspace has that id.
    NotFound,
    /// The text was rolled back before.
    TextRefused,
    /// Somebody else changed the same thing first.
    Conflict,
    /// The channel takes only templates by now.
    ReplyWindowClosed,
    /// The API has no such path.
    RouteNotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The first call with this `Idempotency-Key` is still running.
    IdempotencyInFlight,
    /// The `Idempotency-Key` was used with another request.
    IdempotencyMismatch,
    /// As many requests are running as the server takes.
    Overloaded,
    /// The request took longer than it may.
    TimedOut,
    /// The models are still loading.
    Starting,
    /// The store or the index does not answer.
    Unavailable,
    /// A bug, or damaged data.
    Internal,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The code as it is written in `code` and at the end of `type`.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// What it means, in a few words.
    pub title: &'static str,
    /// What the caller can do.
    pub remedy: &'static str,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::MalformedJson,
        Self::InvalidRequest,
        Self::InvalidParameter,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::TextRefused,
        Self::Conflict,
        Self::ReplyWindowClosed,
        Self::RouteNotFound,
        Self::MethodNotAllowed,
        Self::IdempotencyInFlight,
        Self::IdempotencyMismatch,
        Self::Overloaded,
        Self::TimedOut,
        Self::Starting,
        Self::Unavailable,
        Self::Internal,
    ];

    /// The code's row of the table.
    pub fn entry(self) -> Entry {
        let (code, status, title, remedy) = match self {
            Self::MalformedJson => {
                ("malformed_json", 400, "The body is not JSON", "Send one JSON document in UTF-8.")
            }
            Self::InvalidRequest => (
                "invalid_request",
                422,
                "The body does not have the expected shape",
                "Each of `errors` says where and what is accepted there.",
            ),
            Self::InvalidParameter => (
                "invalid_parameter",
                400,
                "A parameter of the path, the query or a header has the wrong form",
                "The detail names the parameter and what it takes.",
            ),
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                415,
                "The body is not declared as JSON",
                "Send `Content-Type: application/json`.",
            ),
            Self::BodyTooLarge => (
                "body_too_large",
                413,
                "The body is too large",
                "Send less at once, or raise `server.body_limit`.",
            ),
            Self::Unauthorized => (
                "unauthorized",
                401,
                "No valid API key",
                "Send `Authorization: Bearer <key>`; `ponto keys create` makes a key.",
            ),
            Self::Forbidden => (
                "forbidden",
                403,
                "The key may not do this",
                "Use a key with the scope that the detail names.",
            ),
            Self::NotFound => (
                "not_found",
                404,
                "There is no such thing",
                "Check the id, and that the key is of its workspace.",
            ),
            Self::TextRefused => (
                "text_refused",
                409,
                "This text was rolled back before",
                "Send another text, or allow the version that the detail names.",
            ),
            Self::Conflict => {
                ("conflict", 409, "Somebody else changed this first", "Read it again, and decide again.")
            }
            Self::ReplyWindowClosed => (
                "reply_window_closed",
                409,
                "The channel takes only templates by now",
                "Send an approved template; what was sent before the window closed is reported with `sent_at`.",
            ),
            Self::RouteNotFound => {
                ("route_not_found", 404, "There is no such path", "`/docs` lists every path.")
            }
            Self::MethodNotAllowed => (
                "method_not_allowed",
                405,
                "The path does not take this method",
                "The `Allow` header lists the methods it takes.",
            ),
            Self::IdempotencyInFlight => (
                "idempotency_in_flight",
                409,
                "The first request with this Idempotency-Key is still running",
                "Repeat the request after `Retry-After` seconds to get its answer.",
            ),
            Self::IdempotencyMismatch => (
                "idempotency_mismatch",
                422,
                "This Idempotency-Key was used with another request",
                "Use a new key for a new request.",
            ),
            Self::Overloaded => {
                ("overloaded", 503, "The server is busy", "Repeat the request after `Retry-After` seconds.")
            }
            Self::TimedOut => (
                "timed_out",
                503,
                "The request took too long",
                "Repeat the request later; `server.request_timeout_s` sets the limit.",
            ),
            Self::Starting => (
                "starting",
                503,
                "The server is still starting",
                "Repeat the request after `Retry-After` seconds; `/readyz` says when it is ready.",
            ),
            Self::Unavailable => (
                "unavailable",
                503,
                "The store or the index does not answer",
                "Repeat the request after `Retry-After` seconds; `/readyz` says what is missing.",
            ),
            Self::Internal => (
                "internal",
                500,
                "Something went wrong inside",
                "The server's log holds the cause under the `X-Request-Id` of this answer.",
            ),
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Entry { code, status, title, remedy }
    }
}

/// Media type of an error (RFC 9457).
const PROBLEM: &str = "application/problem+json";

/// A body of `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemDetails {
    /// Where the code is documented: a reference relative to the server's address.
    #[serde(rename = "type")]
    #[schema(example = "/docs#problem-invalid_request")]
    pub kind: String,
    /// The code's meaning.
    pub title: &'static str,
    /// HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What happened in this request, and what to do.
    pub detail: String,
    /// Stable code for programs.
    pub code: Code,
    /// Every place of the body that is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// One place of a body that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field.
    #[schema(example = "conversation.messages[0].role")]
    pub at: String,
    /// What is wrong there and what is accepted.
    pub detail: String,
}

impl FieldError {
    /// An error at a path of the body.
    pub fn new(at: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { at: at.into(), detail: detail.into() }
    }
}

/// What a handler fails with.
#[derive(Debug, Clone)]
pub struct ApiError {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<String>,
}

impl ApiError {
    /// A problem with a sentence for the caller.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// Places of the body that are wrong.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| format!("{}: {}", error.at, error.detail));
        let mut problem = Self::new(Code::InvalidRequest, detail.collect::<Vec<_>>().join("; "));
        problem.errors = errors;
        problem
    }

    /// Nothing of this workspace has that id.
    pub fn not_found(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(100).collect();
        Self::new(Code::NotFound, format!("this workspace has no {what} with the id {id:?}"))
    }

    /// A bug or damaged data; the cause goes to the log alone.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        Self::new(Code::Internal, Code::Internal.entry().remedy).because(cause)
    }

    /// A busy or absent part; the caller may come again after some seconds.
    pub fn come_again(code: Code, seconds: u64) -> Self {
        Self::new(code, code.entry().remedy).retry_after(seconds)
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Writes the cause to the log, and returns what the caller is told.
    pub fn into_details(self) -> ProblemDetails {
        let entry = self.code.entry();
        if let Some(cause) = &self.cause {
            tracing::error!(code = entry.code, cause, "a request failed");
        }
        ProblemDetails {
            kind: format!("/docs#problem-{}", entry.code),
            title: entry.title,
            status: entry.status.as_u16(),
            detail: self.detail,
            code: self.code,
            errors: self.errors,
        }
    }
}

/// What every endpoint may answer instead, for the `OpenAPI` document.
impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        [("4XX", "The request cannot be answered"), ("5XX", "Not now")]
            .map(|(status, description)| {
                let schema = Ref::from_schema_name(ProblemDetails::name());
                let content = ContentBuilder::new().schema(Some(schema)).build();
                let response =
                    ResponseBuilder::new().description(description).content(PROBLEM, content).build();
                (status.to_owned(), response.into())
            })
            .into()
    }
}

impl IntoResponse for ApiError {
    fn into_response(mut self) -> Response {
        let (code, added) = (self.code, std::mem::take(&mut self.headers));
        let mut response = (code.entry().status, Json(self.into_details())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        headers.extend(added);
        response.extensions_mut().insert(code);
        response
    }
}

impl From<KnowledgeError> for ApiError {
    fn from(error: KnowledgeError) -> Self {
        match error {
            KnowledgeError::Invalid(error) => {
                Self::invalid(vec![FieldError::new("content", error.to_string())])
            }
            KnowledgeError::Store(error) => error.into(),
            KnowledgeError::Index(_) | KnowledgeError::Embedder(_) => {
                Self::come_again(Code::Unavailable, 2).because(error)
            }
            KnowledgeError::Refused { .. } => Self::new(Code::TextRefused, error.to_string()),
            KnowledgeError::NoVersion(detail) => Self::new(Code::NotFound, detail),
            KnowledgeError::Busy(detail) => Self::new(Code::Unavailable, detail).retry_after(2),
            KnowledgeError::Internal(_) => Self::internal(error),
        }
    }
}

impl From<RetrievalError> for ApiError {
    fn from(error: RetrievalError) -> Self {
        Self::come_again(Code::Unavailable, 2).because(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(cause) => Self::come_again(Code::Unavailable, 2).because(cause),
            StoreError::Invalid(detail) => Self::new(Code::InvalidParameter, detail),
            StoreError::Corrupt(_) | StoreError::Incompatible(_) | StoreError::AlreadyReplied => {
                Self::internal(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_written_as_its_row_says() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.entry().code);
            assert!(code.entry().status.is_client_error() || code.entry().status.is_server_error());
        }
    }

    #[tokio::test]
    async fn a_cause_never_reaches_the_caller() {
        let response = ApiError::internal("disk /var/lib/secret is on fire").into_response();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
    }
}
