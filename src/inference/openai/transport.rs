//! One HTTP exchange: what the client library would retry, log or lose is settled here, beneath it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_openai::config::Config;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Body, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};

use super::wire::WireError;
use crate::inference::InferenceError;

/// How long to leave a server alone that answers 429 and does not say how long.
const RATE_LIMITED: Duration = Duration::from_secs(5);
/// An error body is read no further than this.
const ERROR_BODY: usize = 64 << 10;

/// Where calls go, and with which key. Unlike the library's own, it reads no environment variable.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) base_url: String,
    pub(super) key: SecretString,
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !self.key.expose_secret().is_empty()
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", self.key.expose_secret()))
        {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        &self.base_url
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

/// What a refused call says, for the negotiation of parameters and for the caller.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub(super) struct Refused {
    /// What the caller gets.
    pub(super) error: InferenceError,
    /// The server's words, never shown: they may repeat the prompt.
    pub(super) message: String,
    /// Whether a call without some parameter may pass.
    pub(super) negotiable: bool,
}

/// Sends one request, once. `ended` becomes true when the stream says `[DONE]`; an answer that is no stream becomes one.
pub(super) async fn exchange(
    http: reqwest::Client,
    factory: HttpRequestFactory,
    ended: Arc<AtomicBool>,
    context_length: usize,
) -> Result<Response, tower::BoxError> {
    let request = factory.build().await?;
    let response = http.execute(request).await.map_err(|error| unreachable(&error))?;
    if !response.status().is_success() {
        return Err(Box::new(refused(response, context_length).await));
    }
    let json = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/json"));
    let body = if json {
        let bytes = response.bytes().await.map_err(|error| broken(&error))?;
        ended.store(true, Ordering::Relaxed);
        let line = String::from_utf8_lossy(&bytes).replace(['\n', '\r'], " ");
        Body::from(format!("data: {line}\n\n"))
    } else {
        let mut tail = Vec::new();
        Body::wrap_stream(response.bytes_stream().inspect_ok(move |bytes| {
            const MARK: &[u8] = b"[DONE]";
            tail.extend_from_slice(bytes);
            if tail.windows(MARK.len()).any(|window| window == MARK) {
                ended.store(true, Ordering::Relaxed);
            }
            tail.drain(..tail.len().saturating_sub(MARK.len() - 1));
        }))
    };
    Ok(http::Response::new(body).into())
}

fn unreachable(error: &reqwest::Error) -> InferenceError {
    if error.is_builder() {
        return InferenceError::Permanent(
            "the request cannot be built: check openai.base_url and openai.api_key".into(),
        );
    }
    InferenceError::Transient {
        message: if error.is_connect() {
            "no connection to the model server: check openai.base_url and that the server runs".into()
        } else {
            "the model server broke the connection off".into()
        },
        retry_after: None,
    }
}

fn broken(_: &reqwest::Error) -> InferenceError {
    InferenceError::Transient { message: "the model server broke its answer off".into(), retry_after: None }
}

async fn refused(response: Response, context_length: usize) -> Refused {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(bytes)) = stream.next().await {
        body.extend_from_slice(&bytes);
        if body.len() > ERROR_BODY {
            break;
        }
    }
    let wire = WireError::of_body(&body);
    let error = error_of(status, retry_after, &wire, context_length);
    let negotiable = matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
        && matches!(error, InferenceError::Permanent(_));
    Refused { error, message: wire.message, negotiable }
}

/// What the caller can do about a status.
pub(super) fn error_of(
    status: StatusCode,
    retry_after: Option<Duration>,
    wire: &WireError,
    context_length: usize,
) -> InferenceError {
    let names = if wire.names.is_empty() { String::new() } else { format!(" ({})", wire.names.join(", ")) };
    if wire.is_context_length() && (status.is_client_error() || status == StatusCode::INTERNAL_SERVER_ERROR) {
        let limit = wire.context_length.unwrap_or(context_length);
        return InferenceError::ContextLengthExceeded {
            limit,
            actual: wire.prompt_tokens.unwrap_or(limit + 1),
        };
    }
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => InferenceError::Permanent(format!(
            "the model server refuses the key ({status}): check openai.api_key, or PONTO__OPENAI__API_KEY"
        )),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => InferenceError::Permanent(format!(
            "the model server knows neither this path nor this model ({status}): check openai.base_url (it ends in /v1 on most servers) and openai.model"
        )),
        StatusCode::TOO_MANY_REQUESTS if wire.names.iter().any(|name| name.contains("quota")) => {
            InferenceError::Permanent(format!("the account at the model server has no quota left{names}"))
        }
        StatusCode::TOO_MANY_REQUESTS => InferenceError::Transient {
            message: format!("the model server limits the rate of calls{names}"),
            retry_after: Some(retry_after.unwrap_or(RATE_LIMITED)),
        },
        StatusCode::REQUEST_TIMEOUT | StatusCode::CONFLICT | StatusCode::TOO_EARLY => {
            InferenceError::Transient {
                message: format!("the model server answers {status}{names}"),
                retry_after,
            }
        }
        _ if status.is_server_error() => InferenceError::Transient {
            message: format!("the model server answers {status}{names}"),
            retry_after,
        },
        _ => InferenceError::Permanent(format!("the model server refuses the call: {status}{names}")),
    }
}

/// `Retry-After` in seconds or as a date, the latter against the answer's own `Date`.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let value = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0)
            .then(|| Duration::from_secs_f64(seconds.min(86_400.0)));
    }
    let at = DateTime::parse_from_rfc2822(value).ok()?;
    let now = DateTime::parse_from_rfc2822(text(DATE)?).ok()?;
    (at - now).to_std().ok()
}

/// What the library made of a failure.
pub(super) fn from_library(error: OpenAIError) -> Result<Refused, InferenceError> {
    match error {
        OpenAIError::Boxed(inner) => match inner.downcast::<Refused>() {
            Ok(refused) => Ok(*refused),
            Err(other) => Err(match other.downcast::<InferenceError>() {
                Ok(error) => *error,
                Err(other) => InferenceError::Permanent(format!("the call failed: {other}")),
            }),
        },
        // Its text holds the body.
        OpenAIError::JSONDeserialize(error, _) => {
            Err(InferenceError::Malformed(format!("no JSON ({error})")))
        }
        OpenAIError::StreamError(_) | OpenAIError::Reqwest(_) => Err(InferenceError::Transient {
            message: "the model server broke its answer off".into(),
            retry_after: None,
        }),
        OpenAIError::ApiError(error) => Err(InferenceError::Permanent(format!(
            "the model server refuses the call: {}",
            error.status_code
        ))),
        _ => Err(InferenceError::Permanent("the call could not be made".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_read_in_both_forms() {
        let wait = |pairs: &[(&'static str, &'static str)]| {
            retry_after(
                &pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            )
        };
        assert_eq!(wait(&[("retry-after", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(wait(&[("retry-after", "-3")]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(
            wait(&[
                ("retry-after", "Wed, 21 Oct 2026 07:28:10 GMT"),
                ("date", "Wed, 21 Oct 2026 07:28:00 GMT")
            ]),
            Some(Duration::from_secs(10))
        );
    }

    #[test]
    fn the_server_s_words_are_not_repeated() {
        let wire = WireError {
            message: "bad: 'my name is Ana'".into(),
            names: vec!["invalid".into()],
            ..WireError::default()
        };
        for status in [400, 401, 403, 404, 418, 422, 429, 500, 503] {
            let error = error_of(StatusCode::from_u16(status).unwrap(), None, &wire, 8).to_string();
            assert!(!error.contains("Ana"), "{error}");
        }
    }
}
