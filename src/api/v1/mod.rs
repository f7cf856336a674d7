//! `/v1`: one file an endpoint or resource.

use axum::middleware::from_fn_with_state;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

mod documents;
mod erasure;
pub(super) mod events;
pub(super) mod feedback;
mod gaps;
mod rollout;
mod search;
mod suggest;
mod suggestions;
mod versions;

use super::error::{ApiError, Code};
use super::state::Api;
use super::{admission, auth, idempotency};
use crate::store::{Page, Scope};

/// Everything but `suggest`, which has a time limit of its own.
pub(super) fn routes(api: &Api) -> OpenApiRouter<Api> {
    let feedback = OpenApiRouter::new()
        .routes(routes!(feedback::give))
        .route_layer(from_fn_with_state(api.clone(), idempotency::once))
        .routes(routes!(suggestions::list))
        .routes(routes!(suggestions::get))
        .routes(routes!(suggestions::explanation))
        .routes(routes!(events::follow));
    let knowledge = OpenApiRouter::new()
        .routes(routes!(documents::put, documents::list))
        .routes(routes!(versions::rollback))
        .routes(routes!(versions::allow))
        .route_layer(from_fn_with_state(api.clone(), idempotency::once))
        .routes(routes!(documents::get, documents::delete))
        .routes(routes!(versions::list))
        .routes(routes!(versions::diff))
        .routes(routes!(search::search))
        .routes(routes!(gaps::list))
        .route_layer(from_fn_with_state(api.clone(), admission::bounded));
    let admin = OpenApiRouter::new()
        .routes(routes!(rollout::show, rollout::set))
        .routes(routes!(erasure::conversation))
        .routes(routes!(erasure::customer));
    OpenApiRouter::new()
        .merge(scoped(api, Scope::Feedback, feedback))
        .merge(scoped(api, Scope::Knowledge, knowledge))
        .merge(scoped(api, Scope::Admin, admin))
}

/// `suggest`.
pub(super) fn suggest_routes(api: &Api) -> OpenApiRouter<Api> {
    let suggest = OpenApiRouter::new()
        .routes(routes!(suggest::suggest))
        .route_layer(from_fn_with_state(api.clone(), idempotency::once))
        .route_layer(from_fn_with_state(api.clone(), admission::bounded));
    scoped(api, Scope::Suggest, suggest)
}

fn scoped(api: &Api, scope: Scope, routes: OpenApiRouter<Api>) -> OpenApiRouter<Api> {
    routes.route_layer(from_fn_with_state((api.clone(), scope), auth::require))
}

const MOST_ITEMS: usize = 200;
const USUAL_ITEMS: usize = 50;

/// The page that a list's parameters ask for.
fn page(cursor: Option<String>, limit: Option<usize>) -> Result<Page, ApiError> {
    let limit = limit.unwrap_or(USUAL_ITEMS);
    if (1..=MOST_ITEMS).contains(&limit) {
        return Ok(Page { after: cursor, limit });
    }
    Err(ApiError::new(Code::InvalidParameter, format!("limit takes 1 to {MOST_ITEMS}, not {limit}")))
}
