//! Extractors whose rejections are problem details that say where and what is accepted.

use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::error::{ApiError, Code, FieldError};

/// A JSON body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Json<T>(pub(super) T);

/// Parameters of the query string.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub(super) struct QueryString<T>(pub(super) T);

/// Parameters of the path.
#[derive(Debug, Clone, Copy, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub(super) struct Path<T>(pub(super) T);

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::InvalidParameter, rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        Self::new(Code::InvalidParameter, rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Self::new(Code::BodyTooLarge, Code::BodyTooLarge.entry().remedy)
        } else {
            Self::new(Code::MalformedJson, "the body could not be read to its end")
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !declares_json(request.headers()) {
            let remedy = Code::UnsupportedMediaType.entry().remedy;
            return Err(ApiError::new(Code::UnsupportedMediaType, remedy));
        }
        parse(&Bytes::from_request(request, state).await?).map(Self)
    }
}

fn declares_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// Reads a body, and says of one that does not fit where it does not.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let at = if path == "." { "the body".to_owned() } else { path };
        let inner = error.into_inner();
        if inner.is_data() {
            ApiError::invalid(vec![FieldError::new(at, inner.to_string())])
        } else {
            ApiError::new(Code::MalformedJson, inner.to_string())
        }
    })?;
    json.end().map_err(|error| ApiError::new(Code::MalformedJson, error.to_string()))?;
    Ok(value)
}
