//! `POST /v1/suggestions/{id}/feedback`: what an agent did with a draft.

use axum::Extension;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::auth::Caller;
use crate::api::error::{ApiError, Code, FieldError};
use crate::api::extract::{Json, Path};
use crate::api::idempotency::About;
use crate::api::state::Api;
use crate::assistant::rollout::reconsider;
use crate::assistant::stored_feedback;
use crate::decision::Action;
use crate::decision::policy::reply_window_closed::ReplyWindow;
use crate::store::Suggestions;
use crate::store::suggestion::{Feedback, FeedbackOutcome, Suggestion};

const LONGEST_TEXT: usize = 32_000;
const LONGEST_REASON: usize = 2_000;
const LONGEST_AGENT: usize = 256;

/// An agent's verdict. A later one replaces an earlier one.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(example = json!({"outcome": "edited", "text": "Chega em até 5 dias úteis, Ana.", "agent": "rui"}))]
pub(in crate::api) struct FeedbackRequest {
    /// `accepted`: sent as drafted; of an escalation, that it was right, which says nothing of a draft in it: where that was
    /// sent, say `edited` with the text, changed or not. `edited`: sent with changes. `rejected`: not sent.
    pub outcome: FeedbackOutcome,
    /// The text that was sent; needed with `edited`.
    #[serde(default)]
    pub text: Option<String>,
    /// Why it was rejected.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who.
    #[serde(default)]
    pub agent: Option<String>,
    /// When it was sent, where that was before this call: the channel's reply window is held against it.
    #[serde(default)]
    pub sent_at: Option<DateTime<Utc>>,
}

/// The verdict as it was stored.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(in crate::api) struct FeedbackStored {
    /// `sug_…`
    pub suggestion_id: String,
    /// The verdict, with the edit distance between draft and sent text.
    #[serde(flatten)]
    pub feedback: Feedback,
}

/// Stores what an agent did with a draft.
///
/// The edit distance is Levenshtein's, in characters, between the first draft and the sent text: 0 when accepted,
/// null when rejected or when there was no draft to compare with. Where verdicts become labels or judge an audit, an edited
/// draft was right when at most a tenth of the characters changed, and no number, amount, time, date, link, address, phone
/// number, code or negation. A draft that is accepted after the channel's reply
/// window has closed is refused with `reply_window_closed`: only a template may be sent by then. What was accepted or edited is a
/// person's message: nothing is sent automatically in the conversation afterwards until it is handed back
/// (`conversation.handed_back_after`). A verdict on an automatic reply, or on what was made in `shadow`, is none.
#[utoipa::path(post, path = "/v1/suggestions/{id}/feedback", tag = "suggestions", request_body = FeedbackRequest,
    params(
        ("id" = String, Path, description = "`sug_…`"),
        ("Idempotency-Key" = Option<String>, Header, description = "Same key and body: the first answer again")),
    responses(
        (status = 200, description = "Stored", body = FeedbackStored),
        ApiError))]
pub(super) async fn give(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<FeedbackRequest>,
) -> Result<(Extension<About>, axum::Json<FeedbackStored>), ApiError> {
    let stored = record(&api, &caller, id, request).await?;
    Ok((Extension(About(stored.suggestion_id.clone())), axum::Json(stored)))
}

/// Checks and stores a verdict; the API and the console both come through here.
pub(in crate::api) async fn record(
    api: &Api,
    caller: &Caller,
    id: String,
    request: FeedbackRequest,
) -> Result<FeedbackStored, ApiError> {
    check(&request)?;
    let store = api.app.store.as_ref();
    let suggestion = Suggestions::get(store, &caller.workspace, &id)
        .await?
        .ok_or_else(|| ApiError::not_found("suggestion", &id))?;
    hold_against_window(api, caller, &suggestion, &request).await?;
    let FeedbackRequest { outcome, text, reason, agent, sent_at: _ } = request;
    // The draft is compared as it is stored.
    let privacy = &api.app.config.privacy;
    let [text, reason] = [text, reason].map(|said| stored_feedback(said, &suggestion, privacy));
    let draft = suggestion.answer.drafts.into_iter().next().map(|draft| draft.text);
    let edit_distance = match (outcome, draft, &text) {
        (FeedbackOutcome::Accepted, Some(_), _) => Some(0),
        (FeedbackOutcome::Edited, Some(draft), Some(text)) => Some(distance(draft, text.clone()).await?),
        _ => None,
    };
    let feedback = Feedback { outcome, text, reason, agent, edit_distance, at: api.app.clock.now() };
    if !Suggestions::feedback(store, &caller.workspace, &id, &feedback).await? {
        return Err(ApiError::not_found("suggestion", &id));
    }
    let outcome = match feedback.outcome {
        FeedbackOutcome::Accepted => "accepted",
        FeedbackOutcome::Edited => "edited",
        FeedbackOutcome::Rejected => "rejected",
    };
    metrics::counter!("ponto_feedback_total", "outcome" => outcome).increment(1);
    let false_alarm = api.app.config.rollout.false_alarm;
    reconsider(store, &caller.workspace, &id, false_alarm, feedback.at).await?;
    api.committed.notify_waiters();
    Ok(FeedbackStored { suggestion_id: id, feedback })
}

/// Refuses what would be sent now although the channel takes only templates by now.
async fn hold_against_window(
    api: &Api,
    caller: &Caller,
    suggestion: &Suggestion,
    request: &FeedbackRequest,
) -> Result<(), ApiError> {
    let action = suggestion.answer.decision.action;
    let sends = match request.outcome {
        // An escalation that was accepted was right, which says nothing of a draft in it.
        FeedbackOutcome::Accepted => {
            request.text.is_some() || (action != Action::Escalate && !suggestion.answer.drafts.is_empty())
        }
        FeedbackOutcome::Edited => true,
        FeedbackOutcome::Rejected => false,
    };
    if !sends || action == Action::AutoReply {
        return Ok(());
    }
    let conversation = &suggestion.conversation;
    let store = api.app.store.as_ref();
    let Some(heard) = store.last_heard(&caller.workspace, &conversation.id).await? else { return Ok(()) };
    let (language, config) = (suggestion.trace.language, &api.app.config.decision);
    let now = api.app.clock.now();
    let sent = request.sent_at.map_or(now, |sent| sent.min(now));
    match ReplyWindow::after(heard, conversation.channel, language, config) {
        Some(window) if window.is_closed(sent) => Err(ApiError::new(
            Code::ReplyWindowClosed,
            format!(
                "The channel took free text until {}. {}",
                window.send_before.format("%Y-%m-%d %H:%M UTC"),
                window.remedy()
            ),
        )),
        _ => Ok(()),
    }
}

/// Levenshtein distance in characters; long texts take long, so not on the workers that answer requests.
async fn distance(draft: String, sent: String) -> Result<usize, ApiError> {
    tokio::task::spawn_blocking(move || strsim::levenshtein(&draft, &sent)).await.map_err(ApiError::internal)
}

fn check(request: &FeedbackRequest) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let text = request.text.as_deref().map(str::trim);
    if request.outcome == FeedbackOutcome::Edited && text.is_none_or(str::is_empty) {
        errors.push(FieldError::new("text", "`edited` needs the text that was sent"));
    }
    for (at, value, limit) in [
        ("text", &request.text, LONGEST_TEXT),
        ("reason", &request.reason, LONGEST_REASON),
        ("agent", &request.agent, LONGEST_AGENT),
    ] {
        if value.as_deref().is_some_and(|value| value.chars().count() > limit) {
            errors.push(FieldError::new(at, format!("at most {limit} characters")));
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid(errors)) }
}
