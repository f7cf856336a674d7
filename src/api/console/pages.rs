//! The queue, one conversation, one passage, and the live events.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::Deserialize;

use super::{session, view};
use crate::api::error::ApiError;
use crate::api::state::Api;
use crate::api::v1::events;
use crate::decision::Mode;
use crate::decision::rollout::audited;
use crate::explanation::explain;
use crate::store::suggestion::{Suggestion, Which};
use crate::store::{Documents, Page, StoreError, Suggestions};
use session::Agent;

const PAGE: usize = 50;

/// What the queue shows.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Show {
    /// `open` (without feedback; the default), `done`, or `all`.
    #[serde(default)]
    show: String,
    /// Cursor of the next page.
    #[serde(default)]
    after: Option<String>,
}

impl Show {
    fn name(&self) -> &'static str {
        match self.show.as_str() {
            "done" => "done",
            "all" => "all",
            _ => "open",
        }
    }
}

pub(super) async fn home() -> Redirect {
    Redirect::to("/console/queue")
}

pub(super) async fn queue(State(api): State<Api>, headers: HeaderMap, Query(show): Query<Show>) -> Response {
    let agent = match session::agent(&api, &headers).await {
        Ok(agent) => agent,
        Err(response) => return response,
    };
    page(&api, &agent, &show, None).await
}

pub(super) async fn list(State(api): State<Api>, headers: HeaderMap, Query(show): Query<Show>) -> Response {
    let agent = match session::agent(&api, &headers).await {
        Ok(agent) => agent,
        Err(response) => return response,
    };
    match listed(&api, &agent, &show).await {
        Ok(items) => view::render("list.html", agent.language, items),
        Err(error) => ApiError::from(error).into_response(),
    }
}

pub(super) async fn suggestion(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let agent = match session::agent(&api, &headers).await {
        Ok(agent) => agent,
        Err(response) => return response,
    };
    if headers.contains_key("hx-request") {
        return detail(&api, &agent, &id).await;
    }
    let show = Show { show: String::new(), after: None };
    page(&api, &agent, &show, Some(&id)).await
}

pub(super) async fn events(State(api): State<Api>, headers: HeaderMap) -> Response {
    match session::agent(&api, &headers).await {
        Ok(agent) => events::open(&api, agent.caller.workspace, None).await.into_response(),
        Err(_) => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// Which words of a passage are marked.
#[derive(Debug, Deserialize)]
pub(super) struct Marked {
    #[serde(default)]
    quote: String,
}

pub(super) async fn passage(
    State(api): State<Api>,
    headers: HeaderMap,
    Path((document, passage)): Path<(String, String)>,
    Query(marked): Query<Marked>,
) -> Response {
    let agent = match session::agent(&api, &headers).await {
        Ok(agent) => agent,
        Err(response) => return response,
    };
    let passages = match Documents::passages(api.app.store.as_ref(), &agent.caller.workspace, &document).await
    {
        Ok(passages) => passages,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let found = passages.iter().position(|candidate| candidate.id == passage);
    let values = found.map(|at| {
        let shown = &passages[at];
        let (before, quote, after) = mark(&shown.text, &marked.quote);
        context! {
            heading => shown.heading(), url => shown.url.as_deref(), before, quote, after,
            previous => at.checked_sub(1).map(|at| &passages[at].text),
            next => passages.get(at + 1).map(|passage| &passage.text),
        }
    });
    view::render("passage.html", agent.language, context! { passage => values })
}

/// A passage's text in three parts, the quote in the middle; all of it first where the quote is not found.
fn mark<'a>(text: &'a str, quote: &str) -> (&'a str, &'a str, &'a str) {
    match text.find(quote).filter(|_| !quote.is_empty()) {
        Some(start) => {
            let (before, rest) = text.split_at(start);
            let (quote, after) = rest.split_at(quote.len());
            (before, quote, after)
        }
        None => (text, "", ""),
    }
}

/// The whole page, with a conversation open or not.
async fn page(api: &Api, agent: &Agent, show: &Show, open: Option<&str>) -> Response {
    let items = match listed(api, agent, show).await {
        Ok(items) => items,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let mut detail = context! { suggestion => Value::from(()), shadow => false };
    if let Some(id) = open {
        detail = match conversation(api, agent, id).await {
            Ok(values) => values,
            Err(error) => return ApiError::from(error).into_response(),
        };
    }
    let name = agent.name.as_deref().unwrap_or_default();
    view::render(
        "queue.html",
        agent.language,
        context! { agent => name, workspace => agent.caller.workspace.0.as_str(), opened => open.is_some(), ..context! { ..items, ..detail } },
    )
}

/// One conversation, for the right side of the page.
pub(super) async fn detail(api: &Api, agent: &Agent, id: &str) -> Response {
    match conversation(api, agent, id).await {
        Ok(values) => view::render("detail.html", agent.language, values),
        Err(error) => ApiError::from(error).into_response(),
    }
}

async fn conversation(api: &Api, agent: &Agent, id: &str) -> Result<Value, StoreError> {
    let found = Suggestions::get(api.app.store.as_ref(), &agent.caller.workspace, id).await?;
    let shadow = found.as_ref().is_some_and(|suggestion| suggestion.mode == Mode::Shadow);
    let found = found.filter(|_| !shadow);
    let explanation = found.as_ref().map(|suggestion| explain(suggestion, agent.language));
    let share = api.app.config.rollout.audit_share;
    let audited = found.as_ref().is_some_and(|suggestion| counts(suggestion, share));
    Ok(context! { suggestion => Serde(&found), explanation => Serde(&explanation), audited, shadow })
}

/// Whether it was drawn at random, so that its verdict stands for many: an automatic reply for an audit of the rollout, a
/// draft for a certificate (`ponto calibrate --from-feedback`), both by the same hash.
fn counts(suggestion: &Suggestion, share: f64) -> bool {
    let certifies = || audited(&suggestion.answer.id, share) && suggestion.sendable().is_some();
    suggestion.trace.audit.is_some() || certifies()
}

async fn listed(api: &Api, agent: &Agent, show: &Show) -> Result<Value, StoreError> {
    let open = match show.name() {
        "open" => Some(true),
        "done" => Some(false),
        _ => None,
    };
    let page = Page { after: show.after.clone().filter(|cursor| !cursor.is_empty()), limit: PAGE };
    let (store, workspace) = (api.app.store.as_ref(), &agent.caller.workspace);
    let which = Which { open, shadow: Some(false) };
    let listed = Suggestions::list(store, workspace, which, page).await?;
    let share = api.app.config.rollout.audit_share;
    let mut drawn = Vec::new();
    for item in listed.items.iter().filter(|item| item.audit || audited(&item.id, share)) {
        let found = Suggestions::get(store, workspace, &item.id).await?;
        drawn.extend(found.filter(|suggestion| counts(suggestion, share)).map(|found| found.answer.id));
    }
    Ok(context! {
        show => show.name(),
        items => Serde(&listed.items),
        drawn,
        next => listed.next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quote_is_marked_where_it_stands() {
        let shown = "Até 5 dias úteis. Grátis.";
        assert_eq!(mark(shown, "5 dias úteis"), ("Até ", "5 dias úteis", ". Grátis."));
        assert_eq!(mark(shown, "absent"), ("Até 5 dias úteis. Grátis.", "", ""));
        assert_eq!(mark(shown, ""), ("Até 5 dias úteis. Grátis.", "", ""));
    }
}
