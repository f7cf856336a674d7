//! Stored conversations through another configuration: what would have been decided, beside what was.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decision::{Action, ReasonCode};
use crate::store::suggestion::Suggestion;

/// What a replay shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Replay {
    /// Suggestions that were replayed.
    pub replayed: usize,
    /// Those that came out the same.
    pub same: usize,
    /// How often each action became which, by `before → after`.
    pub actions: BTreeMap<String, usize>,
    /// Those that came out otherwise, oldest first.
    pub changes: Vec<Change>,
}

/// A suggestion that came out otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Id of the stored suggestion.
    pub id: String,
    /// The hub's id of the conversation.
    pub conversation_id: String,
    /// What was asked.
    pub question: String,
    /// What is otherwise: `action`, `reasons`, `draft`.
    pub changed: Vec<&'static str>,
    /// As it is stored.
    pub before: Side,
    /// As it would have been.
    pub after: Side,
}

/// One outcome.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// What was done.
    pub action: Action,
    /// Why.
    pub reasons: Vec<ReasonCode>,
    /// How sure.
    pub confidence: f64,
    /// The first draft.
    pub draft: Option<String>,
    /// Titles of the passages it cites.
    pub cites: Vec<String>,
}

impl Side {
    fn of(suggestion: &Suggestion) -> Self {
        let answer = &suggestion.answer;
        let draft = answer.drafts.first();
        Self {
            action: answer.decision.action,
            reasons: answer.decision.reasons.iter().map(|reason| reason.code).collect(),
            confidence: answer.confidence.value,
            draft: draft.map(|draft| draft.text.clone()),
            cites: draft.map_or_else(Vec::new, |draft| {
                draft.citations.iter().map(|citation| citation.title.clone()).collect()
            }),
        }
    }
}

impl Replay {
    /// Adds a suggestion as it is stored, and as it came out again.
    pub fn add(&mut self, stored: &Suggestion, again: &Suggestion) {
        let (before, after) = (Side::of(stored), Side::of(again));
        self.replayed += 1;
        *self.actions.entry(format!("{} → {}", word(before.action), word(after.action))).or_default() += 1;
        let differences = [
            ("action", before.action != after.action),
            ("reasons", before.reasons != after.reasons),
            ("draft", before.draft != after.draft),
        ];
        let changed: Vec<&str> =
            differences.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
        if changed.is_empty() {
            self.same += 1;
            return;
        }
        self.changes.push(Change {
            id: stored.answer.id.clone(),
            conversation_id: stored.conversation.id.clone(),
            question: stored.conversation.pending_question(),
            changed,
            before,
            after,
        });
    }
}

/// The name of an action or a reason on the wire.
pub fn word(value: impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
pub(in crate::eval) mod tests {
    use super::*;
    use crate::conversation::{Channel, Conversation, Message, Role, WorkspaceId};
    use crate::decision::rollout::Allowed;
    use crate::decision::{Decision, Mode, Reason};
    use crate::judgement::Confidence;
    use crate::store::suggestion::{Answer, Timings, Trace, Usage};
    use crate::understanding::Understanding;

    pub(in crate::eval) fn suggestion(id: &str, action: Action, codes: &[ReasonCode]) -> Suggestion {
        let reasons = codes
            .iter()
            .map(|code| Reason { code: *code, detail: "d".into(), evidence: Vec::new() })
            .collect();
        Suggestion {
            answer: Answer {
                id: id.into(),
                mode: Mode::Auto,
                decision: Decision { action, reasons },
                drafts: Vec::new(),
                confidence: Confidence::default(),
                policy: Vec::new(),
                handoff: None,
                reply_window: None,
                usage: Usage::none(),
                timings_ms: Timings::default(),
                trace_id: String::new(),
            },
            workspace: WorkspaceId("w".into()),
            conversation: Conversation::new(
                "c",
                Channel::Api,
                vec![Message { id: "m".into(), role: Role::Customer, text: "where?".into(), at: None }],
            ),
            mode: Mode::Auto,
            created_at: chrono::DateTime::UNIX_EPOCH,
            trace: Trace {
                language: None,
                query: String::new(),
                retrieved: Vec::new(),
                judgement: None,
                calibration_key: String::new(),
                threshold: None,
                understanding: Understanding::default(),
                rollout: Allowed::default(),
                audit: None,
                policies: String::new(),
                lapsed: None,
                quote: None,
                decided: None,
            },
            feedback: None,
        }
    }

    #[test]
    fn only_what_came_out_otherwise_is_shown() {
        let stored = suggestion("a", Action::Draft, &[ReasonCode::NotCertified]);
        let mut replay = Replay::default();
        replay.add(&stored, &suggestion("x", Action::Draft, &[ReasonCode::NotCertified]));
        replay.add(&stored, &suggestion("y", Action::Escalate, &[ReasonCode::NothingRelevant]));
        assert_eq!((replay.replayed, replay.same), (2, 1));
        assert_eq!(replay.actions["draft → escalate"], 1);
        assert_eq!(
            (replay.changes[0].id.as_str(), &replay.changes[0].changed[..]),
            ("a", &["action", "reasons"][..])
        );
        assert_eq!(replay.changes[0].question, "where?");
    }
}
