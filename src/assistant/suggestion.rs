//! The answer and its trace, from what was found and decided.

use super::handoff::outcome_of;
use super::{Asked, Assistant, Findings, bounds, disclosure};
use crate::conversation::Conversation;
use crate::decision::policy::reply_window_closed::ReplyWindow;
use crate::decision::{Action, Decision, DecisionInput};
use crate::judgement::Confidence;
use crate::store::suggestion::{Answer, Handoff, PublicDraft, Suggestion, Trace, TriedDraft, Usage};

impl Assistant {
    /// The suggestion as it is stored and answered.
    pub(super) fn suggestion(
        &self,
        asked: Asked<'_>,
        whole: &Conversation,
        found: Findings,
        input: &DecisionInput,
        decision: Decision,
        handoff: Option<Handoff>,
    ) -> Suggestion {
        let Asked { workspace, conversation, understood, .. } = asked;
        let id = self.parts.ids.id("sug_");
        let audit = match decision.action {
            Action::AutoReply => self.audit(&id, workspace, &found),
            Action::Draft | Action::Escalate => None,
        };
        let outcome = outcome_of(&found);
        let Findings { retrieved, judged, quote, timings, .. } = found;
        let calibration_key =
            judged.as_ref().map_or_else(|| self.key_under(asked.rules), |judged| judged.key.clone());
        let (threshold, lapsed) = judged.as_ref().map_or((None, None), |judged| bounds(judged.standing));
        let (draft, judgement) = judged.map(|judged| (judged.draft, judged.judgement)).unzip();
        let usage = draft.as_ref().map_or_else(Usage::none, Usage::of);
        let answered = draft.filter(|_| outcome == TriedDraft::Offered);
        let confidence = match (&answered, &judgement) {
            (Some(_), Some(judgement)) => judgement.confidence.clone(),
            _ => Confidence::default(),
        };
        let now = self.parts.clock.now();
        let handoff =
            handoff.map(|handoff| disclosure::introduced(handoff, conversation, understood.language, now));
        let drafts = answered
            .map(|draft| disclosure::disclosed(draft, conversation, decision.action, now))
            .map(|draft| self.parts.drafter.dressed(draft, conversation))
            .into_iter()
            .map(PublicDraft::from)
            .collect();
        let mode = asked.rollout.cap(asked.mode);
        let answer = Answer {
            id,
            mode,
            decision,
            drafts,
            confidence,
            policy: input.checks.clone(),
            handoff,
            reply_window: ReplyWindow::of(
                conversation,
                understood.language,
                self.parts.clock.now(),
                &self.parts.decision,
            ),
            usage,
            timings_ms: timings,
            trace_id: self.parts.ids.id(""),
        };
        Suggestion {
            answer,
            workspace: workspace.clone(),
            conversation: whole.clone(),
            mode,
            created_at: self.parts.clock.now(),
            trace: Trace {
                language: understood.language,
                query: understood.query.clone(),
                retrieved,
                judgement,
                calibration_key: calibration_key.to_string(),
                threshold,
                understanding: understood.understanding.clone(),
                rollout: asked.rollout.clone(),
                audit,
                policies: asked.rules.version().to_owned(),
                lapsed,
                quote,
                decided: Some(input.clone()),
            },
            feedback: None,
        }
    }
}
