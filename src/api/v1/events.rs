//! `GET /v1/events`: what happens in a workspace, as it is committed.
#![expect(unused_qualifications, reason = "the macro that documents parameters qualifies their type")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::IntoParams;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code};
use crate::api::extract::QueryString;
use crate::api::state::Api;
use crate::conversation::WorkspaceId;
use crate::store::{Event, Suggestions};

/// Another process may commit too, so the table is read at least this often.
const POLL: Duration = Duration::from_millis(300);
const BATCH: usize = 100;

/// Where to begin.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventsQuery {
    /// Sequence number of the last event that is known; `Last-Event-ID` goes before. Left out: only new events.
    after: Option<i64>,
}

/// Server-sent events of the workspace: `suggestion.created`, `suggestion.feedback`, `rollout.changed` and `rollout.demoted`.
///
/// Each has its sequence number as `id`, so that a browser which lost the connection goes on where it was.
#[utoipa::path(get, path = "/v1/events", tag = "suggestions",
    params(EventsQuery, ("Last-Event-ID" = Option<i64>, Header, description = "Sequence number of the last event that is known")),
    responses(
        (status = 200, description = "Events as they are committed", body = Event, content_type = "text/event-stream"),
        ApiError))]
pub(super) async fn follow(
    State(api): State<Api>,
    caller: Caller,
    QueryString(query): QueryString<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    open(&api, caller.workspace, last_seen(&headers)?.or(query.after)).await
}

/// The event that a reconnecting browser saw last.
fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, ApiError> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(|value| value.trim().parse().ok());
    parsed.map(Some).ok_or_else(|| {
        ApiError::new(Code::InvalidParameter, "Last-Event-ID takes the sequence number of an event")
    })
}

/// Opens a stream of a workspace's events; the API and the console both come through here.
pub(in crate::api) async fn open(
    api: &Api,
    workspace: WorkspaceId,
    after: Option<i64>,
) -> Result<Response, ApiError> {
    let place = Arc::clone(&api.streams)
        .try_acquire_owned()
        .map_err(|_| ApiError::come_again(Code::Overloaded, 5))?;
    let after = match after {
        Some(after) => after,
        None => Suggestions::last_event(api.app.store.as_ref(), &workspace).await?,
    };
    let follower = Follower { api: api.clone(), workspace, after, read: VecDeque::new(), _place: place };
    Ok(Sse::new(follower.into_stream()).keep_alive(KeepAlive::default()).into_response())
}

/// Reads the table of events, and waits where there are none.
struct Follower {
    api: Api,
    workspace: WorkspaceId,
    after: i64,
    read: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<SseEvent, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.after = event.sequence;
                let data = serde_json::to_string(&event).unwrap_or_else(|_| "{}".into());
                return Some(SseEvent::default().id(event.sequence.to_string()).event(event.kind).data(data));
            }
            let committed = Arc::clone(&self.api.committed);
            let notified = committed.notified();
            let store = self.api.app.store.as_ref();
            match Suggestions::events(store, &self.workspace, self.after, BATCH).await {
                Ok(events) => self.read = events.into(),
                Err(error) => tracing::warn!(%error, "events could not be read; trying again"),
            }
            if self.read.is_empty() {
                tokio::select! {
                    () = self.api.stopping.cancelled() => return None,
                    () = notified => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            } else if self.api.stopping.is_cancelled() {
                return None;
            }
        }
    }
}
