//! `Idempotency-Key`: the same key and request get the first answer again, whatever is retried.
//!
//! One middleware stands before every POST that creates. It claims the key in the store, lets the handler work, and
//! stores a successful answer; an attempt that failed, or whose caller went away, gives the claim back. A handler that
//! streams takes the [`Recorder`] along and stores the answer when the stream has it. An answer about a
//! suggestion that was erased meanwhile is not stored: a response names its suggestion by [`About`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::auth::Caller;
use super::error::{ApiError, Code};
use super::state::Api;
use crate::conversation::WorkspaceId;
use crate::store::{Claim, Idempotency};

/// The header.
pub(super) const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Set on an answer that was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const LONGEST_KEY: usize = 255;

/// Of a response: the suggestion that it speaks of.
#[derive(Clone)]
pub(super) struct About(pub(super) String);

/// The claim on a key. The last clone to go gives the claim back unless it was settled before.
#[derive(Clone)]
pub(super) struct Recorder(Arc<Claimed>);

struct Claimed {
    api: Api,
    workspace: WorkspaceId,
    key: String,
    /// The answer is stored, or the claim was given back.
    settled: AtomicBool,
}

impl Recorder {
    /// Stores the answer; from now on the key gets it again, unless the suggestion that it is about was erased.
    pub(super) async fn store(
        &self,
        status: StatusCode,
        body: &str,
        about: Option<&str>,
    ) -> Result<(), ApiError> {
        let Claimed { api, workspace, key, settled } = self.0.as_ref();
        let store = api.app.store.as_ref();
        Idempotency::complete(store, workspace, key, status.as_u16(), body, about).await?;
        settled.store(true, Ordering::Release);
        Ok(())
    }

    /// Gives the claim back before the caller reads that the attempt failed: a repeat at once finds the key free.
    async fn give_back(&self) {
        let Claimed { api, workspace, key, settled } = self.0.as_ref();
        give_back(api, workspace, key).await;
        settled.store(true, Ordering::Release);
    }
}

async fn give_back(api: &Api, workspace: &WorkspaceId, key: &str) {
    if let Err(error) = Idempotency::abandon(api.app.store.as_ref(), workspace, key).await {
        tracing::warn!(%error, "an idempotency claim could not be given back; it ends by itself");
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        if self.settled.load(Ordering::Acquire) {
            return;
        }
        let (api, workspace, key) = (self.api.clone(), self.workspace.clone(), std::mem::take(&mut self.key));
        let tasks = api.tasks.clone();
        tasks.spawn(async move { give_back(&api, &workspace, &key).await });
    }
}

/// Middleware: see the module.
pub(super) async fn once(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(key) = request.headers().get(KEY) else {
        return Ok(next.run(request).await);
    };
    if request.method() != Method::POST {
        return Ok(next.run(request).await);
    }
    let key = read_key(key)?;
    let streams = wants_stream(request.headers());
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, api.app.config.server.body_limit)
        .await
        .map_err(|_| ApiError::new(Code::BodyTooLarge, Code::BodyTooLarge.entry().remedy))?;
    let hash = fingerprint(parts.uri.path(), &body);

    let store = api.app.store.as_ref();
    match Idempotency::begin(store, &caller.workspace, &key, &hash, api.app.clock.now()).await? {
        Claim::New => {}
        Claim::InFlight => {
            return Err(ApiError::come_again(Code::IdempotencyInFlight, 1));
        }
        Claim::Mismatch => {
            let detail = "this Idempotency-Key was used with another path or body; use a new key";
            return Err(ApiError::new(Code::IdempotencyMismatch, detail));
        }
        Claim::Done { status, body } => return Ok(replay(status, body, streams)),
    }

    let recorder = Recorder(Arc::new(Claimed {
        api,
        workspace: caller.workspace,
        key,
        settled: AtomicBool::new(false),
    }));
    parts.extensions.insert(recorder.clone());
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        recorder.give_back().await;
        return Ok(response);
    }
    if is_stream(&response) {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(ApiError::internal)?;
    // The work is done: an answer that cannot be kept is still an answer.
    let about = parts.extensions.get::<About>().map(|About(id)| id.as_str());
    if let Err(error) = recorder.store(parts.status, &String::from_utf8_lossy(&body), about).await {
        tracing::warn!(?error, "an answer could not be kept for its idempotency key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn read_key(value: &HeaderValue) -> Result<String, ApiError> {
    value
        .to_str()
        .ok()
        .map(str::trim)
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY)
        .map(ToOwned::to_owned)
        .ok_or_else(|| {
            let detail = format!("Idempotency-Key takes 1 to {LONGEST_KEY} visible ASCII characters");
            ApiError::new(Code::InvalidParameter, detail)
        })
}

/// Hash of what makes two requests the same.
fn fingerprint(path: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(path.as_bytes());
    hash.update([0]);
    hash.update(body);
    hex::encode(hash.finalize())
}

/// Whether the caller asks for server-sent events.
pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.split(';').next().unwrap_or_default().trim() == "text/event-stream")
}

fn is_stream(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

fn replay(status: u16, body: String, streams: bool) -> Response {
    let mut response = if streams {
        let event = Event::default().event("suggestion").data(body);
        let events = futures::stream::iter([Ok::<_, std::convert::Infallible>(event)]);
        Sse::new(events).into_response()
    } else {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
    };
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
