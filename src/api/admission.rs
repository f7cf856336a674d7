//! Bounded work: what does not fit is told to come again, and never waits in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::OwnedSemaphorePermit;

use super::error::{ApiError, Code};
use super::state::Api;

/// A running call's place. A streaming handler takes it along, so that the place is free only when the stream ends.
#[derive(Clone)]
pub(super) struct Place(#[expect(dead_code, reason = "held for its drop")] Arc<OwnedSemaphorePermit>);

/// Middleware: as many calls at once as `server.max_running`, and 503 for the next.
pub(super) async fn bounded(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let permit =
        Arc::clone(&api.slots).try_acquire_owned().map_err(|_| ApiError::come_again(Code::Overloaded, 1))?;
    let place = Place(Arc::new(permit));
    request.extensions_mut().insert(place.clone());
    let response = next.run(request).await;
    drop(place);
    Ok(response)
}

/// Middleware: a request whose answer has not begun within the limit ends as a problem.
pub(super) async fn timed(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    tokio::time::timeout(limit, next.run(request)).await.map_err(|_| ApiError::come_again(Code::TimedOut, 5))
}
