//! The agent's verdict, from the form under a draft.

use axum::Form;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{pages, session};
use crate::api::state::Api;
use crate::api::v1::feedback::{FeedbackRequest, record};
use crate::decision::Action;
use crate::store::Suggestions;
use crate::store::suggestion::{Answer, FeedbackOutcome, Suggestion};

/// What the form sends. Whether an accepted draft was edited is found out here, not asked.
#[derive(Deserialize)]
pub(super) struct Verdict {
    outcome: FeedbackOutcome,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    reason: Option<String>,
}

pub(super) async fn give(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Form(verdict): Form<Verdict>,
) -> Response {
    let agent = match session::agent(&api, &headers).await {
        Ok(agent) => agent,
        Err(response) => return response,
    };
    let found = Suggestions::get(api.app.store.as_ref(), &agent.caller.workspace, &id).await;
    let draft = found.ok().flatten().and_then(accepted_alone);
    let request = request(verdict, draft.as_deref(), agent.name.clone());
    match record(&api, &agent.caller, id.clone(), request).await {
        Ok(_) => pages::detail(&api, &agent, &id).await,
        Err(problem) => problem.into_response(),
    }
}

/// The draft that is said to be sent by `accepted` alone. Accepting an escalation says nothing of a draft in it, so where an
/// agent sends that, its text is told, changed or not.
fn accepted_alone(suggestion: Suggestion) -> Option<String> {
    let Answer { decision, drafts, .. } = suggestion.answer;
    drafts.into_iter().next().filter(|_| decision.action != Action::Escalate).map(|draft| draft.text)
}

/// Browsers send line ends as CRLF; that alone is no edit.
fn request(verdict: Verdict, draft: Option<&str>, agent: Option<String>) -> FeedbackRequest {
    let text =
        verdict.text.map(|text| text.replace("\r\n", "\n").trim().to_owned()).filter(|text| !text.is_empty());
    let changed = draft.is_some_and(|draft| text.as_deref().is_some_and(|text| text != draft.trim()));
    let written = draft.is_none() && text.is_some();
    let reason = verdict.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    match verdict.outcome {
        FeedbackOutcome::Rejected => {
            FeedbackRequest { outcome: FeedbackOutcome::Rejected, text: None, reason, agent, sent_at: None }
        }
        _ if changed || written => {
            FeedbackRequest { outcome: FeedbackOutcome::Edited, text, reason: None, agent, sent_at: None }
        }
        _ => FeedbackRequest {
            outcome: FeedbackOutcome::Accepted,
            text: None,
            reason: None,
            agent,
            sent_at: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(outcome: FeedbackOutcome, text: &str) -> Verdict {
        Verdict { outcome, text: Some(text.into()), reason: Some(" too long ".into()) }
    }

    #[test]
    fn an_untouched_draft_is_accepted_and_a_changed_one_edited() {
        let same = request(verdict(FeedbackOutcome::Accepted, "One.\r\nTwo. "), Some("One.\nTwo."), None);
        assert_eq!((same.outcome, same.text), (FeedbackOutcome::Accepted, None));
        let changed = request(verdict(FeedbackOutcome::Accepted, "One."), Some("One.\nTwo."), None);
        assert_eq!((changed.outcome, changed.text.as_deref()), (FeedbackOutcome::Edited, Some("One.")));
    }

    #[test]
    fn a_rejection_keeps_the_reason_and_no_text() {
        let rejected = request(verdict(FeedbackOutcome::Rejected, "x"), Some("y"), Some("Rui".into()));
        assert_eq!(rejected.outcome, FeedbackOutcome::Rejected);
        assert_eq!((rejected.text, rejected.reason.as_deref()), (None, Some("too long")));
    }
}
