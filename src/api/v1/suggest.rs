//! `POST /v1/suggest`: one conversation in, one decision out.

use std::convert::Infallible;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use utoipa::ToSchema;

use crate::api::admission::Place;
use crate::api::auth::Caller;
use crate::api::error::{ApiError, FieldError};
use crate::api::extract::Json;
use crate::api::idempotency::{About, Recorder, wants_stream};
use crate::api::observe::TraceId;
use crate::api::state::Api;
use crate::conversation::Conversation;
use crate::decision::Mode;
use crate::generation::RESTART;
use crate::store::suggestion::{Answer, Suggestion};

const MOST_MESSAGES: usize = 200;
const LONGEST_TEXT: usize = 32_000;
const LONGEST_ID: usize = 256;

/// A conversation, and how far Ponto may go with it.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(example = json!({
    "conversation": {"id": "c-1", "channel": "whatsapp", "locale": "pt-BR", "customer": {"id": "u-9", "name": "Ana"},
        "messages": [{"id": "m-1", "role": "customer", "text": "Em quanto tempo chega o meu pedido?",
            "at": "2026-11-22T10:00:00Z"}]},
    "mode": "draft"}))]
pub(super) struct SuggestRequest {
    /// Oldest message first; at most 200 messages of at most 32,000 characters.
    conversation: Conversation,
    /// Caps the action; `draft` when left out.
    #[serde(default)]
    mode: Mode,
}

/// Data of a `delta` event of the stream.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Delta {
    /// More of the draft.
    text: String,
}

/// Answers a customer's message with a draft, an automatic reply, or an escalation.
///
/// With `Accept: text/event-stream` the draft streams as events `delta` (`{"text": …}`); an event `restart` (`{}`)
/// says that the draft begins again; the last event, `suggestion`, holds the same JSON as the plain answer. In `shadow` no
/// draft is streamed or answered. A caller that goes away stops the work. A failing model or index is not an error here: it
/// becomes an escalation or a draft with a reason.
#[utoipa::path(post, path = "/v1/suggest", tag = "suggest", request_body = SuggestRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Same key and body: the first answer again")),
    responses(
        (status = 200, description = "The decision, with drafts and reasons", content(
            (Answer = "application/json"), (Delta = "text/event-stream"))),
        ApiError))]
pub(super) async fn suggest(
    State(api): State<Api>,
    caller: Caller,
    Extension(place): Extension<Place>,
    recorder: Option<Extension<Recorder>>,
    headers: HeaderMap,
    Json(request): Json<SuggestRequest>,
) -> Result<Response, ApiError> {
    check(&request.conversation)?;
    if wants_stream(&headers) {
        let events = streamed(api, caller, request, recorder.map(|Extension(recorder)| recorder), place);
        return Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response());
    }
    let suggestion = answer(&api, &caller, &request, None).await?;
    let mut response = axum::Json(&suggestion.answer).into_response();
    response.extensions_mut().insert(TraceId(suggestion.answer.trace_id));
    response.extensions_mut().insert(About(suggestion.answer.id));
    Ok(response)
}

/// Asks the assistant, which stores its answer, and measures what came of it.
async fn answer(
    api: &Api,
    caller: &Caller,
    request: &SuggestRequest,
    deltas: Option<UnboundedSender<String>>,
) -> Result<Suggestion, ApiError> {
    let SuggestRequest { conversation, mode } = request;
    let store = api.app.store.as_ref();
    let mut suggestion =
        api.app.assistant.suggest(store, &caller.workspace, conversation, *mode, deltas).await?;
    measure(&suggestion);
    suggestion.answer = suggestion.answer.told();
    api.committed.notify_waiters();
    Ok(suggestion)
}

