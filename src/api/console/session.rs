//! Signing in with an API key, and the choice of a language.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::{view, words};
use crate::api::auth::{self, Caller};
use crate::api::state::Api;
use crate::conversation::Language;
use crate::store::Scope;

const KEY: &str = "ponto_key";
const AGENT: &str = "ponto_agent";
const LONGEST_NAME: usize = 80;

/// An agent who signed in.
#[derive(Debug, Clone)]
pub(super) struct Agent {
    /// Whose workspace, and what the key may do.
    pub(super) caller: Caller,
    /// The name given at sign-in; stored with feedback.
    pub(super) name: Option<String>,
    /// Language of the page.
    pub(super) language: Language,
}

/// The value of a cookie.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Who is signed in; otherwise the way to the sign-in page, also for parts of a page that htmx fetches.
pub(super) async fn agent(api: &Api, headers: &HeaderMap) -> Result<Agent, Response> {
    let language = words::language(headers);
    if let Some(secret) = cookie(headers, KEY)
        && let Ok(caller) = auth::authenticate(api.app.store.as_ref(), &secret).await
        && caller.require(Scope::Feedback).is_ok()
    {
        let name = cookie(headers, AGENT).map(|name| decode(&name)).filter(|name| !name.is_empty());
        return Ok(Agent { caller, name, language });
    }
    if headers.contains_key("hx-request") {
        return Err(([("hx-redirect", "/console/login")], StatusCode::NO_CONTENT).into_response());
    }
    Err(Redirect::to("/console/login").into_response())
}

pub(super) async fn page(headers: HeaderMap) -> Response {
    view::render("login.html", words::language(&headers), minijinja::context! { failed => false })
}

#[derive(Deserialize)]
pub(super) struct SignIn {
    key: String,
    #[serde(default)]
    name: String,
}

pub(super) async fn sign_in(
    State(api): State<Api>,
    headers: HeaderMap,
    Form(form): Form<SignIn>,
) -> Response {
    let key = form.key.trim();
    let known = match auth::authenticate(api.app.store.as_ref(), key).await {
        Ok(caller) => caller.require(Scope::Feedback).is_ok(),
        Err(_) => false,
    };
    // Only what a cookie may hold: a known key has no other characters.
    if !known || !key.chars().all(|character| character.is_ascii_alphanumeric() || character == '_') {
        let page =
            view::render("login.html", words::language(&headers), minijinja::context! { failed => true });
        return (StatusCode::UNAUTHORIZED, page).into_response();
    }
    let name: String = form.name.trim().chars().take(LONGEST_NAME).collect();
    let mut response = Redirect::to("/console/queue").into_response();
    set(&mut response, &headers, KEY, key, true);
    set(&mut response, &headers, AGENT, &encode(&name), true);
    response
}

pub(super) async fn sign_out(headers: HeaderMap) -> Response {
    let mut response = Redirect::to("/console/login").into_response();
    set(&mut response, &headers, KEY, "", false);
    set(&mut response, &headers, AGENT, "", false);
    response
}

pub(super) async fn choose_language(Path(code): Path<String>, headers: HeaderMap) -> Response {
    let language = Language::from_locale(&code).unwrap_or(Language::En);
    let mut response = Redirect::to("/console").into_response();
    set(&mut response, &headers, "ponto_language", language.code(), true);
    response
}

/// Sets a cookie for a working day, or removes it. `Secure` where the page came through TLS.
fn set(response: &mut Response, request: &HeaderMap, name: &str, value: &str, keep: bool) {
    let secure = request.get("x-forwarded-proto").is_some_and(|protocol| protocol == "https");
    let age = if keep { 12 * 60 * 60 } else { 0 };
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/console; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn encode(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

fn decode(value: &str) -> String {
    url::form_urlencoded::parse(value.as_bytes())
        .map(|(name, _)| name.into_owned())
        .next()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_cookie() {
        for name in ["Ana", "João d'Ávila", "a=b&c; d", ""] {
            assert_eq!(decode(&encode(name)), name);
        }
    }

    #[test]
    fn one_cookie_of_many_is_found() {
        let headers: HeaderMap =
            [(header::COOKIE, "x=1; ponto_key=abc; y=2".parse().unwrap())].into_iter().collect();
        assert_eq!(cookie(&headers, KEY).as_deref(), Some("abc"));
        assert_eq!(cookie(&headers, "ponto"), None);
    }
}
