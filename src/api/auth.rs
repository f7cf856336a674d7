//! Who calls: an API key opens exactly one workspace, for the scopes it was made with.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::error::{ApiError, Code};
use super::state::Api;
use crate::conversation::WorkspaceId;
use crate::store::{Scope, Store, keys};

/// The holder of a valid key. The workspace comes from here and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// The key's public id.
    pub key_id: String,
}

impl Caller {
    /// Refuses a caller whose key lacks the scope; `admin` holds every scope.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin) {
            return Ok(());
        }
        let name = scope_name(scope);
        Err(ApiError::new(
            Code::Forbidden,
            format!("this key lacks the scope `{name}`; create one with `ponto keys create --scope {name}`"),
        ))
    }
}

/// The scope as it is written on the wire.
pub fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Suggest => "suggest",
        Scope::Knowledge => "knowledge",
        Scope::Feedback => "feedback",
        Scope::Eval => "eval",
        Scope::Admin => "admin",
    }
}

/// Finds the holder of a secret. The store is asked each time, so a revoked key stops working at once.
pub async fn authenticate(store: &dyn Store, secret: &str) -> Result<Caller, ApiError> {
    let key = crate::store::Keys::find(store, &keys::hash(secret)).await?.ok_or_else(|| {
        unauthorized("this key is not known, or was revoked; `ponto keys list` shows the keys there are")
    })?;
    Ok(Caller { workspace: key.workspace, scopes: key.scopes, key_id: key.id })
}

fn unauthorized(detail: &str) -> ApiError {
    ApiError::new(Code::Unauthorized, detail)
        .header(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="ponto""#))
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Middleware: lets holders of a key with the scope pass, and tells handlers and log who they are.
pub(super) async fn require(
    State((api, scope)): State<(Api, Scope)>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let secret = bearer(request.headers())
        .ok_or_else(|| unauthorized("send the header `Authorization: Bearer <key>`"))?;
    let caller = authenticate(api.app.store.as_ref(), secret).await?;
    let mut response = match caller.require(scope) {
        Ok(()) => {
            request.extensions_mut().insert(caller.clone());
            next.run(request).await
        }
        Err(refused) => axum::response::IntoResponse::into_response(refused),
    };
    response.extensions_mut().insert(caller);
    Ok(response)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ApiError::internal("a route that needs a caller is not behind `auth::require`"))
    }
}