/// Deltas as they come, then the whole answer. Dropping the stream stops the work.
fn streamed(
    api: Api,
    caller: Caller,
    request: SuggestRequest,
    recorder: Option<Recorder>,
    place: Place,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let (deltas, received) = unbounded_channel();
    let work = AbortOnDropHandle::new(tokio::spawn(async move {
        let _place = place;
        let suggestion = answer(&api, &caller, &request, Some(deltas)).await?;
        let body = serde_json::to_string(&suggestion.answer).map_err(ApiError::internal)?;
        if let Some(recorder) = recorder
            && let Err(error) = recorder.store(StatusCode::OK, &body, Some(&suggestion.answer.id)).await
        {
            tracing::warn!(?error, "an answer could not be kept for its idempotency key");
        }
        tracing::info!(
            workspace = caller.workspace.0,
            key_id = caller.key_id,
            trace_id = suggestion.answer.trace_id,
            "streamed a suggestion"
        );
        Ok::<_, ApiError>(body)
    }));
    let last = stream::once(async move {
        let body = match work.await {
            Ok(Ok(body)) => return Ok(Event::default().event("suggestion").data(body)),
            Ok(Err(error)) => error,
            Err(error) => ApiError::internal(error),
        };
        let problem = body.into_details();
        let data = serde_json::to_string(&problem).unwrap_or_else(|_| "{}".into());
        Ok(Event::default().event("problem").data(data))
    });
    UnboundedReceiverStream::new(received).map(|text| Ok(delta(text))).chain(last)
}

fn delta(text: String) -> Event {
    if text == RESTART {
        return Event::default().event("restart").data("{}");
    }
    let data = serde_json::to_string(&Delta { text }).unwrap_or_else(|_| "{}".into());
    Event::default().event("delta").data(data)
}

fn measure(suggestion: &Suggestion) {
    let Answer { decision, usage, timings_ms, .. } = &suggestion.answer;
    let language = suggestion.trace.language.map_or("other", crate::conversation::Language::code);
    let action = name(&decision.action);
    metrics::counter!("ponto_suggestions_total", "action" => action, "language" => language).increment(1);
    for reason in &decision.reasons {
        metrics::counter!("ponto_suggestion_reasons_total", "code" => name(&reason.code)).increment(1);
    }
    let tokens = [("prompt", usage.tokens.prompt_tokens), ("completion", usage.tokens.completion_tokens)];
    for (kind, count) in tokens {
        metrics::counter!("ponto_model_tokens_total", "backend" => usage.backend.clone(), "kind" => kind)
            .increment(count as u64);
    }
    let stages = [
        ("retrieval", timings_ms.retrieval),
        ("generation", timings_ms.generation),
        ("judgement", timings_ms.judgement),
        ("total", timings_ms.total),
    ];
    for (stage, ms) in stages {
        metrics::histogram!("ponto_stage_duration_seconds", "stage" => stage).record(ms / 1e3);
    }
}

/// A unit variant as it is written on the wire.
fn name(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(ToOwned::to_owned))
        .unwrap_or_default()
}

/// Sizes; whether there is anything to answer is for the assistant to say.
fn check(conversation: &Conversation) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let mut id = |at: String, value: &str| {
        let length = value.chars().count();
        if !(1..=LONGEST_ID).contains(&length) {
            errors.push(FieldError::new(
                at,
                format!("an id has 1 to {LONGEST_ID} characters, this one {length}"),
            ));
        }
    };
    id("conversation.id".into(), &conversation.id);
    if let Some(customer) = &conversation.customer {
        id("conversation.customer.id".into(), &customer.id);
    }
    for (position, message) in conversation.messages.iter().enumerate().take(MOST_MESSAGES) {
        id(format!("conversation.messages[{position}].id"), &message.id);
    }
    let texts = conversation.messages.iter().enumerate().take(MOST_MESSAGES);
    for (position, length) in texts.map(|(position, message)| (position, message.text.chars().count())) {
        if length > LONGEST_TEXT {
            let detail = format!("a text has at most {LONGEST_TEXT} characters, this one {length}");
            errors.push(FieldError::new(format!("conversation.messages[{position}].text"), detail));
        }
    }
    let name =
        conversation.customer.as_ref().and_then(|customer| customer.name.as_deref()).unwrap_or_default();
    let locale = conversation.locale.as_deref().unwrap_or_default();
    for (at, value) in [("conversation.customer.name", name), ("conversation.locale", locale)] {
        if value.chars().count() > LONGEST_ID {
            errors.push(FieldError::new(at, format!("at most {LONGEST_ID} characters")));
        }
    }
    let count = conversation.messages.len();
    if !(1..=MOST_MESSAGES).contains(&count) {
        let detail = format!("a conversation has 1 to {MOST_MESSAGES} messages, this one {count}");
        errors.push(FieldError::new("conversation.messages", detail));
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}
